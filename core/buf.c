#include "core/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *buf, struct chunk_pool *pool)
{
    buf->pool = pool;
    buf->length = 0;
    buf->spans = buf->inline_spans;
    buf->head = 0;
    buf->count = 0;
    buf->capacity = BUF_INLINE_SPANS;
    buf->owner = MEMORY_BUFFERS;
}

/* capacity is a power of two */
static struct span *span_at(const struct buf *buf, uint32_t index)
{
    return &buf->spans[(buf->head + index) & (buf->capacity - 1)];
}

void buf_done(struct buf *buf)
{
    enum memory_owner owner = buf->owner;

    /* not by length: the tail may be a reservation that nobody committed */
    for (uint32_t i = 0; i < buf->count; i++)
        chunk_unref(span_at(buf, i)->chunk);
    if (buf->spans != buf->inline_spans)
        free(buf->spans);
    buf_init(buf, buf->pool);
    buf->owner = owner;
}

static struct span *tail_span(const struct buf *buf)
{
    return buf->count ? span_at(buf, buf->count - 1) : NULL;
}

static int spans_reserve(struct buf *buf, uint32_t more)
{
    uint32_t capacity = buf->capacity;
    struct span *spans;

    if (buf->count + more <= capacity)
        return 0;
    while (capacity < buf->count + more)
        capacity *= 2;
    spans = malloc(capacity * sizeof(*spans));
    if (!spans)
        return -ENOMEM;
    for (uint32_t i = 0; i < buf->count; i++)
        spans[i] = *span_at(buf, i);
    if (buf->spans != buf->inline_spans)
        free(buf->spans);
    buf->spans = spans;
    buf->head = 0;
    buf->capacity = capacity;
    return 0;
}

/* Takes over one reference. Room for the span was reserved. */
static void push_span(struct buf *buf, struct chunk *chunk, uint32_t offset, uint32_t length)
{
    *span_at(buf, buf->count) = (struct span){ chunk, offset, length };
    buf->count++;
    buf->length += length;
}

/*
 * Bytes may be added behind the tail span when that span ends where the chunk's used bytes end:
 * nobody else has a span there, whoever else refers to the chunk.
 */
static size_t tail_room(const struct buf *buf)
{
    const struct span *tail = tail_span(buf);

    if (!tail || tail->offset + tail->length != tail->chunk->used)
        return 0;
    return tail->chunk->capacity - tail->chunk->used;
}

static void tail_extend(struct buf *buf, size_t length)
{
    struct span *tail = tail_span(buf);

    tail->length += (uint32_t)length;
    tail->chunk->used += (uint32_t)length;
    buf->length += length;
}

int buf_append_bytes(struct buf *buf, const void *bytes, size_t length)
{
    size_t room = tail_room(buf);
    size_t first = length < room ? length : room;
    size_t rest = length - first;
    struct chunk *chunk = NULL;

    if (length == 0)
        return 0;
    if (rest > 0) {
        if (spans_reserve(buf, 1) < 0)
            return -ENOMEM;
        chunk = chunk_pool_get_for(buf->pool, rest, buf->owner);
        if (!chunk)
            return -ENOMEM;
    }
    if (first > 0) {
        struct span *tail = tail_span(buf);

        memcpy(tail->chunk->data + tail->chunk->used, bytes, first);
        tail_extend(buf, first);
    }
    if (chunk) {
        memcpy(chunk->data, (const char *)bytes + first, rest);
        chunk->used = (uint32_t)rest;
        push_span(buf, chunk, 0, (uint32_t)rest);
    }
    return 0;
}

int buf_append_chunk(struct buf *buf, struct chunk *chunk, uint32_t offset, uint32_t length)
{
    struct span *tail = tail_span(buf);

    assert(length > 0 && offset + length <= chunk->capacity);
    if (tail && tail->chunk == chunk && tail->offset + tail->length == offset) {
        tail->length += length;
        buf->length += length;
        return 0;
    }
    if (spans_reserve(buf, 1) < 0)
        return -ENOMEM;
    push_span(buf, chunk_ref(chunk), offset, length);
    return 0;
}

