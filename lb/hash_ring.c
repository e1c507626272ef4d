#include "lb/hash_ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/addr.h"

enum {
    POINTS_PER_TARGET = 160, /* when all weigh the same */
    POINT_NAME_MAX = ADDR_TEXT_MAX + 32,
};

struct hash_ring {
    size_t slots;
    uint32_t owners[]; /* of each slot: index of a target */
};

/* One address, in the order in which Kong gives out the slots. */
struct member {
    const struct upstream_target *item;
    uint32_t index;
    struct slice host;
    unsigned port; /* as configured */
    char address[ADDR_TEXT_MAX];
};

static int compare_slices(struct slice a, struct slice b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common > 0 ? memcmp(a.ptr, b.ptr, common) : 0;

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_members(const void *left, const void *right)
{
    const struct member *a = left, *b = right;
    int order = compare_slices(a->host, b->host);

    if (order == 0)
        order = (a->port > b->port) - (a->port < b->port);
    return order != 0 ? order : strcmp(a->address, b->address);
}

static bool is_same_host(const struct member *a, const struct member *b)
{
    return slice_equal(a->host, b->host) && a->port == b->port;
}

static struct member *sorted_members(const struct upstream_target *targets, size_t count)
{
    struct member *members = calloc(count + 1, sizeof(*members));

    for (size_t i = 0; members && i < count; i++) {
        const struct target *target = targets[i].target;
        char ip[ADDR_IP_TEXT_MAX];
        struct slice port;

        members[i].item = &targets[i];
        members[i].index = (uint32_t)i;
        members[i].host = slice_of(target->name);
        if (addr_split_host_port(slice_of(target->name), &members[i].host, &port) == 0)
            members[i].port = addr_port(&target->address);
        (void)snprintf(members[i].address, sizeof(members[i].address), "%s:%u",
                       addr_format_ip(&target->address, ip, sizeof(ip)),
                       addr_port(&target->address));
    }
    if (members)
        qsort(members, count, sizeof(*members), compare_members);
    return members;
}

static size_t points_of(const struct member *member, uint64_t total_weight, size_t hosts)
{
    uint64_t points = (uint64_t)member->item->weight * hosts * POINTS_PER_TARGET / total_weight;

    return member->item->weight > 0 && points == 0 ? 1 : (size_t)points;
}

/* Points are named as in Kong: "192.0.2.1::8080 7". A slot that is taken stays taken; the target gets
 * another point instead. */
static void place(struct hash_ring *ring, const struct member *member, size_t points)
{
    const struct sockaddr_storage *address = &member->item->target->address;
    char ip[ADDR_IP_TEXT_MAX], name[POINT_NAME_MAX];
    int stem = snprintf(name, sizeof(name), "%s::%u ", addr_format_ip(address, ip, sizeof(ip)),
                        addr_port(address));

    for (size_t point = 1; points > 0 && point <= ring->slots; point++) {
        int digits = snprintf(name + stem, sizeof(name) - (size_t)stem, "%zu", point);
        struct slice input = { name, (size_t)(stem + digits) };
        uint32_t *owner = &ring->owners[hash_ring_find(ring, input)];

        if (*owner != HASH_RING_NOBODY)
            continue;
        *owner = member->index;
        points--;
    }
}

/* Slots without a point lead to the next point below. */
static void fill_gaps(struct hash_ring *ring)
{
    uint32_t below = HASH_RING_NOBODY;

    for (size_t i = 0; i < 2 * ring->slots; i++) { /* the second round closes the circle */
        uint32_t *owner = &ring->owners[i % ring->slots];

        if (*owner == HASH_RING_NOBODY)
            *owner = below;
        below = *owner;
    }
}

struct hash_ring *hash_ring_create(const struct upstream_target *targets, size_t count,
                                   uint32_t slots)
{
    struct member *members = sorted_members(targets, count);
    size_t size = slots < HASH_RING_SLOTS_MIN ? HASH_RING_SLOTS_MIN : slots, hosts = 0, needed = 0;
    struct hash_ring *ring = NULL;
    uint64_t total_weight = 0;

    for (size_t i = 0; members && i < count; i++) {
        total_weight += members[i].item->weight;
        hosts += i == 0 || !is_same_host(&members[i], &members[i - 1]);
    }
    for (size_t i = 0; members && total_weight > 0 && i < count; i++)
        needed += points_of(&members[i], total_weight, hosts);
    while (size < needed)
        size *= 2;
    if (members)
        ring = malloc(sizeof(*ring) + size * sizeof(ring->owners[0]));
    if (ring) {
        ring->slots = size;
        memset(ring->owners, 0xff, size * sizeof(ring->owners[0])); /* HASH_RING_NOBODY */
        for (size_t i = 0; total_weight > 0 && i < count; i++)
            place(ring, &members[i], points_of(&members[i], total_weight, hosts));
        fill_gaps(ring);
    }
    free(members);
    return ring;
}

void hash_ring_free(struct hash_ring *ring)
{
    free(ring);
}

size_t hash_ring_slots(const struct hash_ring *ring)
{
    return ring->slots;
}

size_t hash_ring_find(const struct hash_ring *ring, struct slice input)
{
    return XXH32(input.ptr ? input.ptr : "", input.len, 0) % ring->slots;
}

uint32_t hash_ring_owner(const struct hash_ring *ring, size_t slot)
{
    return ring->owners[slot];
}
