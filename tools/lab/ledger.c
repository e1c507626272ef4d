#include "tools/lab/ledger.h"

#include <errno.h>
#include <string.h>

/* ---- lines of one name ---- */

/* The next line of that name from *at on; NULL: none. */
static const struct field *next_line(const struct fields *fields, struct slice name, uint32_t *at)
{
    while (*at < fields->count) {
        const struct field *field = &fields->items[(*at)++];

        if (slice_equal_nocase(field->name, name))
            return field;
    }
    return NULL;
}

static size_t lines_count(const struct fields *fields, struct slice name)
{
    size_t count = 0;
    uint32_t at = 0;

    while (next_line(fields, name, &at))
        count++;
    return count;
}

/* All values, with the separator between them. ptr NULL: no memory. */
static struct slice joined(const struct fields *fields, struct slice name, struct slice separator,
                           struct arena *arena)
{
    const struct field *line;
    size_t length = 0;
    uint32_t at = 0;
    char *text, *end;

    while ((line = next_line(fields, name, &at)))
        length += line->value.len + separator.len;
    text = end = arena_alloc(arena, length + 1);
    if (!text)
        return (struct slice){ NULL, 0 };
    for (at = 0; (line = next_line(fields, name, &at));) {
        if (end != text) {
            memcpy(end, separator.ptr, separator.len);
            end += separator.len;
        }
        if (line->value.len > 0)
            memcpy(end, line->value.ptr, line->value.len);
        end += line->value.len;
    }
    return (struct slice){ text, (size_t)(end - text) };
}

/* Are the lines of one, in their order, among those of the other? */
static bool lines_are_among(const struct fields *few, const struct fields *many, struct slice name)
{
    const struct field *wanted;
    uint32_t few_at = 0;
    uint32_t many_at = 0;

    while ((wanted = next_line(few, name, &few_at))) {
        const struct field *found;

        do {
            found = next_line(many, name, &many_at);
        } while (found && !slice_equal(found->value, wanted->value));
        if (!found)
            return false;
    }
    return true;
}

/* The same list, whatever stands between its elements: "a,b" and "a, b". */
static bool is_same_list(struct slice one, struct slice other)
{
    struct slice a, b;
    bool has_a, has_b;

    do {
        has_a = field_list_next(&one, &a);
        has_b = field_list_next(&other, &b);
    } while (has_a && has_b && slice_equal(a, b));
    return !has_a && !has_b;
}

/* What was there, a comma, and something more. */
static bool is_extended(struct slice before, struct slice after)
{
    return before.len > 0 && after.len > before.len + 1 && slice_starts_with(after, before) &&
           after.ptr[before.len] == ',';
}

/* ---- one name ---- */

static enum ledger_change change_of_lines(const struct fields *before, const struct fields *after,
                                          struct slice name, const struct ledger_entry *entry,
                                          struct arena *arena)
{
    size_t had = lines_count(before, name);
    size_t has = lines_count(after, name);
    struct slice had_list, has_list;

    if (had == 0 || has == 0)
        return had == 0 ? LEDGER_ADDED : LEDGER_DROPPED;
    if (had == has && slice_equal(entry->before, entry->after) &&
        lines_are_among(before, after, name))
        return LEDGER_KEPT;
    if (had < has && lines_are_among(before, after, name))
        return LEDGER_LINES_ADDED;
    if (had > has && lines_are_among(after, before, name))
        return LEDGER_LINES_LOST;
    had_list = joined(before, name, SLICE(", "), arena);
    has_list = joined(after, name, SLICE(", "), arena);
    if (had != has && is_same_list(had_list, has_list))
        return had > has ? LEDGER_MERGED : LEDGER_SPLIT;
    return has == 1 && is_extended(had_list, has_list) ? LEDGER_EXTENDED : LEDGER_CHANGED;
}

static bool is_recased(const struct fields *before, const struct fields *after, struct slice name)
{
    const struct field *was = fields_find_name(before, name);
    const struct field *is = fields_find_name(after, name);

    return was && is && !slice_equal(was->name, is->name);
}

static int add_entry(const struct fields *before, const struct fields *after, struct slice name,
                     struct arena *arena, struct ledger *ledger)
{
    struct ledger_entry *entry = &ledger->entries[ledger->count];

