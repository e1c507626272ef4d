#include "proxy/client/client_conn_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "proxy/exchange/exchange.h"
#include "proxy/report/metrics.h"
#include "proxy/worker/worker.h"

/* ms; in the handshake, and again until the first byte of the request */
enum { DRAIN_FIRST_BYTES_TIMEOUT_MS = 1000 };

/* ms; in a drain that no client shall notice: until the first byte of the next request, which may be on
 * its way to us when we would close. It is answered, and told to close. */
enum { HANDOVER_NEXT_REQUEST_TIMEOUT_MS = 1000 };

static const struct http_client_ops client_ops;

/* ---- life ---------------------------------------------------------------------------------- */

static void follow_listener(struct client_conn *conn)
{
    upstream_pin_drop(&conn->pin); /* its target is of the former configuration */
    if (conn->pinned)
        pinned_snapshot_unpin(conn->pinned);
    conn->pinned = conn->listener->pinned;
    pinned_snapshot_pin(conn->pinned);
    conn->virtual_server = conn->listener->virtual_server;
}

static void free_client_conn(struct deferred *deferred)
{
    struct client_conn *conn =
        (struct client_conn *)((char *)deferred - offsetof(struct client_conn, deferred));

    memory_account_add(chunk_pool_account(conn->memory), MEMORY_CONNECTIONS,
                       -(int64_t)sizeof(*conn));
    free(conn);
}

void client_conn_close(struct client_conn *conn, enum stream_close how)
{
    assert(conn->exchange == NULL && "a connection cannot go before its exchange");
    timer_cancel(&conn->timer);
    loop_forget(conn->worker->loop, &conn->next_task);
    http1_endpoint_done(&conn->endpoint);
    if (conn->endpoint.stream)
        stream_close(TAKE(conn->endpoint.stream), how);
    upstream_pin_drop(&conn->pin);
    worker_remove_client(conn->worker, conn);
    pinned_snapshot_unpin(conn->pinned);
    worker_listener_release(conn->listener);
    loop_free_later(conn->worker->loop, &conn->deferred);
}

/* Of an idle connection of ours: as with an F5, the client's ends too. A request that is coming in
 * just gets another one. */
static void on_target_ended(void *owner)
{
    struct client_conn *conn = owner;

    if (conn->state == CLIENT_CONN_IDLE)
        client_conn_close(conn, STREAM_CLOSE_FLUSH);
}

uint64_t client_conn_first_bytes_timeout_ms(const struct worker *worker,
                                            const struct persona_client *policy, bool in_tls)
{
    bool handshake = in_tls && policy->tls_handshake_timeout_ms > 0;
    uint64_t timeout_ms = handshake ? policy->tls_handshake_timeout_ms : policy->head_timeout_ms;

    /* a client that has connected just before the hop drains has its first request on its way */
    if (worker->draining && timeout_ms > DRAIN_FIRST_BYTES_TIMEOUT_MS)
        timeout_ms = DRAIN_FIRST_BYTES_TIMEOUT_MS;
    return timeout_ms;
}

void client_conn_wait_for_request(struct client_conn *conn, enum client_conn_state state)
{
    bool in_tls = state == CLIENT_CONN_CONNECTED || state == CLIENT_CONN_HANDSHAKE;

    conn->state = state;
    loop_timer_set(
        conn->worker->loop, &conn->timer,
        client_conn_first_bytes_timeout_ms(conn->worker, client_conn_policy(conn), in_tls));
}

void client_conn_drain(struct client_conn *conn)
{
    if (conn->state > CLIENT_CONN_IDLE)
        return;
    if (conn->requests_count > 0 && conn->worker->hands_over)
        loop_timer_set(conn->worker->loop, &conn->timer, HANDOVER_NEXT_REQUEST_TIMEOUT_MS);
    else if (conn->requests_count > 0)
        client_conn_close(conn, STREAM_CLOSE_FLUSH);
    else if (conn->worker->draining) /* else the time that it has runs on */
        client_conn_wait_for_request(conn, conn->state);
}

/* Whether TLS comes was decided by the virtual server that the connection was accepted for. */
static bool may_follow_listener(const struct client_conn *conn)
{
    return conn->state >= CLIENT_CONN_HANDSHAKE || !conn->over_tls ||
           conn->listener->virtual_server->tls != NULL;
}

void client_conn_on_new_snapshot(struct client_conn *conn)
{
    if (conn->listener->is_retired)
        client_conn_drain(conn);
    else if (conn->state <= CLIENT_CONN_IDLE && may_follow_listener(conn))
        follow_listener(conn);
}

