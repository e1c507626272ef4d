/*
 * stretch: times of a lab in which they passed faster, as they were stated.
 *
 * Role    multiplies what the hops of a request have measured, once they are joined by real times
 * Owns    nothing
 * Thread  the main thread
 *
 * Lines of products tell stated spans already (proxy/report/stated_times.h): they are moved only.
 */
#ifndef TOOLS_TRACE_STRETCH_H
#define TOOLS_TRACE_STRETCH_H

#include "tools/trace/account.h"

/* How many times as fast time passed for this request, as the first hop that knows says; 1: real time. */
uint32_t stretch_scale_of(const struct trace_account *root);

/* From the beginning of the request at the hop in front; root: an account with none before it. Once. */
void stretch_accounts(struct trace_account *root, uint32_t scale);

#endif
