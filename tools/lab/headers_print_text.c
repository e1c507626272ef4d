/* headers_print_text: the report for people, at most 100 columns wide. */
#include <stdlib.h>
#include <string.h>

#include "tools/cli/wrapped.h"
#include "tools/lab/headers_print.h"
#include "tools/probe/result.h"

enum { COLUMNS = WRAPPED_COLUMNS, NAME_COLUMNS = 26, WORDS_COLUMNS = 18 };
enum { VALUES_COLUMNS = COLUMNS - 2 - NAME_COLUMNS - 1 - WORDS_COLUMNS - 1 };

/* At most so many columns of it; "..." says that it was cut. */
static void print_cut(struct slice text, size_t columns, FILE *stream)
{
    char *shown = probe_escape(text.ptr, text.len);
    size_t length = shown ? strlen(shown) : 0;

    if (length <= columns)
        (void)fprintf(stream, "%s", shown ? shown : "");
    else
        (void)fprintf(stream, "%.*s...", (int)columns - 3, shown);
    free(shown);
}

static size_t columns_of(struct slice text)
{
    char *shown = probe_escape(text.ptr, text.len);
    size_t length = shown ? strlen(shown) : 0;

    free(shown);
    return length;
}

/* ---- a ledger ------------------------------------------------------------------------------ */

static void print_name(struct slice name, FILE *stream)
{
    size_t columns = columns_of(name);

    (void)fputs("  ", stream);
    print_cut(name, NAME_COLUMNS, stream);
    for (; columns < NAME_COLUMNS; columns++)
        (void)fputc(' ', stream);
}

static void print_entry(struct headers_report *report, const struct ledger_entry *entry,
                        FILE *stream)
{
    struct slice before = headers_shown_value(report, entry->name, entry->before);
    struct slice after = headers_shown_value(report, entry->name, entry->after);
    size_t room = VALUES_COLUMNS;
    char words[64];

    headers_entry_words(entry, words, sizeof(words));
    if (strlen(words) > WORDS_COLUMNS)
        room -= strlen(words) - WORDS_COLUMNS;
    print_name(entry->name, stream);
    (void)fprintf(stream, " %-*s ", WORDS_COLUMNS, words);
    if (entry->change == LEDGER_ADDED || entry->change == LEDGER_KEPT) {
        print_cut(after, room, stream);
    } else if (entry->change == LEDGER_DROPPED) {
        print_cut(before, room, stream);
    } else if (columns_of(before) + 4 + columns_of(after) <= room) {
        print_cut(before, VALUES_COLUMNS, stream);
        (void)fputs(" -> ", stream);
        print_cut(after, VALUES_COLUMNS, stream);
    } else {
        print_cut(before, room, stream);
        (void)fprintf(stream, "\n%*s-> ", COLUMNS - VALUES_COLUMNS - 3, "");
        print_cut(after, VALUES_COLUMNS, stream);
    }
    (void)fputc('\n', stream);
}

static void print_line(struct headers_report *report, const char *what,
                       const struct headers_message *message, FILE *stream)
{
    (void)fprintf(stream, "  %s ", what);
    print_cut(headers_shown_line(report, message->line), COLUMNS - 12, stream);
    (void)fputc('\n', stream);
}

static void print_leg(struct headers_report *report, const struct headers_place *place,
                      enum headers_direction direction, FILE *stream)
{
    const struct headers_leg *leg = &place->legs[direction];
    bool is_first = true;

    if (!leg->before.exists && !leg->after.exists) {
        if (direction == HEADERS_RESPONSE && place->legs[HEADERS_REQUEST].before.exists)
            (void)fprintf(stream, "\n%s, response: none\n", place->name);
        return;
    }
    (void)fprintf(stream, "\n%s, %s", place->name, headers_direction_name(direction));
    if (leg->before.exists && !leg->after.exists)
        (void)fputs(direction == HEADERS_REQUEST ? ": was not sent on" : ": was not passed on",
                    stream);
    else if (!leg->before.exists)
        (void)fputs(place->is_whole_way ? ": the origin made none, a hop did"
                                        : ": made by this hop",
                    stream);
    (void)fputc('\n', stream);
    if (leg->before.exists && leg->after.exists &&
        !slice_equal(leg->before.line, leg->after.line)) {
        print_line(report, "from", &leg->before, stream);
        print_line(report, "to  ", &leg->after, stream);
    } else {
        print_line(report, "line", leg->after.exists ? &leg->after : &leg->before, stream);
    }
    for (size_t i = 0; i < leg->ledger.count; i++) {
        if (!report->shows_all && !headers_entry_is_change(&leg->ledger.entries[i]))
            continue;
        print_entry(report, &leg->ledger.entries[i], stream);
        is_first = false;
    }
    if (is_first && leg->after.exists)
        (void)fputs("  every field kept\n", stream);
}

/* ---- expectations -------------------------------------------------------------------------- */

static void print_expect(struct headers_report *report, const struct headers_expect *expect,
                         FILE *stream)
{
    size_t unmet = headers_expect_unmet_count(expect);

    (void)fprintf(stream, "\nexpectations: %zu met, %zu not\n", expect->count - unmet, unmet);
    for (size_t i = 0; i < expect->count; i++) {
        char *text;

        if (expect->items[i].is_met)
            continue;
        text = headers_expect_tell(expect, &expect->items[i], report);
        wrapped_print(stream, 0, 2, text ? text : "out of memory");
        free(text);
    }
}

void headers_print_text(struct headers_report *report, const struct headers_expect *expect,
                        FILE *stream)
{
    char *summary = headers_report_summary(report);

    wrapped_print(stream, 0, 2, summary ? summary : "out of memory");
    free(summary);
    for (int direction = 0; direction < HEADERS_DIRECTIONS; direction++)
        for (size_t i = 0; i < report->count; i++) {
            /* a response meets the hops from the other end */
            const struct headers_place *place =
                &report->places[direction == HEADERS_REQUEST || i + 1 == report->count
                                    ? i
                                    : report->count - 2 - i];

            /* of one hop all has been said */
            if (headers_place_is_wanted(report, place) &&
                (!place->is_whole_way || report->count != 2))
                print_leg(report, place, (enum headers_direction)direction, stream);
        }
    if (expect)
        print_expect(report, expect, stream);
}
