#include "proxy/exchange/upstream_conn.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/addr.h"
#include "core/conn.h"
#include "core/fnv1a.h"
#include "lb/conn_pool.h"
#include "lb/target.h"
#include "proxy/worker/worker.h"
#include "tls/tls_failure.h"
#include "tls/tls_stream.h"

/* Idle connections that make room when descriptors have run out; too few only cost another failure. */
enum { GIVEN_UP_COUNT = 8 };

static void on_event(void *owner, unsigned events);

void upstream_conn_init(struct upstream_conn *conn, struct worker *worker)
{
    http1_endpoint_init(&conn->endpoint, HTTP1_RESPONSE, worker->loop->pool);
    conn->worker = worker;
    conn->state = UPSTREAM_CONN_CLOSED;
}

static void set_state(struct upstream_conn *conn, enum upstream_conn_state state)
{
    assert(state > conn->state || state == UPSTREAM_CONN_CLOSED);
    conn->state = state;
}

static void raise(struct upstream_conn *conn, unsigned events)
{
    conn->endpoint.http.on_event(conn->endpoint.http.owner, events);
}

/* Who makes two names collide (a client's Host may be one) finds the connection that was leased
 * not to be to his name: see lease. */
static uint64_t hash_of(const char *name)
{
    return fnv1a_add(FNV1A_START, name, strlen(name));
}

static struct conn_pool_key pool_key(const struct upstream_goal *goal)
{
    return (struct conn_pool_key){ .target = goal->target,
                                   .tls_profile =
                                       goal->tls ? tls_client_config_identity(goal->tls) : 0,
                                   .server_name_hash = goal->tls ? hash_of(goal->server_name) : 0 };
}

/* ---- failures ------------------------------------------------------------------------------ */

/* nginx words what connect() itself refuses differently from what comes later: the former names the
 * address, and is critical but for a missing route (ngx_event_connect_peer). */
static enum end_reason connect_reason(int error)
{
    switch (-error) {
    case ECONNREFUSED:
        return END_CONNECT_REFUSED;
    case ENETUNREACH:
    case ENETDOWN:
        return END_CONNECT_UNREACHABLE;
    case EACCES:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case EINVAL:
    case EPERM:
        return END_CONNECT_IMPOSSIBLE;
    default:
        return END_CONNECT_FAILED;
    }
}

static void fail_connect(struct upstream_conn *conn, int error)
{
    enum end_reason reason = connect_reason(error);
    char text[128], address[ADDR_TEXT_MAX], whole[sizeof(text) + sizeof(address) + 16];
    struct slice detail = errno_detail(error, text, sizeof(text));
    int n;

    if (reason == END_CONNECT_UNREACHABLE || reason == END_CONNECT_IMPOSSIBLE) {
        n = snprintf(whole, sizeof(whole), "%s failed (%.*s)",
                     addr_format(&conn->goal.target->address, address, sizeof(address)),
                     SLICE_ARG(detail));
        detail = (struct slice){ whole, n > 0 ? (size_t)n : 0 };
    }
    http1_endpoint_fail(&conn->endpoint, reason, detail);
}

void upstream_conn_make_room(struct worker *worker, int error)
{
    if (error == -EMFILE || error == -ENFILE)
        conn_pool_give_up(worker->pool, GIVEN_UP_COUNT);
}

/* Not a word to the target yet, and the next one would fare no better: no descriptors, no memory, an
 * address of our own that we do not have. */
static void fail_socket(struct upstream_conn *conn, int error)
{
    char text[128];

    upstream_conn_make_room(conn->worker, error);
    http1_endpoint_fail(&conn->endpoint, END_NO_DESCRIPTORS,
                        errno_detail(error, text, sizeof(text)));
}

