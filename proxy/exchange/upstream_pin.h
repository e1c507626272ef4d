/*
 * upstream_pin: one client connection's own connection to a target.
 *
 * Role    what an F5 without OneConnect does: a client connection is balanced once, its requests share
 *         one connection to one target, and where the target ends that, the client's ends too
 *         (persona: upstream.pin = client_connection)
 * Owns    that connection while it is idle, and a hold on the upstream that the target is of
 * Thread  one worker
 *
 * A request for another upstream, under another configuration, or after a change of the upstream's
 * addresses is balanced anew.
 */
#ifndef PROXY_UPSTREAM_PIN_H
#define PROXY_UPSTREAM_PIN_H

#include "lb/conn_pool.h"

struct worker;
struct worker_upstream;

/* Zeroed but for the first three: nothing is pinned. */
struct upstream_pin {
    struct worker *worker;
    void (*on_ended)(void *owner); /* the target has ended the idle connection */
    void *owner;
    struct conn_pool *pool;           /* with room for one; NULL: nothing was pinned yet */
    struct worker_upstream *upstream; /* held; NULL: nothing is pinned */
    struct target *target;            /* of that upstream */
    bool has_ended;                   /* the target has ended the connection */
};

/* The target that this client's requests to the upstream go to; NULL: none yet, or it is down. A connection
 * that is there outlives that, unless leaves_when_down (F5's serviceDownAction: none, reselect). */
struct target *upstream_pin_target(const struct upstream_pin *pin,
                                   const struct worker_upstream *upstream, bool leaves_when_down);

/* From now on they go there. */
void upstream_pin_choose(struct upstream_pin *pin, struct worker_upstream *upstream,
                         struct target *target);

/* As conn_pool_lease. */
bool upstream_pin_lease(struct upstream_pin *pin, const struct conn_pool_key *key,
                        struct conn_pool_conn *ret_conn);

/* Takes conn->stream, as conn_pool_release. */
void upstream_pin_keep(struct upstream_pin *pin, const struct conn_pool_key *key,
                       const struct conn_pool_conn *conn);

/* Nothing is pinned any more; an idle connection is closed. */
void upstream_pin_drop(struct upstream_pin *pin);

#endif
