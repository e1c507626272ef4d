/*
 * memory_stream: two core/streams connected in memory, with a run loop in place of a kernel.
 *
 * Role    what one end writes arrives at the other in pieces of a chosen size; events come from
 *         memory_pair_step only, as the contract of core/stream.h asks
 * Owns    bytes on the way, and a copy of all that was written
 * Thread  the test
 */
#ifndef TESTS_UNIT_MEMORY_STREAM_H
#define TESTS_UNIT_MEMORY_STREAM_H

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/stream.h"

struct memory_end {
    struct stream base; /* first */
    struct memory_end *other;
    struct buf queue;   /* written, on the way */
    struct buf inbox;   /* arrived, not read */
    struct buf written; /* copy of everything ever written */
    unsigned pending;   /* events to deliver */
    bool armed, above_high;
    bool fin_queued, fin_arrived, reset_arrived;
    int write_error; /* negative errno once writing was broken off */
    bool closed;
    enum stream_close closed_how;
};

struct memory_pair {
    struct memory_end ends[2];
    struct stream_endpoint endpoint;
    size_t cut;          /* bytes that move per step and direction; 0: all */
    unsigned random_cut; /* not 0: seed; each cut is 1 .. cut */
};

static inline struct memory_end *memory_end_of(const struct stream *stream)
{
    return (struct memory_end *)(uintptr_t)stream;
}

static inline long memory_read(struct stream *stream, struct buf *into, size_t max)
{
    struct memory_end *end = memory_end_of(stream);
    size_t n = end->inbox.length < max ? end->inbox.length : max;

    assert(!end->closed);
    if (n > 0)
        return buf_move(into, &end->inbox, n) == 0 ? (long)n : -ENOMEM;
    if (end->reset_arrived)
        return -ECONNRESET;
    if (end->fin_arrived)
        return 0;
    end->armed = true;
    return -EAGAIN;
}

static inline int memory_write(struct stream *stream, struct buf *from)
{
    struct memory_end *end = memory_end_of(stream);

    assert(!end->closed && !end->fin_queued);
    if (end->reset_arrived || end->write_error)
        return end->write_error ? end->write_error : -EPIPE;
    while (!buf_is_empty(from)) {
        struct slice front = buf_front(from);

        if (buf_append_slice(&end->written, front) < 0 ||
            buf_move(&end->queue, from, front.len) < 0)
            return -ENOMEM;
    }
    if (end->queue.length > STREAM_QUEUE_HIGH)
        end->above_high = true;
    return 0;
}

static inline size_t memory_queued(const struct stream *stream)
{
    return memory_end_of(stream)->queue.length;
}

static inline void memory_set_read_size(struct stream *stream, enum stream_read_size size)
{
    (void)stream;
    (void)size;
}

static inline void memory_shutdown_write(struct stream *stream)
{
    memory_end_of(stream)->fin_queued = true;
}

static inline void memory_close(struct stream *stream, enum stream_close how)
{
    struct memory_end *end = memory_end_of(stream);

    assert(!end->closed);
    end->closed = true;
    end->closed_how = how;
    end->fin_queued = true;
    buf_done(&end->inbox);
    if (how == STREAM_CLOSE_ABORT) {
        buf_done(&end->queue);
        end->other->reset_arrived = true;
    }
}

static inline void memory_break_writing(struct stream *stream, int error)
{
    struct memory_end *end = memory_end_of(stream);

    end->write_error = error;
    end->pending |= STREAM_WRITE_FAILED;
}

static inline struct stream_failure memory_failure(const struct stream *stream)
{
    struct memory_end *end = memory_end_of(stream);

    if (end->reset_arrived)
        return (struct stream_failure){ STREAM_STEP_READ, -ECONNRESET, NULL, NULL };
    return (struct stream_failure){ STREAM_STEP_NONE, 0, NULL, NULL };
}

static inline const struct tls_session_info *memory_tls_info(const struct stream *stream)
{
    (void)stream;
    return NULL;
}

static inline void memory_pair_init(struct memory_pair *pair, struct chunk_pool *pool)
{
    static const struct stream_ops ops = {
        .name = "memory",
        .read = memory_read,
        .write = memory_write,
        .queued = memory_queued,
        .set_read_size = memory_set_read_size,
        .shutdown_write = memory_shutdown_write,
        .break_writing = memory_break_writing,
        .close = memory_close,
        .failure = memory_failure,
        .tls_info = memory_tls_info,
    };

    *pair = (struct memory_pair){ 0 };
    for (int i = 0; i < 2; i++) {
        struct memory_end *end = &pair->ends[i];

        end->base.ops = &ops;
        end->base.endpoint = &pair->endpoint;
        end->other = &pair->ends[1 - i];
        buf_init(&end->queue, pool);
        buf_init(&end->inbox, pool);
        buf_init(&end->written, pool);
    }
}

static inline void memory_pair_done(struct memory_pair *pair)
{
    for (int i = 0; i < 2; i++) {
        buf_done(&pair->ends[i].queue);
        buf_done(&pair->ends[i].inbox);
        buf_done(&pair->ends[i].written);
    }
}

static inline size_t memory_pair_cut(struct memory_pair *pair)
{
    if (pair->cut == 0)
        return SIZE_MAX;
    if (pair->random_cut == 0)
        return pair->cut;
    pair->random_cut = pair->random_cut * 1103515245u + 12345u;
    return 1 + (pair->random_cut >> 8) % pair->cut;
}

/* Moves bytes from one end to the other and notes the events that follow. true: something moved. */
static inline bool memory_carry(struct memory_pair *pair, struct memory_end *from)
{
    struct memory_end *to = from->other;
    size_t n = memory_pair_cut(pair);
    bool moved = false;

    if (n > from->queue.length)
        n = from->queue.length;
    if (n > 0) {
        if (to->closed)
            buf_consume(&from->queue, n);
        else if (buf_move(&to->inbox, &from->queue, n) < 0)
            abort();
        if (buf_is_empty(&from->queue))
            from->pending |= STREAM_DRAINED;
        moved = true;
    }
    if (from->above_high && from->queue.length <= STREAM_QUEUE_LOW) {
        from->above_high = false;
        from->pending |= STREAM_WRITABLE;
    }
    if (from->fin_queued && buf_is_empty(&from->queue) && !to->fin_arrived) {
        to->fin_arrived = true;
        moved = true;
    }
    if (to->armed && (!buf_is_empty(&to->inbox) || to->fin_arrived || to->reset_arrived)) {
        to->armed = false;
        to->pending |= STREAM_READABLE;
        moved = true;
    }
    return moved;
}

static inline bool memory_pair_step(struct memory_pair *pair)
{
    bool moved = memory_carry(pair, &pair->ends[0]);

    moved |= memory_carry(pair, &pair->ends[1]);
    for (int i = 0; i < 2; i++) {
        struct memory_end *end = &pair->ends[i];
        unsigned events = end->pending;

        end->pending = 0;
        if (events && !end->closed && end->base.on_event)
            end->base.on_event(end->base.owner, events);
    }
    return moved;
}

/* Until nothing moves any more. */
static inline void memory_pair_run(struct memory_pair *pair)
{
    while (memory_pair_step(pair)) {
    }
}

#endif
