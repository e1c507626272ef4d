/*
 * keepalive_hint: what a target says of how long it keeps an idle connection.
 *
 * Role    reads the Keep-Alive field, "timeout=5, max=100" (RFC 2068 19.7.1.1, as Apache, Node and
 *         others still write it), so that we let go before the target does
 * Owns    nothing
 * Thread  any
 *
 * A target that closes while our next request is on its way costs that request a try, and a POST its
 * answer. What a hint says is a limit beside our own; nothing is kept longer by it.
 */
#ifndef PROXY_KEEPALIVE_HINT_H
#define PROXY_KEEPALIVE_HINT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/slice.h"

struct keepalive_hint {
    bool has_timeout, has_max;
    uint64_t idle_ms;        /* ours: a second less than the target's, or half of a short one */
    uint32_t requests_count; /* that may follow on the connection */
};

/* Parameters that are not understood are passed over. */
struct keepalive_hint keepalive_hint_read(struct slice value);

#endif
