#include "core/conn_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/addr.h"

/* One send takes at most this much; a larger queue goes in several. */
enum { SEND_BYTES_MAX = 256 * 1024, LINGER_BYTES_MAX = 8 * 1024 * 1024 };

static const struct conn *const_conn_of(const struct stream *stream)
{
    return (const struct conn *)stream;
}

static void conn_raise(struct conn *conn, unsigned events)
{
    conn->events |= events;
    loop_post(conn->loop, &conn->task);
}

static void conn_fail(struct conn *conn, enum stream_step step, int error)
{
    if (conn->failure.step == STREAM_STEP_NONE)
        conn->failure = (struct stream_failure){ .step = step, .error = error };
}

/* ---- receiving ----------------------------------------------------------------------------- */

static void arm_recv(struct conn *conn)
{
    enum ring_recv_size size = conn->read_size == STREAM_READ_BULK && !conn->recv_small_only
                                   ? RING_RECV_BULK
                                   : RING_RECV_SMALL;

    if (conn->recv_armed || conn->user.waits_for_buffer)
        return;
    conn->recv_armed = ring_recv(conn->loop->ring, &conn->user, conn->fd, size) == 0;
    conn->recv_delayed = !conn->recv_armed;
    if (conn->recv_delayed)
        loop_post_flush(conn->loop, &conn->flush_task); /* the queue was full: next turn */
}

/*
 * The kernel reports a reset once, to whichever operation asks first. When the send got it, the
 * receive ends in 0 as if the peer had sent FIN, and a cut answer would look complete. After a real
 * FIN a reset is EPIPE for the send.
 */
static int end_of_input(const struct conn *conn, int result)
{
    return result == 0 && conn->out_error < 0 && conn->out_error != -EPIPE ? conn->out_error
                                                                           : result;
}

static void record_recv(struct conn *conn, const struct completion *completion)
{
    conn->recv_armed = false;
    if (completion->result == -ENOBUFS) {
        /* no buffer of that size: come back when there are some, and take a small one then */
        conn->recv_small_only = true;
        ring_wait_for_buffer(conn->loop->ring, &conn->user);
        return;
    }
    conn->recv_small_only = false;
    if (completion->result <= 0) {
        conn->in_end = end_of_input(conn, completion->result);
        if (conn->in_end < 0)
            conn_fail(conn, STREAM_STEP_READ, conn->in_end);
    } else {
        conn->endpoint.bytes_received += (uint64_t)completion->result;
        if (buf_append_chunk(&conn->in, completion->chunk, 0, (uint32_t)completion->result) < 0)
            conn->in_end = -ENOMEM;
    }
    chunk_unref(completion->chunk);
    conn_raise(conn, STREAM_READABLE);
}

static long conn_read(struct stream *stream, struct buf *into, size_t max)
{
    struct conn *conn = conn_of(stream);
    size_t n = conn->in.length < max ? conn->in.length : max;

    if (n > 0)
        return buf_move(into, &conn->in, n) < 0 ? -ENOMEM : (long)n;
    if (conn->in_end <= 0)
        return conn->in_end;
    if (conn->state == CONN_OPEN)
        arm_recv(conn);
    return -EAGAIN;
}

/* ---- sending ------------------------------------------------------------------------------- */

static void arm_send(struct conn *conn)
{
    struct iovec vec[RING_SEND_SPANS_MAX];
    unsigned count = buf_iovec(&conn->out, vec, RING_SEND_SPANS_MAX, SEND_BYTES_MAX);

    if (ring_send(conn->loop->ring, &conn->user, conn->fd, vec, count) < 0) {
        loop_post_flush(conn->loop, &conn->flush_task); /* the queue was full: next turn */
        return;
    }
    for (unsigned i = 0; i < count; i++)
        conn->sending += vec[i].iov_len;
}

