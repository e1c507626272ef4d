/* headers_print_html: the report as one page without scripts, that loads nothing. */
#include <stdlib.h>
#include <string.h>

#include "tools/lab/headers_print.h"
#include "tools/lab/headers_text.h"

static const char head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" "
    "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
    "<title>hopgate lab headers</title>\n<style>\n"
    "body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em;"
    "color:#1b2430;background:#fff}\n"
    "h1{font-size:1.3em}h2{font-size:1.1em;margin-top:2em}\n"
    "table{border-collapse:collapse;width:100%;table-layout:fixed}\n"
    "th,td{text-align:left;vertical-align:top;padding:.25em .6em;border-bottom:1px solid #dde3ea;"
    "overflow-wrap:anywhere}\n"
    "th:first-child{width:18em}th:nth-child(2){width:11em}\n"
    "code,td{font-family:ui-monospace,monospace;font-size:.92em}\n"
    ".added td:nth-child(2){color:#0a6b2d}.dropped td:nth-child(2){color:#a3140f}\n"
    ".kept td{color:#67727f}.unmet{color:#a3140f}\n"
    "@media(prefers-color-scheme:dark){body{background:#14181d;color:#dfe5ec}"
    "th,td{border-color:#2c343e}.added td:nth-child(2){color:#62cf8a}"
    ".dropped td:nth-child(2),.unmet{color:#ff8f88}.kept td{color:#8b96a3}}\n"
    "</style></head><body>\n";

static void print(const char *text, FILE *stream)
{
    headers_text_markup(slice_of(text), stream);
}

static void print_entry(struct headers_report *report, const struct ledger_entry *entry,
                        FILE *stream)
{
    char words[64];

    headers_entry_words(entry, words, sizeof(words));
    (void)fprintf(stream, "<tr class=\"%s\"><td>",
                  headers_entry_is_change(entry) ? ledger_change_name(entry->change) : "kept");
    headers_text_markup(entry->name, stream);
    (void)fprintf(stream, "</td><td>%s</td><td>", words);
    headers_text_markup(headers_shown_value(report, entry->name, entry->before), stream);
    (void)fputs("</td><td>", stream);
    headers_text_markup(headers_shown_value(report, entry->name, entry->after), stream);
    (void)fputs("</td></tr>\n", stream);
}

static void print_line(struct headers_report *report, const char *what,
                       const struct headers_message *message, FILE *stream)
{
    if (!message->exists)
        return;
    (void)fprintf(stream, "<p>%s <code>", what);
    headers_text_markup(headers_shown_line(report, message->line), stream);
    (void)fputs("</code></p>\n", stream);
}

static void print_leg(struct headers_report *report, const struct headers_place *place,
                      enum headers_direction direction, FILE *stream)
{
    const struct headers_leg *leg = &place->legs[direction];

    (void)fputs("<h2>", stream);
    print(place->name, stream);
    (void)fprintf(stream, ", %s</h2>\n", headers_direction_name(direction));
    print_line(report, "before", &leg->before, stream);
    print_line(report, "after", &leg->after, stream);
    if (leg->ledger.count == 0)
        return;
    (void)fputs("<table><tr><th>field</th><th>what</th><th>before</th><th>after</th></tr>\n",
                stream);
    for (size_t i = 0; i < leg->ledger.count; i++)
        if (headers_entry_is_change(&leg->ledger.entries[i]))
            print_entry(report, &leg->ledger.entries[i], stream);
    (void)fputs("</table><details><summary>all other fields, as they were</summary><table>\n"
                "<tr><th>field</th><th>what</th><th>before</th><th>after</th></tr>\n",
                stream);
    for (size_t i = 0; i < leg->ledger.count; i++)
        if (!headers_entry_is_change(&leg->ledger.entries[i]))
            print_entry(report, &leg->ledger.entries[i], stream);
    (void)fputs("</table></details>\n", stream);
}

static void print_expect(struct headers_report *report, const struct headers_expect *expect,
                         FILE *stream)
{
    size_t unmet = headers_expect_unmet_count(expect);

    (void)fprintf(stream, "<h2>expectations: %zu met, %zu not</h2>\n<ul>\n", expect->count - unmet,
                  unmet);
    for (size_t i = 0; i < expect->count; i++) {
        char *text;

        if (expect->items[i].is_met)
            continue;
        text = headers_expect_tell(expect, &expect->items[i], report);
        (void)fputs("<li class=\"unmet\">", stream);
        print(text ? text : "out of memory", stream);
        (void)fputs("</li>\n", stream);
        free(text);
    }
    (void)fputs("</ul>\n", stream);
}

void headers_print_html(struct headers_report *report, const struct headers_expect *expect,
                        FILE *stream)
{
    char *summary = headers_report_summary(report);

    (void)fputs(head, stream);
    (void)fputs("<h1>Headers: ", stream);
    print(report->title, stream);
    (void)fputs("</h1>\n<p>", stream);
    print(summary ? summary : "out of memory", stream);
    (void)fputs("</p>\n", stream);
    free(summary);
    if (expect)
        print_expect(report, expect, stream);
    for (int direction = 0; direction < HEADERS_DIRECTIONS; direction++)
        for (size_t i = 0; i < report->count; i++)
            if (headers_place_is_wanted(report, &report->places[i]))
                print_leg(report, &report->places[i], (enum headers_direction)direction, stream);
    (void)fputs("</body></html>\n", stream);
}
