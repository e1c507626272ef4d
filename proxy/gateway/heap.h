/*
 * heap: how much of it is in use.
 *
 * Role    the C library's own figures, of all threads; mallinfo would tell the main thread's arena
 *         only, and nearly all is the workers'
 * Owns    nothing
 * Thread  any; arenas are locked one after the other for a moment
 */
#ifndef PROXY_HEAP_H
#define PROXY_HEAP_H

#include <stdbool.h>
#include <stdint.h>

struct heap_figures {
    uint64_t in_use_bytes, free_bytes; /* of the arenas */
    uint64_t mapped_bytes;             /* large pieces that have a mapping of their own */
};

/* False: no memory to look, or an allocator that has no such figures. */
bool heap_look(struct heap_figures *ret);

#endif
