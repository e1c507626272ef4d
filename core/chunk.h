/*
 * chunk: a refcounted piece of memory that carries bytes between streams.
 *
 * Role    what a buf is made of; either from a chunk_pool (heap) or from the ring's provided
 *         buffers (the kernel filled it); the holder does not need to know which
 * Owns    its memory, until the last unref gives it back to where it came from
 * Thread  one worker; counts are plain integers, a chunk never leaves its loop
 *
 * Builds with HOPGATE_CANARIES (all but release) fill returned memory with a pattern and check it
 * when it is handed out again, because sanitizers do not see what the kernel writes.
 */
#ifndef CORE_CHUNK_H
#define CORE_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/memory_budget.h"

struct chunk;

/* Where a chunk goes when its last reference is dropped. */
struct chunk_home {
    void (*recycle)(struct chunk_home *home, struct chunk *chunk);
};

struct chunk {
    char *data;
    uint32_t capacity; /* bytes at data */
    uint32_t used;     /* bytes written so far; append-only, so spans of others stay valid */
    uint32_t refs;
    uint32_t tag; /* belongs to the home: size class, or the kernel's buffer id */
    struct chunk_home *home;
    struct chunk *next_free; /* only while in the home's free list */
};

static inline struct chunk *chunk_ref(struct chunk *chunk)
{
    chunk->refs++;
    return chunk;
}

/* Accepts NULL. */
static inline void chunk_unref(struct chunk *chunk)
{
    if (chunk && --chunk->refs == 0)
        chunk->home->recycle(chunk->home, chunk);
}

/* Capacities a pool hands out: a head, a TLS record with its overhead, bulk content. */
enum { CHUNK_SMALL_BYTES = 4096, CHUNK_RECORD_BYTES = 17408, CHUNK_BULK_BYTES = 65536 };

struct chunk_pool;

/*
 * bytes_max bounds all chunks alive from this pool (0: no bound). A pool keeps a bounded number of
 * free chunks of each size for reuse. Free only after every chunk has come home.
 */
struct chunk_pool *chunk_pool_create(size_t bytes_max);
void chunk_pool_free(struct chunk_pool *pool);

/*
 * From now on the pool's memory is counted in the account (borrowed until chunk_pool_free), and while
 * the budget is FULL none is added; a privileged pool is counted, and served all the same. Before
 * the first chunk is taken.
 */
void chunk_pool_set_account(struct chunk_pool *pool, struct memory_account *account,
                            bool is_privileged);
struct memory_account *chunk_pool_account(const struct chunk_pool *pool); /* NULL: none */

/* To say that memory has run out takes some: a privileged pool for as long as that is made. Returns
 * what it was. */
bool chunk_pool_privilege(struct chunk_pool *pool, bool is_privileged);

/* There is no memory for anything further, whoever asks for it. */
bool chunk_pool_is_full(const struct chunk_pool *pool);

/* Frees what is kept for reuse. */
void chunk_pool_trim(struct chunk_pool *pool);

/*
 * Returns a chunk of at least min_bytes (larger than CHUNK_BULK_BYTES gets its own allocation)
 * with one reference and used == 0, or NULL: out of memory, over bytes_max, or the budget is full.
 */
struct chunk *chunk_pool_get(struct chunk_pool *pool, size_t min_bytes);

/* The same, counted as that owner's. */
struct chunk *chunk_pool_get_for(struct chunk_pool *pool, size_t min_bytes,
                                 enum memory_owner owner);

/* Bytes of capacity of all chunks handed out and not yet returned. */
size_t chunk_pool_bytes_in_use(const struct chunk_pool *pool);

#endif
