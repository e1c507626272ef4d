/*
 * hash_ring: which target an input hashes to, and which come next.
 *
 * Role    Kong's ring (ketama with XXH32): the same targets give the same ring in every worker, on
 *         every hop and after every start; a target that comes or goes moves its own share only
 * Owns    the slots
 * Thread  immutable once made; shared by all workers
 *
 * As in Kong each target has 160 points times its weight's share; from the slot of an input the way
 * leads downwards, and around. Where Kong's ring would have too few slots for all points (it then
 * stops with a critical log line) this one is doubled until it has.
 */
#ifndef LB_HASH_RING_H
#define LB_HASH_RING_H

#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "core/slice.h"
#include "lb/balancer.h"

enum { HASH_RING_SLOTS_MIN = 1000 }; /* fewer count as so many (Kong) */

struct hash_ring;

/* `slots` as configured. NULL: no memory. */
struct hash_ring *hash_ring_create(const struct upstream_target *targets, size_t count,
                                   uint32_t slots);
void hash_ring_free(struct hash_ring *ring);
DEFINE_SCOPED(hash_ring);

size_t hash_ring_slots(const struct hash_ring *ring);

/* The slot of an input. */
size_t hash_ring_find(const struct hash_ring *ring, struct slice input);

#define HASH_RING_NOBODY UINT32_MAX

/* Index of the target that a slot leads to; HASH_RING_NOBODY: the ring is empty. */
uint32_t hash_ring_owner(const struct hash_ring *ring, size_t slot);

#endif
