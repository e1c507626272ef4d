#include "core/http/fields.h"

#include <assert.h>
#include <errno.h>

#include "core/http/http_chars.h"

enum { FIELDS_CAPACITY_FIRST = 16 };

static const struct slice id_names[FIELD_ID_COUNT] = {
    [FIELD_OTHER] = { "", 0 },
#define FIELD_ID(id, name) [FIELD_##id] = { name, sizeof(name) - 1 },
#include "core/http/fields.def"
#undef FIELD_ID
};

/*
 * Open addressing, at most a quarter full: a name that is not known mostly meets an empty slot at
 * once. Filled before main() runs and only read afterwards, hence shared by all threads.
 */
enum { ID_SLOTS = 256 };
static uint8_t id_slots[ID_SLOTS];
_Static_assert(FIELD_ID_COUNT <= ID_SLOTS / 2, "the table of known names needs more slots");

/* Length and three letters tell the known names apart; 0x20 folds the case of letters. */
static unsigned id_hash(struct slice name)
{
    unsigned first = (unsigned char)name.ptr[0] | 0x20u;
    unsigned middle = (unsigned char)name.ptr[name.len / 2] | 0x20u;
    unsigned last = (unsigned char)name.ptr[name.len - 1] | 0x20u;

    return ((unsigned)name.len * 31 + first * 7 + middle * 13 + last * 3) % ID_SLOTS;
}

__attribute__((constructor)) static void fill_id_slots(void)
{
    for (unsigned id = FIELD_OTHER + 1; id < FIELD_ID_COUNT; id++) {
        unsigned slot = id_hash(id_names[id]);

        while (id_slots[slot] != FIELD_OTHER)
            slot = (slot + 1) % ID_SLOTS;
        id_slots[slot] = (uint8_t)id;
    }
}

enum field_id field_id_of(struct slice name)
{
    if (name.len == 0)
        return FIELD_OTHER;
    for (unsigned slot = id_hash(name); id_slots[slot] != FIELD_OTHER; slot = (slot + 1) % ID_SLOTS)
        if (slice_equal_nocase(name, id_names[id_slots[slot]]))
            return (enum field_id)id_slots[slot];
    return FIELD_OTHER;
}

struct slice field_id_name(enum field_id id)
{
    assert(id < FIELD_ID_COUNT);
    return id_names[id];
}

void fields_init(struct fields *fields, struct arena *arena)
{
    *fields = (struct fields){ .arena = arena };
}

/* The old array stays in the arena until the exchange ends: at most as much again. */
static int fields_grow(struct fields *fields)
{
    uint32_t capacity = fields->capacity ? fields->capacity * 2 : FIELDS_CAPACITY_FIRST;
    struct field *items = arena_alloc(fields->arena, capacity * sizeof(*items));

    if (!items)
        return -ENOMEM;
    if (fields->count > 0)
        memcpy(items, fields->items, fields->count * sizeof(*items));
    fields->items = items;
    fields->capacity = capacity;
    return 0;
}

int fields_add_known(struct fields *fields, enum field_id id, struct slice name, struct slice value)
{
    if (fields->count == fields->capacity) {
        int r = fields_grow(fields);

        if (r < 0)
            return r;
    }
    fields->items[fields->count++] =
        (struct field){ .name = name, .value = value, .id = (uint8_t)id };
    return 0;
}

int fields_add(struct fields *fields, struct slice name, struct slice value)
{
    return fields_add_known(fields, field_id_of(name), name, value);
}

const struct field *fields_find(const struct fields *fields, enum field_id id)
{
    for (uint32_t i = 0; i < fields->count; i++)
        if (fields->items[i].id == id)
            return &fields->items[i];
    return NULL;
}

const struct field *fields_find_name(const struct fields *fields, struct slice name)
{
    for (uint32_t i = 0; i < fields->count; i++)
        if (slice_equal_nocase(fields->items[i].name, name))
            return &fields->items[i];
    return NULL;
}

size_t fields_remove(struct fields *fields, enum field_id id)
{
    uint32_t kept = 0;
    size_t removed;

    for (uint32_t i = 0; i < fields->count; i++)
        if (fields->items[i].id != id)
            fields->items[kept++] = fields->items[i];
    removed = fields->count - kept;
    fields->count = kept;
    return removed;
}

size_t fields_remove_name(struct fields *fields, struct slice name)
{
    uint32_t kept = 0;
    size_t removed;

    for (uint32_t i = 0; i < fields->count; i++)
        if (!slice_equal_nocase(fields->items[i].name, name))
            fields->items[kept++] = fields->items[i];
    removed = fields->count - kept;
    fields->count = kept;
    return removed;
}

bool field_list_next(struct slice *rest, struct slice *ret_token)
{
    while (rest->len > 0) {
        const char *comma = memchr(rest->ptr, ',', rest->len);
        size_t length = comma ? (size_t)(comma - rest->ptr) : rest->len;
        struct slice token = http_trim((struct slice){ rest->ptr, length });

        *rest = slice_from(*rest, comma ? length + 1 : length);
        if (token.len > 0) {
            *ret_token = token;
            return true;
        }
    }
    return false;
}

bool fields_list_has(const struct fields *fields, enum field_id id, struct slice token)
{
    for (uint32_t i = 0; i < fields->count; i++) {
        struct slice rest = fields->items[i].value, element;

        if (fields->items[i].id != id)
            continue;
        while (field_list_next(&rest, &element))
            if (slice_equal_nocase(element, token))
                return true;
    }
    return false;
}
