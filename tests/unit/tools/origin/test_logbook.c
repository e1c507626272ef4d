#include "tools/origin/logbook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/check.h"

static const struct stream_endpoint endpoint = { .connection_id = 7 };
static const struct logbook_place place = { .listener = "a", .endpoint = &endpoint, .number = 1 };

/* The head points into the text. */
static void add(struct logbook *logbook, const char *method, const char *case_id)
{
    struct request_field field = { SLICE("X-Hopgate-Case"), slice_of(case_id) };
    const struct request_head head = {
        .method = slice_of(method), .fields = &field, .fields_count = 1, .length = 100
    };

    json_decref(logbook_add_request(logbook, &place, &head));
}

static json_int_t count_of(const json_t *hits, const char *group, const char *key)
{
    return json_integer_value(json_object_get(json_object_get(hits, group), key));
}

TEST(what_comes_twice_is_a_duplicate)
{
    char error[100];
    SCOPED(logbook) logbook = logbook_create(NULL, error, sizeof(error));
    json_t *hits, *duplicates;

    add(logbook, "GET", "a");
    add(logbook, "POST", "b");
    add(logbook, "POST", "b");
    CHECK_INT(logbook_count_fault(logbook, "f"), 0);
    CHECK_INT(logbook_count_fault(logbook, "f"), 1);
    hits = logbook_hits(logbook);
    CHECK_INT(count_of(hits, "methods", "POST"), 2);
    CHECK_INT(count_of(hits, "cases", "a"), 1);
    CHECK_INT(count_of(hits, "faults", "f"), 2);
    duplicates = json_object_get(json_object_get(hits, "duplicates"), "cases");
    CHECK_INT(json_object_size(duplicates), 1);
    CHECK_INT(json_integer_value(json_object_get(duplicates, "b")), 2);
    json_decref(hits);
    logbook_reset(logbook);
    hits = logbook_hits(logbook);
    CHECK_INT(json_object_size(json_object_get(hits, "cases")), 0);
    CHECK_INT(json_integer_value(json_object_get(hits, "requests")), 0);
    json_decref(hits);
}

TEST(names_that_are_no_text_are_counted_escaped)
{
    char error[100];
    SCOPED(logbook) logbook = logbook_create(NULL, error, sizeof(error));
    json_t *hits;

    add(logbook, "G\xff\x01", "\xc3\xa9");
    hits = logbook_hits(logbook);
    CHECK_INT(count_of(hits, "methods", "G\\xff\\x01"), 1);
    CHECK_INT(count_of(hits, "cases", "\xc3\xa9"), 1);
    json_decref(hits);
}

TEST(only_the_last_requests_are_kept)
{
    char error[100];
    SCOPED(logbook) logbook = logbook_create(NULL, error, sizeof(error));
    json_t *answer, *list;

    for (size_t i = 0; i < LOGBOOK_REQUESTS_MAX + 10; i++)
        add(logbook, "GET", "a");
    answer = logbook_requests(logbook, &(struct logbook_query){ .limit = UINT64_MAX });
    list = json_object_get(answer, "requests");
    CHECK_INT(json_array_size(list), LOGBOOK_REQUESTS_MAX);
    CHECK_INT(json_integer_value(json_object_get(json_array_get(list, 0), "id")), 11);
    CHECK_INT(json_integer_value(json_object_get(answer, "oldest")), 11);
    json_decref(answer);
    answer = logbook_requests(logbook,
                              &(struct logbook_query){ .since = LOGBOOK_REQUESTS_MAX, .limit = 3 });
    list = json_object_get(answer, "requests");
    CHECK_INT(json_array_size(list), 3);
    CHECK_INT(json_integer_value(json_object_get(json_array_get(list, 0), "id")),
              LOGBOOK_REQUESTS_MAX + 1);
    json_decref(answer);
}

TESTS(TEST_CASE(what_comes_twice_is_a_duplicate),
      TEST_CASE(names_that_are_no_text_are_counted_escaped),
      TEST_CASE(only_the_last_requests_are_kept))
