#include "proxy/worker/connection_limits.h"

#include <assert.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    SHARDS = 64,
    SLOTS = 16384, /* per shard: a million addresses; memory that is not used is not touched */
    REOPEN_PERCENT = 95, /* of the limit: below it a full listener accepts again */
    COUNT_MIN = 16,      /* what is served however few files there may be */
    SPINS_MAX = 100,     /* then the holder has lost its processor */
};

/* What is counted together: an IPv4 address (as ::ffff:a.b.c.d), or the first half of an IPv6 one. */
struct address_key {
    uint64_t high, low;
};

struct address_slot {
    struct address_key key;
    uint32_t count; /* 0: free */
    uint32_t next;  /* in its bucket, or among the free; 0: the last */
};

/* Slots never move: shard and number are the ticket. Number 0 is no slot, as fresh memory has it. */
struct shard {
    _Alignas(64) atomic_flag lock;
    uint32_t free_slot;  /* given back */
    uint32_t used_count; /* slots beyond were never used */
    uint32_t *buckets;   /* SLOTS of both */
    struct address_slot *slots;
};

struct connection_limits {
    _Alignas(64) _Atomic uint32_t count;
    uint64_t seed[2];  /* so that nobody can choose addresses that share a bucket */
    uint32_t *buckets; /* of all shards; as the slots a large block of fresh zeros */
    struct address_slot *slots;
    struct shard shards[SHARDS];
};

/* ---- life ---------------------------------------------------------------------------------- */

static void init_shard(struct connection_limits *limits, size_t index)
{
    struct shard *shard = &limits->shards[index];

    atomic_flag_clear(&shard->lock);
    shard->used_count = 1;
    shard->buckets = limits->buckets + index * SLOTS;
    shard->slots = limits->slots + index * SLOTS;
}

struct connection_limits *connection_limits_create(void)
{
    struct connection_limits *limits =
        aligned_alloc(_Alignof(struct connection_limits), sizeof(struct connection_limits));

    if (!limits)
        return NULL;
    memset(limits, 0, sizeof(*limits));
    if (getrandom(limits->seed, sizeof(limits->seed), 0) < 0)
        limits->seed[0] = (uint64_t)(uintptr_t)limits; /* still unknown outside */
    limits->buckets = calloc((size_t)SHARDS * SLOTS, sizeof(*limits->buckets));
    limits->slots = calloc((size_t)SHARDS * SLOTS, sizeof(*limits->slots));
    if (!limits->buckets || !limits->slots) {
        connection_limits_free(limits);
        return NULL;
    }
    for (size_t i = 0; i < SHARDS; i++)
        init_shard(limits, i);
    return limits;
}

void connection_limits_free(struct connection_limits *limits)
{
    if (!limits)
        return;
    free(limits->buckets);
    free(limits->slots);
    free(limits);
}

/* ---- addresses ----------------------------------------------------------------------------- */

static bool key_of(const struct sockaddr_storage *peer, struct address_key *key)
{
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
    unsigned char bytes[16];

    memset(bytes, 0, sizeof(bytes));
    if (peer->ss_family == AF_INET) {
        memcpy(bytes, mapped, sizeof(mapped));
        memcpy(bytes + sizeof(mapped), &((const struct sockaddr_in *)peer)->sin_addr, 4);
    } else if (peer->ss_family == AF_INET6) {
        const unsigned char *whole = ((const struct sockaddr_in6 *)peer)->sin6_addr.s6_addr;

        memcpy(bytes, whole, memcmp(whole, mapped, sizeof(mapped)) == 0 ? 16 : 8);
    } else {
        return false; /* gone before it was asked who it is */
    }
    memcpy(&key->high, bytes, 8);
    memcpy(&key->low, bytes + 8, 8);
    return true;
}

/* The finaliser of MurmurHash3. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdull;
    x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ull;
    return x ^ (x >> 33);
}

static uint64_t hash_of(const struct connection_limits *limits, const struct address_key *key)
{
    return mix(mix(key->high ^ limits->seed[0]) ^ key->low ^ limits->seed[1]);
}

static void lock(struct shard *shard)
{
    for (unsigned spins = 0; atomic_flag_test_and_set_explicit(&shard->lock, memory_order_acquire);
         spins++)
        if (spins > SPINS_MAX)
            (void)sched_yield();
}

static void unlock(struct shard *shard)
{
    atomic_flag_clear_explicit(&shard->lock, memory_order_release);
}

static uint32_t *bucket_of(struct shard *shard, uint64_t hash)
{
    return &shard->buckets[hash / SHARDS % SLOTS];
}

/* Puts a free slot into the bucket. 0 when the shard has none. */
static uint32_t add_slot(struct shard *shard, uint32_t *bucket, const struct address_key *key)
{
    uint32_t number = shard->free_slot;

    if (number != 0)
        shard->free_slot = shard->slots[number].next;
    else if (shard->used_count < SLOTS)
        number = shard->used_count++;
    else
        return 0;
    shard->slots[number] = (struct address_slot){ .key = *key, .next = *bucket };
    *bucket = number;
    return number;
}

