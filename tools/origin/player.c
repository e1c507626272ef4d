/* player: the steps that read, wait and end; those that send are in send.c. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>

#include "core/conn.h"
#include "tls/tls_stream.h"
#include "tools/origin/origin_priv.h"

enum {
    READ_BYTES_MAX = 64 * 1024, /* at once */
    WATCH_EVERY_MS = 1000,      /* who never reads hears of no end: the kernel is asked */
    HALF_CLOSED_MAX_COUNT = 30, /* times; the other side has said all it will say */
    RECORD_ALERT = 0x15,
};

uint64_t origin_scaled_ms(const struct origin *origin, uint64_t duration_ms)
{
    uint64_t scaled = duration_ms / origin->time_scale;

    return duration_ms > 0 && scaled == 0 ? 1 : scaled;
}

/* ---- reading ------------------------------------------------------------------------------- */

/* > 0: more is in conn->in; -EAGAIN; else the end. */
static long fill(struct origin_conn *conn)
{
    long n;

    if (conn->in_end <= 0)
        return conn->in_end;
    n = stream_read(conn->stream, &conn->in, READ_BYTES_MAX);
    if (n <= 0 && n != -EAGAIN)
        conn->in_end = (int)n;
    return n;
}

static enum play end_with_peer(struct origin_conn *conn)
{
    bool orderly = conn->in_end == 0 || conn->in_end == STREAM_TRUNCATED;

    origin_conn_end(conn, orderly ? STREAM_CLOSE_FLUSH : STREAM_CLOSE_ABORT,
                    orderly ? "peer_fin" : "peer_rst");
    return PLAY_GONE;
}

static enum play wait_or_end(struct origin_conn *conn, long n)
{
    return n == -EAGAIN ? PLAY_WAIT : end_with_peer(conn);
}

static enum play refuse_head(struct origin_conn *conn, const char *status, const char *end)
{
    char text[128];
    int length = snprintf(text, sizeof(text),
                          "HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status);

    origin_send(conn, text, (size_t)length);
    origin_conn_end(conn, STREAM_CLOSE_LINGER, end);
    return PLAY_GONE;
}

static void begin_request(struct origin_conn *conn)
{
    origin_conn_finish_request(conn, "kept");
    request_content_done(&conn->content);
    request_head_done(&conn->head);
    conn->head_is_noted = conn->content_is_unread = false;
}

enum play origin_play_read_head(struct origin_conn *conn)
{
    long n;

    for (;;) {
        switch (request_head_read(&conn->head, &conn->in)) {
        case REQUEST_DONE:
            request_content_begin(&conn->content, &conn->head, conn->origin->loop->pool);
            conn->content_is_unread = conn->content.is_open;
            return PLAY_NEXT;
        case REQUEST_TOO_LARGE:
            return refuse_head(conn, "431 Request Header Fields Too Large", "head_too_large");
        case REQUEST_IS_TLS: /* as every server that speaks plain HTTP only */
            return refuse_head(conn, "400 Bad Request", "tls_hello");
        case REQUEST_NO_MEMORY:
            origin_conn_end(conn, STREAM_CLOSE_ABORT, "no_memory");
            return PLAY_GONE;
        case REQUEST_MORE:
            break;
        }
        n = fill(conn);
        if (n <= 0)
            return wait_or_end(conn, n);
    }
}

enum play origin_play_read_content(struct origin_conn *conn)
{
    long n;

    while (conn->content_is_unread && !request_content_read(&conn->content, &conn->in)) {
        stream_set_read_size(conn->stream, STREAM_READ_BULK);
        n = fill(conn);
        if (n <= 0)
            return wait_or_end(conn, n);
    }
    conn->content_is_unread = false;
    return PLAY_NEXT;
}

/* Phases: 0 nothing yet, 1 within the head, 2 the head is there. */
static enum play read_head(struct origin_conn *conn)
{
    enum play play;

    if (conn->phase >= 2)
        return PLAY_NEXT;
    if (conn->phase == 0 && conn->head_is_unread) {
        conn->head_is_unread = false;
        conn->phase = 2;
        return PLAY_NEXT;
    }
    if (conn->phase == 0)
        begin_request(conn);
    conn->phase = 1;
    play = origin_play_read_head(conn);
    if (play != PLAY_NEXT)
        return play;
    origin_conn_note_request(conn);
    conn->phase = 2;
    return PLAY_NEXT;
}

static enum play read_request(struct origin_conn *conn)
{
    enum play play = read_head(conn);

