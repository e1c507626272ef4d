/*
 * why: the answer of `hopgate why` for people.
 *
 * Role    prints the story that the hop tells
 * Owns    nothing
 * Thread  the main thread
 */
#ifndef TOOLS_CLI_WHY_H
#define TOOLS_CLI_WHY_H

#include <jansson.h>

/* To standard output. Control bytes become question marks, whatever the hop may send. */
void why_print(const json_t *answer);

#endif
