/*
 * join: which request at one hop is which at the next.
 *
 * Role    sets trace_try.next and trace_account.before; the surest evidence first: the same connection
 *         and the same place on it, a request id that went along, the only one that fits in time
 * Owns    nothing
 * Thread  the main thread
 *
 * Clocks of hops may differ: what is joined by connection or id is moved to where the hop in front
 * says that it was (trace_account.shift_us). Joining by time needs clocks that agree.
 */
#ifndef TOOLS_TRACE_JOIN_H
#define TOOLS_TRACE_JOIN_H

#include "tools/trace/account.h"

/* False: no memory. */
bool trace_join_accounts(struct trace *trace);

const char *trace_join_name(enum trace_join join);

#endif
