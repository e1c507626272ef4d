#include "tools/lab/headers_expect.h"

#include <stdlib.h>
#include <string.h>

#include "tools/probe/result.h"

/* ---- comparing ----------------------------------------------------------------------------- */

static const struct headers_place *place_of(const struct headers_expectation *item,
                                            const struct headers_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct headers_place *place = &report->places[i];

        if (item->hop ? !place->is_whole_way && strcmp(place->name, item->hop) == 0
                      : place->is_whole_way)
            return place;
    }
    return NULL;
}

static const struct ledger_entry *entry_of(const struct headers_place *place,
                                           enum headers_direction direction, const char *field)
{
    const struct ledger *ledger = &place->legs[direction].ledger;

    for (size_t i = 0; i < ledger->count; i++)
        if (slice_equal_nocase(ledger->entries[i].name, slice_of(field)))
            return &ledger->entries[i];
    return NULL;
}

static unsigned flags_of(const struct ledger_entry *entry)
{
    return 1u << entry->change | (entry->recased ? HEADERS_EXPECT_RECASED : 0u) |
           (entry->moved ? HEADERS_EXPECT_MOVED : 0u);
}

static bool field_is_met(const struct headers_expectation *item, const struct ledger_entry *entry)
{
    bool is_there = entry && entry->change != LEDGER_DROPPED;

    if (item->absent)
        return !is_there;
    if (item->is && (!entry || !(flags_of(entry) & item->is)))
        return false;
    return !item->value || (is_there && slice_equal(entry->after, slice_of(item->value)));
}

static bool is_named(const struct headers_expect *expect, const struct headers_expectation *rest,
                     struct slice field)
{
    for (size_t i = 0; i < expect->count; i++) {
        const struct headers_expectation *item = &expect->items[i];
        bool same_hop = item->hop ? rest->hop && strcmp(item->hop, rest->hop) == 0 : !rest->hop;

        if (item->field && same_hop && item->direction == rest->direction &&
            slice_equal_nocase(slice_of(item->field), field))
            return true;
    }
    return false;
}

/* The next change that nothing was said of, from *at on; NULL: none. */
static const struct ledger_entry *next_stray(const struct headers_expect *expect,
                                             const struct headers_expectation *item,
                                             const struct headers_place *place, size_t *at)
{
    const struct ledger *ledger = &place->legs[item->direction].ledger;

    while (*at < ledger->count) {
        const struct ledger_entry *entry = &ledger->entries[(*at)++];

        if (headers_entry_is_change(entry) && !is_named(expect, item, entry->name))
            return entry;
    }
    return NULL;
}

const struct headers_expectation *headers_expect_stray(const struct headers_expect *expect,
                                                       const struct headers_report *report)
{
    for (size_t i = 0; i < expect->count; i++)
        if (!place_of(&expect->items[i], report))
            return &expect->items[i];
    return NULL;
}

void headers_expect_compare(struct headers_expect *expect, const struct headers_report *report)
{
    for (size_t i = 0; i < expect->count; i++) {
        struct headers_expectation *item = &expect->items[i];
        const struct headers_place *place = place_of(item, report);
        size_t at = 0;

        /* of a message that was not there nothing is as expected */
        item->is_met =
            place && place->legs[item->direction].after.exists &&
            (item->field ? field_is_met(item, entry_of(place, item->direction, item->field))
                         : !next_stray(expect, item, place, &at));
    }
}

size_t headers_expect_unmet_count(const struct headers_expect *expect)
{
    size_t count = 0;

    for (size_t i = 0; i < expect->count; i++)
        count += !expect->items[i].is_met;
    return count;
}

/* ---- telling ------------------------------------------------------------------------------- */

static void print_escaped(struct slice text, FILE *stream)
{
    char *shown = probe_escape(text.ptr, text.len);

    (void)fputs(shown ? shown : "", stream);
    free(shown);
}

static void print_value(struct headers_report *report, const struct ledger_entry *entry,
                        struct slice value, FILE *stream)
{
    (void)fputc('"', stream);
    print_escaped(headers_shown_value(report, entry->name, value), stream);
    (void)fputc('"', stream);
}

