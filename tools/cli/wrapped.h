/*
 * wrapped: sentences for a terminal, broken at blanks where they do not fit.
 *
 * Role    the one place that knows how wide verbs print
 * Owns    nothing
 * Thread  the main thread
 */
#ifndef TOOLS_CLI_WRAPPED_H
#define TOOLS_CLI_WRAPPED_H

#include <stddef.h>
#include <stdio.h>

enum { WRAPPED_COLUMNS = 100 };

/*
 * Prints text and a newline; the cursor stands at `column` already, further lines begin at `indent`. A word that
 * is longer than a line is not broken, so that it can be copied.
 */
void wrapped_print(FILE *stream, size_t column, size_t indent, const char *text);

#endif
