/*
 * dao_page: lists, in pages (kong/api/endpoints.lua, kong/db/strategies/postgres/init.lua).
 *
 * Order is the id's; the offset of the next page is the last id of this one, so that rows which come and
 * go between two pages neither repeat nor hide others.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/dao/dao_priv.h"
#include "core/base64.h"
#include "core/utf8.h"

enum { SIZE_STANDARD = 100, SIZE_MAX_ROWS = 1000, TAGS_MAX = 5, OFFSET_BYTES_MAX = 1024 };

/* --- the query ----------------------------------------------------------------------------- */

static int read_size(const char *text, size_t *ret, struct kong_error *error)
{
    double size;
    char *end;

    if (!text) {
        *ret = SIZE_STANDARD;
        return 0;
    }
    size = strtod(text, &end); /* as Lua's tonumber: hexadecimal and exponents too */
    if (end == text || *end != '\0')
        return kong_error_invalid_size(error, "size must be a number");
    if (!(size >= 1 && size <= SIZE_MAX_ROWS) || size != floor(size))
        return kong_error_invalid_size(error, "size must be an integer between 1 and 1000");
    *ret = (size_t)size;
    return 0;
}

struct tags {
    struct slice items[TAGS_MAX];
    size_t count;
    bool any; /* "a/b"; else all of them */
};

static int fail_tags(struct kong_error *error, const char *why)
{
    json_t *options = json_pack("{ss}", "tags", why);

    return options ? kong_error_invalid_options(error, options) : -ENOMEM;
}

/* Printable ASCII but the two separators, or a character beyond ASCII. */
static bool is_tag(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return false;
    return text.len > 0 && utf8_is_valid(text);
}

static int read_tags(const struct dao_page_request *request, struct tags *ret,
                     struct kong_error *error)
{
    const char *at = request->tags;
    char separator = ',';

    if (!request->has_tags)
        return 0;
    if (!at || !*at)
        return fail_tags(error, "cannot be null");
    if (strchr(at, '/')) {
        if (strchr(at, ','))
            return fail_tags(error, "invalid filter syntax");
        separator = '/';
        ret->any = true;
    }
    for (const char *end; at; at = end ? end + 1 : NULL) {
        struct slice tag;
        end = strchr(at, separator);
        tag = (struct slice){ at, end ? (size_t)(end - at) : strlen(at) };
        if (!is_tag(tag))
            return fail_tags(error, "invalid filter syntax");
        if (ret->count == TAGS_MAX)
            return fail_tags(error, "cannot query more than 5 tags");
        ret->items[ret->count++] = tag;
    }
    return 0;
}

/* ["<id>"] in base64 without padding. The id is not looked up: it may be gone. */
static int read_offset(const char *text, char ret[UUID_TEXT_BYTES + 1], struct kong_error *error)
{
    unsigned char bytes[OFFSET_BYTES_MAX];
    json_t *list;
    const char *id;
    long length;

    if (strlen(text) > OFFSET_BYTES_MAX)
        return kong_error_invalid_offset(error, text, "bad base64 encoding");
    length = base64_decode(slice_of(text), false, bytes);
    if (length < 0)
        return kong_error_invalid_offset(error, text, "bad base64 encoding");
    list = json_loadb((char *)bytes, (size_t)length, 0, NULL);
    id = json_string_value(json_array_get(list, 0));
    if (!id || !entity_id_is_valid(id)) {
        json_decref(list);
        return kong_error_invalid_offset(error, text, "bad json encoding");
    }
    dao_lower_id(id, ret);
    json_decref(list);
    return 0;
}

/* malloc'ed; NULL: no memory. */
static char *write_offset(const char *id)
{
    char text[UUID_TEXT_BYTES + sizeof("[\"\"]")], *offset;
    int length = snprintf(text, sizeof(text), "[\"%s\"]", id);
    size_t encoded = base64_length((size_t)length);

    offset = malloc(encoded + 1);
    if (!offset)
        return NULL;
    base64_encode((unsigned char *)text, (size_t)length, offset);
    while (encoded > 0 && offset[encoded - 1] == '=')
        encoded--;
    offset[encoded] = '\0';
    return offset;
}

