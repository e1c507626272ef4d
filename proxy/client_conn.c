#include "proxy/client_conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "core/log.h"
#include "proxy/exchange.h"
#include "proxy/virtual_server.h"
#include "proxy/worker.h"
#include "tls/tls_stream.h"

/* ms; in the handshake, and again until the first byte of the request */
enum { DRAIN_FIRST_REQUEST_TIMEOUT_MS = 1000 };

static void on_event(void *owner, unsigned events);
static const struct http_client_ops client_ops;

static const struct persona_client *policy_of(const struct client_conn *conn)
{
    return &conn->virtual_server->persona->client;
}

/* ---- life ---------------------------------------------------------------------------------- */

static void free_client_conn(struct deferred *deferred)
{
    free((char *)deferred - offsetof(struct client_conn, deferred));
}

static void close_conn(struct client_conn *conn, enum stream_close how)
{
    assert(conn->exchange == NULL && "a connection cannot go before its exchange");
    timer_cancel(&conn->timer);
    loop_forget(conn->worker->loop, &conn->next_task);
    http1_endpoint_done(&conn->endpoint);
    if (conn->endpoint.stream)
        stream_close(TAKE(conn->endpoint.stream), how);
    worker_remove_client(conn->worker, conn);
    loop_free_later(conn->worker->loop, &conn->deferred);
}

/* While the hop drains, a client that has just connected has its first request on its way. */
static uint64_t first_request_timeout_ms(const struct client_conn *conn)
{
    uint64_t timeout_ms = policy_of(conn)->head_timeout_ms;

    return conn->worker->draining && timeout_ms > DRAIN_FIRST_REQUEST_TIMEOUT_MS
               ? DRAIN_FIRST_REQUEST_TIMEOUT_MS
               : timeout_ms;
}

static void wait_for_first_request(struct client_conn *conn, enum client_conn_state state)
{
    conn->state = state;
    loop_timer_set(conn->worker->loop, &conn->timer, first_request_timeout_ms(conn));
}

void client_conn_drain(struct client_conn *conn)
{
    if (conn->state != CLIENT_CONN_IDLE && conn->state != CLIENT_CONN_HANDSHAKE)
        return;
    if (conn->requests_count == 0)
        wait_for_first_request(conn, conn->state);
    else
        close_conn(conn, STREAM_CLOSE_FLUSH);
}

/* ---- the next request ---------------------------------------------------------------------- */

static struct http1_limits head_limits(const struct client_conn *conn)
{
    const struct persona_client *policy = policy_of(conn);

    return (struct http1_limits){
        .start_line_max = (uint32_t)policy->start_line_max_bytes,
        .field_line_max = (uint32_t)policy->field_line_max_bytes,
        .head_max = (uint32_t)policy->head_max_bytes,
        .fields_count_max = (uint32_t)policy->fields_max_count,
    };
}

/* Bytes of a request are here: from now on it has an exchange and a total time for its head. */
static bool open_exchange(struct client_conn *conn)
{
    struct http1_limits limits = head_limits(conn);
    const struct exchange_client client = {
        .stream = &conn->endpoint.http,
        .ops = &client_ops,
        .virtual_server = conn->virtual_server,
        .peer = &conn->endpoint.http.endpoint->peer,
        .local = &conn->endpoint.http.endpoint->local,
        .tls = stream_tls_info(conn->endpoint.stream),
        .connection_id = conn->endpoint.http.endpoint->connection_id,
        .request_number = conn->requests_count + 1,
    };

    conn->exchange = exchange_create(conn->worker, &client);
    if (!conn->exchange) {
        close_conn(conn, STREAM_CLOSE_ABORT);
        return false;
    }
    conn->requests_count++;
    conn->state = CLIENT_CONN_HEAD;
    http1_endpoint_begin(&conn->endpoint, &limits, &conn->exchange->arena,
                         &conn->exchange->request);
    loop_timer_set(conn->worker->loop, &conn->timer, policy_of(conn)->head_timeout_ms);
    return true;
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
        conn->state = CLIENT_CONN_EXCHANGE;
        exchange_on_front(conn->exchange, HTTP_STREAM_FAILED);
        return;
    case ENDPOINT_HEAD_NONE:
        exchange_discard(TAKE(conn->exchange));
        close_conn(conn, STREAM_CLOSE_FLUSH);
        return;
    }
}

