#include "tools/lab/headers_report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "proxy/report/secrets.h"

int headers_report_init(struct headers_report *report)
{
    *report = (struct headers_report){ .pool = chunk_pool_create(0) };
    if (!report->pool)
        return -ENOMEM;
    arena_init(&report->arena, report->pool, 0);
    /* digests without a key would still tell values apart */
    (void)!getrandom(&report->key, sizeof(report->key), 0);
    return 0;
}

void headers_report_done(struct headers_report *report)
{
    if (!report->pool)
        return;
    arena_done(&report->arena);
    chunk_pool_free(report->pool);
}

struct headers_place *headers_report_add(struct headers_report *report, const char *name)
{
    struct headers_place *place = &report->places[report->count++];

    *place = (struct headers_place){ .name = name };
    for (int i = 0; i < HEADERS_DIRECTIONS; i++) {
        headers_message_init(&place->legs[i].before, &report->arena);
        headers_message_init(&place->legs[i].after, &report->arena);
    }
    return place;
}

int headers_report_finish(struct headers_report *report)
{
    int r = 0;

    for (size_t i = 0; i < report->count; i++)
        for (int direction = 0; r == 0 && direction < HEADERS_DIRECTIONS; direction++) {
            struct headers_leg *leg = &report->places[i].legs[direction];

            if (leg->after.exists)
                r = ledger_compare(&leg->before.fields, &leg->after.fields, &report->arena,
                                   &leg->ledger);
        }
    return r;
}

/* ---- words --------------------------------------------------------------------------------- */

const char *headers_direction_name(enum headers_direction direction)
{
    return direction == HEADERS_REQUEST ? "request" : "response";
}

bool headers_entry_is_change(const struct ledger_entry *entry)
{
    return entry->change != LEDGER_KEPT || entry->recased || entry->moved;
}

void headers_entry_words(const struct ledger_entry *entry, char *into, size_t size)
{
    bool says_change = entry->change != LEDGER_KEPT || (!entry->recased && !entry->moved);

    snprintf(into, size, "%s%s%s%s%s", says_change ? ledger_change_name(entry->change) : "",
             says_change && entry->recased ? ", " : "", entry->recased ? "re-cased" : "",
             (says_change || entry->recased) && entry->moved ? ", " : "",
             entry->moved ? "moved" : "");
}

bool headers_place_is_wanted(const struct headers_report *report, const struct headers_place *place)
{
    return !report->only_at || strcmp(report->only_at, place->name) == 0;
}

/* ---- the summary --------------------------------------------------------------------------- */

enum tally { TALLY_ADDED, TALLY_DROPPED, TALLY_CHANGED, TALLY_RECASED, TALLY_MOVED, TALLIES };

static void count_entry(const struct ledger_entry *entry, size_t tallies[TALLIES])
{
    if (entry->change == LEDGER_ADDED)
        tallies[TALLY_ADDED]++;
    else if (entry->change == LEDGER_DROPPED)
        tallies[TALLY_DROPPED]++;
    else if (entry->change != LEDGER_KEPT)
        tallies[TALLY_CHANGED]++;
    tallies[TALLY_RECASED] += entry->recased;
    tallies[TALLY_MOVED] += entry->moved;
}

static void print_place(const struct headers_place *place, FILE *stream)
{
    static const char *const words[] = { "added", "dropped", "changed", "re-cased", "moved" };
    size_t tallies[TALLIES] = { 0 }, said = 0;

    for (int direction = 0; direction < HEADERS_DIRECTIONS; direction++)
        for (size_t i = 0; i < place->legs[direction].ledger.count; i++)
            count_entry(&place->legs[direction].ledger.entries[i], tallies);
    (void)fprintf(stream, "%s: ", place->name);
    for (int i = 0; i < TALLIES; i++)
        if (tallies[i] > 0)
            (void)fprintf(stream, "%s%zu %s", said++ > 0 ? ", " : "", tallies[i], words[i]);
    if (!place->legs[HEADERS_REQUEST].before.exists && !place->legs[HEADERS_RESPONSE].after.exists)
        (void)fputs("not reached", stream);
    else if (said == 0)
        (void)fputs("all kept", stream);
}

char *headers_report_summary(const struct headers_report *report)
{
    char *text = NULL;
    size_t length, said = 0;
    FILE *stream = open_memstream(&text, &length);

    if (!stream)
        return NULL;
    for (size_t i = 0; i < report->count; i++) {
        if (report->places[i].is_whole_way && report->count > 1)
            continue;
        (void)fputs(said++ > 0 ? "; " : "", stream);
        print_place(&report->places[i], stream);
    }
    if (fclose(stream) == 0)
        return text;
    free(text);
    return NULL;
}

/* ---- what may be shown --------------------------------------------------------------------- */

/* Different for different values, so that a change shows. */
static struct slice masked(struct headers_report *report, struct slice value)
{
    return arena_printf(&report->arena, "masked:%08" PRIx64,
                        siphash(&report->key, value) & UINT32_MAX);
}

struct slice headers_shown_line(struct headers_report *report, struct slice line)
{
    struct slice copy;

    if (report->shows_secrets || line.len == 0)
        return line;
    copy = arena_copy(&report->arena, line);
    if (copy.ptr)
        secrets_mask_query((char *)(uintptr_t)copy.ptr, copy.len); /* ours: just copied */
    return copy;
}

/* Names of challenges hold "auth", but no secret. */
static bool is_challenge(struct slice name)
{
    return slice_equal_nocase(name, SLICE("WWW-Authenticate")) ||
           slice_equal_nocase(name, SLICE("Proxy-Authenticate"));
}

struct slice headers_shown_value(struct headers_report *report, struct slice name,
                                 struct slice value)
{
    if (value.len > 0 && !report->shows_secrets && secrets_name_is_secret(name) &&
        !is_challenge(name))
        return masked(report, value);
    return headers_shown_line(report, value);
}