/* --- walking ------------------------------------------------------------------------------- */

struct cursor {
    struct dao_key key; /* its first prefix_length bytes are those of all its nodes */
    size_t prefix_length;
    struct dao_node *node;
};

struct walk {
    const struct dao *dao;
    struct cursor cursors[TAGS_MAX];
    size_t cursors_count;
    const struct tags *all; /* tags that a row must have besides; or NULL */
};

static void cursor_stop_at_end(struct cursor *cursor)
{
    struct slice prefix = { cursor->key.bytes, cursor->prefix_length };

    if (cursor->node && !slice_starts_with(cursor->node->key, prefix))
        cursor->node = NULL;
}

/* after: id of the row before the first, or NULL. 0 or -ENOMEM. */
static int add_cursor(struct walk *walk, const struct dao_field_index *index, struct slice prefix,
                      const char *after)
{
    struct cursor *cursor = &walk->cursors[walk->cursors_count++];
    struct slice key;
    int r = prefix.len > 0 ? dao_key_add(&cursor->key, prefix.ptr, prefix.len) : 0;

    if (r == 0 && prefix.len > 0)
        r = dao_key_add(&cursor->key, "", 1);
    cursor->prefix_length = cursor->key.length;
    if (r == 0 && after)
        r = dao_key_add_text(&cursor->key, after);
    if (r < 0)
        return r;
    key = (struct slice){ cursor->key.bytes, cursor->key.length };
    cursor->node = after ? dao_index_after(&index->index, key) : dao_index_from(&index->index, key);
    cursor_stop_at_end(cursor);
    return 0;
}

static bool has_tag(const struct dao_row *row, struct slice tag)
{
    json_t *item;
    size_t i;

    json_array_foreach(json_object_get(row->value, "tags"), i,
                       item) if (slice_equal(slice_of(json_string_value(item)), tag)) return true;
    return false;
}

static bool is_wanted(const struct walk *walk, const struct dao_row *row)
{
    for (size_t i = 0; walk->all && i < walk->all->count; i++)
        if (!has_tag(row, walk->all->items[i]))
            return false;
    return !dao_row_is_gone(walk->dao, row);
}

/* The smallest id under any cursor; all that stand on it move on. NULL: the end. */
static struct dao_row *walk_next_any(struct walk *walk)
{
    struct dao_row *first = NULL;

    for (size_t i = 0; i < walk->cursors_count; i++) {
        struct dao_node *node = walk->cursors[i].node;
        if (node && (!first || strcmp(node->row->id, first->id) < 0))
            first = node->row;
    }
    for (size_t i = 0; first && i < walk->cursors_count; i++) {
        struct cursor *cursor = &walk->cursors[i];
        if (!cursor->node || cursor->node->row != first)
            continue;
        cursor->node = dao_node_next(cursor->node);
        cursor_stop_at_end(cursor);
    }
    return first;
}

static struct dao_row *walk_next(struct walk *walk)
{
    struct dao_row *row;

    do {
        row = walk_next_any(walk);
    } while (row && !is_wanted(walk, row));
    return row;
}

/* tags: what chooses; count 0: nothing does. */
static int walk_begin(struct walk *walk, const struct dao_page_request *request,
                      const struct tags *tags, const char *after)
{
    const struct dao_table *table = dao_table_of(walk->dao, request->entity);
    const struct dao_field_index *by_tag = dao_table_index(table, DAO_INDEX_TAG, NULL);
    int r = 0;

    if (request->foreign_id)
        return add_cursor(walk, dao_table_index(table, DAO_INDEX_REFERENCE, request->foreign_field),
                          slice_of(request->foreign_id), after);
    if (tags->count == 0 || !by_tag)
        return add_cursor(walk, &table->indexes[0], (struct slice){ 0 }, after);
    walk->all = tags->any ? NULL : tags;
    for (size_t i = 0; r == 0 && i < (tags->any ? tags->count : 1); i++)
        r = add_cursor(walk, by_tag, tags->items[i], after);
    return r;
}

