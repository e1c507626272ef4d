#include "proxy/client/client_conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "core/log.h"
#include "core/proxy_protocol_stream.h"
#include "proxy/exchange/exchange.h"
#include "proxy/report/metrics.h"
#include "proxy/snapshot/virtual_server.h"
#include "proxy/worker/worker.h"
#include "tls/tls_stream.h"

/* ms; in the handshake, and again until the first byte of the request */
enum { DRAIN_FIRST_BYTES_TIMEOUT_MS = 1000 };

/* ms; in a drain that no client shall notice: until the first byte of the next request, which may be on
 * its way to us when we would close. It is answered, and told to close. */
enum { HANDOVER_NEXT_REQUEST_TIMEOUT_MS = 1000 };

static void on_event(void *owner, unsigned events);
static const struct http_client_ops client_ops;
static void on_proxy_header(struct client_conn *conn);

static const struct persona_client *policy_of(const struct client_conn *conn)
{
    return &conn->virtual_server->persona->client;
}

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

static void close_conn(struct client_conn *conn, enum stream_close how)
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
        close_conn(conn, STREAM_CLOSE_FLUSH);
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

static void wait_for_first_request(struct client_conn *conn, enum client_conn_state state)
{
    bool in_tls = state == CLIENT_CONN_CONNECTED || state == CLIENT_CONN_HANDSHAKE;

    conn->state = state;
    loop_timer_set(conn->worker->loop, &conn->timer,
                   client_conn_first_bytes_timeout_ms(conn->worker, policy_of(conn), in_tls));
}

void client_conn_drain(struct client_conn *conn)
{
    if (conn->state > CLIENT_CONN_IDLE)
        return;
    if (conn->requests_count > 0 && conn->worker->hands_over)
        loop_timer_set(conn->worker->loop, &conn->timer, HANDOVER_NEXT_REQUEST_TIMEOUT_MS);
    else if (conn->requests_count > 0)
        close_conn(conn, STREAM_CLOSE_FLUSH);
    else if (conn->worker->draining) /* else the time that it has runs on */
        wait_for_first_request(conn, conn->state);
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
static bool open_exchange(struct client_conn *conn, bool pipelined)
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
        close_conn(conn, STREAM_CLOSE_ABORT);
        return false;
    }
    conn->requests_count++;
    conn->state = CLIENT_CONN_HEAD;
    conn->endpoint.chunked_content_max = policy_of(conn)->content_max_bytes;
    http1_endpoint_begin(&conn->endpoint, &policy_of(conn)->limits, &conn->exchange->arena,
                         &conn->exchange->request);
    if (conn->exchange->record.persona->lab_is_on)
        conn->endpoint.parser.leniencies =
            conn->exchange->record.persona->parse.request & HTTP1_LENIENT_IN_REQUESTS;
    loop_timer_set(conn->worker->loop, &conn->timer, policy_of(conn)->head_timeout_ms);
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
        close_conn(conn, STREAM_CLOSE_FLUSH);
        return;
    }
}

/* IDLE: an idle connection costs no exchange, so look for a first byte before making one. */
static void start_reading(struct client_conn *conn)
{
    bool pipelined = conn->endpoint.in.length > 0 && conn->requests_count > 0;

    while (conn->endpoint.in.length == 0) {
        long n = stream_read(conn->endpoint.stream, &conn->endpoint.in, CHUNK_BULK_BYTES);

        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            close_conn(conn, n == 0 ? STREAM_CLOSE_FLUSH : STREAM_CLOSE_ABORT);
            return;
        }
    }
    if (open_exchange(conn, pipelined))
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
        start_reading(conn);
}

/* It has been open for so long that its next answer is to be the last. */
static bool is_old(const struct client_conn *conn)
{
    uint64_t age_max_ms = policy_of(conn)->keepalive_age_ms;

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
        close_conn(conn, STREAM_CLOSE_LINGER);
        return;
    }
    conn->state = CLIENT_CONN_IDLE;
    if (conn->pinned != conn->listener->pinned)
        follow_listener(conn);
    stream_set_read_size(conn->endpoint.stream, STREAM_READ_SMALL);
    loop_timer_set(conn->worker->loop, &conn->timer, /* the answer's head told nothing of an end */
                   conn->worker->hands_over ? HANDOVER_NEXT_REQUEST_TIMEOUT_MS
                                            : policy_of(conn)->keepalive_timeout_ms);
    loop_post(conn->worker->loop, &conn->next_task);
}

static void hang_up(struct http_stream *stream, enum stream_close how)
{
    struct client_conn *conn = conn_of(stream);

    conn->exchange = NULL;
    close_conn(conn, how);
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
    close_conn(conn, STREAM_CLOSE_ABORT);
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
    close_conn(conn, STREAM_CLOSE_FLUSH);
    return true;
}