static enum end_reason handshake_reason(const struct stream_failure *failure)
{
    switch (failure->tls ? failure->tls->cause : TLS_CAUSE_OTHER) {
    case TLS_CAUSE_ALERT:
        return END_UPSTREAM_TLS_ALERT;
    case TLS_CAUSE_NOT_TLS:
        return END_UPSTREAM_TLS_NOT_TLS;
    case TLS_CAUSE_MISMATCH:
        return END_UPSTREAM_TLS_MISMATCH;
    case TLS_CAUSE_CLIENT_CERT:
        return END_UPSTREAM_TLS_CLIENT_CERT;
    case TLS_CAUSE_EXPIRED:
        return END_UPSTREAM_CERT_EXPIRED;
    case TLS_CAUSE_NOT_YET_VALID:
        return END_UPSTREAM_CERT_NOT_YET_VALID;
    case TLS_CAUSE_UNKNOWN_ISSUER:
        return END_UPSTREAM_CERT_UNKNOWN_ISSUER;
    case TLS_CAUSE_SELF_SIGNED:
        return END_UPSTREAM_CERT_SELF_SIGNED;
    case TLS_CAUSE_NAME:
        return END_UPSTREAM_TLS_NAME;
    case TLS_CAUSE_CERTIFICATE:
        return END_UPSTREAM_TLS_VERIFY;
    case TLS_CAUSE_CLOSED:
    case TLS_CAUSE_OTHER:
        break;
    }
    return failure->step == STREAM_STEP_TLS_VERIFY ? END_UPSTREAM_TLS_VERIFY
           : failure->step == STREAM_STEP_TLS_NAME ? END_UPSTREAM_TLS_NAME
                                                   : END_UPSTREAM_TLS_FAILED;
}

static void fail_handshake(struct upstream_conn *conn, const struct stream_failure *failure)
{
    struct slice detail = slice_of(failure->detail);
    char text[128];
    int n = 0;

    if (detail.len > 0) {
        http1_endpoint_fail(&conn->endpoint, handshake_reason(failure), detail);
        http1_endpoint_explain(&conn->endpoint, failure->tls);
        return;
    }
    if (failure->error) {
        char errno_text[96];
        struct slice known = errno_detail(failure->error, errno_text, sizeof(errno_text));

        n = snprintf(text, sizeof(text), " (%.*s)", SLICE_ARG(known));
    }
    http1_endpoint_fail(&conn->endpoint, END_UPSTREAM_TLS_CLOSED,
                        (struct slice){ text, n > 0 ? (size_t)n : 0 });
    http1_endpoint_explain(&conn->endpoint, failure->tls);
}

void upstream_conn_fail_handshake_timeout(struct upstream_conn *conn)
{
    bool silent = conn->endpoint.http.endpoint->bytes_received == 0;

    http1_endpoint_fail(&conn->endpoint, END_UPSTREAM_TLS_TIMEOUT, (struct slice){ NULL, 0 });
    conn->endpoint.http.failure.explanation =
        silent
            ? SLICE(
                  "the target accepted the connection and sent nothing in the handshake: a server "
                  "that waits for plain HTTP or is overloaded looks like this")
            : SLICE("the target began the TLS handshake and then stopped sending");
}

static void on_open_failed(struct upstream_conn *conn)
{
    struct stream_failure failure = stream_failure(conn->endpoint.stream);

    if (conn->state == UPSTREAM_CONN_CONNECTING && failure.step == STREAM_STEP_CONNECT)
        fail_connect(conn, failure.error);
    else
        fail_handshake(conn, &failure);
    raise(conn, HTTP_STREAM_FAILED);
}

/* ---- opening ------------------------------------------------------------------------------- */

static void note_endpoint(struct upstream_conn *conn)
{
    conn->local = conn->endpoint.stream->endpoint->local;
    conn->connection_id = conn->endpoint.stream->endpoint->connection_id;
}

