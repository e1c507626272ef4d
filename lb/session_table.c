#include "lb/session_table.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "core/fnv1a.h"

enum { BUCKET_ENTRIES = 8, BUCKETS = SESSION_TABLE_ENTRIES / BUCKET_ENTRIES };
enum { KEY_FREE = 0, KEY_BUSY = 1 };

struct entry {
    _Atomic uint64_t key;
    const struct target *_Atomic target;
    _Atomic uint64_t ends_at_ms;
};

struct session_table {
    struct entry entries[SESSION_TABLE_ENTRIES];
};

struct session_table *session_table_create(void)
{
    return calloc(1, sizeof(struct session_table));
}

void session_table_free(struct session_table *table)
{
    free(table);
}

/* FNV-1a, stirred so that each bit of the bucket's number depends on all of it. */
uint64_t session_key(struct slice bytes)
{
    uint64_t hash = fnv1a_add(FNV1A_START, bytes.ptr, bytes.len);

    hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9u;
    hash = (hash ^ hash >> 27) * 0x94d049bb133111ebu;
    return (hash ^ hash >> 31) | 2; /* neither free nor busy */
}

static struct entry *bucket_of(struct session_table *table, uint64_t key)
{
    return &table->entries[(key >> 8) % BUCKETS * BUCKET_ENTRIES];
}

const struct target *session_table_find(struct session_table *table, uint64_t key,
                                        struct session_clock clock)
{
    struct entry *bucket = bucket_of(table, key);

    for (unsigned i = 0; i < BUCKET_ENTRIES; i++) {
        struct entry *entry = &bucket[i];
        const struct target *target;

        if (atomic_load(&entry->key) != key)
            continue;
        target = atomic_load(&entry->target);
        if (atomic_load(&entry->ends_at_ms) <= clock.now_ms || atomic_load(&entry->key) != key)
            return NULL;
        atomic_store(&entry->ends_at_ms, clock.now_ms + clock.duration_ms);
        return target;
    }
    return NULL;
}

/* The key's own place, else a free one, else whose end is nearest (or past). */
static struct entry *place_for(struct entry *bucket, uint64_t key)
{
    struct entry *best = NULL;
    uint64_t best_end = UINT64_MAX;

    for (unsigned i = 0; i < BUCKET_ENTRIES; i++) {
        uint64_t held = atomic_load(&bucket[i].key), end = atomic_load(&bucket[i].ends_at_ms);

        if (held == key)
            return &bucket[i];
        if (held == KEY_FREE)
            end = 0;
        if (held != KEY_BUSY && end < best_end) {
            best = &bucket[i];
            best_end = end;
        }
    }
    return best;
}

void session_table_put(struct session_table *table, uint64_t key, const struct target *target,
                       struct session_clock clock)
{
    struct entry *entry = place_for(bucket_of(table, key), key);
    uint64_t held = entry ? atomic_load(&entry->key) : KEY_BUSY;

    if (held == KEY_BUSY || !atomic_compare_exchange_strong(&entry->key, &held, KEY_BUSY))
        return;
    atomic_store(&entry->target, target);
    atomic_store(&entry->ends_at_ms, clock.now_ms + clock.duration_ms);
    atomic_store(&entry->key, key);
}

void session_table_each(const struct session_table *table, uint64_t now_ms,
                        void (*on_entry)(void *asker, const struct target *target), void *asker)
{
    for (size_t i = 0; i < SESSION_TABLE_ENTRIES; i++) {
        const struct entry *entry = &table->entries[i];

        if (atomic_load_explicit(&entry->key, memory_order_relaxed) > KEY_BUSY &&
            atomic_load_explicit(&entry->ends_at_ms, memory_order_relaxed) > now_ms)
            on_entry(asker, atomic_load(&entry->target));
    }
}
