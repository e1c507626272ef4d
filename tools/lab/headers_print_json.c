/* headers_print_json: the report for programs, and as JUnit's XML. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base64.h"
#include "core/utf8.h"
#include "tools/lab/headers_print.h"
#include "tools/lab/headers_text.h"

/* ---- pieces -------------------------------------------------------------------------------- */

/* Under `key`, or as base64 under `key`_base64. */
static void set_bytes(json_t *object, const char *key, struct slice bytes)
{
    char name[64], *text;

    if (utf8_is_valid(bytes)) {
        (void)json_object_set_new(object, key, json_stringn(bytes.ptr ? bytes.ptr : "", bytes.len));
        return;
    }
    text = malloc(base64_length(bytes.len) + 1);
    if (!text)
        return; /* without memory it says less */
    base64_encode((const unsigned char *)bytes.ptr, bytes.len, text);
    snprintf(name, sizeof(name), "%s_base64", key);
    (void)json_object_set_new(object, name, json_stringn(text, base64_length(bytes.len)));
    free(text);
}

static json_t *message_json(struct headers_report *report, const struct headers_message *message)
{
    json_t *json, *fields;

    if (!message->exists)
        return json_null();
    json = json_object();
    fields = json_array();
    set_bytes(json, "line", headers_shown_line(report, message->line));
    for (uint32_t i = 0; i < message->fields.count; i++) {
        const struct field *field = &message->fields.items[i];
        json_t *item = json_object();

        set_bytes(item, "name", field->name);
        set_bytes(item, "value", headers_shown_value(report, field->name, field->value));
        (void)json_array_append_new(fields, item);
    }
    (void)json_object_set_new(json, "fields", fields);
    return json;
}

static json_t *entry_json(struct headers_report *report, const struct ledger_entry *entry)
{
    json_t *json = json_pack("{s:s, s:b, s:b}", "change", ledger_change_name(entry->change),
                             "recased", entry->recased, "moved", entry->moved);

    set_bytes(json, "field", entry->name);
    if (entry->change != LEDGER_ADDED)
        set_bytes(json, "before", headers_shown_value(report, entry->name, entry->before));
    if (entry->change != LEDGER_DROPPED)
        set_bytes(json, "after", headers_shown_value(report, entry->name, entry->after));
    return json;
}

static json_t *leg_json(struct headers_report *report, const struct headers_leg *leg)
{
    json_t *ledger = json_array();

    for (size_t i = 0; i < leg->ledger.count; i++)
        (void)json_array_append_new(ledger, entry_json(report, &leg->ledger.entries[i]));
    return json_pack("{s:o, s:o, s:o}", "received", message_json(report, &leg->before), "sent",
                     message_json(report, &leg->after), "ledger", ledger);
}

static json_t *place_json(struct headers_report *report, const struct headers_place *place)
{
    return json_pack("{s:s, s:s?, s:o, s:o}", "name", place->name, "persona", place->persona,
                     "request", leg_json(report, &place->legs[HEADERS_REQUEST]), "response",
                     leg_json(report, &place->legs[HEADERS_RESPONSE]));
}

static json_t *expect_json(struct headers_report *report, const struct headers_expect *expect)
{
    json_t *unmet = expect ? json_array() : NULL;

    if (!expect)
        return json_null();
    for (size_t i = 0; i < expect->count; i++) {
        const struct headers_expectation *item = &expect->items[i];
        char *text = item->is_met ? NULL : headers_expect_tell(expect, item, report);

        if (!item->is_met)
            (void)json_array_append_new(
                unmet, json_pack("{s:s, s:s?, s:s?, s:i, s:i, s:s?}", "direction",
                                 headers_direction_name(item->direction), "hop", item->hop, "field",
                                 item->field, "line", (int)item->line, "column", (int)item->column,
                                 "message", text));
        free(text);
    }
    return json_pack("{s:I, s:o}", "met",
                     (json_int_t)(expect->count - headers_expect_unmet_count(expect)), "unmet",
                     unmet);
}

void headers_print_json(struct headers_report *report, const struct headers_expect *expect,
                        FILE *stream)
{
    char *summary = headers_report_summary(report);
    json_t *hops = json_array(), *whole = NULL, *json;

    for (size_t i = 0; i < report->count; i++) {
        const struct headers_place *place = &report->places[i];

        if (!place->is_whole_way && headers_place_is_wanted(report, place))
            (void)json_array_append_new(hops, place_json(report, place));
        else if (place->is_whole_way)
            whole = place_json(report, place);
    }
    json =
        json_pack("{s:s, s:s?, s:o, s:o?, s:o}", "title", report->title, "summary", summary, "hops",
                  hops, "end_to_end", whole, "expectations", expect_json(report, expect));
    free(summary);
    (void)json_dumpf(json, stream, JSON_INDENT(2) | JSON_ENSURE_ASCII);
    (void)fputc('\n', stream);
    json_decref(json);
}

/* ---- JUnit --------------------------------------------------------------------------------- */

void headers_print_junit(struct headers_report *report, const struct headers_expect *expect,
                         FILE *stream)
{
    (void)fprintf(stream,
                  "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                  "<testsuite name=\"hopgate lab headers\" tests=\"%zu\" failures=\"%zu\">\n",
                  expect->count, headers_expect_unmet_count(expect));
    for (size_t i = 0; i < expect->count; i++) {
        const struct headers_expectation *item = &expect->items[i];
        char *name = headers_expect_name(item);
        char *text = item->is_met ? NULL : headers_expect_tell(expect, item, report);

        (void)fputs("  <testcase classname=\"", stream);
        headers_text_markup(slice_of(report->title), stream);
        (void)fputs("\" name=\"", stream);
        headers_text_markup(slice_of(name), stream);
        (void)fprintf(stream, " (line %u)\"", item->line);
        if (item->is_met) {
            (void)fputs("/>\n", stream);
        } else {
            (void)fputs("><failure message=\"", stream);
            headers_text_markup(slice_of(text), stream);
            (void)fputs("\"/></testcase>\n", stream);
        }
        free(name);
        free(text);
    }
    (void)fputs("</testsuite>\n", stream);
}
