/*
 * arena: memory that lives as long as one exchange.
 *
 * Role    field arrays, rewritten values, formatted text; freed all at once
 * Owns    chunks of its pool
 * Thread  one worker
 */
#ifndef CORE_ARENA_H
#define CORE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include "core/chunk.h"
#include "core/slice.h"

struct arena {
    struct chunk_pool *pool; /* borrowed */
    struct chunk **chunks;   /* heap array; the last is the one being filled */
    size_t count, capacity;
    size_t bytes, bytes_max; /* handed out so far; limit (0: none) */
};

void arena_init(struct arena *arena, struct chunk_pool *pool, size_t bytes_max);

/* Gives all memory back; the arena is empty and usable again after it. */
void arena_done(struct arena *arena);

/* Aligned for any type, not zeroed. NULL: no memory or over bytes_max. */
void *arena_alloc(struct arena *arena, size_t bytes);

/* Copies; ptr NULL when there is no memory. The copy is NUL-terminated (not counted in len). */
struct slice arena_copy(struct arena *arena, struct slice text);

/* printf; ptr NULL when there is no memory. NUL-terminated. */
__attribute__((format(printf, 2, 3))) struct slice arena_printf(struct arena *arena,
                                                                const char *format, ...);

#endif
