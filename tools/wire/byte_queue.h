/*
 * byte_queue: bytes in order, in one block that grows and goes.
 *
 * Role    what a pipe holds; crumbs take no more room than their bytes
 * Owns    its block; an empty queue has none
 * Thread  one
 */
#ifndef TOOLS_WIRE_BYTE_QUEUE_H
#define TOOLS_WIRE_BYTE_QUEUE_H

#include <stddef.h>

#include "core/slice.h"

struct byte_queue {
    char *bytes;
    size_t capacity, first, length;
};

/* 0 or -ENOMEM (nothing was taken). */
int byte_queue_push(struct byte_queue *queue, struct slice bytes);

/* The first contiguous bytes, at most max; good until the next push or drop. */
struct slice byte_queue_front(const struct byte_queue *queue, size_t max);

/* count <= length */
void byte_queue_drop(struct byte_queue *queue, size_t count);

/* The byte at a place from the front, for who changes it; place < length */
char *byte_queue_at(struct byte_queue *queue, size_t place);

/* Drops all and gives the block back. */
void byte_queue_done(struct byte_queue *queue);

#endif
