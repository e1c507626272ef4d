/*
 * headers_print: the report, for people, for programs, as a page, and for CI.
 *
 * Role    headers_print_text.c: a table of 100 columns; headers_print_json.c; headers_print_html.c: one
 *         file that needs no other
 * Owns    nothing
 * Thread  the main thread
 *
 * Whatever bytes a message had, only printable ASCII leaves the text and the page.
 */
#ifndef TOOLS_LAB_HEADERS_PRINT_H
#define TOOLS_LAB_HEADERS_PRINT_H

#include <stdio.h>

#include "tools/lab/headers_expect.h"
#include "tools/lab/headers_report.h"

/* expect: NULL without --expect. */
void headers_print_text(struct headers_report *report, const struct headers_expect *expect,
                        FILE *stream);
void headers_print_json(struct headers_report *report, const struct headers_expect *expect,
                        FILE *stream);
void headers_print_html(struct headers_report *report, const struct headers_expect *expect,
                        FILE *stream);
void headers_print_junit(struct headers_report *report, const struct headers_expect *expect,
                         FILE *stream);

#endif
