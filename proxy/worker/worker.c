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
#include "proxy/worker/connection_limits.h"
#include "tls/client_verifier.h"

/* Sessions remembered per worker for resumption towards targets. */
enum { TLS_SESSIONS_MAX = 1024, CLIENT_JUDGEMENTS_MAX = 256 };

/* What a client gets to read our last answer when the thread ends. */
enum { LINGER_AT_END_MS = 300 };

static void continue_drain(struct worker *worker);

/* ---- clients ------------------------------------------------------------------------------- */

void worker_add_client(struct worker *worker, struct client_conn *conn)
{
    conn->prev = NULL;
    conn->next = worker->clients;
    if (conn->next)
        conn->next->prev = conn;
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
    worker->clients_count--;
    worker->traffic_count -= conn->holds_up_drain;
    continue_drain(worker);
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
    size_t count =
        connection_limits_room(listener->worker->hop->connection_limits, rules_of(listener),
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
    continue_drain(worker);
}

static void on_accept(void *owner, struct stream *stream)
{
    struct worker_listener *listener = owner;
    struct connection_limits *limits = listener->worker->hop->connection_limits;
    uint32_t ticket;

    if (!connection_limits_enter(limits, rules_of(listener), &stream->endpoint->peer, &ticket)) {
        refuse(listener, stream);
        return;
    }
    conn_on_gone(stream, leave_limits, limits, ticket);
    if (listener->virtual_server->kind == VIRTUAL_SERVER_PASSTHROUGH)
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

/* ---- draining and stopping ----------------------------------------------------------------- */

static void stop_listener(struct worker_listener *listener)
{
    if (listener->listener)
        listener_stop(TAKE(listener->listener));
}

static void stop_listeners(struct worker *worker)
{
    for (size_t i = 0; i < worker->newest->snapshot->virtual_servers_count; i++)
        stop_listener(worker->newest->listeners[i]);
}

static void stop_traffic_listeners(struct worker *worker)
{
    const struct snapshot *snapshot = worker->newest->snapshot;

    for (size_t i = 0; i < snapshot->virtual_servers_count; i++)
        if (snapshot->virtual_servers[i].kind != VIRTUAL_SERVER_STATUS)
            stop_listener(worker->newest->listeners[i]);
}

static void abort_clients(struct worker *worker)
{
    while (worker->clients)
        client_conn_abort(worker->clients);
    while (worker->passthroughs)
        passthrough_abort(worker->passthroughs);
}

static void on_drain_timer(struct timer *timer)
{
    struct worker *worker = (struct worker *)((char *)timer - offsetof(struct worker, drain_timer));

    abort_clients(worker);
    loop_stop(worker->loop);
}

static uint64_t drain_timeout_ms(const struct worker *worker)
{
    return worker->newest->snapshot->settings->hopgate_shutdown_timeout_ms;
}

static void drain_clients(struct worker *worker, bool traffic)
{
    struct client_conn *next;

    for (struct client_conn *conn = worker->clients; conn; conn = next) {
        next = conn->next;
        if (conn->holds_up_drain == traffic)
            client_conn_drain(conn);
    }
}

/* Traffic first; who asks how the hop is doing is answered until there is none. */
static void continue_drain(struct worker *worker)
{
    if (!worker->draining || worker->traffic_count > 0 || worker->passthroughs)
        return;
    if (!worker->traffic_drained) {
        worker->traffic_drained = true;
        stop_listeners(worker);
        drain_clients(worker, false); /* the last one comes here again */
    }
    if (worker->clients_count == 0)
        loop_stop(worker->loop);
}

static void begin_drain(struct worker *worker)
{
    if (worker->draining)
        return;
    worker->draining = true;
    stop_traffic_listeners(worker);
    loop_timer_set(worker->loop, &worker->drain_timer, drain_timeout_ms(worker));
    worker->traffic_count++; /* the list is walked: nobody else may take connections out of it */
    drain_clients(worker, true);
    worker->traffic_count--;
    continue_drain(worker);
}

static void deliver_drain(struct mail *mail, struct loop *loop)
{
    struct worker_order *order = (struct worker_order *)mail;

    (void)loop;
    begin_drain(order->worker);
}

static void deliver_stop(struct mail *mail, struct loop *loop)
{
    struct worker_order *order = (struct worker_order *)mail;

    order->worker->draining = true;
    stop_listeners(order->worker);
    abort_clients(order->worker);
    loop_stop(loop);
}

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
        stop_listener(former->listeners[i]);
    }
}