/* ---- the next request ---------------------------------------------------------------------- */

/* Bytes of a request are here: from now on it has an exchange and a total time for its head. */
bool client_conn_open_exchange(struct client_conn *conn, bool pipelined)
{
    const struct exchange_client client = {
        .stream = &conn->endpoint.http,
        .ops = &client_ops,
        .memory = conn->memory,
        .pinned = conn->pinned,
        .virtual_server = conn->virtual_server,
        .peer = &conn->endpoint.http.endpoint->peer,
        .local = &conn->endpoint.http.endpoint->local,
        .over_tls = conn->over_tls,
        .tls = stream_tls_info(conn->endpoint.stream),
        .proxy_header = conn->proxy_header,
        .pin = &conn->pin,
        .connection_id = conn->endpoint.http.endpoint->connection_id,
        .request_number = conn->requests_count + 1,
        .pipelined = pipelined,
    };

    conn->exchange = exchange_create(conn->worker, &client);
    if (!conn->exchange) {
        client_conn_close(conn, STREAM_CLOSE_ABORT);
        return false;
    }
    conn->requests_count++;
    conn->state = CLIENT_CONN_HEAD;
    conn->endpoint.chunked_content_max = client_conn_policy(conn)->content_max_bytes;
    http1_endpoint_begin(&conn->endpoint, &client_conn_policy(conn)->limits, &conn->exchange->arena,
                         &conn->exchange->request);
    if (conn->exchange->record.persona->lab_is_on)
        conn->endpoint.parser.leniencies =
            conn->exchange->record.persona->parse.request & HTTP1_LENIENT_IN_REQUESTS;
    loop_timer_set(conn->worker->loop, &conn->timer, client_conn_policy(conn)->head_timeout_ms);
    return true;
}

/* For the logs: what there is of a request whose head will not be whole. */
static void fail_head(struct client_conn *conn)
{
    struct exchange *exchange = conn->exchange;

    conn->state = CLIENT_CONN_EXCHANGE;
    exchange->record.bad_request_line =
        arena_copy(&exchange->arena, http1_parser_peek_first_line(&conn->endpoint.parser));
    exchange_on_front(exchange, HTTP_STREAM_FAILED);
}

static void read_head(struct client_conn *conn)
{
    switch (http1_endpoint_read_head(&conn->endpoint)) {
    case ENDPOINT_HEAD_MORE:
        return;
    case ENDPOINT_HEAD_DONE:
        timer_cancel(&conn->timer);
        conn->state = CLIENT_CONN_EXCHANGE;
        exchange_on_front(conn->exchange, HTTP_STREAM_HEAD);
        return;
    case ENDPOINT_HEAD_FAILED:
        timer_cancel(&conn->timer);
        fail_head(conn);
        return;
    case ENDPOINT_HEAD_NONE:
        exchange_discard(TAKE(conn->exchange));
        client_conn_close(conn, STREAM_CLOSE_FLUSH);
        return;
    }
}

/* IDLE: an idle connection costs no exchange, so look for a first byte before making one. */
void client_conn_start_reading(struct client_conn *conn)
{
    bool pipelined = conn->endpoint.in.length > 0 && conn->requests_count > 0;

    while (conn->endpoint.in.length == 0) {
        long n = stream_read(conn->endpoint.stream, &conn->endpoint.in, CHUNK_BULK_BYTES);

        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            client_conn_close(conn, n == 0 ? STREAM_CLOSE_FLUSH : STREAM_CLOSE_ABORT);
            return;
        }
    }
    if (client_conn_open_exchange(conn, pipelined))
        read_head(conn);
}

static struct client_conn *conn_of(struct http_stream *stream)
{
    return (struct client_conn *)stream;
}

static void watch(struct http_stream *stream)
{
    struct client_conn *conn = conn_of(stream);
    long n;

    if (conn->endpoint.in.length > 0)
        return;
    n = stream_read(conn->endpoint.stream, &conn->endpoint.in, CHUNK_BULK_BYTES);
    if (n > 0 || n == -EAGAIN)
        return;
    http1_endpoint_fail_read(&conn->endpoint, n);
    exchange_on_front(conn->exchange, HTTP_STREAM_FAILED);
}

static void run_next(struct task *task)
{
    struct client_conn *conn =
        (struct client_conn *)((char *)task - offsetof(struct client_conn, next_task));

    if (conn->state == CLIENT_CONN_IDLE)
        client_conn_start_reading(conn);
}

