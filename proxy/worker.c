#include "proxy/worker.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/conn.h"
#include "proxy/exchange.h"

/* Sessions remembered per worker for resumption towards targets. */
enum { TLS_SESSIONS_MAX = 1024 };

/* What a client gets to read our last answer when the thread ends. */
enum { LINGER_AT_END_MS = 300 };

/* ---- clients ------------------------------------------------------------------------------- */

void worker_add_client(struct worker *worker, struct client_conn *conn)
{
    conn->prev = NULL;
    conn->next = worker->clients;
    if (conn->next)
        conn->next->prev = conn;
    worker->clients = conn;
    worker->clients_count++;
}

static void end_if_drained(struct worker *worker)
{
    if (worker->draining && worker->clients_count == 0)
        loop_stop(worker->loop);
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
    end_if_drained(worker);
}

static void on_accept(void *owner, struct stream *stream)
{
    struct worker_listener *listener = owner;

    client_conn_start(listener->worker, listener->virtual_server, stream);
}

/* ---- upstream connections ------------------------------------------------------------------ */

void worker_pool_changed(struct worker *worker)
{
    uint64_t timeout_ms = worker->hop->persona->upstream.keepalive_timeout_ms;

    /* 0: idle connections stay, nothing will ever expire */
    if (timeout_ms > 0 && !timer_is_armed(&worker->pool_timer))
        loop_timer_set(worker->loop, &worker->pool_timer, timeout_ms);
}

static void on_pool_timer(struct timer *timer)
{
    struct worker *worker = (struct worker *)((char *)timer - offsetof(struct worker, pool_timer));
    uint64_t next = conn_pool_expire(worker->pool, worker->loop->now_ms);

    if (next != CONN_POOL_NEVER)
        timer_set(&worker->loop->timers, timer, next);
}

const struct sockaddr_storage *worker_bind_address(const struct worker *worker)
{
    const struct sockaddr_storage *address = &worker->hop->upstream_bind;

    return address->ss_family == AF_UNSPEC ? NULL : address;
}

/* ---- draining and stopping ----------------------------------------------------------------- */

static void stop_listeners(struct worker *worker)
{
    for (size_t i = 0; i < worker->hop->virtual_servers_count; i++) {
        if (worker->listeners[i].listener)
            listener_stop(worker->listeners[i].listener);
        worker->listeners[i].listener = NULL;
    }
}

static void abort_clients(struct worker *worker)
{
    while (worker->clients)
        client_conn_abort(worker->clients);
}

static void on_drain_timer(struct timer *timer)
{
    struct worker *worker = (struct worker *)((char *)timer - offsetof(struct worker, drain_timer));

    abort_clients(worker);
    loop_stop(worker->loop);
}

static void begin_drain(struct worker *worker)
{
    struct client_conn *next;

    if (worker->draining)
        return;
    worker->draining = true;
    stop_listeners(worker);
    loop_timer_set(worker->loop, &worker->drain_timer, worker->hop->drain_timeout_ms);
    for (struct client_conn *conn = worker->clients; conn; conn = next) {
        next = conn->next;
        client_conn_drain(conn);
    }
    end_if_drained(worker);
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

/* ---- the thread ---------------------------------------------------------------------------- */

static bool open_destinations(struct worker *worker)
{
    size_t count = worker->hop->config->services_count;

    worker->destinations = calloc(count ? count : 1, sizeof(*worker->destinations));
    if (!worker->destinations)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct destination *destination = &worker->destinations[i];

        destination->plan = &worker->hop->services[i];
        destination->upstream =
            upstream_create(destination->plan->targets, worker->loop->now_us * 31 + worker->index);
        if (!destination->upstream)
            return false;
    }
    return true;
}

static bool open_listeners(struct worker *worker)
{
    struct hop *hop = worker->hop;

    worker->listeners = calloc(hop->virtual_servers_count + 1, sizeof(*worker->listeners));
    if (!worker->listeners)
        return false;
    for (size_t i = 0; i < hop->virtual_servers_count; i++) {
        struct worker_listener *owner = &worker->listeners[i];
        struct virtual_server *virtual_server = &hop->virtual_servers[i];
        int fd = virtual_server->fds[worker->index];

        owner->worker = worker;
        owner->virtual_server = virtual_server;
        virtual_server->fds[worker->index] = -1;
        owner->listener = listener_start(worker->loop, fd, owner, on_accept);
        if (!owner->listener)
            return false;
    }
    return true;
}

static bool open_all(struct worker *worker)
{
    const struct persona_upstream *policy = &worker->hop->persona->upstream;
    const struct conn_pool_options pool_options = {
        .idle_max = policy->keepalive_pool_count,
        .requests_max = (uint32_t)policy->keepalive_requests_count,
        .idle_timeout_ms = policy->keepalive_timeout_ms,
    };
    struct loop_options options;

    loop_options_default(&options);
    options.tick_ms = worker->hop->tick_ms;
    worker->loop = loop_create(&options, worker->error, sizeof(worker->error));
    if (!worker->loop)
        return false;
    timer_init(&worker->pool_timer, on_pool_timer);
    timer_init(&worker->drain_timer, on_drain_timer);
    snprintf(worker->error, sizeof(worker->error), "out of memory");
    worker->pool = conn_pool_create(&pool_options, worker->loop->pool);
    worker->tls_sessions = tls_session_cache_create(TLS_SESSIONS_MAX);
    return worker->pool && worker->tls_sessions && open_destinations(worker) &&
           open_listeners(worker);
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
    turn_until(worker, worker->hop->drain_timeout_ms);
    conn_abort_closing(worker->loop, true);
    turn_until(worker, CONN_FLUSH_STALL_TIMEOUT_MS);
}

static void close_all(struct worker *worker)
{
    size_t count = worker->hop->config->services_count;

    if (worker->loop) {
        if (worker->listeners)
            stop_listeners(worker);
        abort_clients(worker);
        timer_cancel(&worker->pool_timer);
        timer_cancel(&worker->drain_timer);
    }
    conn_pool_free(worker->pool);
    if (worker->loop) {
        (void)loop_turn(worker->loop, 0); /* finished exchanges come back in the turn's end */
        wait_for_objects(worker);
    }
    exchange_free_spares(worker);
    tls_session_cache_free(worker->tls_sessions);
    for (size_t i = 0; worker->destinations && i < count; i++)
        upstream_free(worker->destinations[i].upstream);
    free(worker->destinations);
    free(worker->listeners);
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
    pthread_mutex_unlock(&worker->lock);
}

static void *run(void *argument)
{
    struct worker *worker = argument;
    int r;

    if (!open_all(worker)) {
        close_all(worker);
        tell_start(worker, WORKER_FAILED);
        return NULL;
    }
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
    return NULL;
}

static void init_order(struct worker *worker, struct worker_order *order,
                       void (*deliver)(struct mail *mail, struct loop *loop))
{
    order->mail.deliver = deliver;
    order->worker = worker;
}

int worker_start(struct worker *worker, struct hop *hop, unsigned index)
{
    sigset_t all, before;
    int r;

    memset(worker, 0, sizeof(*worker));
    worker->hop = hop;
    worker->index = index;
    init_order(worker, &worker->drain_order, deliver_drain);
    init_order(worker, &worker->stop_order, deliver_stop);
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->start_changed, NULL);
    /* signals are the main thread's */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&worker->thread, NULL, run, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0) {
        snprintf(worker->error, sizeof(worker->error), "cannot start a thread: %s", strerror(r));
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
    pthread_mutex_destroy(&worker->lock);
    pthread_cond_destroy(&worker->start_changed);
}