static void send_fin(struct conn *conn)
{
    if (conn->shutdown_done)
        return;
    conn->shutdown_done = true;
    (void)shutdown(conn->fd, SHUT_WR); /* a dead connection shows in the next read */
}

static void start_lingering(struct conn *conn)
{
    conn_set_state(conn, CONN_LINGERING);
    send_fin(conn);
    conn->linger_until_ms = conn->loop->now_ms + CONN_LINGER_TOTAL_TIMEOUT_MS;
    loop_timer_set(conn->loop, &conn->close_timer, CONN_LINGER_IDLE_TIMEOUT_MS);
    conn->lingered_bytes = conn->in.length;
    buf_done(&conn->in);
    if (conn->in_end <= 0)
        conn_die(conn);
    else
        arm_recv(conn);
}

static void run_linger(struct conn *conn)
{
    conn->lingered_bytes += conn->in.length;
    buf_done(&conn->in);
    if (conn->in_end <= 0 || conn->lingered_bytes > LINGER_BYTES_MAX ||
        conn->loop->now_ms >= conn->linger_until_ms) {
        conn_die(conn);
        return;
    }
    if (!conn->recv_armed)
        loop_timer_set(conn->loop, &conn->close_timer, CONN_LINGER_IDLE_TIMEOUT_MS);
    arm_recv(conn);
}

/* The queue is empty. */
static void on_drained(struct conn *conn)
{
    conn->drain_due = false;
    if (conn->state == CONN_FLUSHING) {
        if (conn->linger_wanted)
            start_lingering(conn);
        else
            conn_die(conn);
        return;
    }
    if (conn->shutdown_wanted)
        send_fin(conn);
    conn->events |= STREAM_DRAINED;
    if (conn->was_high) {
        conn->was_high = false;
        conn->events |= STREAM_WRITABLE;
    }
    conn_raise(conn, 0);
}

/* Runs at the end of the turn, so that everything written in the turn leaves in one send. */
static void run_flush(struct task *task)
{
    struct conn *conn = (struct conn *)((char *)task - offsetof(struct conn, flush_task));

    if (conn->state == CONN_DYING) {
        if (conn->cancel_wanted)
            conn_cancel_operations(conn);
        return;
    }
    if (conn->recv_delayed)
        arm_recv(conn);
    if (conn->sending > 0)
        return;
    if (conn->out.length > 0)
        arm_send(conn);
    else if (conn->drain_due)
        on_drained(conn);
}

static void record_send(struct conn *conn, int result)
{
    size_t n = result > 0 ? (size_t)result : 0;

    assert(n <= conn->sending);
    conn->sending = 0;
    buf_consume(&conn->out, n);
    conn->endpoint.bytes_sent += n;
    if (n > 0)
        conn->endpoint.send_progress_at_ms = conn->loop->now_ms;
    if (conn->state == CONN_DYING)
        return;
    if (result < 0 && result != -EAGAIN && result != -EINTR) {
        conn->out_error = result;
        conn_fail(conn, STREAM_STEP_WRITE, result);
        buf_done(&conn->out);
        conn->drain_due = false;
        conn_raise(conn, STREAM_WRITE_FAILED);
        return;
    }
    if (conn->was_high && conn->out.length <= STREAM_QUEUE_LOW && conn->out.length > 0) {
        conn->was_high = false;
        conn_raise(conn, STREAM_WRITABLE);
    }
    loop_post_flush(conn->loop, &conn->flush_task);
}

static void conn_break_writing(struct stream *stream, int error)
{
    struct conn *conn = conn_of(stream);

    if (conn->out_error < 0)
        return;
    conn->out_error = error;
    conn_fail(conn, STREAM_STEP_WRITE, error);
    conn->drain_due = false;
    conn_raise(conn, STREAM_WRITE_FAILED);
}

