/*
 * worker: one thread that carries traffic.
 *
 * Role    the thread's loop, listeners, client connections, upstream connections
 * Owns    all of them; what it shares with other threads is in struct hop and in snapshots, both
 *         read-only, plus the target records
 * Thread  its own; the functions below up to worker_done are the main thread's
 */
#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include <pthread.h>

#include "core/listener.h"
#include "core/loop.h"
#include "lb/conn_pool.h"
#include "proxy/client/client_conn.h"
#include "proxy/client/passthrough.h"
#include "proxy/snapshot/pinned_snapshot.h"
#include "proxy/snapshot/virtual_server.h"
#include "proxy/worker/hop.h"
#include "proxy/worker/memory_relief.h"
#include "tls/handshake_queue.h"

enum { WORKER_RANDOM_BYTES = 4096 };

/* A letter to the worker; part of the worker, so it can always be sent. */
struct worker_order {
    struct mail mail; /* first */
    struct worker *worker;
    bool sent; /* under worker->lock */
};

struct recorder;
struct router_scratch;

struct worker {
    struct hop *hop;
    unsigned index;
    struct loop *loop;
    struct pinned_snapshot *newest;  /* what new connections and requests get */
    struct chunk_pool *local_memory; /* for what this hop itself is asked: never refused */
    struct conn_pool *pool;
    struct timer pool_timer;
    struct tls_session_cache *tls_sessions;
    struct router_scratch *router_scratch; /* what a search for a route writes */
    struct recorder *recorder; /* outlives the thread: what it remembers can still be asked for */
    _Atomic bool has_ended;    /* the thread touches nothing any more */
    struct tls_client_verifier *client_verifier;
    struct tls_handshake_queue handshakes;      /* with clients */
    struct client_conn *clients, *clients_last; /* doubly linked, the youngest first */
    uint32_t clients_count;
    uint32_t traffic_count;           /* of them: those a drain waits for */
    struct passthrough *passthroughs; /* doubly linked */
    struct exchange *spare_exchanges; /* finished ones, kept for the next request */
    uint32_t spare_exchanges_count;
    uint64_t exchanges_count;      /* running */
    uint64_t reading_count;        /* of them: the request head is not complete */
    struct metrics_shard *metrics; /* the hop's, written by this worker only */
    unsigned char random_bytes[WORKER_RANDOM_BYTES];
    size_t random_left;
    bool draining;
    bool hands_over;              /* another process serves: see worker_handover.h */
    bool has_traffic;             /* it counts in hop->workers_with_traffic */
    bool finishing;               /* no worker has: the status listeners end as well */
    bool ending;                  /* whoever is accepted now is reset */
    uint32_t listeners_finishing; /* they still hand over who has come */
    uint64_t drain_until_ms;
    struct timer drain_timer;
    struct memory_relief relief;
    struct worker_order drain_order, finish_order, stop_order, call_order, relieve_order;
    _Atomic bool relieve_ordered; /* the letter is on its way */

    pthread_t thread;
    pthread_mutex_t lock; /* of what follows; taken at start, reload and stop, never for traffic */
    pthread_cond_t start_changed, call_ended;
    enum { WORKER_CALL_NONE, WORKER_CALL_POSTED, WORKER_CALL_RUNNING } call_state;
    void (*called)(struct worker *worker, void *argument);
    void *call_argument;
    enum { WORKER_STARTING, WORKER_RUNNING, WORKER_FAILED } start_state;
    bool takes_orders; /* the loop exists and runs */
    char error[512];   /* why it could not start */
};

/* Runs `run` on the worker's thread, between two turns, and returns when it has returned. False: the
 * thread has ended or is about to, and nothing was run. */
bool worker_call(struct worker *worker, void (*run)(struct worker *worker, void *argument),
                 void *argument);

/* What a thread may be started from. */
void worker_init(struct worker *worker, struct hop *hop, unsigned index);

/*
 * Starts the thread and waits until it accepts connections. Takes the snapshot. 0, or -1 with
 * worker->error set (the thread has ended then, and neither worker_join nor worker_done may be
 * called).
 */
int worker_start(struct worker *worker, struct pinned_snapshot **first);

/* Makes *next (taken) the configuration of all that begins from now on, and returns when it is. A
 * worker that has ended meanwhile just frees it. */
void worker_switch(struct worker *worker, struct pinned_snapshot **next);

/* Stops accepting traffic and lets running exchanges end; after the hop's drain deadline what is left
 * is aborted. The status listeners go on, see hop->workers_with_traffic. */
void worker_drain(struct worker *worker);

/* No worker has traffic any more: answers those who ask how the hop is doing and have come already;
 * then the thread ends. */
void worker_finish(struct worker *worker);

/* Aborts everything and ends the thread. */
void worker_stop(struct worker *worker);

/* Memory has become short: the worker sees what it can let go of. */
void worker_relieve(struct worker *worker);

/* A letter to an object of the worker. False: its thread has ended or is about to, and the letter is
 * still the caller's. */
bool worker_post(struct worker *worker, struct mail *mail);

/* How worker->call_order is delivered: on the worker's thread. */
void worker_deliver_call(struct mail *mail, struct loop *loop);

/* The same for worker->relieve_order. */
void worker_deliver_relieve(struct mail *mail, struct loop *loop);

/* Waits for the thread's end; orders may still be sent (and are ignored) until worker_done. */
void worker_join(struct worker *worker);
void worker_done(struct worker *worker);

/* ---- for the worker's own objects ---- */

/* Where connections of a listener of that kind take their memory from. */
static inline struct chunk_pool *worker_memory_for(const struct worker *worker,
                                                   enum virtual_server_kind kind)
{
    return virtual_server_kind_is_local(kind) ? worker->local_memory : worker->loop->pool;
}

static inline enum memory_level worker_memory_level(const struct worker *worker)
{
    return memory_account_level(chunk_pool_account(worker->loop->pool));
}

void worker_add_client(struct worker *worker, struct client_conn *conn);
void worker_remove_client(struct worker *worker, struct client_conn *conn);
void worker_add_passthrough(struct worker *worker, struct passthrough *passthrough);
void worker_remove_passthrough(struct worker *worker, struct passthrough *passthrough);

/* An idle connection was added: see to it that it expires then. */
void worker_pool_changed(struct worker *worker, uint64_t end_ms);

#endif
