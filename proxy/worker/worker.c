#include "proxy/worker/worker.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/addr.h"
#include "core/conn.h"
#include "core/log.h"
#include "core/thread.h"
#include "lb/waiting_line.h"
#include "proxy/exchange/exchange.h"
#include "proxy/report/metrics.h"
#include "proxy/report/recorder.h"
#include "proxy/route/router.h"
#include "proxy/worker/connection_limits.h"
#include "proxy/worker/worker_drain.h"
#include "proxy/worker/worker_handover.h"
#include "tls/client_verifier.h"

/* Sessions remembered per worker for resumption towards targets. */
enum { TLS_SESSIONS_MAX = 1024, CLIENT_JUDGEMENTS_MAX = 256 };

/* What a client gets to read our last answer when the thread ends. */
enum { LINGER_AT_END_MS = 300 };

/* ---- clients ------------------------------------------------------------------------------- */

void worker_add_client(struct worker *worker, struct client_conn *conn)
{
    conn->prev = NULL;
    conn->next = worker->clients;
    if (conn->next)
        conn->next->prev = conn;
    else
        worker->clients_last = conn;
    worker->clients = conn;
    worker->clients_count++;
    worker->traffic_count += conn->holds_up_drain;
    metrics_count_one(worker->metrics, METRICS_CONNECTIONS);
}

void worker_remove_client(struct worker *worker, struct client_conn *conn)
{
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        worker->clients = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    else
        worker->clients_last = conn->prev;
    worker->clients_count--;
    worker->traffic_count -= conn->holds_up_drain;
    worker_continue_drain(worker);
}

static const struct connection_rules *rules_of(const struct worker_listener *listener)
{
    return &listener->pinned->snapshot->connection_rules;
}

static void tell_full(struct worker_listener *listener)
{
    struct worker *worker = listener->worker;
    char server[ADDR_TEXT_MAX];
    uint64_t untold;

    if (log_rate_allows(&listener->full_told, worker->loop->now_ms, &untold))
        log_error(LOG_LEVEL_WARN,
                  "%u client connections are open, as many as hopgate_max_connections allows: the "
                  "next ones have to wait, server: %s",
                  connection_limits_count(worker->hop->connection_limits),
                  addr_format(&listener->virtual_server->address, server, sizeof(server)));
}

static size_t room(void *owner)
{
    struct worker_listener *listener = owner;
    size_t count;

    if (worker_memory_level(listener->worker) != MEMORY_NORMAL &&
        !listener->virtual_server->draws_on_reserve)
        return 0; /* the change of the level was logged */
    count = connection_limits_room(listener->worker->hop->connection_limits, rules_of(listener),
                                   listener->virtual_server->draws_on_reserve, listener->is_full);

    if (count == 0 && !listener->is_full)
        tell_full(listener);
    listener->is_full = count == 0;
    return count;
}

static void leave_limits(void *owner, uint32_t ticket)
{
    connection_limits_leave(owner, ticket);
}

/* A reset, not FIN: it tells the client at once and leaves nothing behind in the kernel, of which an
 * attacker could make us pile up much. */
static void refuse(struct worker_listener *listener, struct stream *stream)
{
    char client[ADDR_IP_TEXT_MAX];
    uint64_t untold;

    if (log_rate_allows(&listener->refused_told, listener->worker->loop->now_ms, &untold))
        log_error(LOG_LEVEL_WARN,
                  "connection refused: its address has as many as "
                  "hopgate_max_connections_per_address allows, client: %s, %llu more since the "
                  "last such line",
                  addr_format_ip(&stream->endpoint->peer, client, sizeof(client)),
                  (unsigned long long)untold);
    metrics_count_one(listener->worker->metrics, METRICS_CONNECTIONS_REFUSED);
    stream_close(stream, STREAM_CLOSE_ABORT);
}

void worker_add_passthrough(struct worker *worker, struct passthrough *passthrough)
{
    passthrough->prev = NULL;
    passthrough->next = worker->passthroughs;
    if (passthrough->next)
        passthrough->next->prev = passthrough;
    worker->passthroughs = passthrough;
    metrics_count_one(worker->metrics, METRICS_CONNECTIONS);
}

void worker_remove_passthrough(struct worker *worker, struct passthrough *passthrough)
{
    if (passthrough->prev)
        passthrough->prev->next = passthrough->next;
    else
        worker->passthroughs = passthrough->next;
    if (passthrough->next)
        passthrough->next->prev = passthrough->prev;
    worker_continue_drain(worker);
}

