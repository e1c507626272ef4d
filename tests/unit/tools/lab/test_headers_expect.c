/*
 * test_headers_expect: expectations of fields: reading with places, comparing, telling.
 */
#include "tools/lab/headers_expect.h"

#include <stdlib.h>
#include <string.h>

#include "tests/check.h"

/* The first complaint about a text; "" when there is none. */
static void complaint(const char *text, char *into, size_t size)
{
    SCOPED(headers_expect) expect = NULL;
    struct config_errors errors;
    FILE *stream = fmemopen(into, size, "w");

    memset(into, 0, size);
    config_errors_init(&errors);
    expect = headers_expect_parse(slice_of(text), "e.yaml", &errors);
    config_errors_sort(&errors);
    config_errors_print(&errors, stream);
    CHECK_INT(expect == NULL, errors.errors_count > 0);
    config_errors_done(&errors);
    (void)fclose(stream);
}

TEST(each_mistake_is_told_with_its_place)
{
    static const struct {
        const char *text, *place, *words;
    } rows[] = {
        { "requst: {}\n", "e.yaml:1:1", "did you mean 'request'" },
        { "request:\n  hops:\n  - a\n", "e.yaml:3:3", "must be a mapping" },
        { "request:\n  end_to_end:\n    fields:\n    - {field: A, is: keept}\n", "e.yaml:4:22",
          "did you mean 'kept'" },
        { "request: {end_to_end: {fields: [{field: A}]}}\n", "e.yaml:1:33", "says nothing" },
        { "request: {end_to_end: {fields: [{is: kept}]}}\n", "e.yaml:1:33", "needs 'field'" },
        { "request: {end_to_end: {fields: [{field: A, is: []}]}}\n", "e.yaml:1:48", "empty list" },
        { "request: {end_to_end: {fields: [{field: A, absent: true, is: kept}]}}\n", "e.yaml:1:33",
          "absent goes with neither" },
        { "request: {end_to_end: {fields: [{field: A, value: 5}]}}\n", "e.yaml:1:51",
          "must be a text" },
        { "request: {end_to_end: {fields: [{field: A, absent: 1}]}}\n", "e.yaml:1:52", "" },
        { "{}\n", "e.yaml:1:1", "nothing is expected" },
        { "- a\n", "e.yaml:1:1", "must be a mapping" },
        { "request: [\n", "e.yaml:", "" },
    };
    char text[2048];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        complaint(rows[i].text, text, sizeof(text));
        if (!strstr(text, rows[i].place) || !strstr(text, rows[i].words))
            fail_msg("%s: %s", rows[i].text, text);
    }
}

/* "Name: value\n" lines */
static void read_message(struct headers_report *report, const char *lines,
                         struct headers_message *into)
{
    char text[512];

    snprintf(text, sizeof(text), "GET / HTTP/1.1\n%s\n", lines);
    CHECK_INT(
        headers_message_parse(arena_copy(&report->arena, slice_of(text)), &report->arena, into), 0);
}

static void add_place(struct headers_report *report, const char *name, const char *before,
                      const char *after)
{
    struct headers_place *place = headers_report_add(report, name);

    place->is_whole_way = strcmp(name, "end to end") == 0;
    read_message(report, before, &place->legs[HEADERS_REQUEST].before);
    read_message(report, after, &place->legs[HEADERS_REQUEST].after);
}

/* What is told of the first expectation that is not met; "" when all are. */
static void told(const char *text, char *into, size_t size)
{
    struct headers_report report;
    SCOPED(headers_expect) expect = NULL;
    struct config_errors errors;

    into[0] = '\0';
    CHECK_INT(headers_report_init(&report), 0);
    add_place(&report, "gw", "Set: x\nA: 1\nAuthorization: s3cret\n",
              "Set: x\nVia: gw\na: 2\nTwo: a\nTwo: b\n");
    add_place(&report, "end to end", "Set: x\nA: 1\nAuthorization: s3cret\n",
              "Set: x\nVia: gw\na: 2\nTwo: a\nTwo: b\n");
    CHECK_INT(headers_report_finish(&report), 0);
    config_errors_init(&errors);
    expect = headers_expect_parse(slice_of(text), "e.yaml", &errors);
    config_errors_print(&errors, stderr);
    config_errors_done(&errors);
    assert_non_null(expect);
    headers_expect_compare(expect, &report);
    for (size_t i = 0; i < expect->count && !into[0]; i++) {
        char *line = expect->items[i].is_met
                         ? NULL
                         : headers_expect_tell(expect, &expect->items[i], &report);

        if (line)
            snprintf(into, size, "%s", line);
        free(line);
    }
    headers_report_done(&report);
}

#define END_TO_END(list) "request: {end_to_end: {fields: [" list "]}}\n"

TEST(what_is_as_expected_is_met)
{
    static const char *const rows[] = {
        END_TO_END("{field: set, is: kept}"),
        END_TO_END("{field: Via, is: [kept, added], value: gw}"),
        END_TO_END("{field: Two, value: [a, b]}"),
        END_TO_END("{field: A, is: changed}, {field: A, is: re-cased}"),
        END_TO_END("{field: Authorization, absent: true}, {field: Never, absent: true}"),
        "request: {hops: {gw: {fields: [{field: Via, is: added}]}}}\n",
    };
    char text[1024];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        told(rows[i], text, sizeof(text));
        CHECK_STR(text, "");
    }
}

TEST(what_is_named_may_change_when_nothing_else_may)
{
    char text[1024];

    told("request: {end_to_end: {nothing_else: true, fields: [{field: A, is: changed}, {field: "
         "Authorization, is: dropped}, {field: Via, is: added}, {field: two, is: added}]}}\n",
         text, sizeof(text));
    CHECK_STR(text, "");
}

TEST(what_is_not_names_place_field_and_hop)
{
    char text[1024];

    told(END_TO_END("{field: Via, absent: true}"), text, sizeof(text));
    CHECK_STR(text,
              "e.yaml:1:33: request, end to end: Via is added \"gw\", expected absent; by hop "
              "gw: added \"gw\"");
    told("request: {hops: {gw: {fields: [{field: A, is: [kept, extended], value: '1'}]}}}\n", text,
         sizeof(text));
    CHECK_STR(text, "e.yaml:1:32: request, hop gw: A is changed, re-cased \"1\" -> \"2\", "
                    "expected kept or extended with the value \"1\"");
    told(END_TO_END("{field: Never, is: kept}"), text, sizeof(text));
    CHECK(strstr(text, "Never is absent, before and after, expected kept") != NULL);
    told("request: {end_to_end: {nothing_else: true}}\n", text, sizeof(text));
    CHECK(strstr(text, "nothing else was to change, but Via is added \"gw\"; ") != NULL);
    told("response: {end_to_end: {fields: [{field: Never, absent: true}]}}\n", text, sizeof(text));
    CHECK(strstr(text, "there was no such message") != NULL);
}

TEST(credentials_are_not_told)
{
    char text[1024];

    told(END_TO_END("{field: Authorization, is: kept, value: s3cret}"), text, sizeof(text));
    CHECK(strstr(text, "Authorization is dropped \"masked:") != NULL);
    CHECK(strstr(text, "s3cret") == NULL);
}

TESTS(TEST_CASE(each_mistake_is_told_with_its_place), TEST_CASE(what_is_as_expected_is_met),
      TEST_CASE(what_is_named_may_change_when_nothing_else_may),
      TEST_CASE(what_is_not_names_place_field_and_hop), TEST_CASE(credentials_are_not_told))
