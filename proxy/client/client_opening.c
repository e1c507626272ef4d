#include <errno.h>
#include <string.h>

#include "core/addr.h"
#include "core/log.h"
#include "core/proxy_protocol_stream.h"
#include "proxy/client/client_conn_priv.h"
#include "proxy/exchange/exchange.h"
#include "proxy/report/metrics.h"
#include "proxy/worker/worker.h"
#include "tls/tls_stream.h"

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

/* A browser that was told http:// for the TLS port gets a page that says so (nginx's 497). */
static void answer_plain_http(struct client_conn *conn)
{
    http1_endpoint_attach(&conn->endpoint, tls_stream_take_lower(conn->endpoint.stream));
    stream_set_owner(conn->endpoint.stream, conn, client_conn_on_event);
    if (!client_conn_open_exchange(conn, false))
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
    client_conn_close(conn, STREAM_CLOSE_ABORT);
}

void client_opening_failed(struct client_conn *conn)
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
    client_conn_close(conn, STREAM_CLOSE_FLUSH);
}

/* A hop before us, with its clients' certificates in a field: see exchange_identity.c. */
static bool hands_certificates_on(const struct client_conn *conn)
{
    return client_conn_policy(conn)->trusted_client_cert != PERSONA_TRUSTED_CERT_NONE &&
           addr_cidrs_contain(conn->pinned->snapshot->real_ip.trusted,
                              &conn->endpoint.http.endpoint->peer);
}

/* The time for it has been running since the connection was accepted. */
void client_opening_go_on(struct client_conn *conn)
{
    struct stream *stream = conn->endpoint.stream;
    struct stream *secured = tls_stream_accept(&stream, conn->memory, conn->virtual_server->tls);

    if (!secured) {
        client_conn_close(conn, STREAM_CLOSE_ABORT);
        return;
    }
    conn->state = CLIENT_CONN_HANDSHAKE;
    http1_endpoint_attach(&conn->endpoint, secured);
    stream_set_owner(secured, conn, client_conn_on_event);
    tls_stream_take_turns(secured, &conn->worker->handshakes);
    if (hands_certificates_on(conn))
        tls_stream_refuse_later(secured);
    if (tls_stream_begin(secured) & STREAM_OPEN_FAILED)
        client_opening_failed(conn);
}

/* The event that the first byte came finds nothing to read before: a receive is armed, no more. */
static void wait_for_first_byte(struct client_conn *conn)
{
    client_conn_wait_for_request(conn, CLIENT_CONN_CONNECTED);
    if (stream_read(conn->endpoint.stream, &conn->endpoint.in, 1) != -EAGAIN)
        client_conn_close(conn, STREAM_CLOSE_ABORT); /* cannot be: nothing was received yet */
}

static void start_requests(struct client_conn *conn)
{
    client_conn_wait_for_request(conn, CLIENT_CONN_IDLE);
    client_conn_start_reading(conn);
}

static void on_proxy_header(struct client_conn *conn)
{
    conn->proxy_header = proxy_protocol_stream_header(conn->endpoint.stream);
    if (!conn->over_tls) {
        start_requests(conn);
        return;
    }
    /* its first bytes may be here already */
    client_conn_wait_for_request(conn, CLIENT_CONN_CONNECTED);
    client_opening_go_on(conn);
}

/* Only who is trusted may say who the client is, and must. */
static void start_proxy_header(struct client_conn *conn)
{
    const struct addr_cidrs *trusted = conn->pinned->snapshot->real_ip.trusted;
    struct stream *plain = conn->endpoint.stream, *stream;
    unsigned events;

    if (!addr_cidrs_contain(trusted, &plain->endpoint->peer)) {
        log_before_request(conn, END_CLIENT_PROXY_HEADER_REFUSED, (struct slice){ NULL, 0 }, NULL);
        client_conn_close(conn, STREAM_CLOSE_ABORT);
        return;
    }
    stream = proxy_protocol_stream_create(&plain, conn->memory);
    if (!stream) {
        client_conn_close(conn, STREAM_CLOSE_ABORT);
        return;
    }
    http1_endpoint_attach(&conn->endpoint, stream);
    stream_set_owner(stream, conn, client_conn_on_event);
    client_conn_wait_for_request(conn, CLIENT_CONN_PROXY_HEADER);
    events = proxy_protocol_stream_begin(stream);
    if (events)
        client_conn_on_event(conn, events);
}

void client_opening_begin(struct client_conn *conn)
{
    if (conn->virtual_server->proxy_protocol)
        start_proxy_header(conn);
    else if (conn->over_tls)
        wait_for_first_byte(conn);
    else
        start_requests(conn);
}

void client_opening_done(struct client_conn *conn)
{
    if (conn->state == CLIENT_CONN_PROXY_HEADER) {
        on_proxy_header(conn);
        return;
    }
    count_handshake(conn);
    start_requests(conn);
}

void client_opening_timed_out(struct client_conn *conn)
{
    if (conn->state == CLIENT_CONN_PROXY_HEADER) {
        log_before_request(conn, END_CLIENT_PROXY_HEADER_TIMEOUT, (struct slice){ NULL, 0 }, NULL);
        client_conn_close(conn, STREAM_CLOSE_ABORT);
        return;
    }
    metrics_count_one(conn->worker->metrics, METRICS_CLIENT_TLS_FAILED);
    log_before_request(conn, END_CLIENT_TLS_TIMEOUT, (struct slice){ NULL, 0 }, NULL);
    client_conn_close(conn, STREAM_CLOSE_FLUSH);
}