static void on_accept(void *owner, struct stream *stream)
{
    struct worker_listener *listener = owner;
    struct connection_limits *limits = listener->worker->hop->connection_limits;
    uint32_t ticket;

    if (listener->worker->ending) {
        stream_close(stream, STREAM_CLOSE_ABORT);
        return;
    }
    if (!connection_limits_enter(limits, rules_of(listener), &stream->endpoint->peer, &ticket)) {
        refuse(listener, stream);
        return;
    }
    conn_on_gone(stream, leave_limits, limits, ticket);
    if (listener->virtual_server->kind == VIRTUAL_SERVER_PASSTHROUGH ||
        listener->virtual_server->kind == VIRTUAL_SERVER_TCP)
        passthrough_start(listener, stream);
    else
        client_conn_start(listener, stream);
}

/* ---- upstream connections ------------------------------------------------------------------ */

void worker_pool_changed(struct worker *worker, uint64_t end_ms)
{
    if (end_ms == CONN_POOL_NEVER)
        return;
    if (!timer_is_armed(&worker->pool_timer) || end_ms < worker->pool_timer.deadline_ms)
        timer_set(&worker->loop->timers, &worker->pool_timer, end_ms);
}

static void on_pool_timer(struct timer *timer)
{
    struct worker *worker = (struct worker *)((char *)timer - offsetof(struct worker, pool_timer));
    uint64_t next = conn_pool_expire(worker->pool, worker->loop->now_ms);

    if (next != CONN_POOL_NEVER)
        timer_set(&worker->loop->timers, timer, next);
}

/* ---- orders of other threads ---------------------------------------------------------------- */

/* The loop may end by itself at the same time: the lock keeps it until the letter is posted. */
static void send_order(struct worker_order *order)
{
    struct worker *worker = order->worker;

    pthread_mutex_lock(&worker->lock);
    if (worker->takes_orders && !order->sent) {
        order->sent = true;
        loop_send(worker->loop, &order->mail);
    }
    pthread_mutex_unlock(&worker->lock);
}

void worker_drain(struct worker *worker)
{
    send_order(&worker->drain_order);
}

void worker_finish(struct worker *worker)
{
    send_order(&worker->finish_order);
}

void worker_stop(struct worker *worker)
{
    send_order(&worker->stop_order);
}

/* ---- a new configuration ------------------------------------------------------------------- */

/* Listeners of addresses that stay are moved over; what is left in `former` is not listened on. */
static void inherit_listeners(struct pinned_snapshot *next, struct pinned_snapshot *former)
{
    const struct snapshot *snapshot = next->snapshot;

    for (size_t i = 0; i < snapshot->virtual_servers_count; i++) {
        const struct virtual_server *virtual_server = &snapshot->virtual_servers[i];

        if (virtual_server->fds)
            continue;
        next->listeners[i] = TAKE(former->listeners[virtual_server->heir_of]);
        next->listeners[i]->pinned = next;
        next->listeners[i]->virtual_server = virtual_server;
    }
}

static void retire_listeners(struct pinned_snapshot *former)
{
    for (size_t i = 0; i < former->snapshot->virtual_servers_count; i++) {
        if (!former->listeners[i])
            continue;
        former->listeners[i]->is_retired = true;
        worker_finish_listener(former->listeners[i]);
    }
}

/* The sockets that are this worker's. False: one could not be started, for want of memory. */
static bool start_listener(struct worker_listener *listener)
{
    const struct worker *worker = listener->worker;

    for (unsigned k = 0; k < listener->sockets_count; k++) {
        int *fd = &listener->virtual_server->fds[worker->index + k * worker->hop->workers_count];

        listener->sockets[k] = listener_start(worker->loop, *fd, listener, on_accept);
        *fd = -1;
        if (!listener->sockets[k])
            return false;
        listener_set_room(listener->sockets[k], room);
        if (atomic_load(&worker->hop->has_former))
            listener_look_again(listener->sockets[k], &worker->hop->has_former);
    }
    return true;
}

bool worker_start_listeners(struct worker *worker)
{
    const struct pinned_snapshot *pinned = worker->newest;

    for (size_t i = 0; i < pinned->snapshot->virtual_servers_count; i++)
        if (pinned->snapshot->virtual_servers[i].fds && !start_listener(pinned->listeners[i]))
            return false;
    return true;
}

static struct conn_pool_options pool_options(const struct snapshot *snapshot)
{
    const struct persona_upstream *policy = &snapshot->persona->upstream;

    return (struct conn_pool_options){
        .idle_max = policy->keepalive_pool_count,
        .requests_max = (uint32_t)policy->keepalive_requests_count,
        .idle_timeout_ms = policy->keepalive_timeout_ms,
        .age_max_ms = policy->keepalive_age_ms,
        .by_address = policy->keepalive_of == PERSONA_KEEPALIVE_ADDRESS,
        .per_key_max = (uint32_t)policy->keepalive_per_target_count,
    };
}

