#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/conn_priv.h"

void conn_free_deferred(struct deferred *deferred)
{
    struct conn *conn = (struct conn *)((char *)deferred - offsetof(struct conn, deferred));

    conn->loop->objects--;
    memory_account_add(chunk_pool_account(conn->loop->pool), MEMORY_CONNECTIONS,
                       -(int64_t)sizeof(*conn));
    free(conn);
}

void conn_finish_if_idle(struct conn *conn)
{
    if (conn->state != CONN_DYING || conn->user.ops_in_flight > 0 || conn->fd < 0)
        return;
    (void)close(conn->fd); /* nothing to do about an error; the descriptor is gone either way */
    conn->fd = -1;
    if (conn->on_gone)
        conn->on_gone(conn->gone_owner, conn->gone_ticket);
    ring_leave(conn->loop->ring, &conn->user);
    buf_done(&conn->in);
    buf_done(&conn->out);
    timer_cancel(&conn->close_timer);
    loop_forget(conn->loop, &conn->task);
    loop_forget(conn->loop, &conn->flush_task);
    loop_free_later(conn->loop, &conn->deferred);
}

/* With a full submission queue the next turn tries again. shutdown() would end the operations as
 * well, but its FIN would make an aborted answer look complete. */
void conn_cancel_operations(struct conn *conn)
{
    conn->cancel_wanted = ring_cancel_fd(conn->loop->ring, &conn->user, conn->fd) < 0;
    if (conn->cancel_wanted)
        loop_post_flush(conn->loop, &conn->flush_task);
}

/* Between close and death a connection has no owner: the loop's list is how it is found. */
static void list_closing(struct conn *conn)
{
    conn->is_listed = true;
    conn->next_closing = conn->loop->closing;
    if (conn->next_closing)
        conn->next_closing->prev_closing = conn;
    conn->loop->closing = conn;
}

static void unlist_closing(struct conn *conn)
{
    if (!conn->is_listed)
        return;
    conn->is_listed = false;
    if (conn->prev_closing)
        conn->prev_closing->next_closing = conn->next_closing;
    else
        conn->loop->closing = conn->next_closing;
    if (conn->next_closing)
        conn->next_closing->prev_closing = conn->prev_closing;
}

void conn_die(struct conn *conn)
{
    conn_set_state(conn, CONN_DYING);
    unlist_closing(conn);
    timer_cancel(&conn->close_timer);
    if (conn->user.ops_in_flight > 0)
        conn_cancel_operations(conn);
    loop_post(conn->loop, &conn->task); /* finishes when nothing is in flight */
}

void conn_on_close_timer(struct timer *timer)
{
    struct conn *conn = (struct conn *)((char *)timer - offsetof(struct conn, close_timer));
    uint64_t stalled_at = conn->endpoint.send_progress_at_ms + CONN_FLUSH_STALL_TIMEOUT_MS;

    if (conn->state == CONN_FLUSHING && conn->loop->now_ms < stalled_at) {
        timer_set(&conn->loop->timers, timer, stalled_at);
        return;
    }
    conn_die(conn);
}

void conn_close(struct stream *stream, enum stream_close how)
{
    const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
    struct conn *conn = conn_of(stream);
    bool resets = how == STREAM_CLOSE_ABORT || how == STREAM_CLOSE_CUT;

    assert(conn->state < CONN_FLUSHING && "closed twice");
    conn->stream.owner = NULL;
    conn->events = 0;
    if (resets) /* acts when the descriptor is closed, which comes last */
        (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    if (how == STREAM_CLOSE_ABORT || conn->state == CONN_CONNECTING) {
        conn_die(conn);
        return;
    }
    conn_set_state(conn, CONN_FLUSHING);
    list_closing(conn);
    conn->linger_wanted = how == STREAM_CLOSE_LINGER;
    if (conn->out_error < 0) {
        conn_die(conn);
        return;
    }
    loop_timer_set(conn->loop, &conn->close_timer, CONN_FLUSH_STALL_TIMEOUT_MS);
    conn->drain_due = true;
    loop_post_flush(conn->loop, &conn->flush_task); /* drained or not is seen there */
}

void conn_abort_closing(struct loop *loop, bool all)
{
    struct conn *next;

    for (struct conn *conn = loop->closing; conn; conn = next) {
        next = conn->next_closing;
        if (all || conn->state == CONN_LINGERING)
            conn_die(conn);
    }
}

void conn_abort_flushing(struct loop *loop, size_t queued_min)
{
    struct conn *next;

    for (struct conn *conn = loop->closing; conn; conn = next) {
        next = conn->next_closing;
        if (conn->state == CONN_FLUSHING && conn->out.length >= queued_min)
            conn_die(conn);
    }
}
