#include <errno.h>
#include <stdlib.h>

#include "lb/balancer_priv.h"
#include "lb/hash_ring.h"

/*
 * The target that the request's input hashes to; down the ring the next one when that may not be
 * picked, or that was tried; a retry of Kong's does not know the latter.
 *
 * No slow start: it would send the same input to different targets.
 */
struct consistent_hashing {
    struct balancer balancer;
    const struct hash_ring *ring; /* borrowed */
};

static int consistent_hashing_pick(struct balancer *balancer, const struct upstream_target *targets,
                                   size_t count, const struct balancer_request *request)
{
    const struct hash_ring *ring = ((struct consistent_hashing *)balancer)->ring;
    struct slice nothing = { NULL, 0 };
    struct slice input = request->hash_input ? request->hash_input(request->asker) : nothing;
    size_t slots = hash_ring_slots(ring), slot = hash_ring_find(ring, input);
    uint32_t refused = HASH_RING_NOBODY; /* the last one, so that neighbours cost no look */

    (void)count;
    for (size_t i = 0; i < slots; i++) {
        uint32_t owner = hash_ring_owner(ring, slot);

        if (owner != refused && balancer_is_candidate(balancer, &targets[owner], request))
            return (int)owner;
        refused = owner;
        slot = slot > 0 ? slot - 1 : slots - 1;
    }
    return -ENOENT;
}

static struct balancer *consistent_hashing_create(const struct balancer_options *options)
{
    struct consistent_hashing *policy = calloc(1, sizeof(*policy));

    if (!policy)
        return NULL;
    balancer_init(&policy->balancer, &balancer_consistent_hashing, options);
    policy->ring = options->ring;
    return &policy->balancer;
}

const struct balancer_ops balancer_consistent_hashing = {
    .name = "consistent-hashing",
    .retry = BALANCER_RETRY_FORGETS,
    .needs_ring = true,
    .create = consistent_hashing_create,
    .pick = consistent_hashing_pick,
    .free = balancer_free_memory,
};
