/*
 * passthrough: one TLS connection that is led on by its server name and never opened (Kong's
 * tls_passthrough).
 *
 * Role    reads the ClientHello, finds the route, connects to a target, then moves bytes both ways
 *         until both directions have ended
 * Owns    both streams, a pin on the snapshot that it started with
 * Thread  one worker
 *
 *   HELLO -> CONNECT -> TUNNEL -> freed      [ClientHello complete, connected, both ended]
 *              ^--' another target: nothing was sent yet, and the service allows a further try
 *   any state -> freed                       [a failure, the timer, passthrough_abort]
 *
 * With a persona of layer tcp there is no HELLO: every connection goes to the one service (tcp_relay.h), and
 * ends as a flow of an NLB does: an idle one is forgotten without a word and who sends then gets a reset
 * (TUNNEL -> FORGOTTEN -> freed, at the latest after another such time), and one whose target was usable
 * and is no more is reset on both sides.
 *
 * One timer: for the ClientHello that of a TLS handshake with us, then the service's connect_timeout, then
 * its read_timeout as idle time of both directions.
 */
#ifndef PROXY_PASSTHROUGH_H
#define PROXY_PASSTHROUGH_H

#include <stdint.h>

#include "core/loop.h"
#include "core/stream.h"
#include "lb/target.h"
#include "tls/client_hello.h"

struct config_route;
struct destination;
struct pinned_snapshot;
struct worker_upstream;
struct worker_listener;

enum passthrough_state {
    PASSTHROUGH_HELLO,
    PASSTHROUGH_CONNECT,
    PASSTHROUGH_TUNNEL,
    PASSTHROUGH_FORGOTTEN,
};

enum { PASSTHROUGH_TRIED_MAX = 8 };

struct passthrough {
    struct worker_listener *listener; /* held */
    struct pinned_snapshot *pinned;
    enum passthrough_state state;
    struct stream *client,
        *target;      /* target NULL: not connected; of a forgotten flow, one that was reset */
    struct buf hello; /* what the client sent, until it is sent on */
    struct buf pass;  /* on its way from one stream to the other; empty in between */
    bool client_ended, target_ended;
    struct client_hello names;
    const struct config_route *route; /* NULL: none matched */
    struct destination *destination;
    struct worker_upstream *upstream; /* held; NULL: not there yet */
    struct target_use target_use;
    const struct target *tried[PASSTHROUGH_TRIED_MAX];
    size_t tried_count;
    uint32_t tries_count;
    uint64_t started_at_ms, started_at_unix_ms;
    uint64_t active_at_ms;           /* last byte received from either side */
    bool is_tcp;                     /* the persona's layer is tcp */
    bool was_usable;                 /* the target was, when it was picked */
    uint64_t upstream_connection_id; /* 0: never connected */
    uint64_t connected_at_ms;
    struct sockaddr_storage upstream_local; /* our end of that connection */
    struct timer timer;
    struct deferred deferred;
    struct passthrough *prev, *next; /* the worker's list */
};

/* Takes the stream of a new connection. Without memory it is closed. */
void passthrough_start(struct worker_listener *listener, struct stream *stream);

/* The hop drains: a client without a ClientHello has a moment to send it, forgotten flows end, the
 * others go on. */
void passthrough_drain(struct passthrough *passthrough);

/* Ends both sides at once. */
void passthrough_abort(struct passthrough *passthrough);

/* The same, because it holds memory that is needed; detail says how much, for the log. */
void passthrough_cut(struct passthrough *passthrough, const char *detail);

/* The route for a server name: exact, then the longest "*.example", then the longest "example.*"; those that
 * ask for the port that the client connected to before those that take any. */
struct config;
const struct config_route *passthrough_find_route(const struct config *config, const char *name,
                                                  uint16_t port);

#endif
