#include "proxy/report/recorder_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* In front of each entry. */
struct prefix {
    uint32_t size, unused;
};

static size_t space_of(uint32_t size)
{
    return sizeof(struct prefix) +
           (((size_t)size + RECORDER_RING_ALIGN - 1) & ~(size_t)(RECORDER_RING_ALIGN - 1));
}

int recorder_ring_init(struct recorder_ring *ring, size_t size)
{
    *ring = (struct recorder_ring){ .size = size & ~(size_t)(RECORDER_RING_ALIGN - 1) };
    if (ring->size == 0)
        return 0;
    ring->bytes = malloc(ring->size);
    return ring->bytes ? 0 : -ENOMEM;
}

void recorder_ring_done(struct recorder_ring *ring)
{
    free(ring->bytes);
    *ring = (struct recorder_ring){ 0 };
}

/* An entry may run over the end of the bytes: then it is in two parts. */
static void write_at(struct recorder_ring *ring, uint64_t position, const void *from, size_t size)
{
    size_t at = (size_t)(position % ring->size), first = ring->size - at;

    if (first > size)
        first = size;
    memcpy(ring->bytes + at, from, first);
    memcpy(ring->bytes, (const unsigned char *)from + first, size - first);
}

static void read_at(const struct recorder_ring *ring, uint64_t position, void *into, size_t size)
{
    size_t at = (size_t)(position % ring->size), first = ring->size - at;

    if (first > size)
        first = size;
    memcpy(into, ring->bytes + at, first);
    memcpy((unsigned char *)into + first, ring->bytes, size - first);
}

static struct prefix prefix_at(const struct recorder_ring *ring, uint64_t position)
{
    struct prefix prefix;

    read_at(ring, position, &prefix, sizeof(prefix));
    return prefix;
}

bool recorder_ring_push(struct recorder_ring *ring, const void *entry, uint32_t size)
{
    const struct prefix prefix = { .size = size };
    size_t space = space_of(size);

    if (space > ring->size)
        return false;
    while (ring->tail - ring->head + space > ring->size) {
        ring->head += space_of(prefix_at(ring, ring->head).size);
        ring->count--;
    }
    write_at(ring, ring->tail, &prefix, sizeof(prefix));
    write_at(ring, ring->tail + sizeof(prefix), entry, size);
    ring->tail += space;
    ring->count++;
    return true;
}

bool recorder_ring_next(const struct recorder_ring *ring, uint64_t *position, void *into,
                        uint32_t room, uint32_t *ret_size)
{
    while (*position < ring->tail) {
        struct prefix prefix = prefix_at(ring, *position);
        uint64_t at = *position + sizeof(prefix);

        *position += space_of(prefix.size);
        if (prefix.size > room)
            continue;
        read_at(ring, at, into, prefix.size);
        *ret_size = prefix.size;
        return true;
    }
    return false;
}

void recorder_ring_copy(const struct recorder_ring *ring, struct recorder_ring *into)
{
    unsigned char *bytes = into->bytes;

    if (ring->size > 0)
        memcpy(bytes, ring->bytes, ring->size);
    *into = *ring;
    into->bytes = bytes;
}