static void remove_slot(struct shard *shard, uint32_t *bucket, uint32_t number)
{
    uint32_t *at = bucket;

    while (*at != number)
        at = &shard->slots[*at].next;
    *at = shard->slots[number].next;
    shard->slots[number].next = shard->free_slot;
    shard->free_slot = number;
}

static uint32_t find_slot(const struct shard *shard, uint32_t first, const struct address_key *key)
{
    uint32_t number = first;

    while (number != 0 &&
           (shard->slots[number].key.high != key->high || shard->slots[number].key.low != key->low))
        number = shard->slots[number].next;
    return number;
}

/* False: the address has its share. A shard without a free slot counts no further address: refusing
 * would hit those who have done nothing. */
static bool enter_address(struct connection_limits *limits, uint32_t address_max,
                          const struct address_key *key, uint32_t *ret_ticket)
{
    uint64_t hash = hash_of(limits, key);
    uint32_t shard_index = (uint32_t)(hash % SHARDS), number;
    struct shard *shard = &limits->shards[shard_index];
    uint32_t *bucket = bucket_of(shard, hash);
    bool allowed = true;

    lock(shard);
    number = find_slot(shard, *bucket, key);
    if (number == 0)
        number = add_slot(shard, bucket, key);
    if (number != 0) {
        allowed = shard->slots[number].count < address_max;
        shard->slots[number].count += allowed;
    }
    unlock(shard);
    *ret_ticket = number == 0 ? 0 : number * SHARDS + shard_index;
    return allowed;
}

static void leave_address(struct connection_limits *limits, uint32_t ticket)
{
    struct shard *shard = &limits->shards[ticket % SHARDS];
    uint32_t number = ticket / SHARDS;
    struct address_slot *slot = &shard->slots[number];

    lock(shard);
    assert(slot->count > 0);
    if (--slot->count == 0)
        remove_slot(shard, bucket_of(shard, hash_of(limits, &slot->key)), number);
    unlock(shard);
}

/* ---- counting ------------------------------------------------------------------------------ */

size_t connection_limits_room(const struct connection_limits *limits,
                              const struct connection_rules *rules, bool draws_on_reserve,
                              bool was_full)
{
    uint64_t count = connection_limits_count(limits);
    uint64_t max = (uint64_t)rules->count_max + (draws_on_reserve ? rules->reserved_count : 0);

    if (count >= max || (was_full && count * 100 >= max * REOPEN_PERCENT))
        return 0;
    return (size_t)(max - count);
}

static bool is_exempt(const struct connection_rules *rules, const struct sockaddr_storage *peer)
{
    return rules->exempt && addr_cidrs_contain(rules->exempt, peer);
}

bool connection_limits_enter(struct connection_limits *limits, const struct connection_rules *rules,
                             const struct sockaddr_storage *peer, uint32_t *ret_ticket)
{
    uint32_t ticket = 0; /* not counted by address */
    struct address_key key;

    if (rules->address_max > 0 && key_of(peer, &key) && !is_exempt(rules, peer) &&
        !enter_address(limits, rules->address_max, &key, &ticket))
        return false;
    (void)atomic_fetch_add_explicit(&limits->count, 1, memory_order_relaxed);
    *ret_ticket = ticket;
    return true;
}

void connection_limits_leave(struct connection_limits *limits, uint32_t ticket)
{
    if (ticket != 0)
        leave_address(limits, ticket);
    (void)atomic_fetch_sub_explicit(&limits->count, 1, memory_order_relaxed);
}

uint32_t connection_limits_count(const struct connection_limits *limits)
{
    return atomic_load_explicit(&limits->count, memory_order_relaxed);
}

uint32_t connection_limits_for_files(const struct connection_files *needs, uint64_t files)
{
    uint64_t count = files > needs->own ? (files - needs->own) / needs->each : 0;

    if (count < (uint64_t)needs->reserved_count + COUNT_MIN)
        return COUNT_MIN;
    count -= needs->reserved_count;
    return count < UINT32_MAX / 2 ? (uint32_t)count : UINT32_MAX / 2;
}

uint64_t connection_limits_files(const struct connection_files *needs, uint32_t count_max)
{
    return needs->own + ((uint64_t)count_max + needs->reserved_count) * needs->each;
}
