/*
 * case_wires: makes wires transparent for the logs of hops.
 *
 * Role    a hop behind a wire sees the wire's connection; what the wires logged of both of theirs
 *         leads back to the hop in front, as if there were no wire between them
 * Owns    nothing
 * Thread  the main thread, when the wires have ended
 */
#ifndef TOOLS_LAB_CASE_WIRES_H
#define TOOLS_LAB_CASE_WIRES_H

#include "tools/lab/lab_run.h"
#include "tools/trace/account.h"

/* Before accounts are joined: their peer and local address become those of the connection that the
 * hop in front of the wire made. */
void case_wires_see_through(const struct lab_run *run, struct trace *trace);

#endif