/* It has been open for so long that its next answer is to be the last. */
static bool is_old(const struct client_conn *conn)
{
    uint64_t age_max_ms = client_conn_policy(conn)->keepalive_age_ms;

    return age_max_ms != 0 && conn->worker->loop->now_ms - conn->accepted_at_ms >= age_max_ms;
}

static bool hop_lets_persist(const struct client_conn *conn)
{
    /* the hop drains from the moment that it says so, not from when this worker hears of it */
    return !conn->worker->draining && !conn->listener->is_retired &&
           !atomic_load_explicit(&conn->worker->hop->draining, memory_order_relaxed) &&
           (!conn->holds_up_drain || worker_memory_level(conn->worker) == MEMORY_NORMAL);
}

/* Asked when the head of an answer is made: who was told to stay may stay. */
static bool may_persist(const struct http_stream *stream)
{
    const struct client_conn *conn = (const struct client_conn *)stream;

    return hop_lets_persist(conn) && !is_old(conn);
}

static void done(struct http_stream *stream, bool keep_alive)
{
    struct client_conn *conn = conn_of(stream);

    conn->exchange = NULL;
    http1_endpoint_end(&conn->endpoint);
    if (!keep_alive || conn->pin.has_ended ||
        (!hop_lets_persist(conn) && !conn->worker->hands_over)) {
        /* what was not read would turn our close into a reset that eats the answer (P16) */
        client_conn_close(conn, STREAM_CLOSE_LINGER);
        return;
    }
    conn->state = CLIENT_CONN_IDLE;
    if (conn->pinned != conn->listener->pinned)
        follow_listener(conn);
    stream_set_read_size(conn->endpoint.stream, STREAM_READ_SMALL);
    loop_timer_set(conn->worker->loop, &conn->timer, /* the answer's head told nothing of an end */
                   conn->worker->hands_over ? HANDOVER_NEXT_REQUEST_TIMEOUT_MS
                                            : client_conn_policy(conn)->keepalive_timeout_ms);
    loop_post(conn->worker->loop, &conn->next_task);
}

static void hang_up(struct http_stream *stream, enum stream_close how)
{
    struct client_conn *conn = conn_of(stream);

    conn->exchange = NULL;
    client_conn_close(conn, how);
}

static const struct http_client_ops client_ops = {
    .watch = watch, .may_persist = may_persist, .done = done, .hang_up = hang_up
};

void client_conn_abort(struct client_conn *conn)
{
    if (conn->exchange && conn->state == CLIENT_CONN_EXCHANGE) {
        exchange_abort(conn->exchange, END_SHUTTING_DOWN);
        return;
    }
    if (conn->exchange)
        exchange_discard(TAKE(conn->exchange));
    client_conn_close(conn, STREAM_CLOSE_ABORT);
}

void client_conn_cut(struct client_conn *conn, const char *detail)
{
    if (!conn->exchange || conn->state != CLIENT_CONN_EXCHANGE) {
        client_conn_abort(conn);
    } else if (conn->exchange->front_response == FRONT_RESPONSE_NONE) {
        exchange_answer(conn->exchange, END_MEMORY_CUT, slice_of(detail));
    } else {
        exchange_set_reason(conn->exchange, END_MEMORY_CUT, slice_of(detail));
        exchange_abort(conn->exchange, END_MEMORY_CUT);
    }
}

bool client_conn_close_if_idle(struct client_conn *conn, uint64_t first_request_ms)
{
    bool is_new = conn->requests_count == 0 &&
                  conn->worker->loop->now_ms - conn->accepted_at_ms < first_request_ms;

    if ((conn->state != CLIENT_CONN_IDLE && conn->state != CLIENT_CONN_CONNECTED) || is_new)
        return false;
    client_conn_close(conn, STREAM_CLOSE_FLUSH);
    return true;
}

/* ---- events -------------------------------------------------------------------------------- */

static void on_timer(struct timer *timer)
{
    struct client_conn *conn =
        (struct client_conn *)((char *)timer - offsetof(struct client_conn, timer));

    switch (conn->state) {
    case CLIENT_CONN_PROXY_HEADER:
    case CLIENT_CONN_CONNECTED:
    case CLIENT_CONN_HANDSHAKE:
        client_opening_timed_out(conn);
        return;
    case CLIENT_CONN_IDLE:
        client_conn_close(conn, STREAM_CLOSE_FLUSH);
        return;
    case CLIENT_CONN_HEAD:
        http1_endpoint_fail(&conn->endpoint, END_CLIENT_HEAD_TIMEOUT, (struct slice){ NULL, 0 });
        fail_head(conn);
        return;
    case CLIENT_CONN_EXCHANGE:
        return; /* the exchange has its own timers */
    }
}

