/*
 * matrix_report: the result of an experiment for people and for programs.
 *
 * Role    writers of one JSON document: a table, JUnit's XML, one HTML file without anything external
 * Owns    nothing
 * Thread  the main thread
 *
 * The document: chain, description, time_scale, seconds (real), picture, notes, not_scaled, basis (a line per
 * hop), cases (case_judge, case_basis), expectations (case_expect).
 */
#ifndef TOOLS_LAB_MATRIX_REPORT_H
#define TOOLS_LAB_MATRIX_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

void matrix_print_table(const json_t *document, FILE *stream);
void matrix_print_junit(const json_t *document, FILE *stream);
void matrix_print_html(const json_t *document, FILE *stream);

/* "502", "200 cut", "reset": what the client got, in a few letters. */
void matrix_outcome(const json_t *one, char *into, size_t size);

/* Text with & < > " and ' as entities; control bytes but newline become '?'. */
void matrix_print_escaped(const char *text, FILE *stream);

/* Never NULL. */
const char *matrix_text(const json_t *object, const char *key);

/* A POST or another request that must not be repeated came to origins more than once. */
bool matrix_is_doubled(const json_t *one);

#endif