static int conn_write(struct stream *stream, struct buf *from)
{
    struct conn *conn = conn_of(stream);

    if (conn->out_error < 0)
        return conn->out_error;
    assert(!conn->shutdown_wanted && "write after shutdown");
    if (from->length == 0)
        return 0;
    if (conn->out.length == 0)
        conn->endpoint.send_progress_at_ms = conn->loop->now_ms;
    if (buf_move(&conn->out, from, from->length) < 0) {
        conn_break_writing(stream, -ENOMEM);
        return -ENOMEM;
    }
    conn->drain_due = true;
    if (conn->out.length >= STREAM_QUEUE_HIGH)
        conn->was_high = true;
    if (conn->state != CONN_CONNECTING)
        loop_post_flush(conn->loop, &conn->flush_task);
    return 0;
}

static size_t conn_queued(const struct stream *stream)
{
    return const_conn_of(stream)->out.length;
}

static void conn_shutdown_write(struct stream *stream)
{
    struct conn *conn = conn_of(stream);

    conn->shutdown_wanted = true;
    if (conn->out.length == 0 && conn->state == CONN_OPEN)
        send_fin(conn);
}

/* ---- connecting ---------------------------------------------------------------------------- */

static void record_connect(struct conn *conn, int result)
{
    socklen_t length = sizeof(conn->endpoint.local);

    if (conn->state == CONN_DYING)
        return;
    if (result < 0) {
        conn_fail(conn, STREAM_STEP_CONNECT, result);
        conn->in_end = result;
        conn->out_error = result;
        conn_raise(conn, STREAM_OPEN_FAILED);
        return;
    }
    /* an unknown local address only costs a log field */
    (void)getsockname(conn->fd, (struct sockaddr *)&conn->endpoint.local, &length);
    if (conn->state == CONN_CONNECTING)
        conn_set_state(conn, CONN_OPEN);
    if (conn->out.length > 0)
        loop_post_flush(conn->loop, &conn->flush_task);
    else if (conn->shutdown_wanted)
        send_fin(conn);
    conn_raise(conn, STREAM_OPEN);
}

/* ---- dispatch ------------------------------------------------------------------------------ */

static void on_completion(struct ring_user *user, const struct completion *completion)
{
    struct conn *conn = (struct conn *)((char *)user - offsetof(struct conn, user));

    switch (completion->kind) {
    case OP_RECV:
        record_recv(conn, completion);
        break;
    case OP_SEND:
        record_send(conn, completion->result);
        break;
    case OP_CONNECT:
        record_connect(conn, completion->result);
        break;
    case OP_CANCEL:
    case OP_NONE: /* receive buffers are back */
    case OP_ACCEPT:
    case OP_DOORBELL:
    case OP_FILE_OPEN:
    case OP_FILE_UNLINK:
    case OP_FILE_WRITE:
    case OP_FILE_READ:
    case OP_FILE_CLOSE:
        break;
    }
    if (conn->state != CONN_OPEN || completion->kind == OP_NONE)
        loop_post(conn->loop, &conn->task);
}

static void run_task(struct task *task)
{
    struct conn *conn = (struct conn *)((char *)task - offsetof(struct conn, task));
    unsigned events = conn->events;

    switch (conn->state) {
    case CONN_CONNECTING:
    case CONN_OPEN:
        conn->events = 0;
        /* a receive that found no buffer is armed again here */
        if (conn->recv_small_only && !conn->recv_armed && conn->state == CONN_OPEN)
            arm_recv(conn);
        if (events && conn->stream.owner)
            conn->stream.on_event(conn->stream.owner, events);
        return;
    case CONN_FLUSHING:
        if (conn->out_error < 0)
            conn_die(conn);
        return;
    case CONN_LINGERING:
        run_linger(conn);
        return;
    case CONN_DYING:
        conn_finish_if_idle(conn);
        return;
    }
}

static void conn_set_read_size(struct stream *stream, enum stream_read_size size)
{
    conn_of(stream)->read_size = size;
}

static struct stream_failure conn_failure(const struct stream *stream)
{
    return const_conn_of(stream)->failure;
}