    return play == PLAY_NEXT ? origin_play_read_content(conn) : play;
}

/* Whatever came may be, or begin with, a request; so may what comes behind one. */
static void note_if_request(struct origin_conn *conn)
{
    if (conn->content_is_unread || conn->in.length == 0)
        return;
    if (conn->head.is_complete && conn->content.is_broken)
        return; /* where the next one begins cannot be told */
    if (conn->head.is_complete)
        begin_request(conn);
    if (request_head_read(&conn->head, &conn->in) != REQUEST_DONE)
        return;
    request_content_begin(&conn->content, &conn->head, conn->origin->loop->pool);
    conn->content_is_unread = conn->content.is_open;
    if (slice_starts_with(conn->head.version, SLICE("HTTP/")))
        origin_conn_note_request(conn);
}

/* Content is read where there is some, so that the next request is found behind it. */
static void forget_input(struct origin_conn *conn)
{
    if (conn->content_is_unread && request_content_read(&conn->content, &conn->in))
        conn->content_is_unread = false;
    buf_consume(&conn->in, conn->in.length);
}

static enum play read_some(struct origin_conn *conn, uint64_t count)
{
    long n;

    if (conn->phase == 0 && conn->head_is_unread) {
        conn->progress = conn->head.length + conn->in.length;
        conn->head_is_unread = false;
    } else if (conn->phase == 0) {
        begin_request(conn);
        conn->progress = conn->in.length;
        note_if_request(conn);
    }
    conn->phase = 1;
    forget_input(conn);
    stream_set_read_size(conn->stream, STREAM_READ_BULK);
    while (conn->progress < count) {
        n = fill(conn);
        if (n <= 0)
            return wait_or_end(conn, n);
        conn->progress += (uint64_t)n;
        note_if_request(conn);
        forget_input(conn);
    }
    return PLAY_NEXT;
}

static enum play drain(struct origin_conn *conn)
{
    long n;