static void walk_done(struct walk *walk)
{
    for (size_t i = 0; i < walk->cursors_count; i++)
        dao_key_done(&walk->cursors[i].key);
}

/* --- pages --------------------------------------------------------------------------------- */

struct filling {
    struct dao_page *page;
    size_t size;  /* rows at most */
    size_t bytes; /* of those that are in it, about */
};

/* About as many bytes as its JSON has. */
static size_t weight_of(const json_t *value)
{
    size_t weight = json_is_string(value) ? json_string_length(value) + 3 : 8, i;
    json_t *member;
    const char *key;

    json_array_foreach(value, i, member)
    {
        weight += weight_of(member);
    }
    json_object_foreach((json_t *)value, key, member)
    {
        weight += strlen(key) + 4 + weight_of(member);
    }
    return weight;
}

/* One row is always taken, so that a client gets on. False: it is the next page's. */
static bool takes(struct filling *filling, const struct dao_row *row)
{
    size_t count = json_array_size(filling->page->data);

    if (count == filling->size)
        return false;
    filling->bytes += weight_of(row->value);
    return count == 0 || filling->bytes <= DAO_PAGE_BYTES_MAX;
}

static int add_row(const struct dao *dao, const struct dao_row *row, struct dao_page *page)
{
    return json_array_append_new(page->data, dao_row_json(dao, row)) < 0 ? -ENOMEM : 0;
}

static int fill_page(struct walk *walk, size_t size, struct dao_page *page)
{
    struct filling filling = { .page = page, .size = size };
    const struct dao_row *row = NULL, *last = NULL;
    int r = 0;

    while (r == 0 && (row = walk_next(walk)) && takes(&filling, row)) {
        r = add_row(walk->dao, row, page);
        last = row;
    }
    if (r < 0 || !row)
        return r;
    page->offset = write_offset(last->id);
    return page->offset ? 0 : -ENOMEM;
}

/* ---- newest first ---- */

static double created_at(const struct dao_row *row)
{
    return json_number_value(json_object_get(row->value, "created_at"));
}

static int compare_newest(const void *a, const void *b)
{
    const struct dao_row *one = *(struct dao_row *const *)a, *other = *(struct dao_row *const *)b;
    double difference = created_at(other) - created_at(one);

    return difference != 0 ? (difference > 0) - (difference < 0) : strcmp(other->id, one->id);
}

static int read_number(const char *text, size_t *ret, struct kong_error *error)
{
    char *end = NULL;
    unsigned long long number = text ? strtoull(text, &end, 10) : 0;

    if (text && (end == text || *end != '\0' || *text == '-' || number > UINT32_MAX))
        return kong_error_invalid_offset(error, text, "it must be a number");
    *ret = (size_t)number;
    return 0;
}

/* malloc'ed; NULL: no memory. */
static struct dao_row **all_rows(struct walk *walk, size_t *ret_count)
{
    struct dao_row **rows = NULL, *row;
    size_t count = 0, capacity = 0;

    do {
        row = walk_next(walk);
        if (count == capacity) {
            struct dao_row **grown;
            capacity = capacity ? capacity * 2 : 64;
            grown = reallocarray(rows, capacity, sizeof(struct dao_row *));
            if (!grown) {
                free(rows);
                return NULL;
            }
            rows = grown;
        }
        rows[count++] = row;
    } while (row);
    *ret_count = count - 1; /* not the NULL */
    return rows;
}

