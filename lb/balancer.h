/*
 * balancer: chooses which target of an upstream gets the next request.
 *
 * Role    the one interface behind every policy (round robin; later least connections, hash,
 * latency) Owns    the policy's counters; targets are borrowed for the length of a call Thread
 * worker; each worker has its own balancer, so there is no lock
 */
#ifndef LB_BALANCER_H
#define LB_BALANCER_H

#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "lb/target.h"

/* What a policy may know about the request. */
struct balancer_request {
    const struct target *const *tried; /* by this exchange: to be avoided while another is usable */
    size_t tried_count;
};

struct balancer;

struct balancer_ops {
    const char *name; /* Kong's spelling: "round-robin" */
    /* Index of a usable target, or -ENOENT: none is. `count` is the same on every call. */
    int (*pick)(struct balancer *balancer, const struct target *targets, size_t count,
                const struct balancer_request *request);
    void (*free)(struct balancer *balancer);
};

struct balancer {
    const struct balancer_ops *ops;
};

static inline int balancer_pick(struct balancer *balancer, const struct target *targets,
                                size_t count, const struct balancer_request *request)
{
    return balancer->ops->pick(balancer, targets, count, request);
}

static inline void balancer_free(struct balancer *balancer)
{
    if (balancer)
        balancer->ops->free(balancer);
}

DEFINE_SCOPED(balancer);

static inline bool balancer_was_tried(const struct balancer_request *request,
                                      const struct target *target)
{
    for (size_t i = 0; i < request->tried_count; i++) {
        if (request->tried[i] == target)
            return true;
    }
    return false;
}

/*
 * Smooth weighted round robin: over a full cycle each target gets its exact share, spread evenly.
 * `seed` moves the start of the cycle, so that workers do not all begin with the same target.
 * NULL: no memory.
 */
struct balancer *balancer_create_round_robin(const struct target *targets, size_t count,
                                             uint64_t seed);

#endif