static bool lease(struct upstream_conn *conn)
{
    struct conn_pool_key key = pool_key(&conn->goal);
    struct conn_pool_conn leased;

    if (!(conn->goal.pin
              ? upstream_pin_lease(conn->goal.pin, &key, &leased)
              : conn_pool_lease(conn->worker->pool, &key, conn->worker->loop->now_ms, &leased)))
        return false;
    if (conn->goal.tls && !tls_stream_is_to(leased.stream, conn->goal.server_name)) {
        stream_close(leased.stream, STREAM_CLOSE_FLUSH);
        return false;
    }
    http1_endpoint_attach(&conn->endpoint, leased.stream);
    conn->requests_count = leased.requests_count + 1;
    conn->opened_at_ms = leased.created_at_ms;
    conn->reused = true;
    conn->idle_ms = conn->worker->loop->now_ms - leased.idle_since_ms;
    stream_set_owner(leased.stream, conn, on_event);
    note_endpoint(conn);
    set_state(conn, UPSTREAM_CONN_OPEN);
    return true;
}

bool upstream_conn_open(struct upstream_conn *conn, const struct upstream_goal *goal)
{
    int error = 0;

    assert(conn->state == UPSTREAM_CONN_CLOSED && !conn->endpoint.stream);
    http1_endpoint_forget(&conn->endpoint); /* the try before */
    conn->goal = *goal;
    conn->reused = false;
    conn->connection_id = 0;
    conn->local.ss_family = AF_UNSPEC;
    if (goal->may_reuse && lease(conn))
        return true;
    if (!goal->may_connect)
        return false;
    conn->requests_count = 1;
    conn->opened_at_ms = conn->worker->loop->now_ms;
    http1_endpoint_attach(&conn->endpoint, conn_connect(conn->worker->loop, &goal->target->address,
                                                        goal->bind, &error));
    if (!conn->endpoint.stream) {
        fail_socket(conn, error);
        return false;
    }
    stream_set_owner(conn->endpoint.stream, conn, on_event);
    set_state(conn, UPSTREAM_CONN_CONNECTING);
    return true;
}

static bool start_handshake(struct upstream_conn *conn)
{
    char session_key[ADDR_TEXT_MAX];
    struct tls_connect_options options = {
        .server_name = conn->goal.server_name,
        .sessions = conn->worker->tls_sessions,
        .session_key = addr_format(&conn->goal.target->address, session_key, sizeof(session_key)),
    };
    struct stream *secured = tls_stream_connect(&conn->endpoint.stream, conn->worker->loop->pool,
                                                conn->goal.tls, &options);

    if (!secured) {
        http1_endpoint_fail(&conn->endpoint, END_OUT_OF_MEMORY, (struct slice){ NULL, 0 });
        raise(conn, HTTP_STREAM_FAILED);
        return false;
    }
    http1_endpoint_attach(&conn->endpoint, secured);
    stream_set_owner(secured, conn, on_event);
    set_state(conn, UPSTREAM_CONN_HANDSHAKE);
    if (tls_stream_begin(secured) & STREAM_OPEN_FAILED) {
        on_open_failed(conn);
        return false;
    }
    return true;
}

/* False: the try has failed. */
static bool send_preface(struct upstream_conn *conn)
{
    struct buf out;
    int r;

    buf_init(&out, conn->worker->loop->pool);
    r = buf_append_bytes(&out, conn->goal.preface.ptr, conn->goal.preface.len);
    if (r == 0)
        r = stream_write(conn->endpoint.stream, &out);
    buf_done(&out);
    if (r == 0)
        return true;
    fail_connect(conn, r);
    raise(conn, HTTP_STREAM_FAILED);
    return false;
}

static void on_open(struct upstream_conn *conn)
{
    note_endpoint(conn);
    if (conn->state == UPSTREAM_CONN_CONNECTING && conn->goal.preface.len > 0 &&
        !send_preface(conn))
        return;
    if (conn->state == UPSTREAM_CONN_CONNECTING && conn->goal.tls) {
        if (start_handshake(conn))
            raise(conn, HTTP_STREAM_HANDSHAKE);
        return;
    }
    set_state(conn, UPSTREAM_CONN_OPEN);
    raise(conn, HTTP_STREAM_OPEN);
}

/* ---- traffic ------------------------------------------------------------------------------- */