/* False: one could not be started, for want of memory. */
static bool start_listeners(struct pinned_snapshot *pinned)
{
    struct worker *worker = pinned->worker;

    for (size_t i = 0; i < pinned->snapshot->virtual_servers_count; i++) {
        const struct virtual_server *virtual_server = &pinned->snapshot->virtual_servers[i];
        struct worker_listener *listener = pinned->listeners[i];

        if (!virtual_server->fds)
            continue;
        listener->listener =
            listener_start(worker->loop, virtual_server->fds[worker->index], listener, on_accept);
        virtual_server->fds[worker->index] = -1;
        if (!listener->listener)
            return false;
        listener_set_room(listener->listener, room);
    }
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
    worker->newest = next;
    follow_pool_options(worker, &options);
    /* without memory the former size stays */
    (void)recorder_resize(worker->recorder, next->snapshot->settings->hopgate_recorder_size_bytes);
    retire_listeners(former);
    if (!start_listeners(next))
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
    struct loop_options options;

    loop_options_default(&options);
    options.tick_ms = worker->hop->tick_ms;
    worker->loop = loop_create(&options, worker->error, sizeof(worker->error));
    if (!worker->loop)
        return false;
    waiting_lines_open(worker->hop->waiting_lines, worker->index, worker->loop);
    timer_init(&worker->pool_timer, on_pool_timer);
    timer_init(&worker->drain_timer, on_drain_timer);
    snprintf(worker->error, sizeof(worker->error), "out of memory");
    worker->pool = conn_pool_create(&pool, worker->loop->pool);
    worker->tls_sessions = tls_session_cache_create(TLS_SESSIONS_MAX);
    worker->client_verifier = tls_client_verifier_create(CLIENT_JUDGEMENTS_MAX);
    worker->recorder =
        recorder_create(worker->newest->snapshot->settings->hopgate_recorder_size_bytes);
    return worker->pool && worker->tls_sessions && worker->client_verifier && worker->recorder &&
           start_listeners(worker->newest);
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
    turn_until(worker, drain_timeout_ms(worker));
    conn_abort_closing(worker->loop, true);
    turn_until(worker, CONN_FLUSH_STALL_TIMEOUT_MS);
}

static void close_all(struct worker *worker)
{
    if (worker->loop) {
        stop_listeners(worker);
        abort_clients(worker);
        timer_cancel(&worker->pool_timer);
        timer_cancel(&worker->drain_timer);
    }
    conn_pool_free(TAKE(worker->pool));
    if (worker->loop) {
        (void)loop_turn(worker->loop, 0); /* finished exchanges come back in the turn's end */
        wait_for_objects(worker);
    }
    exchange_free_spares(worker);
    tls_session_cache_free(worker->tls_sessions);
    tls_client_verifier_free(worker->client_verifier);
    pinned_snapshot_unpin(TAKE(worker->newest));
    waiting_lines_close(worker->hop->waiting_lines, worker->index);
    loop_free(worker->loop);
    worker->loop = NULL;
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
    int r;

    if (!open_all(worker)) {
        close_all(worker);
        recorder_free(TAKE(worker->recorder));
        tell_start(worker, WORKER_FAILED);
        return NULL;
    }
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
    init_order(worker, &worker->drain_order, deliver_drain);
    init_order(worker, &worker->stop_order, deliver_stop);
    init_order(worker, &worker->call_order, worker_deliver_call);
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