    *entry = (struct ledger_entry){ .name = name,
                                    .before = joined(before, name, SLICE(" | "), arena),
                                    .after = joined(after, name, SLICE(" | "), arena),
                                    .recased = is_recased(before, after, name) };
    if (!entry->before.ptr || !entry->after.ptr)
        return -ENOMEM;
    entry->change = change_of_lines(before, after, name, entry, arena);
    ledger->count++;
    return 0;
}

/* ---- order ---- */

/*
 * Which names changed their place: those outside a longest sequence that both sections have in the
 * same order. places[i]: where entry i stood before; those without one take no part.
 */
static void mark_moved(struct ledger *ledger, const uint32_t *places, uint32_t *lengths)
{
    uint32_t best = 0;
    uint32_t limit = UINT32_MAX;

    for (size_t i = 0; i < ledger->count; i++) {
        lengths[i] = places[i] == UINT32_MAX ? 0 : 1;
        for (size_t k = 0; lengths[i] > 0 && k < i; k++)
            if (lengths[k] > 0 && places[k] < places[i] && lengths[k] + 1 > lengths[i])
                lengths[i] = lengths[k] + 1;
        best = lengths[i] > best ? lengths[i] : best;
    }
    for (size_t i = ledger->count; i-- > 0;) {
        if (lengths[i] == 0)
            continue;
        if (lengths[i] == best && places[i] < limit) {
            limit = places[i];
            best--;
        } else {
            ledger->entries[i].moved = true;
        }
    }
}

static int find_moved(const struct fields *before, struct arena *arena, struct ledger *ledger)
{
    uint32_t *places = arena_alloc(arena, (ledger->count + 1) * sizeof(*places));
    uint32_t *lengths = arena_alloc(arena, (ledger->count + 1) * sizeof(*lengths));

    if (!places || !lengths)
        return -ENOMEM;
    for (size_t i = 0; i < ledger->count; i++) {
        enum ledger_change change = ledger->entries[i].change;
        const struct field *was = fields_find_name(before, ledger->entries[i].name);

        places[i] = was && change != LEDGER_DROPPED ? (uint32_t)(was - before->items) : UINT32_MAX;
    }
    mark_moved(ledger, places, lengths);
    return 0;
}

/* ---- all ---- */

static bool is_first_of_its_name(const struct fields *fields, uint32_t at)
{
    return fields_find_name(fields, fields->items[at].name) == &fields->items[at];
}

static int add_all(const struct fields *before, const struct fields *after, struct arena *arena,
                   struct ledger *ret)
{
    int r = 0;

    for (uint32_t i = 0; i < after->count && r == 0; i++)
        if (is_first_of_its_name(after, i))
            r = add_entry(before, after, after->items[i].name, arena, ret);
    for (uint32_t i = 0; i < before->count && r == 0; i++)
        if (is_first_of_its_name(before, i) && !fields_find_name(after, before->items[i].name))
            r = add_entry(before, after, before->items[i].name, arena, ret);
    return r;
}

int ledger_compare(const struct fields *before, const struct fields *after, struct arena *arena,
                   struct ledger *ret)
{
    int r;

    *ret =
        (struct ledger){ .entries = arena_alloc(arena, ((size_t)before->count + after->count + 1) *
                                                           sizeof(*ret->entries)) };
    if (!ret->entries)
        return -ENOMEM;
    r = add_all(before, after, arena, ret);
    if (r == 0)
        r = find_moved(before, arena, ret);
    for (size_t i = 0; r == 0 && i < ret->count; i++)
        if (ret->entries[i].change != LEDGER_KEPT || ret->entries[i].recased ||
            ret->entries[i].moved)
            ret->changes_count++;
    return r;
}

static const char *const change_names[] = {
    [LEDGER_KEPT] = "kept",
    [LEDGER_ADDED] = "added",
    [LEDGER_DROPPED] = "dropped",
    [LEDGER_CHANGED] = "changed",
    [LEDGER_EXTENDED] = "extended",
    [LEDGER_LINES_ADDED] = "lines-added",
    [LEDGER_LINES_LOST] = "lines-lost",
    [LEDGER_MERGED] = "merged",
    [LEDGER_SPLIT] = "split",
};

const char *ledger_change_name(enum ledger_change change)
{
    return change_names[change];
}

enum ledger_change ledger_change_of(struct slice name)
{
    for (enum ledger_change change = 0; change < LEDGER_CHANGE_COUNT; change++)
        if (slice_equal(name, slice_of(change_names[change])))
            return change;
    return LEDGER_CHANGE_COUNT;
}
