/*
 * print_json: one request as a line of JSON, for programs.
 *
 * Role    the verdict and every account of the chain with its tries
 * Owns    nothing
 * Thread  the main thread
 */
#ifndef TOOLS_TRACE_PRINT_JSON_H
#define TOOLS_TRACE_PRINT_JSON_H

#include <stdio.h>

#include "tools/trace/verdict.h"

void trace_print_json(const struct trace_account *root, const struct verdict *verdict, FILE *out);

#endif
