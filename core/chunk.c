#include "core/chunk.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/poison.h"

enum { CLASS_SMALL, CLASS_RECORD, CLASS_BULK, CLASS_COUNT, CLASS_ODD = CLASS_COUNT };

/* Free chunks kept for reuse per class; bounds what an idle worker holds (about 3 MiB). */
static const uint32_t kept_max[CLASS_COUNT] = { 256, 64, 16 };
static const uint32_t class_bytes[CLASS_COUNT] = { CHUNK_SMALL_BYTES, CHUNK_RECORD_BYTES,
                                                   CHUNK_BULK_BYTES };

struct chunk_pool {
    struct chunk_home home; /* first: a home pointer is a pool pointer */
    struct chunk *free_list[CLASS_COUNT];
    uint32_t free_count[CLASS_COUNT];
    size_t bytes_in_use, bytes_max;
    struct memory_account *account; /* or NULL */
    bool is_privileged;
};

/* A chunk's tag: its size class, and above it whose memory it counts as. */
enum { OWNER_SHIFT = 8, CLASS_MASK = (1 << OWNER_SHIFT) - 1 };

#if HOPGATE_CANARIES
enum { CANARY_BYTE = 0xDB };

static void canary_fill(struct chunk *chunk)
{
    memset(chunk->data, CANARY_BYTE, chunk->capacity);
    poison(chunk->data, chunk->capacity);
}

/* A byte that changed while the chunk was free was written by someone who had let go of it. */
static void canary_check(const struct chunk *chunk)
{
    unpoison(chunk->data, chunk->capacity);
    for (uint32_t i = 0; i < chunk->capacity; i++)
        assert((unsigned char)chunk->data[i] == CANARY_BYTE && "chunk written after it was freed");
}
#else
static void canary_fill(struct chunk *chunk)
{
    (void)chunk;
}

static void canary_check(const struct chunk *chunk)
{
    (void)chunk;
}
#endif

static unsigned class_of(size_t bytes)
{
    for (unsigned c = 0; c < CLASS_COUNT; c++)
        if (bytes <= class_bytes[c])
            return c;
    return CLASS_ODD;
}

static int64_t weight_of(const struct chunk *chunk)
{
    return (int64_t)(chunk->capacity + sizeof(*chunk));
}

static void free_chunk(struct chunk_pool *pool, struct chunk *chunk, enum memory_owner owner)
{
    memory_account_add(pool->account, owner, -weight_of(chunk));
    free(chunk);
}

static void pool_recycle(struct chunk_home *home, struct chunk *chunk)
{
    struct chunk_pool *pool = (struct chunk_pool *)home;
    unsigned c = chunk->tag & CLASS_MASK;
    enum memory_owner owner = (enum memory_owner)(chunk->tag >> OWNER_SHIFT);

    pool->bytes_in_use -= chunk->capacity;
    if (c == CLASS_ODD || pool->free_count[c] >= kept_max[c] ||
        memory_account_level(pool->account) != MEMORY_NORMAL) {
        free_chunk(pool, chunk, owner);
        return;
    }
    memory_account_move(pool->account, owner, MEMORY_SPARE, weight_of(chunk));
    canary_fill(chunk);
    chunk->next_free = pool->free_list[c];
    pool->free_list[c] = chunk;
    pool->free_count[c]++;
}

struct chunk_pool *chunk_pool_create(size_t bytes_max)
{
    struct chunk_pool *pool = calloc(1, sizeof(*pool));

    if (!pool)
        return NULL;
    pool->home.recycle = pool_recycle;
    pool->bytes_max = bytes_max;
    return pool;
}

void chunk_pool_set_account(struct chunk_pool *pool, struct memory_account *account,
                            bool is_privileged)
{
    assert(pool->bytes_in_use == 0);
    pool->account = account;
    pool->is_privileged = is_privileged;
}

struct memory_account *chunk_pool_account(const struct chunk_pool *pool)
{
    return pool->account;
}

bool chunk_pool_privilege(struct chunk_pool *pool, bool is_privileged)
{
    bool was_privileged = pool->is_privileged;

    pool->is_privileged = is_privileged;
    return was_privileged;
}

bool chunk_pool_is_full(const struct chunk_pool *pool)
{
    return !pool->is_privileged && memory_account_level(pool->account) == MEMORY_FULL;
}

void chunk_pool_trim(struct chunk_pool *pool)
{
    for (unsigned c = 0; c < CLASS_COUNT; c++) {
        while (pool->free_list[c]) {
            struct chunk *chunk = pool->free_list[c];

            pool->free_list[c] = chunk->next_free;
            canary_check(chunk);
            free_chunk(pool, chunk, MEMORY_SPARE);
        }
        pool->free_count[c] = 0;
    }
}

void chunk_pool_free(struct chunk_pool *pool)
{
    if (!pool)
        return;
    assert(pool->bytes_in_use == 0 && "chunks outlive their pool");
    chunk_pool_trim(pool);
    free(pool);
}

static struct chunk *chunk_from_heap(struct chunk_pool *pool, unsigned c, size_t bytes)
{
    struct chunk *chunk;

    if (bytes > UINT32_MAX || chunk_pool_is_full(pool))
        return NULL;
    chunk = malloc(sizeof(*chunk) + bytes);
    if (!chunk)
        return NULL;
    *chunk = (struct chunk){
        .data = (char *)(chunk + 1), .capacity = (uint32_t)bytes, .tag = c, .home = &pool->home
    };
    return chunk;
}

struct chunk *chunk_pool_get_for(struct chunk_pool *pool, size_t min_bytes, enum memory_owner owner)
{
    unsigned c = class_of(min_bytes);
    size_t bytes = c == CLASS_ODD ? min_bytes : class_bytes[c];
    struct chunk *chunk;

    if (pool->bytes_max != 0 && pool->bytes_in_use + bytes > pool->bytes_max)
        return NULL;
    if (c != CLASS_ODD && pool->free_list[c]) {
        chunk = pool->free_list[c];
        pool->free_list[c] = chunk->next_free;
        pool->free_count[c]--;
        canary_check(chunk);
        memory_account_move(pool->account, MEMORY_SPARE, owner, weight_of(chunk));
    } else {
        chunk = chunk_from_heap(pool, c, bytes);
        if (!chunk)
            return NULL;
        memory_account_add(pool->account, owner, weight_of(chunk));
    }
    chunk->tag = c | (uint32_t)owner << OWNER_SHIFT;
    chunk->used = 0;
    chunk->refs = 1;
    chunk->next_free = NULL;
    pool->bytes_in_use += bytes;
    return chunk;
}

struct chunk *chunk_pool_get(struct chunk_pool *pool, size_t min_bytes)
{
    return chunk_pool_get_for(pool, min_bytes, MEMORY_BUFFERS);
}

size_t chunk_pool_bytes_in_use(const struct chunk_pool *pool)
{
    return pool->bytes_in_use;
}