char *buf_reserve(struct buf *buf, size_t min_bytes, size_t *ret_room)
{
    size_t room = tail_room(buf);

    if (room < min_bytes || room == 0) {
        struct chunk *chunk;

        if (spans_reserve(buf, 1) < 0)
            return NULL;
        chunk = chunk_pool_get_for(buf->pool, min_bytes, buf->owner);
        if (!chunk)
            return NULL;
        /* an empty span at the tail; buf_commit fills it or removes it again */
        push_span(buf, chunk, 0, 0);
        room = chunk->capacity;
    }
    struct span *tail = tail_span(buf);

    *ret_room = room;
    return tail->chunk->data + tail->chunk->used;
}

void buf_commit(struct buf *buf, size_t length)
{
    struct span *tail = tail_span(buf);

    assert(tail && length <= tail->chunk->capacity - tail->chunk->used);
    if (length > 0)
        tail_extend(buf, length);
    if (tail->length == 0) {
        buf->count--;
        chunk_unref(tail->chunk);
    }
}

struct slice buf_front(const struct buf *buf)
{
    const struct span *front = buf_front_span(buf);

    if (!front)
        return (struct slice){ NULL, 0 };
    return (struct slice){ front->chunk->data + front->offset, front->length };
}

const struct span *buf_front_span(const struct buf *buf)
{
    return buf->count ? span_at(buf, 0) : NULL;
}

static void pop_front(struct buf *buf)
{
    buf->head = (buf->head + 1) & (buf->capacity - 1);
    buf->count--;
}

void buf_consume(struct buf *buf, size_t length)
{
    assert(length <= buf->length);
    buf->length -= length;
    while (length > 0) {
        struct span *front = span_at(buf, 0);

        if (length < front->length) {
            front->offset += (uint32_t)length;
            front->length -= (uint32_t)length;
            return;
        }
        length -= front->length;
        chunk_unref(front->chunk);
        pop_front(buf);
    }
}

/* How many spans the first `length` bytes touch. */
static uint32_t spans_covering(const struct buf *buf, size_t length)
{
    uint32_t n = 0;

    while (length > 0 && n < buf->count) {
        const struct span *span = span_at(buf, n++);

        length = length > span->length ? length - span->length : 0;
    }
    return n;
}

int buf_move(struct buf *to, struct buf *from, size_t length)
{
    if (length > from->length)
        length = from->length;
    if (spans_reserve(to, spans_covering(from, length)) < 0)
        return -ENOMEM;
    while (length > 0) {
        struct span *front = span_at(from, 0);
        struct span *tail = tail_span(to);
        uint32_t n = length < front->length ? (uint32_t)length : front->length;
        bool whole = n == front->length;

        from->length -= n;
        length -= n;
        if (tail && tail->chunk == front->chunk && tail->offset + tail->length == front->offset) {
            tail->length += n;
            to->length += n;
            if (whole)
                chunk_unref(front->chunk);
        } else {
            push_span(to, whole ? front->chunk : chunk_ref(front->chunk), front->offset, n);
        }
        if (whole) {
            pop_front(from);
        } else {
            front->offset += n;
            front->length -= n;
        }
    }
    return 0;
}

int buf_append_copy(struct buf *to, const struct buf *from)
{
    if (spans_reserve(to, from->count) < 0)
        return -ENOMEM;
    for (uint32_t i = 0; i < from->count; i++) {
        const struct span *span = span_at(from, i);

        push_span(to, chunk_ref(span->chunk), span->offset, span->length);
    }
    return 0;
}

size_t buf_peek(const struct buf *buf, void *into, size_t length)
{
    size_t done = 0;

    for (uint32_t i = 0; i < buf->count && done < length; i++) {
        const struct span *span = span_at(buf, i);
        size_t n = span->length < length - done ? span->length : length - done;

        memcpy((char *)into + done, span->chunk->data + span->offset, n);
        done += n;
    }
    return done;
}

int buf_append_packed(struct buf *to, const struct buf *from)
{
    size_t room;
    char *at;

    if (from->length == 0)
        return 0;
    at = buf_reserve(to, from->length, &room);
    if (!at)
        return -ENOMEM;
    buf_commit(to, buf_peek(from, at, from->length));
    return 0;
}

unsigned buf_iovec(const struct buf *buf, struct iovec *vec, unsigned max, size_t bytes_max)
{
    unsigned n = 0;

    for (; n < max && n < buf->count && bytes_max > 0; n++) {
        const struct span *span = span_at(buf, n);
        size_t length = span->length < bytes_max ? span->length : bytes_max;

        vec[n].iov_base = span->chunk->data + span->offset;
        vec[n].iov_len = length;
        bytes_max -= length;
    }
    return n;
}
