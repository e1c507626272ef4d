/*
 * table: a list of JSON objects for people.
 *
 * Role    one line per object, columns by the keys of the first, as wide as their longest cell
 * Owns    nothing
 * Thread  any
 *
 * Cells are safe to print: control bytes become question marks.
 */
#ifndef TOOLS_CLI_TABLE_H
#define TOOLS_CLI_TABLE_H

#include <jansson.h>
#include <stdio.h>

/* An empty list is told as "(none)". */
void table_print(const json_t *list, FILE *stream);

/* A value as text, cut when it does not fit; returns `into`. */
char *table_cell(const json_t *value, char *into, size_t size);

#endif
