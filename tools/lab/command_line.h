/*
 * command_line: the words of a process that a lab starts.
 *
 * Role    printf by printf, one word each
 * Owns    the words, until command_line_done
 * Thread  the main thread
 */
#ifndef TOOLS_LAB_COMMAND_LINE_H
#define TOOLS_LAB_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>

/* Begins zeroed. */
struct command_line {
    char **words; /* NULL behind the last; NULL: there is none yet */
    size_t count, capacity;
    bool failed; /* a word is missing: no memory */
};

void command_line_add(struct command_line *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* It is zeroed again. */
void command_line_done(struct command_line *line);

#endif