    conn->head_is_unread = false;
    do {
        forget_input(conn);
        n = fill(conn);
    } while (n > 0);
    return n == -EAGAIN ? PLAY_WAIT : PLAY_NEXT;
}

/* ---- waiting ------------------------------------------------------------------------------- */

static void set_timer(struct origin_conn *conn, uint64_t timeout_ms)
{
    loop_timer_set(conn->origin->loop, &conn->timer, timeout_ms);
}

static enum play sleep_for(struct origin_conn *conn, uint64_t duration_ms)
{
    if (conn->phase == 0 && duration_ms > 0) {
        conn->phase = 1;
        set_timer(conn, origin_scaled_ms(conn->origin, duration_ms));
    }
    return timer_is_armed(&conn->timer) ? PLAY_WAIT : PLAY_NEXT;
}

static unsigned tcp_state(const struct origin_conn *conn)
{
    struct tcp_info info = { 0 };
    socklen_t length = sizeof(info);

    if (getsockopt(conn_descriptor(conn->bottom), IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
        return TCP_CLOSE;
    return info.tcpi_state;
}

/* A side that is gone for good must not keep a descriptor here for ever. */
static enum play never_read(struct origin_conn *conn)
{
    unsigned state;

    if (timer_is_armed(&conn->timer))
        return PLAY_WAIT;
    state = tcp_state(conn);
    if (state == TCP_CLOSE_WAIT)
        conn->progress++;
    if (state == TCP_CLOSE || conn->progress > HALF_CLOSED_MAX_COUNT) {
        origin_conn_end(conn, STREAM_CLOSE_ABORT, "peer_rst");
        return PLAY_GONE;
    }
    set_timer(conn, WATCH_EVERY_MS);
    return PLAY_WAIT;
}

/* ---- ending -------------------------------------------------------------------------------- */

static enum play end(struct origin_conn *conn, enum stream_close how, const char *text)
{
    origin_conn_end(conn, how, text);
    return PLAY_GONE;
}

static enum play end_dirty(struct origin_conn *conn)
{
    if (conn->is_tls && conn->is_open)
        conn->stream = tls_stream_take_lower(conn->stream);
    return end(conn, STREAM_CLOSE_FLUSH, "fin_dirty");
}

static enum play half_close(struct origin_conn *conn)
{
    if (!conn->write_shut)
        stream_shutdown_write(conn->stream);
    conn->write_shut = true;
    return PLAY_NEXT;
}

/* ---- TLS ----------------------------------------------------------------------------------- */

static struct tls_server_config *tls_of(struct origin_conn *conn)
{
    struct tls_server_config *config = NULL;

    if (conn->fault && conn->fault->certificate)
        config = identity_of_fault(conn->origin->identity, conn->fault);
    return config ? config : conn->listener->tls;
}

static enum play start_tls(struct origin_conn *conn)
{
    struct tls_server_config *config = tls_of(conn);

    if (conn->phase > 0)
        return conn->is_open ? PLAY_NEXT : PLAY_WAIT;
    conn->phase = 1;
    if (!config || conn->is_tls || conn->in.length > 0 || !origin_conn_start_tls(conn, config)) {
        origin_conn_end(conn, STREAM_CLOSE_ABORT, "no_tls");
        return PLAY_GONE;
    }
    return PLAY_WAIT; /* the event of the handshake's end goes on */
}

static void send_alert(struct origin_conn *conn, uint64_t description)
{
    const unsigned char record[] = { RECORD_ALERT, 3, 3, 0, 2, 2, (unsigned char)description };

    origin_send(conn, record, sizeof(record));
}

/* ---- all of them --------------------------------------------------------------------------- */

static enum play serve(struct origin_conn *conn, const struct step *step)
{
    enum play play = conn->phase <= 2 ? read_request(conn) : PLAY_NEXT;

    if (play != PLAY_NEXT)
        return play;
    if (!step->bytes) {
        conn->phase = conn->phase <= 2 ? 3 : conn->phase;
        return origin_play_answer(conn);
    }
    origin_serve(conn, (struct slice){ step->bytes, step->length });
    return PLAY_NEXT;
}

static enum play again(struct origin_conn *conn, uint64_t count)
{
    if (conn->phase == 0 && (count == 0 || conn->loops_count < count)) {
        conn->phase = 1; /* in the next turn, so that others get theirs */
        loop_post_flush(conn->origin->loop, &conn->task);
        return PLAY_WAIT;
    }
    if (conn->phase == 0)
        return PLAY_NEXT;
    if (conn->task.queued || origin_send_is_full(conn))
        return PLAY_WAIT;
    conn->loops_count++;
    conn->step = (size_t)-1; /* the next one is the first */
    return PLAY_NEXT;
}

static enum play send_bytes(struct origin_conn *conn, const struct step *step)
{
    origin_send(conn, step->bytes, step->length);
    return PLAY_NEXT;
}

enum play origin_play_await_input(struct origin_conn *conn)
{
    long n = conn->in.length > 0 ? 1 : fill(conn);

    return n > 0 ? PLAY_NEXT : wait_or_end(conn, n);
}

/*
 * A fault that a request has chosen ends with it: what comes next on the connection is a request again,
 * or a hop that keeps connections would meet this fault for ever after.
 */
static enum play hold(struct origin_conn *conn)
{
    enum play play;

    conn->is_held = !conn->by_connection && conn->step + 1 == conn->steps_count;
    if (conn->is_held)
        return PLAY_NEXT;
    play = drain(conn);

    return play == PLAY_NEXT ? end_with_peer(conn) : play;
}

enum play origin_play_step(struct origin_conn *conn, const struct step *step)
{
    switch (step->kind) {
    case STEP_READ_HEAD:
        return read_head(conn);
    case STEP_READ_REQUEST:
        return read_request(conn);
    case STEP_READ_SOME:
        return read_some(conn, step->count);
    case STEP_SEND:
        return send_bytes(conn, step);
    case STEP_REPEAT:
        return origin_play_repeat(conn, step);
    case STEP_FIELDS:
        return origin_play_fields(conn, step);
    case STEP_BIG:
        return origin_play_pattern(conn, step->count);
    case STEP_SLEEP:
        return sleep_for(conn, step->duration_ms);
    case STEP_TRICKLE:
        return origin_play_trickle(conn, step);
    case STEP_SERVE:
        return serve(conn, step);
    case STEP_ANSWER:
        return origin_play_answer(conn);
    case STEP_FIN:
        return half_close(conn);
    case STEP_DRAIN:
        return drain(conn);
    case STEP_HOLD:
        return hold(conn);
    case STEP_NOREAD:
        return never_read(conn);
    case STEP_CLOSE:
        return end(conn, STREAM_CLOSE_FLUSH, "fin");
    case STEP_CLOSE_DIRTY:
        return end_dirty(conn);
    case STEP_RST:
        return end(conn, STREAM_CLOSE_CUT, "rst");
    case STEP_TLS:
        return start_tls(conn);
    case STEP_ALERT:
        send_alert(conn, step->count);
        return PLAY_NEXT;
    case STEP_LOOP:
        return again(conn, step->count);
    case STEP_KINDS:
        break;
    }
    return PLAY_NEXT;
}