/* IDLE: an idle connection costs no exchange, so look for a first byte before making one. */
static void start_reading(struct client_conn *conn)
{
    while (conn->endpoint.in.length == 0) {
        long n = stream_read(conn->endpoint.stream, &conn->endpoint.in, CHUNK_BULK_BYTES);

        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            close_conn(conn, n == 0 ? STREAM_CLOSE_FLUSH : STREAM_CLOSE_ABORT);
            return;
        }
    }
    if (open_exchange(conn))
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

    start_reading(conn);
}

static void done(struct http_stream *stream, bool keep_alive)
{
    struct client_conn *conn = conn_of(stream);

    conn->exchange = NULL;
    http1_endpoint_end(&conn->endpoint);
    if (!keep_alive || conn->worker->draining) {
        /* what was not read would turn our close into a reset that eats the answer (P16) */
        close_conn(conn, STREAM_CLOSE_LINGER);
        return;
    }
    conn->state = CLIENT_CONN_IDLE;
    stream_set_read_size(conn->endpoint.stream, STREAM_READ_SMALL);
    loop_timer_set(conn->worker->loop, &conn->timer, policy_of(conn)->keepalive_timeout_ms);
    loop_post(conn->worker->loop, &conn->next_task);
}

static void hang_up(struct http_stream *stream, enum stream_close how)
{
    struct client_conn *conn = conn_of(stream);

    conn->exchange = NULL;
    close_conn(conn, how);
}

static const struct http_client_ops client_ops = { .watch = watch,
                                                   .done = done,
                                                   .hang_up = hang_up };

void client_conn_abort(struct client_conn *conn)
{
    if (conn->exchange && conn->state == CLIENT_CONN_EXCHANGE) {
        exchange_abort(conn->exchange, END_SHUTTING_DOWN);
        return;
    }
    if (conn->exchange)
        exchange_discard(TAKE(conn->exchange));
    close_conn(conn, STREAM_CLOSE_ABORT);
}

/* ---- events -------------------------------------------------------------------------------- */

/* A handshake that fails has no exchange, hence its own line: "... while SSL handshaking, client: ..." */
static void log_handshake(const struct client_conn *conn, enum end_reason reason,
                          struct slice detail)
{
    char phrase[512], ip[ADDR_IP_TEXT_MAX], server[ADDR_TEXT_MAX];

    (void)end_reason_format(reason, detail.ptr, phrase, sizeof(phrase)); /* a cut text will do */
    log_error((enum log_level)end_reason_info(reason)->level, "*%llu %s%s, client: %s, server: %s",
              (unsigned long long)conn->endpoint.http.endpoint->connection_id, phrase,
              end_phase_text(END_PHASE_TLS_HANDSHAKE, END_HOP_CLIENT),
              addr_format_ip(&conn->endpoint.http.endpoint->peer, ip, sizeof(ip)),
              addr_format(&conn->virtual_server->address, server, sizeof(server)));
}

static void on_timer(struct timer *timer)
{
    struct client_conn *conn =
        (struct client_conn *)((char *)timer - offsetof(struct client_conn, timer));

    switch (conn->state) {
    case CLIENT_CONN_HANDSHAKE:
        log_handshake(conn, END_CLIENT_TLS_TIMEOUT, (struct slice){ NULL, 0 });
        close_conn(conn, STREAM_CLOSE_ABORT);
        return;
    case CLIENT_CONN_IDLE:
        close_conn(conn, STREAM_CLOSE_FLUSH);
        return;
    case CLIENT_CONN_HEAD:
        conn->state = CLIENT_CONN_EXCHANGE;
        http1_endpoint_fail(&conn->endpoint, END_CLIENT_HEAD_TIMEOUT, (struct slice){ NULL, 0 });
        exchange_on_front(conn->exchange, HTTP_STREAM_FAILED);
        return;
    case CLIENT_CONN_EXCHANGE:
        return; /* the exchange has its own timers */
    }
}