static int fill_newest(struct walk *walk, size_t skipped, size_t size, struct dao_page *page)
{
    struct filling filling = { .page = page, .size = size };
    size_t count, i = skipped;
    struct dao_row **rows = all_rows(walk, &count);
    int r = rows ? 0 : -ENOMEM;

    if (rows)
        qsort(rows, count, sizeof(*rows), compare_newest);
    for (; r == 0 && i < count && takes(&filling, rows[i]); i++)
        r = add_row(walk->dao, rows[i], page);
    if (r == 0 && i < count && asprintf(&page->offset, "%zu", i) < 0) {
        page->offset = NULL;
        r = -ENOMEM;
    }
    free(rows);
    return r;
}

int dao_page(const struct dao *dao, const struct dao_page_request *request, struct dao_page *ret,
             struct kong_error *error)
{
    struct walk walk = { .dao = dao };
    struct dao_page page = { 0 };
    struct tags tags = { .count = 0 };
    char after[UUID_TEXT_BYTES + 1];
    bool has_after = request->offset && !request->newest_first;
    size_t size = 0, skipped = 0;
    int r = read_size(request->size, &size, error);

    if (r == 0)
        r = read_tags(request, &tags, error);
    if (r == 0 && request->newest_first)
        r = read_number(request->offset, &skipped, error);
    if (r == 0 && has_after)
        r = read_offset(request->offset, after, error);
    if (r < 0)
        return r;
    page.data = json_array();
    r = page.data ? walk_begin(&walk, request, &tags, has_after ? after : NULL) : -ENOMEM;
    if (r == 0)
        r = request->newest_first ? fill_newest(&walk, skipped, size, &page)
                                  : fill_page(&walk, size, &page);
    walk_done(&walk);
    if (r < 0)
        dao_page_done(&page);
    else
        *ret = page;
    return r;
}

void dao_page_done(struct dao_page *page)
{
    json_decref(page->data);
    free(page->offset);
    *page = (struct dao_page){ 0 };
}

/* --- tags ---------------------------------------------------------------------------------- */

static int add_tag(json_t *list, const struct dao_node *node)
{
    const struct dao_row *row = node->row;

    return json_array_append_new(list, json_pack("{sssssO}", "tag", node->key.ptr, "entity_name",
                                                 row->table->entity->name, "entity_id",
                                                 json_object_get(row->value, "id"))) < 0
               ? -ENOMEM
               : 0;
}

json_t *dao_tags(const struct dao *dao, const char *tag)
{
    struct slice prefix = { tag, tag ? strlen(tag) + 1 : 0 };
    json_t *list = json_array();
    int r = list ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < dao->tables.count; i++) {
        const struct dao_field_index *index =
            dao_table_index(&dao->tables.items[i], DAO_INDEX_TAG, NULL);
        struct dao_node *node = index ? dao_index_from(&index->index, prefix) : NULL;
        for (; r == 0 && node && slice_starts_with(node->key, prefix); node = dao_node_next(node))
            if (!dao_row_is_gone(dao, node->row))
                r = add_tag(list, node);
    }
    if (r == 0)
        return list;
    json_decref(list);
    return NULL;
}

/* --- values -------------------------------------------------------------------------------- */

json_t *dao_distinct(const struct dao *dao, const struct model_entity *entity, const char *field)
{
    const struct dao_table *table = dao_table_of(dao, entity);
    struct dao_node *node = dao_index_first(&table->indexes[0].index);
    json_t *seen = json_object(), *list = json_array();
    int r = seen && list ? 0 : -ENOMEM;

    for (; r == 0 && node; node = dao_node_next(node)) {
        json_t *value = json_object_get(node->row->value, field);
        const char *text = json_string_value(value);
        if (!text || json_object_get(seen, text) || dao_row_is_gone(dao, node->row))
            continue;
        if (json_object_set(seen, text, value) < 0 || json_array_append(list, value) < 0)
            r = -ENOMEM;
    }
    json_decref(seen);
    if (r == 0)
        return list;
    json_decref(list);
    return NULL;
}
