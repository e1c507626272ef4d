/*
 * pinned_snapshot: one worker's hold on a snapshot.
 *
 * Role    what belongs to a configuration and to one worker: balancers, listeners
 * Owns    both (a listener is handed on to the next snapshot when that listens there too)
 * Thread  made on the main thread, so that nothing can fail in the worker; then the worker's
 *
 * An exchange pins the snapshot that it started with, and an idle client connection the newest: a
 * long download or a tunnel keeps its configuration, its neighbour has the new one already.
 */
#ifndef PROXY_PINNED_SNAPSHOT_H
#define PROXY_PINNED_SNAPSHOT_H

#include "core/listener.h"
#include "core/log_rate.h"
#include "proxy/snapshot/service_plan.h"
#include "proxy/snapshot/snapshot.h"

struct worker;
struct pinned_snapshot;

/* What a listener hands its connections to. Lives as long as one of them. */
struct worker_listener {
    struct worker *worker;
    struct pinned_snapshot *pinned; /* the newest that listens here; borrowed, gone when retired */
    const struct virtual_server *virtual_server; /* of that */
    uint32_t holders;                            /* client connections, and the snapshot in force */
    bool is_retired;                             /* the newest snapshot does not listen here */
    bool is_shared;                              /* another process accepts from its sockets, too */
    bool is_full; /* there was no room for a connection when it was last asked */
    struct log_rate full_told, refused_told;
    unsigned sockets_count;     /* usually 1: see virtual_server.h */
    struct listener *sockets[]; /* NULL: not started, or told to finish */
};

struct pinned_snapshot {
    struct snapshot *snapshot;
    struct worker *worker;
    struct destination *destinations;   /* parallel to the services of the configuration */
    struct worker_listener **listeners; /* parallel to its virtual servers; NULL: to be inherited */
    uint32_t pins;
    bool was_seen; /* the worker has taken it: from then on it is freed on the worker's thread */
};

/* Pinned once, for being the worker's newest. NULL: no memory. */
struct pinned_snapshot *pinned_snapshot_create(struct snapshot *snapshot, struct worker *worker);

static inline void pinned_snapshot_pin(struct pinned_snapshot *pinned)
{
    pinned->pins++;
}

/* The last one frees it: idle connections to targets that are gone are closed, the snapshot is let
 * go. On the worker's thread, or on the main thread while the worker has not taken it. */
void pinned_snapshot_unpin(struct pinned_snapshot *pinned);

void worker_listener_release(struct worker_listener *listener);

#endif
