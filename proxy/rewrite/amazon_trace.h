/*
 * amazon_trace: the value of X-Amzn-Trace-Id that an AWS load balancer sends on.
 *
 * Role    "Root=1-<time>-<id>", or "Self=..." in front of what the client sent (load-balancer-request-
 *         tracing.md of the user guide of Application Load Balancers)
 * Owns    nothing
 * Thread  any
 *
 * Time and id are those of the exchange, so that its log line tells the same.
 */
#ifndef PROXY_AMAZON_TRACE_H
#define PROXY_AMAZON_TRACE_H

#include "proxy/exchange/exchange_record.h"
#include "proxy/report/text.h"

void amazon_trace_put(const struct exchange_record *record, struct text *into);

#endif
