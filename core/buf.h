/*
 * buf: a queue of bytes made of spans of chunks.
 *
 * Role    carries heads, content and TLS records between layers without copying
 * Owns    one reference per span; buf_done drops them
 * Thread  one worker
 *
 * No function moves bytes that are already in a buf, so a slice from buf_front stays good until
 * those bytes are consumed or the buf is done (longer, if the caller holds a chunk reference).
 */
#ifndef CORE_BUF_H
#define CORE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/chunk.h"
#include "core/slice.h"

struct span {
    struct chunk *chunk;
    uint32_t offset; /* bytes from chunk->data */
    uint32_t length; /* bytes, never 0 inside a buf */
};

enum { BUF_INLINE_SPANS = 4 };

struct buf {
    struct chunk_pool *pool; /* borrowed; where buf_append_bytes and buf_reserve take memory */
    size_t length;           /* bytes in all spans */
    struct span *spans;      /* ring of `capacity` spans: inline_spans, or heap when it grew */
    uint32_t head, count, capacity;
    enum memory_owner
        owner; /* of memory that the buf takes itself; MEMORY_BUFFERS from buf_init on */
    struct span inline_spans[BUF_INLINE_SPANS];
};

/* A buf must not be moved in memory after init. */
void buf_init(struct buf *buf, struct chunk_pool *pool);

/* Drops all bytes; the buf is empty and usable again after it. */
void buf_done(struct buf *buf);

static inline bool buf_is_empty(const struct buf *buf)
{
    return buf->length == 0;
}

/* Copies. 0 or -ENOMEM, and then nothing was appended. */
int buf_append_bytes(struct buf *buf, const void *bytes, size_t length);

static inline int buf_append_slice(struct buf *buf, struct slice s)
{
    return buf_append_bytes(buf, s.ptr, s.len);
}

/* Takes a new reference to chunk; no copy. length > 0. 0 or -ENOMEM. */
int buf_append_chunk(struct buf *buf, struct chunk *chunk, uint32_t offset, uint32_t length);

/*
 * Room to write at the tail: returns a pointer to at least min_bytes and their number in ret_room,
 * or NULL (no memory). buf_commit then says how many were written (0 is fine).
 */
char *buf_reserve(struct buf *buf, size_t min_bytes, size_t *ret_room);
void buf_commit(struct buf *buf, size_t length);

/* The first contiguous bytes (len 0 when empty). */
struct slice buf_front(const struct buf *buf);

/* The first span, for callers that keep a reference to its chunk; NULL when empty. */
const struct span *buf_front_span(const struct buf *buf);

/* length <= buf->length. */
void buf_consume(struct buf *buf, size_t length);

/* Moves up to length bytes from the front of `from` to the tail of `to`. 0 or -ENOMEM (nothing
 * moved). */
int buf_move(struct buf *to, struct buf *from, size_t length);

/* Appends all bytes of `from` to `to` by reference; `from` keeps them. 0 or -ENOMEM (nothing done). */
int buf_append_copy(struct buf *to, const struct buf *from);

/* Appends all bytes of `from` as a copy in as few chunks as possible; `from` keeps them. For bytes that
 * stay long: crumbs must not hold a receive buffer each. 0 or -ENOMEM (nothing done). */
int buf_append_packed(struct buf *to, const struct buf *from);

/* Copies up to length bytes from the front without consuming; returns the number copied. */
size_t buf_peek(const struct buf *buf, void *into, size_t length);

/* Fills vec with up to max entries and at most bytes_max bytes from the front; returns the entries.
 */
unsigned buf_iovec(const struct buf *buf, struct iovec *vec, unsigned max, size_t bytes_max);

#endif