static unsigned on_readable(struct upstream_conn *conn)
{
    if (conn->endpoint.state == ENDPOINT_CONTENT)
        return HTTP_STREAM_CONTENT;
    if (conn->endpoint.state != ENDPOINT_HEAD)
        return 0; /* not asked for yet, or complete: whoever releases the connection looks */
    switch (http1_endpoint_read_head(&conn->endpoint)) {
    case ENDPOINT_HEAD_MORE:
    case ENDPOINT_HEAD_NONE:
        return 0;
    case ENDPOINT_HEAD_DONE:
        return HTTP_STREAM_HEAD;
    case ENDPOINT_HEAD_FAILED:
        return HTTP_STREAM_FAILED;
    }
    return 0;
}

void upstream_conn_read(struct upstream_conn *conn)
{
    unsigned mask = on_readable(conn);

    if (mask)
        raise(conn, mask);
}

static void on_event(void *owner, unsigned events)
{
    struct upstream_conn *conn = owner;
    unsigned mask = 0;

    if (events & STREAM_OPEN_FAILED) {
        on_open_failed(conn);
        return;
    }
    if (events & STREAM_OPEN) {
        on_open(conn);
        return;
    }
    if (events & STREAM_WRITABLE)
        mask |= HTTP_STREAM_WRITABLE;
    if (events & STREAM_DRAINED)
        mask |= HTTP_STREAM_DRAINED;
    if (events & STREAM_WRITE_FAILED)
        mask |= HTTP_STREAM_SEND_FAILED;
    if (events & STREAM_READABLE) {
        conn->received_at_ms = conn->worker->loop->now_ms;
        mask |= on_readable(conn);
    }
    if (mask)
        raise(conn, mask);
}

bool upstream_conn_has_sent(const struct upstream_conn *conn)
{
    return conn->endpoint.http.sent_bytes > 0;
}

bool upstream_conn_has_surplus(const struct upstream_conn *conn)
{
    return conn->endpoint.in.length > 0;
}

/* ---- the end ------------------------------------------------------------------------------- */

void upstream_conn_release(struct upstream_conn *conn, const struct keepalive_hint *hint)
{
    struct conn_pool_key key = pool_key(&conn->goal);
    const struct conn_pool_conn idle = {
        .stream = conn->endpoint.stream,
        .requests_count = conn->requests_count,
        .created_at_ms = conn->opened_at_ms,
        .idle_timeout_ms = hint ? hint->idle_ms : 0,
        .requests_max = hint && hint->has_max ? conn->requests_count + hint->requests_count : 0,
    };

    bool half_sent = conn->endpoint.http.ops->queued(&conn->endpoint.http) > 0;
    /* surplus would be the answer to another client's request */
    bool reusable = hint && !upstream_conn_has_surplus(conn) && !half_sent &&
                    conn->goal.preface.len == 0 && !(hint->has_timeout && hint->idle_ms == 0);

    http1_endpoint_done(&conn->endpoint);
    set_state(conn, UPSTREAM_CONN_CLOSED);
    http1_endpoint_attach(&conn->endpoint, NULL);
    if (!reusable) {
        stream_close(idle.stream, half_sent ? STREAM_CLOSE_ABORT : STREAM_CLOSE_FLUSH);
        return;
    }
    stream_set_read_size(idle.stream, STREAM_READ_SMALL);
    if (conn->goal.pin) {
        upstream_pin_keep(conn->goal.pin, &key, &idle);
        return;
    }
    worker_pool_changed(conn->worker, conn_pool_release(conn->worker->pool, &key, &idle,
                                                        conn->worker->loop->now_ms));
}

void upstream_conn_abort(struct upstream_conn *conn)
{
    http1_endpoint_done(&conn->endpoint);
    if (conn->endpoint.stream)
        stream_close(conn->endpoint.stream, STREAM_CLOSE_ABORT);
    http1_endpoint_attach(&conn->endpoint, NULL);
    set_state(conn, UPSTREAM_CONN_CLOSED);
}
