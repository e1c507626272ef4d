/*
 * draw: one request as a sequence over the hops, in 100 columns.
 *
 * Role    a lane for the client, each hop and the servers behind; a row for each thing that happened
 * Owns    nothing
 * Thread  the main thread
 */
#ifndef TOOLS_TRACE_DRAW_H
#define TOOLS_TRACE_DRAW_H

#include <stdio.h>

#include "tools/trace/account.h"

void trace_draw(const struct trace_account *root, FILE *out);

#endif
