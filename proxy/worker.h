/*
 * worker: one thread that carries traffic.
 *
 * Role    the thread's loop, listeners, client connections, upstream connections
 * Owns    all of them; what it shares with other threads is in struct hop and read-only, plus the
 *         target records
 * Thread  its own; worker_start and worker_join are the main thread's, worker_drain and worker_stop
 *         may come from any
 */
#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include <pthread.h>

#include "core/listener.h"
#include "core/loop.h"
#include "lb/conn_pool.h"
#include "proxy/client_conn.h"
#include "proxy/hop.h"
#include "proxy/service_plan.h"

enum { WORKER_RANDOM_BYTES = 4096 };

/* A letter to the worker; part of the worker, so it can always be sent. */
struct worker_order {
    struct mail mail; /* first */
    struct worker *worker;
    bool sent; /* under worker->lock */
};

/* What a listener hands its connections to. */
struct worker_listener {
    struct worker *worker;
    const struct virtual_server *virtual_server;
    struct listener *listener; /* NULL once stopped */
};

struct worker {
    struct hop *hop;
    unsigned index;
    struct loop *loop;
    struct worker_listener *listeners; /* one per virtual server */
    struct destination *destinations;  /* one per service of the configuration */
    struct conn_pool *pool;
    struct timer pool_timer;
    struct tls_session_cache *tls_sessions;
    struct client_conn *clients; /* doubly linked */
    uint32_t clients_count;
    struct exchange *spare_exchanges; /* finished ones, kept for the next request */
    uint32_t spare_exchanges_count;
    uint64_t exchanges_count; /* running */
    unsigned char random_bytes[WORKER_RANDOM_BYTES];
    size_t random_left;
    bool draining;
    struct timer drain_timer;
    struct worker_order drain_order, stop_order;

    pthread_t thread;
    pthread_mutex_t
        lock; /* of what follows; only for start and stop, never while there is traffic */
    pthread_cond_t start_changed;
    enum { WORKER_STARTING, WORKER_RUNNING, WORKER_FAILED } start_state;
    bool takes_orders; /* the loop exists and runs */
    char error[512];   /* why it could not start */
};

/*
 * Starts the thread and waits until it accepts connections. 0, or -1 with worker->error set (the
 * thread has ended then, and neither worker_join nor worker_done may be called).
 */
int worker_start(struct worker *worker, struct hop *hop, unsigned index);

/* Stops accepting and lets running exchanges end; after the hop's drain deadline what is left is
 * aborted. The thread ends when nothing is left. */
void worker_drain(struct worker *worker);

/* Aborts everything and ends the thread. */
void worker_stop(struct worker *worker);

/* Waits for the thread's end; orders may still be sent (and are ignored) until worker_done. */
void worker_join(struct worker *worker);
void worker_done(struct worker *worker);

/* ---- for the worker's own objects ---- */

void worker_add_client(struct worker *worker, struct client_conn *conn);
void worker_remove_client(struct worker *worker, struct client_conn *conn);

/* An idle connection was added: see to it that it expires. */
void worker_pool_changed(struct worker *worker);

/* Source address for upstream connections, or NULL. */
const struct sockaddr_storage *worker_bind_address(const struct worker *worker);

#endif
