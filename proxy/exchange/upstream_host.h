/*
 * upstream_host: the Host value that a target gets.
 *
 * Role    kong/runloop/balancer set_host_header: the client's own when it is to be preserved (by the
 *         forwarded policy of Host, preserve_host, or the persona); else host_header, or the name of the target; with the port unless it is the scheme's
 * Owns    nothing
 * Thread  one worker; pure
 */
#ifndef PROXY_UPSTREAM_HOST_H
#define PROXY_UPSTREAM_HOST_H

#include "core/arena.h"
#include "proxy/exchange/exchange_record.h"

struct target;

/* record->request, route, service and persona must be set. ptr NULL: no memory. */
struct slice upstream_host(const struct exchange_record *record, const struct target *target,
                           struct arena *arena);

#endif
