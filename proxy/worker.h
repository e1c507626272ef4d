/*
 * worker: one thread that carries traffic.
 *
 * Role    the thread's loop, listeners, client connections, upstream connections
 * Owns    all of them; what it shares with other threads is in struct hop and read-only, plus the
 *         target records
 * Thread  its own; worker_start and worker_join are called by the main thread, worker_drain by mail
 */
#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include <pthread.h>

#include "core/loop.h"
#include "proxy/client_conn.h"
#include "proxy/hop.h"

struct destination;

struct worker {
    struct hop *hop;
    unsigned index;
    struct loop *loop;
    struct listener **listeners; /* one per virtual server; NULL once stopped */
    struct worker_listener *listener_owners;
    struct destination *destinations; /* one per service of the configuration */
    struct upstream **upstreams;      /* lb runtime of each, owned */
    struct conn_pool *pool;
    struct timer pool_timer;
    struct tls_session_cache *tls_sessions;
    struct client_conn *clients; /* doubly linked */
    uint32_t clients_count;
    struct exchange *spare_exchanges; /* finished ones, kept for the next request */
    uint32_t spare_exchanges_count;
    uint64_t exchanges_count; /* running */
    bool draining;
    struct timer drain_timer;
    struct mail drain_mail, stop_mail;
    pthread_t thread;
    bool started;
    char error[512]; /* why it could not start */
};

/*
 * Starts the thread and waits until it accepts connections. 0, or -1 with worker->error set (the
 * thread has ended then).
 */
int worker_start(struct worker *worker, struct hop *hop, unsigned index);

/* Stops accepting, lets running exchanges end, then the thread ends; after timeout_ms what is left is
 * aborted. May be called again with a shorter time. Any thread. */
void worker_drain(struct worker *worker);

/* Aborts everything and ends the thread. Any thread. */
void worker_stop(struct worker *worker);

void worker_join(struct worker *worker);

/* For the worker's own objects. */
void worker_add_client(struct worker *worker, struct client_conn *conn);
void worker_remove_client(struct worker *worker, struct client_conn *conn);

/* The pool's next expiry may have moved. */
void worker_pool_changed(struct worker *worker);

#endif
