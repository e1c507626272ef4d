/*
 * ring_buffers: a group of receive buffers that the kernel picks from.
 *
 * Role    memory for receives that wait without holding any; each buffer is a chunk
 * Owns    the shared ring of the group, the buffers, their chunk headers
 * Thread  the ring's
 */
#ifndef CORE_RING_BUFFERS_PRIV_H
#define CORE_RING_BUFFERS_PRIV_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/chunk.h"

struct ring_buffers {
    struct chunk_home home; /* first: a chunk that comes home goes back to the kernel */
    struct io_uring_buf_ring *shared;
    size_t shared_bytes;
    char *memory;
    size_t memory_bytes;
    struct chunk *chunks; /* by buffer id */
    uint32_t count;       /* power of two */
    uint32_t buffer_bytes;
    uint32_t free_count; /* buffers the kernel may pick */
    uint32_t added;      /* given back but not yet published to the kernel */
    uint16_t group_id;
    uint16_t first_id; /* completions name only the buffer, so ids do not overlap between groups */
};

/* group_id and first_id are set by the caller. 0 or a negative errno. */
int ring_buffers_init(struct ring_buffers *buffers, struct io_uring *io, uint32_t count,
                      uint32_t buffer_bytes);
void ring_buffers_done(struct ring_buffers *buffers, struct io_uring *io);

static inline bool ring_buffers_has_id(const struct ring_buffers *buffers, uint16_t id)
{
    return id >= buffers->first_id && id < buffers->first_id + buffers->count;
}

/* The buffer that a completion names, with one reference and `used` set to length. */
struct chunk *ring_buffers_take(struct ring_buffers *buffers, uint16_t id, uint32_t length);

/* Makes buffers that came home visible to the kernel; once per loop turn. */
void ring_buffers_publish(struct ring_buffers *buffers);

#endif