static void print_seen(struct headers_report *report, const struct ledger_entry *entry,
                       FILE *stream)
{
    char words[64];

    if (!entry) {
        (void)fputs("absent, before and after", stream);
        return;
    }
    headers_entry_words(entry, words, sizeof(words));
    (void)fprintf(stream, "%s", words);
    if (entry->change != LEDGER_ADDED) {
        (void)fputc(' ', stream);
        print_value(report, entry, entry->before, stream);
    }
    if (entry->change != LEDGER_DROPPED && entry->change != LEDGER_KEPT) {
        (void)fputs(entry->change == LEDGER_ADDED ? " " : " -> ", stream);
        print_value(report, entry, entry->after, stream);
    }
}

static void print_wish(struct headers_report *report, const struct headers_expectation *item,
                       FILE *stream)
{
    size_t said = 0;

    if (item->absent)
        (void)fputs("absent", stream);
    for (enum ledger_change i = 0; i < LEDGER_CHANGE_COUNT; i++)
        if (item->is & 1u << i)
            (void)fprintf(stream, "%s%s", said++ > 0 ? " or " : "", ledger_change_name(i));
    if (item->is & HEADERS_EXPECT_RECASED)
        (void)fprintf(stream, "%sre-cased", said++ > 0 ? " or " : "");
    if (item->is & HEADERS_EXPECT_MOVED)
        (void)fprintf(stream, "%smoved", said++ > 0 ? " or " : "");
    if (!item->value)
        return;
    (void)fputs(said > 0 ? " with the value \"" : "the value \"", stream);
    print_escaped(headers_shown_value(report, slice_of(item->field), slice_of(item->value)),
                  stream);
    (void)fputc('"', stream);
}

/* Where on the way it became so. */
static void print_where(struct headers_report *report, const struct headers_expectation *item,
                        FILE *stream)
{
    size_t said = 0;

    for (size_t i = 0; !item->hop && i < report->count; i++) {
        const struct headers_place *place = &report->places[i];
        const struct ledger_entry *entry =
            place->is_whole_way ? NULL : entry_of(place, item->direction, item->field);

        if (!entry || !headers_entry_is_change(entry))
            continue;
        (void)fprintf(stream, "%s%s: ", said++ > 0 ? "; " : "; by hop ", place->name);
        print_seen(report, entry, stream);
    }
}

static void print_strays(const struct headers_expect *expect,
                         const struct headers_expectation *item, struct headers_report *report,
                         const struct headers_place *place, FILE *stream)
{
    const struct ledger_entry *entry;
    size_t at = 0, said = 0;

    (void)fputs("nothing else was to change, but ", stream);
    while ((entry = next_stray(expect, item, place, &at))) {
        (void)fputs(said++ > 0 ? "; " : "", stream);
        print_escaped(entry->name, stream);
        (void)fputs(" is ", stream);
        print_seen(report, entry, stream);
    }
}

static void print_item(const struct headers_expect *expect, const struct headers_expectation *item,
                       struct headers_report *report, FILE *stream)
{
    const struct headers_place *place = place_of(item, report);

    (void)fprintf(stream, "%s:%u:%u: %s, %s%s: ", expect->file, item->line, item->column,
                  headers_direction_name(item->direction), item->hop ? "hop " : "end to end",
                  item->hop ? item->hop : "");
    if (!place || !place->legs[item->direction].after.exists) {
        (void)fputs("there was no such message to compare", stream);
        return;
    }
    if (!item->field) {
        print_strays(expect, item, report, place, stream);
        return;
    }
    print_escaped(slice_of(item->field), stream);
    (void)fputs(" is ", stream);
    print_seen(report, entry_of(place, item->direction, item->field), stream);
    (void)fputs(", expected ", stream);
    print_wish(report, item, stream);
    print_where(report, item, stream);
}

char *headers_expect_tell(const struct headers_expect *expect,
                          const struct headers_expectation *item, struct headers_report *report)
{
    char *text = NULL;
    size_t length;
    FILE *stream = open_memstream(&text, &length);

    if (!stream)
        return NULL;
    print_item(expect, item, report, stream);
    if (fclose(stream) == 0)
        return text;
    free(text);
    return NULL;
}

char *headers_expect_name(const struct headers_expectation *item)
{
    char *text = NULL;

    if (asprintf(&text, "%s, %s%s: %s", headers_direction_name(item->direction),
                 item->hop ? "hop " : "end to end", item->hop ? item->hop : "",
                 item->field ? item->field : "nothing else") < 0)
        return NULL;
    return text;
}
