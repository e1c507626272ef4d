/*
 * recorder_ring: the newest entries of any size within a fixed number of bytes.
 *
 * Role    storage of the flight recorder: what is added pushes out what is oldest
 * Owns    its bytes; entries are copied in and out
 * Thread  one at a time; a copy (recorder_ring_copy) may be read elsewhere
 */
#ifndef PROXY_RECORDER_RING_H
#define PROXY_RECORDER_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct recorder_ring {
    unsigned char *bytes;
    size_t size;         /* a multiple of RECORDER_RING_ALIGN */
    uint64_t head, tail; /* oldest entry, end of the newest: counts of bytes ever passed */
    uint64_t count;      /* entries held */
};

enum {
    RECORDER_RING_ALIGN = 8
}; /* entries begin at such multiples, so no length straddles the end */

/* size is rounded down; 0 holds nothing. 0 or -ENOMEM. */
int recorder_ring_init(struct recorder_ring *ring, size_t size);
void recorder_ring_done(struct recorder_ring *ring);

/* False: the entry is larger than the ring, which is left as it was. */
bool recorder_ring_push(struct recorder_ring *ring, const void *entry, uint32_t size);

/*
 * Entries from the oldest to the newest; *position starts as ring->head. False at the end. The entry
 * goes to `into` (room for `room` bytes; what does not fit is skipped), its size to *ret_size.
 */
bool recorder_ring_next(const struct recorder_ring *ring, uint64_t *position, void *into,
                        uint32_t room, uint32_t *ret_size);

/* `into` was initialised with the same size. */
void recorder_ring_copy(const struct recorder_ring *ring, struct recorder_ring *into);

#endif