/* Idle connections stay, unless their number is limited anew. */
static void follow_pool_options(struct worker *worker, const struct conn_pool_options *options)
{
    struct conn_pool *replacement;

    if (conn_pool_set_options(worker->pool, options) == 0)
        return;
    replacement = conn_pool_create(options, worker->loop->pool);
    if (!replacement)
        return; /* without memory the former limits stay */
    conn_pool_free(worker->pool);
    worker->pool = replacement;
}

static void take_snapshot(struct worker *worker, struct pinned_snapshot *next)
{
    struct pinned_snapshot *former = worker->newest;
    const struct conn_pool_options options = pool_options(next->snapshot);
    struct client_conn *following;

    inherit_listeners(next, former);
    next->was_seen = true;
    worker->newest = next;
    follow_pool_options(worker, &options);
    /* without memory the former size stays */
    (void)recorder_resize(worker->recorder, next->snapshot->settings->hopgate_recorder_size_bytes);
    retire_listeners(former);
    if (!worker_start_listeners(worker))
        log_error(LOG_LEVEL_CRIT, "worker %u: no memory to listen on a new address", worker->index);
    for (struct client_conn *conn = worker->clients; conn; conn = following) {
        following = conn->next;
        client_conn_on_new_snapshot(conn);
    }
    pinned_snapshot_unpin(former);
}

static void take_or_drop_snapshot(struct worker *worker, void *argument)
{
    struct pinned_snapshot **next = argument;

    /* draining: nothing begins any more, so nothing needs it */
    if (!worker->draining)
        take_snapshot(worker, TAKE(*next));
}

void worker_switch(struct worker *worker, struct pinned_snapshot **next)
{
    (void)worker_call(worker, take_or_drop_snapshot, next); /* a worker that has ended needs none */
    if (*next)
        pinned_snapshot_unpin(TAKE(*next));
}

/* ---- the thread ---------------------------------------------------------------------------- */

static bool open_all(struct worker *worker)
{
    const struct conn_pool_options pool = pool_options(worker->newest->snapshot);
    const struct settings *settings = worker->newest->snapshot->settings;
    struct loop_options options;

    loop_options_default(&options);
    options.tick_ms = worker->hop->tick_ms;
    options.ring.buffer_counts[RING_RECV_SMALL] = settings->receive_buffers;
    options.ring.buffer_counts[RING_RECV_BULK] = settings->receive_buffers_bulk;
    options.account = memory_budget_account(worker->hop->memory, worker->index);
    worker->loop = loop_create(&options, worker->error, sizeof(worker->error));
    if (!worker->loop)
        return false;
    tls_handshake_queue_init(&worker->handshakes, worker->loop,
                             &worker->metrics->counters[METRICS_CLIENT_TLS_DEFERRED]);
    memory_relief_init(worker, options.account);
    waiting_lines_open(worker->hop->waiting_lines, worker->index, worker->loop);
    timer_init(&worker->pool_timer, on_pool_timer);
    timer_init(&worker->drain_timer, worker_on_drain_timer);
    snprintf(worker->error, sizeof(worker->error), "out of memory");
    worker->local_memory = chunk_pool_create(0);
    if (worker->local_memory)
        chunk_pool_set_account(worker->local_memory, options.account, true);
    worker->pool = conn_pool_create(&pool, worker->loop->pool);
    worker->tls_sessions = tls_session_cache_create(TLS_SESSIONS_MAX);
    worker->client_verifier = tls_client_verifier_create(CLIENT_JUDGEMENTS_MAX);
    worker->router_scratch = router_scratch_create();
    worker->recorder =
        recorder_create(worker->newest->snapshot->settings->hopgate_recorder_size_bytes);
    return worker->local_memory && worker->pool && worker->tls_sessions &&
           worker->client_verifier && worker->router_scratch && worker->recorder &&
           (worker->hop->accepts_later || worker_start_listeners(worker));
}

static void turn_until(struct worker *worker, uint64_t limit_ms)
{
    uint64_t until_ms = worker->loop->now_ms + limit_ms;

    while (worker->loop->objects > 0 && worker->loop->now_ms < until_ms)
        if (loop_turn(worker->loop, until_ms - worker->loop->now_ms) < 0)
            return;
}

/*
 * Closed connections free themselves when their last bytes are gone and the kernel lets go. Those
 * that only wait for a FIN get a moment; those with bytes to send get the drain deadline.
 */
static void wait_for_objects(struct worker *worker)
{
    turn_until(worker, LINGER_AT_END_MS);
    conn_abort_closing(worker->loop, false);
    turn_until(worker, worker_drain_timeout_ms(worker));
    conn_abort_closing(worker->loop, true);
    turn_until(worker, CONN_FLUSH_STALL_TIMEOUT_MS);
}