/* ---- events -------------------------------------------------------------------------------- */

static void count_handshake(const struct client_conn *conn)
{
    struct metrics_shard *metrics = conn->worker->metrics;
    const struct tls_session_info *tls = stream_tls_info(conn->endpoint.stream);

    metrics_count_one(metrics, METRICS_CLIENT_TLS_OK);
    if (tls && tls->resumed)
        metrics_count_one(metrics, METRICS_CLIENT_TLS_RESUMED);
}

/* What fails before a request has no exchange, hence its own line: "... while SSL handshaking, client: ..." */
static void log_before_request(const struct client_conn *conn, enum end_reason reason,
                               struct slice detail, const char *problem)
{
    enum end_phase phase = conn->state == CLIENT_CONN_PROXY_HEADER ? END_PHASE_READING_PROXY_HEADER
                                                                   : END_PHASE_TLS_HANDSHAKE;
    char phrase[512], ip[ADDR_IP_TEXT_MAX], server[ADDR_TEXT_MAX];

    (void)end_reason_format(reason, detail.ptr, phrase, sizeof(phrase)); /* a cut text will do */
    log_error((enum log_level)end_reason_info(reason)->level,
              "*%llu %s%s, client: %s, server: %s%s%s",
              (unsigned long long)conn->endpoint.http.endpoint->connection_id, phrase,
              end_phase_text(phase, END_HOP_CLIENT),
              addr_format_ip(&conn->endpoint.http.endpoint->peer, ip, sizeof(ip)),
              addr_format(&conn->virtual_server->address, server, sizeof(server)),
              problem ? ", problem: " : "", problem ? problem : "");
}