/* A browser that was told http:// for the TLS port gets a page that says so (nginx's 497). */
static void answer_plain_http(struct client_conn *conn)
{
    http1_endpoint_attach(&conn->endpoint, tls_stream_take_lower(conn->endpoint.stream));
    stream_set_owner(conn->endpoint.stream, conn, on_event);
    if (!open_exchange(conn))
        return;
    timer_cancel(&conn->timer);
    conn->state = CLIENT_CONN_EXCHANGE;
    http1_endpoint_fail(&conn->endpoint, END_CLIENT_PLAIN_HTTP, (struct slice){ NULL, 0 });
    exchange_on_front(conn->exchange, HTTP_STREAM_FAILED);
}

static void on_open_failed(struct client_conn *conn)
{
    struct stream_failure failure = stream_failure(conn->endpoint.stream);
    struct slice detail = slice_of(failure.detail);
    char text[128];

    if (failure.detail && strcmp(failure.detail, TLS_PLAIN_HTTP) == 0) {
        answer_plain_http(conn);
        return;
    }
    if (detail.len == 0 && failure.error)
        detail = errno_detail(failure.error, text, sizeof(text));
    log_handshake(conn, END_CLIENT_TLS_FAILED, detail);
    close_conn(conn, STREAM_CLOSE_FLUSH);
}

static void on_readable(struct client_conn *conn)
{
    switch (conn->state) {
    case CLIENT_CONN_HANDSHAKE:
        return;
    case CLIENT_CONN_IDLE:
        start_reading(conn);
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

static void on_event(void *owner, unsigned events)
{
    struct client_conn *conn = owner;
    unsigned for_exchange = exchange_events(events);

    if (events & STREAM_OPEN_FAILED) {
        on_open_failed(conn);
        return;
    }
    if (events & STREAM_OPEN) {
        wait_for_first_request(conn, CLIENT_CONN_IDLE);
        start_reading(conn);
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

static void start_handshake(struct client_conn *conn, struct stream *plain)
{
    struct stream *secured =
        tls_stream_accept(&plain, conn->worker->loop->pool, conn->virtual_server->tls);

    http1_endpoint_attach(&conn->endpoint, secured ? secured : plain);
    if (!secured) {
        close_conn(conn, STREAM_CLOSE_ABORT);
        return;
    }
    stream_set_owner(secured, conn, on_event);
    wait_for_first_request(conn, CLIENT_CONN_HANDSHAKE);
    if (tls_stream_begin(secured) & STREAM_OPEN_FAILED)
        on_open_failed(conn);
}

void client_conn_start(struct worker *worker, const struct virtual_server *virtual_server,
                       struct stream *stream)
{
    struct client_conn *conn = calloc(1, sizeof(*conn));

    if (!conn) {
        stream_close(stream, STREAM_CLOSE_ABORT);
        return;
    }
    http1_endpoint_init(&conn->endpoint, HTTP1_REQUEST, worker->loop->pool);
    conn->worker = worker;
    conn->virtual_server = virtual_server;
    timer_init(&conn->timer, on_timer);
    task_init(&conn->next_task, run_next);
    conn->deferred.free = free_client_conn;
    worker_add_client(worker, conn);
    if (virtual_server->tls) {
        start_handshake(conn, stream);
        return;
    }
    http1_endpoint_attach(&conn->endpoint, stream);
    stream_set_owner(stream, conn, on_event);
    wait_for_first_request(conn, CLIENT_CONN_IDLE);
    start_reading(conn);
}