static const struct tls_session_info *conn_tls_info(const struct stream *stream)
{
    (void)stream;
    return NULL;
}

static const struct stream_ops conn_ops = {
    .name = "tcp",
    .read = conn_read,
    .write = conn_write,
    .queued = conn_queued,
    .set_read_size = conn_set_read_size,
    .shutdown_write = conn_shutdown_write,
    .break_writing = conn_break_writing,
    .close = conn_close,
    .failure = conn_failure,
    .tls_info = conn_tls_info,
};

static struct conn *create(struct loop *loop, int fd)
{
    static _Atomic uint64_t last_id;
    struct conn *conn = calloc(1, sizeof(*conn));

    if (!conn || ring_join(loop->ring, &conn->user) < 0) {
        free(conn);
        (void)close(fd);
        return NULL;
    }
    conn->stream.ops = &conn_ops;
    conn->stream.endpoint = &conn->endpoint;
    conn->user.on_completion = on_completion;
    conn->loop = loop;
    conn->fd = fd;
    conn->in_end = 1;
    conn->endpoint.connection_id = atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1;
    buf_init(&conn->in, loop->pool);
    buf_init(&conn->out, loop->pool);
    task_init(&conn->task, run_task);
    task_init(&conn->flush_task, run_flush);
    timer_init(&conn->close_timer, conn_on_close_timer);
    conn->deferred.free = conn_free_deferred;
    loop->objects++;
    memory_account_add(chunk_pool_account(loop->pool), MEMORY_CONNECTIONS, sizeof(*conn));
    return conn;
}

struct stream *conn_accepted(struct loop *loop, int fd, const struct sockaddr_storage *local)
{
    struct conn *conn = create(loop, fd);
    socklen_t length = sizeof(conn->endpoint.peer);

    if (!conn)
        return NULL;
    conn->state = CONN_OPEN;
    /* fails when the client is gone already; the first read will say so */
    (void)getpeername(fd, (struct sockaddr *)&conn->endpoint.peer, &length);
    if (local) {
        conn->endpoint.local = *local;
    } else {
        length = sizeof(conn->endpoint.local);
        (void)getsockname(fd, (struct sockaddr *)&conn->endpoint.local, &length);
    }
    return &conn->stream;
}

void conn_on_gone(struct stream *stream, void (*on_gone)(void *owner, uint32_t ticket), void *owner,
                  uint32_t ticket)
{
    struct conn *conn = conn_of(stream);

    conn->on_gone = on_gone;
    conn->gone_owner = owner;
    conn->gone_ticket = ticket;
}

int conn_descriptor(const struct stream *stream)
{
    return const_conn_of(stream)->fd;
}

static int open_socket(const struct sockaddr_storage *peer, const struct sockaddr_storage *from)
{
    const int on = 1, low_water = CONN_NOT_SENT_LOW_WATER;
    int fd = socket(peer->ss_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

    if (fd < 0)
        return -errno;
    /* without them only a delay or some kernel memory is at stake */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &low_water, sizeof(low_water));
    if (!from)
        return fd;
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)from, addr_length(from)) < 0) {
        int r = -errno;

        (void)close(fd);
        return r;
    }
    return fd;
}

struct stream *conn_connect(struct loop *loop, const struct sockaddr_storage *peer,
                            const struct sockaddr_storage *from, int *ret_error)
{
    int fd = open_socket(peer, from);
    struct conn *conn;
    int r;

    if (fd < 0) {
        *ret_error = fd;
        return NULL;
    }
    conn = create(loop, fd);
    if (!conn) {
        *ret_error = -ENOMEM;
        return NULL;
    }
    conn->endpoint.peer = *peer;
    r = ring_connect(loop->ring, &conn->user, fd, (const struct sockaddr *)&conn->endpoint.peer,
                     addr_length(peer));
    if (r < 0) {
        conn_die(conn);
        *ret_error = r;
        return NULL;
    }
    return &conn->stream;
}
