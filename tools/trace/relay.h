/*
 * relay: hops that lead bytes on, as hops of the requests that went through them.
 *
 * Role    a connection through such a hop is one line of its log; each request on it gets an account of that
 *         hop, with one try, so that it stands in the chain like any other
 * Owns    nothing; accounts live in the trace
 * Thread  the main thread
 *
 * What such a hop passes on is what was behind it: the end of a connection, a silence. Of its own it has a
 * target that cannot be reached, and a flow that it forgot.
 */
#ifndef TOOLS_TRACE_RELAY_H
#define TOOLS_TRACE_RELAY_H

#include "tools/trace/account.h"

/* The account's request has not come through it yet. */
bool relay_is_new(const struct trace_account *account, const struct trace_flow *flow);

/* The relay's view of the request that `try` of `account` sent into `flow`; not joined yet. NULL: no memory. */
struct trace_account *relay_behind(struct trace *trace, const struct trace_account *account,
                                   const struct trace_try *try, const struct trace_flow *flow);

/* The relay's view of a request that came out of `flow`, as a try that is joined to it. NULL: no memory. */
struct trace_account *relay_in_front(struct trace *trace, struct trace_account *account,
                                     const struct trace_flow *flow);

/* Connections that failed, and that no request tells of, as accounts of their own. */
void relay_add_unknown(struct trace *trace);

#endif