static void on_readable(struct client_conn *conn)
{
    switch (conn->state) {
    case CLIENT_CONN_CONNECTED:
        client_opening_go_on(conn);
        return;
    case CLIENT_CONN_PROXY_HEADER:
    case CLIENT_CONN_HANDSHAKE:
        return;
    case CLIENT_CONN_IDLE:
        client_conn_start_reading(conn);
        return;
    case CLIENT_CONN_HEAD:
        read_head(conn);
        return;
    case CLIENT_CONN_EXCHANGE:
        if (conn->endpoint.state == ENDPOINT_COMPLETE)
            watch(&conn->endpoint.http);
        else
            exchange_on_front(conn->exchange, HTTP_STREAM_CONTENT);
        return;
    }
}

static unsigned exchange_events(unsigned events)
{
    unsigned mask = 0;

    if (events & STREAM_WRITABLE)
        mask |= HTTP_STREAM_WRITABLE;
    if (events & STREAM_DRAINED)
        mask |= HTTP_STREAM_DRAINED;
    if (events & STREAM_WRITE_FAILED)
        mask |= HTTP_STREAM_SEND_FAILED;
    return mask;
}

/* Whatever it asks could not be answered; and it is said once only, so a request that began now would
 * never learn of it. One that has begun gets its line in the log. */
static void on_write_failed(struct client_conn *conn)
{
    if (conn->state != CLIENT_CONN_HEAD) {
        client_conn_abort(conn);
        return;
    }
    timer_cancel(&conn->timer);
    http1_endpoint_fail_read(&conn->endpoint, stream_failure(conn->endpoint.stream).error);
    fail_head(conn);
}

void client_conn_on_event(void *owner, unsigned events)
{
    struct client_conn *conn = owner;
    unsigned for_exchange = exchange_events(events);

    if (events & STREAM_OPEN_FAILED) {
        client_opening_failed(conn);
        return;
    }
    if ((events & STREAM_WRITE_FAILED) && conn->state != CLIENT_CONN_EXCHANGE) {
        on_write_failed(conn);
        return;
    }
    if ((events & STREAM_WRITE_FAILED) && stream_failure(conn->endpoint.stream).error == -ENOMEM)
        http1_endpoint_fail(&conn->endpoint, END_OUT_OF_MEMORY, (struct slice){ NULL, 0 });
    if (events & STREAM_OPEN) {
        client_opening_done(conn);
        return;
    }
    /* an exchange may end, and the connection with it, in either call; the second is made only when
     * it is still the same exchange */
    if (for_exchange && conn->state == CLIENT_CONN_EXCHANGE) {
        struct exchange *exchange = conn->exchange;

        exchange_on_front(exchange, for_exchange);
        if (exchange_is_over(exchange))
            return;
    }
    if (events & STREAM_READABLE)
        on_readable(conn);
}

void client_conn_start(struct worker_listener *listener, struct stream *stream)
{
    struct worker *worker = listener->worker;
    struct client_conn *conn = calloc(1, sizeof(*conn));

    if (!conn) {
        metrics_count_one(worker->metrics, METRICS_CONNECTIONS_REFUSED);
        stream_close(stream, STREAM_CLOSE_ABORT);
        return;
    }
    conn->memory = worker_memory_for(worker, listener->virtual_server->kind);
    memory_account_add(chunk_pool_account(conn->memory), MEMORY_CONNECTIONS, sizeof(*conn));
    http1_endpoint_init(&conn->endpoint, HTTP1_REQUEST, conn->memory);
    conn->worker = worker;
    conn->accepted_at_ms = worker->loop->now_ms;
    conn->listener = listener;
    listener->holders++;
    conn->pin =
        (struct upstream_pin){ .worker = worker, .on_ended = on_target_ended, .owner = conn };
    follow_listener(conn);
    conn->over_tls = conn->virtual_server->tls != NULL;
    conn->holds_up_drain = conn->virtual_server->kind == VIRTUAL_SERVER_PROXY;
    timer_init(&conn->timer, on_timer);
    task_init(&conn->next_task, run_next);
    conn->deferred.free = free_client_conn;
    worker_add_client(worker, conn);
    http1_endpoint_attach(&conn->endpoint, stream);
    stream_set_owner(stream, conn, client_conn_on_event);
    client_opening_begin(conn);
}
