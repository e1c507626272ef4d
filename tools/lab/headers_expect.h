/*
 * headers_expect: what a user expects of every field, from a file; for CI.
 *
 * Role    reads the file, every mistake with its place; compares it with a report; tells what is not met
 * Owns    its texts
 * Thread  the main thread
 *
 *   request:
 *     end_to_end:
 *       fields:
 *       - {field: Authorization, is: kept}
 *       - {field: X-Forwarded-For, is: [kept, extended], value: "203.0.113.7, 127.0.0.1"}
 *       - {field: Proxy, absent: true}
 *       nothing_else: true             # every other field is as it was
 *     hops:
 *       gateway: {fields: [{field: Via, is: added}]}
 *   response: ...
 *
 * `is` has the words of the ledger, and re-cased and moved; `value` is what leaves the place: of several
 * lines a list.
 */
#ifndef TOOLS_LAB_HEADERS_EXPECT_H
#define TOOLS_LAB_HEADERS_EXPECT_H

#include "config/document.h"
#include "core/cleanup.h"
#include "tools/lab/headers_report.h"

enum headers_expect_flag {
    HEADERS_EXPECT_RECASED = 1 << LEDGER_CHANGE_COUNT, /* below it: 1 << enum ledger_change */
    HEADERS_EXPECT_MOVED = 1 << (LEDGER_CHANGE_COUNT + 1),
};

struct headers_expectation {
    enum headers_direction direction;
    char *hop;   /* NULL: end to end */
    char *field; /* NULL: nothing_else */
    unsigned is; /* mask; 0: not stated */
    char *value; /* lines joined by " | "; NULL: not stated */
    bool absent;
    uint32_t line, column;
    bool is_met; /* after headers_expect_compare */
};

struct headers_expect {
    char *file;
    struct headers_expectation *items;
    size_t count;
};

/* NULL after errors were added, or (and then none was) without memory. */
struct headers_expect *headers_expect_parse(struct slice text, const char *file,
                                            struct config_errors *errors);
struct headers_expect *headers_expect_load(const char *file, struct config_errors *errors);
void headers_expect_free(struct headers_expect *expect); /* accepts NULL */
DEFINE_SCOPED(headers_expect);

/* A hop that the report does not have: its name; NULL: all are there. */
const struct headers_expectation *headers_expect_stray(const struct headers_expect *expect,
                                                       const struct headers_report *report);

void headers_expect_compare(struct headers_expect *expect, const struct headers_report *report);
size_t headers_expect_unmet_count(const struct headers_expect *expect);

/* "expect.yaml:3:5: request, end to end: Authorization is dropped, expected kept; at gateway: dropped".
 * Printable ASCII. Heap; NULL: no memory. */
char *headers_expect_tell(const struct headers_expect *expect,
                          const struct headers_expectation *item, struct headers_report *report);

/* "request, end to end: Authorization" */
char *headers_expect_name(const struct headers_expectation *item);

#endif
