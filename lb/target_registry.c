#include "lb/target_registry.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "core/fnv1a.h"
#include "lb/session_table.h"
#include "lb/target_health.h"

enum { BUCKETS_AT_FIRST = 64 };

struct entry {
    struct target target; /* first */
    char *upstream;
    uint32_t holders;
    uint64_t hash;
    struct entry *next; /* in its bucket */
};

struct target_registry {
    struct entry **buckets;
    size_t buckets_count; /* a power of two */
    size_t count;
    struct health_board board;
    struct waiting_lines *lines;
    struct memory {
        struct memory *next;
        char *upstream;
        struct session_table *sessions;
    } * memories;
};

struct target_registry *target_registry_create(void)
{
    struct target_registry *registry = calloc(1, sizeof(*registry));

    if (!registry)
        return NULL;
    registry->buckets_count = BUCKETS_AT_FIRST;
    registry->buckets = calloc(registry->buckets_count, sizeof(struct entry *));
    if (!registry->buckets) {
        free(registry);
        return NULL;
    }
    return registry;
}

static uint64_t hash_of(const struct target_key *key)
{
    char address[ADDR_TEXT_MAX];
    uint64_t hash = FNV1A_START;

    addr_format(key->address, address, sizeof(address));
    hash = fnv1a_add(hash, key->upstream, strlen(key->upstream) + 1);
    hash = fnv1a_add(hash, key->name, strlen(key->name) + 1);
    hash = fnv1a_add(hash, address, strlen(address));
    return hash ^ hash >> 32;
}

static bool is_same(const struct entry *entry, const struct target_key *key)
{
    return addr_equal(&entry->target.address, key->address) &&
           strcmp(entry->target.name, key->name) == 0 &&
           strcmp(entry->upstream, key->upstream) == 0;
}

static struct entry **bucket_of(const struct target_registry *registry, uint64_t hash)
{
    return &registry->buckets[hash & (registry->buckets_count - 1)];
}

/* Without memory the chains just grow longer. */
static void grow(struct target_registry *registry)
{
    struct target_registry larger = { .buckets_count = registry->buckets_count * 2 };

    larger.buckets = calloc(larger.buckets_count, sizeof(struct entry *));
    if (!larger.buckets)
        return;
    for (size_t i = 0; i < registry->buckets_count; i++) {
        struct entry *next;

        for (struct entry *entry = registry->buckets[i]; entry; entry = next) {
            struct entry **bucket = bucket_of(&larger, entry->hash);

            next = entry->next;
            entry->next = *bucket;
            *bucket = entry;
        }
    }
    free(registry->buckets);
    registry->buckets = larger.buckets;
    registry->buckets_count = larger.buckets_count;
}

static void entry_free(struct entry *entry)
{
    free(entry->target.name);
    free(entry->upstream);
    free(entry);
}

static struct entry *entry_create(struct target_registry *registry, const struct target_key *key)
{
    struct entry *entry = aligned_alloc(TARGET_ALIGN, sizeof(*entry));

    if (!entry)
        return NULL;
    memset(entry, 0, sizeof(*entry));
    entry->target.address = *key->address;
    entry->target.name = strdup(key->name);
    entry->upstream = strdup(key->upstream);
    entry->target.upstream = entry->upstream;
    entry->target.board = &registry->board;
    target_note_up(&entry->target);
    if (entry->target.name && entry->upstream)
        return entry;
    entry_free(entry);
    return NULL;
}

struct target *target_registry_take(struct target_registry *registry, const struct target_key *key)
{
    uint64_t hash = hash_of(key);
    struct entry *entry = *bucket_of(registry, hash), **bucket;

    while (entry && (entry->hash != hash || !is_same(entry, key)))
        entry = entry->next;
    if (entry) {
        entry->holders++;
        return &entry->target;
    }
    entry = entry_create(registry, key);
    if (!entry)
        return NULL;
    if (registry->count >= registry->buckets_count)
        grow(registry);
    bucket = bucket_of(registry, hash);
    entry->hash = hash;
    entry->holders = 1;
    entry->next = *bucket;
    *bucket = entry;
    registry->count++;
    return &entry->target;
}

struct target *target_registry_hold(struct target *target)
{
    ((struct entry *)target)->holders++;
    return target;
}

static void memory_free(struct memory *memory)
{
    session_table_free(memory->sessions);
    free(memory->upstream);
    free(memory);
}

void target_registry_free(struct target_registry *registry)
{
    if (!registry)
        return;
    assert(registry->count == 0 && "a configuration still holds targets");
    while (registry->memories) {
        struct memory *memory = registry->memories;

        registry->memories = memory->next;
        memory_free(memory);
    }
    free(registry->buckets);
    free(registry);
}

struct session_table *target_registry_sessions(struct target_registry *registry,
                                               const char *upstream)
{
    struct memory *memory = registry->memories;

    while (memory && strcmp(memory->upstream, upstream) != 0)
        memory = memory->next;
    if (memory)
        return memory->sessions;
    memory = calloc(1, sizeof(*memory));
    if (!memory)
        return NULL;
    memory->upstream = strdup(upstream);
    memory->sessions = session_table_create();
    if (!memory->upstream || !memory->sessions) {
        memory_free(memory);
        return NULL;
    }
    memory->next = registry->memories;
    registry->memories = memory;
    return memory->sessions;
}

void target_registry_set_lines(struct target_registry *registry, struct waiting_lines *lines)
{
    registry->lines = lines;
}

struct waiting_lines *target_registry_lines(const struct target_registry *registry)
{
    return registry->lines;
}

struct health_board *target_registry_board(struct target_registry *registry)
{
    return &registry->board;
}

void target_registry_release(struct target_registry *registry, struct target *target)
{
    struct entry *entry = (struct entry *)target, **link = bucket_of(registry, entry->hash);

    assert(entry->holders > 0);
    if (--entry->holders > 0)
        return;
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    registry->count--;
    assert(target_in_flight(target) == 0);
    entry_free(entry);
}

size_t target_registry_count(const struct target_registry *registry)
{
    return registry->count;
}
