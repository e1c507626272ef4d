/*
 * conn_priv: the inside of a conn.
 *
 * Role    what conn.c (opening, receiving, sending, dispatch) and conn_close.c (every way to an end)
 *         share; conn.h has the picture of the states
 * Owns    as conn.h says
 * Thread  one worker
 */
#ifndef CORE_CONN_PRIV_H
#define CORE_CONN_PRIV_H

#include <assert.h>

#include "core/conn.h"

enum conn_state { CONN_CONNECTING, CONN_OPEN, CONN_FLUSHING, CONN_LINGERING, CONN_DYING };

struct conn {
    struct stream stream; /* first: a stream pointer is a conn pointer */
    struct stream_endpoint endpoint;
    struct ring_user user;
    struct loop *loop;
    int fd;
    enum conn_state state;
    enum stream_read_size read_size;
    unsigned events; /* mask to deliver at the next run */

    struct buf in;
    int in_end; /* 1: not ended; 0: end of stream; negative errno */
    bool recv_armed, recv_small_only;
    bool recv_delayed; /* the submission queue was full */

    struct buf out;
    size_t sending; /* bytes of the send in flight; they stay at the front of out */
    int out_error;
    bool drain_due; /* the queue got bytes, or the end, since it was last seen empty */
    bool was_high, shutdown_wanted, shutdown_done, linger_wanted;
    bool cancel_wanted; /* DYING: the submission queue was full */
    uint64_t lingered_bytes, linger_until_ms;

    struct stream_failure failure;
    struct task task, flush_task;
    struct timer close_timer;
    void (*on_gone)(void *owner, uint32_t ticket); /* or NULL */
    void *gone_owner;
    uint32_t gone_ticket;
    struct conn *next_closing, *prev_closing;
    bool is_listed;
    struct deferred deferred;
};

static inline struct conn *conn_of(struct stream *stream)
{
    return (struct conn *)stream;
}

static inline void conn_set_state(struct conn *conn, enum conn_state state)
{
    assert(state > conn->state); /* every transition of the picture leads to a later state */
    conn->state = state;
}

/* Drops what the connection has, once no operation is in flight; the caller may not touch it again. */
void conn_finish_if_idle(struct conn *conn);

/* Cancels what is in flight; called again at the end of the turn while cancel_wanted. */
void conn_cancel_operations(struct conn *conn);

/* The last state, from any other. */
void conn_die(struct conn *conn);

/* The stream's close. */
void conn_close(struct stream *stream, enum stream_close how);

/* For create(): what comes at the very end, and the timer of flushing and lingering. */
void conn_free_deferred(struct deferred *deferred);
void conn_on_close_timer(struct timer *timer);

#endif
