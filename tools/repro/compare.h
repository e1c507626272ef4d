/*
 * compare: whether a line of the lab says what a pasted one says.
 *
 * Role    feature by feature (line.h)
 * Owns    nothing
 * Thread  any
 */
#ifndef TOOLS_REPRO_COMPARE_H
#define TOOLS_REPRO_COMPARE_H

#include <stddef.h>

#include "tools/repro/line.h"

/* The better the greater. */
enum comparison { COMPARE_NONE, COMPARE_OTHER, COMPARE_PHRASE, COMPARE_SAME };

/* differs (may be NULL): the details that are different, "timers, retries". */
enum comparison compare_lines(const struct line *pasted, const struct line *ours, char *differs,
                              size_t size);

/* "same line" */
const char *compare_name(enum comparison comparison);

#endif