static void on_timer(struct timer *timer)
{
    struct client_conn *conn =
        (struct client_conn *)((char *)timer - offsetof(struct client_conn, timer));

    switch (conn->state) {
    case CLIENT_CONN_PROXY_HEADER:
        log_before_request(conn, END_CLIENT_PROXY_HEADER_TIMEOUT, (struct slice){ NULL, 0 }, NULL);
        close_conn(conn, STREAM_CLOSE_ABORT);
        return;
    case CLIENT_CONN_CONNECTED:
    case CLIENT_CONN_HANDSHAKE:
        metrics_count_one(conn->worker->metrics, METRICS_CLIENT_TLS_FAILED);
        log_before_request(conn, END_CLIENT_TLS_TIMEOUT, (struct slice){ NULL, 0 }, NULL);
        close_conn(conn, STREAM_CLOSE_FLUSH);
        return;
    case CLIENT_CONN_IDLE:
        close_conn(conn, STREAM_CLOSE_FLUSH);
        return;
    case CLIENT_CONN_HEAD:
        http1_endpoint_fail(&conn->endpoint, END_CLIENT_HEAD_TIMEOUT, (struct slice){ NULL, 0 });
        fail_head(conn);
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
    if (!open_exchange(conn, false))
        return;
    timer_cancel(&conn->timer);
    conn->state = CLIENT_CONN_EXCHANGE;
    http1_endpoint_fail(&conn->endpoint, END_CLIENT_PLAIN_HTTP, (struct slice){ NULL, 0 });
    exchange_on_front(conn->exchange, HTTP_STREAM_FAILED);
}

/* Who just connects and leaves (a health check) is not worth a line. */
static void on_proxy_header_failed(struct client_conn *conn, const struct stream_failure *failure)
{
    if (failure->error == -EPROTO)
        log_before_request(conn, END_CLIENT_PROXY_HEADER_INVALID, slice_of(failure->detail),
                           proxy_protocol_stream_problem(conn->endpoint.stream));
    close_conn(conn, STREAM_CLOSE_ABORT);
}

static void on_open_failed(struct client_conn *conn)
{
    struct stream_failure failure = stream_failure(conn->endpoint.stream);
    struct slice detail = slice_of(failure.detail);
    char text[128];

    if (failure.step == STREAM_STEP_PROXY_HEADER) {
        on_proxy_header_failed(conn, &failure);
        return;
    }
    metrics_count_one(conn->worker->metrics, METRICS_CLIENT_TLS_FAILED);
    if (failure.detail && strcmp(failure.detail, TLS_PLAIN_HTTP) == 0) {
        answer_plain_http(conn);
        return;
    }
    if (failure.step == STREAM_STEP_TLS_VERIFY) {
        log_before_request(conn, detail.len ? END_CLIENT_CERT_INVALID : END_CLIENT_CERT_MISSING,
                           detail, NULL);
    } else {
        if (detail.len == 0 && failure.error)
            detail = errno_detail(failure.error, text, sizeof(text));
        log_before_request(conn, END_CLIENT_TLS_FAILED, detail, NULL);
    }
    close_conn(conn, STREAM_CLOSE_FLUSH);
}

/* A hop before us, with its clients' certificates in a field: see exchange_identity.c. */
static bool hands_certificates_on(const struct client_conn *conn)
{
    return policy_of(conn)->trusted_client_cert != PERSONA_TRUSTED_CERT_NONE &&
           addr_cidrs_contain(conn->pinned->snapshot->real_ip.trusted,
                              &conn->endpoint.http.endpoint->peer);
}

/* The time for it has been running since the connection was accepted. */
static void start_handshake(struct client_conn *conn)
{
    struct stream *stream = conn->endpoint.stream;
    struct stream *secured = tls_stream_accept(&stream, conn->memory, conn->virtual_server->tls);

    if (!secured) {
        close_conn(conn, STREAM_CLOSE_ABORT);
        return;
    }
    conn->state = CLIENT_CONN_HANDSHAKE;
    http1_endpoint_attach(&conn->endpoint, secured);
    stream_set_owner(secured, conn, on_event);
    tls_stream_take_turns(secured, &conn->worker->handshakes);
    if (hands_certificates_on(conn))
        tls_stream_refuse_later(secured);
    if (tls_stream_begin(secured) & STREAM_OPEN_FAILED)
        on_open_failed(conn);
}

static void on_readable(struct client_conn *conn)
{
    switch (conn->state) {
    case CLIENT_CONN_CONNECTED:
        start_handshake(conn);
        return;
    case CLIENT_CONN_PROXY_HEADER:
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

static void on_event(void *owner, unsigned events)
{
    struct client_conn *conn = owner;
    unsigned for_exchange = exchange_events(events);

    if (events & STREAM_OPEN_FAILED) {
        on_open_failed(conn);
        return;
    }
    if ((events & STREAM_WRITE_FAILED) && conn->state != CLIENT_CONN_EXCHANGE) {
        on_write_failed(conn);
        return;
    }
    if ((events & STREAM_WRITE_FAILED) && stream_failure(conn->endpoint.stream).error == -ENOMEM)
        http1_endpoint_fail(&conn->endpoint, END_OUT_OF_MEMORY, (struct slice){ NULL, 0 });
    if ((events & STREAM_OPEN) && conn->state == CLIENT_CONN_PROXY_HEADER) {
        on_proxy_header(conn);
        return;
    }
    if (events & STREAM_OPEN) {
        count_handshake(conn);
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

/* The event that the first byte came finds nothing to read before: a receive is armed, no more. */
static void wait_for_first_byte(struct client_conn *conn)
{
    wait_for_first_request(conn, CLIENT_CONN_CONNECTED);
    if (stream_read(conn->endpoint.stream, &conn->endpoint.in, 1) != -EAGAIN)
        close_conn(conn, STREAM_CLOSE_ABORT); /* cannot be: nothing was received yet */
}

static void start_requests(struct client_conn *conn)
{
    wait_for_first_request(conn, CLIENT_CONN_IDLE);
    start_reading(conn);
}

static void on_proxy_header(struct client_conn *conn)
{
    conn->proxy_header = proxy_protocol_stream_header(conn->endpoint.stream);
    if (!conn->over_tls) {
        start_requests(conn);
        return;
    }
    wait_for_first_request(conn, CLIENT_CONN_CONNECTED); /* its first bytes may be here already */
    start_handshake(conn);
}

/* Only who is trusted may say who the client is, and must. */
static void start_proxy_header(struct client_conn *conn)
{
    const struct addr_cidrs *trusted = conn->pinned->snapshot->real_ip.trusted;
    struct stream *plain = conn->endpoint.stream, *stream;
    unsigned events;

    if (!addr_cidrs_contain(trusted, &plain->endpoint->peer)) {
        log_before_request(conn, END_CLIENT_PROXY_HEADER_REFUSED, (struct slice){ NULL, 0 }, NULL);
        close_conn(conn, STREAM_CLOSE_ABORT);
        return;
    }
    stream = proxy_protocol_stream_create(&plain, conn->memory);
    if (!stream) {
        close_conn(conn, STREAM_CLOSE_ABORT);
        return;
    }
    http1_endpoint_attach(&conn->endpoint, stream);
    stream_set_owner(stream, conn, on_event);
    wait_for_first_request(conn, CLIENT_CONN_PROXY_HEADER);
    events = proxy_protocol_stream_begin(stream);
    if (events)
        on_event(conn, events);
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
    stream_set_owner(stream, conn, on_event);
    if (conn->virtual_server->proxy_protocol)
        start_proxy_header(conn);
    else if (conn->over_tls)
        wait_for_first_byte(conn);
    else
        start_requests(conn);
}