static void close_all(struct worker *worker)
{
    worker->ending = true;
    if (worker->loop) {
        worker_stop_listeners(worker);
        worker_abort_clients(worker);
        timer_cancel(&worker->pool_timer);
        timer_cancel(&worker->drain_timer);
        memory_relief_end(worker);
    }
    conn_pool_free(TAKE(worker->pool));
    if (worker->loop) {
        (void)loop_turn(worker->loop, 0); /* finished exchanges come back in the turn's end */
        wait_for_objects(worker);
    }
    exchange_free_spares(worker);
    tls_session_cache_free(worker->tls_sessions);
    tls_client_verifier_free(worker->client_verifier);
    router_scratch_free(worker->router_scratch);
    pinned_snapshot_unpin(TAKE(worker->newest));
    tls_handshake_queue_done(&worker->handshakes);
    waiting_lines_close(worker->hop->waiting_lines, worker->index);
    loop_free(worker->loop);
    worker->loop = NULL;
    chunk_pool_free(TAKE(worker->local_memory));
}

static void tell_start(struct worker *worker, int state)
{
    pthread_mutex_lock(&worker->lock);
    worker->start_state = state;
    worker->takes_orders = state == WORKER_RUNNING;
    pthread_cond_signal(&worker->start_changed);
    pthread_mutex_unlock(&worker->lock);
}

static void refuse_orders(struct worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    worker->takes_orders = false;
    pthread_cond_signal(&worker->call_ended);
    pthread_mutex_unlock(&worker->lock);
}

static void *run(void *argument)
{
    struct worker *worker = argument;
    char name[16];
    int r;

    worker->newest->was_seen = true;
    snprintf(name, sizeof(name), "worker %u", worker->index);
    (void)pthread_setname_np(pthread_self(), name); /* for top -H and the like only */
    if (!open_all(worker)) {
        close_all(worker);
        recorder_free(TAKE(worker->recorder));
        tell_start(worker, WORKER_FAILED);
        return NULL;
    }
    worker->has_traffic = true;
    atomic_fetch_add(&worker->hop->workers_with_traffic, 1);
    atomic_fetch_add(&worker->hop->workers_running, 1);
    tell_start(worker, WORKER_RUNNING);
    r = loop_run(worker->loop);
    if (r < 0) {
        /* no half-alive hop: the supervisor starts a whole one */
        (void)fprintf(stderr, "hopgate: worker %u: io_uring failed: %s\n", worker->index,
                      strerror(-r));
        _exit(1);
    }
    refuse_orders(worker);
    worker_leave_traffic(worker); /* it may have been told to end at once */
    close_all(worker);
    atomic_store(&worker->has_ended, true);
    atomic_fetch_sub(&worker->hop->workers_running, 1);
    hop_ring_doorbell(worker->hop);
    return NULL;
}

static void init_order(struct worker *worker, struct worker_order *order,
                       void (*deliver)(struct mail *mail, struct loop *loop))
{
    order->mail.deliver = deliver;
    order->worker = worker;
}

void worker_init(struct worker *worker, struct hop *hop, unsigned index)
{
    memset(worker, 0, sizeof(*worker));
    worker->hop = hop;
    worker->index = index;
    worker->metrics = &hop->metrics->shards[index];
    init_order(worker, &worker->drain_order, worker_deliver_drain);
    init_order(worker, &worker->finish_order, worker_deliver_finish);
    init_order(worker, &worker->stop_order, worker_deliver_stop);
    init_order(worker, &worker->call_order, worker_deliver_call);
    init_order(worker, &worker->relieve_order, worker_deliver_relieve);
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->start_changed, NULL);
    pthread_cond_init(&worker->call_ended, NULL);
}

int worker_start(struct worker *worker, struct pinned_snapshot **first)
{
    int r;

    worker->newest = TAKE(*first);
    r = thread_start(&worker->thread, run, worker);
    if (r != 0) {
        snprintf(worker->error, sizeof(worker->error), "cannot start a thread: %s", strerror(r));
        pinned_snapshot_unpin(TAKE(worker->newest));
        return -1;
    }
    pthread_mutex_lock(&worker->lock);
    while (worker->start_state == WORKER_STARTING)
        pthread_cond_wait(&worker->start_changed, &worker->lock);
    pthread_mutex_unlock(&worker->lock);
    if (worker->start_state == WORKER_RUNNING)
        return 0;
    pthread_join(worker->thread, NULL);
    return -1;
}

void worker_join(struct worker *worker)
{
    pthread_join(worker->thread, NULL);
}

void worker_done(struct worker *worker)
{
    recorder_free(TAKE(worker->recorder));
    pthread_mutex_destroy(&worker->lock);
    pthread_cond_destroy(&worker->start_changed);
    pthread_cond_destroy(&worker->call_ended);
}
