/*
 * balancer: chooses which target of an upstream gets the next request.
 *
 * Role    the one interface behind every policy
 * Owns    the policy's counters; targets are borrowed for the length of a call
 * Thread  worker; each worker has its own balancer, so there is no lock. What workers know of each
 *         other stands in the targets: requests in flight, latency, health
 */
#ifndef LB_BALANCER_H
#define LB_BALANCER_H

#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "core/slice.h"
#include "lb/target.h"

/* Up to here a pick may look at every target; above, its cost does not grow with their number. */
enum { BALANCER_SCAN_MAX = 64 };

/* A target as one configuration weighs it. */
struct upstream_target {
    struct target *target;
    uint32_t weight;         /* 0..65535; 0 is never picked */
    uint32_t priority_group; /* see priority_groups */
    uint32_t max_requests;   /* in flight at a time, over all workers; 0: no limit */
};

/* May it get a request at all? */
static inline bool upstream_target_is_usable(const struct upstream_target *item)
{
    return item->weight > 0 && target_is_usable(item->target);
}

/* What a policy may know about the request. */
struct balancer_request {
    const struct target *const *tried; /* by this exchange: to be avoided while another is usable */
    size_t tried_count;
    bool policy_decides; /* what `tried` means: enum balancer_retry, not the line above */
    uint64_t now_us;     /* monotonic */
    /* What a consistent hash is taken of, good until the pick is over. Called only by a policy that
     * hashes. NULL: nothing, so all such requests have the same hash. */
    struct slice (*hash_input)(void *asker);
    void *asker;
};

struct balancer;
struct balancer_ratios;
struct session_table;
struct target_index;
struct hash_ring;
struct weighted_draw;

/* All of it is borrowed and outlives the balancer. */
struct balancer_options {
    const struct upstream_target *targets;
    size_t count;
    const struct weighted_draw *draw; /* of the targets; may be NULL up to BALANCER_SCAN_MAX */
    const struct hash_ring *ring;     /* of the targets; NULL unless the policy needs it */
    const struct target_index *index; /* of the targets, with the next; or NULL */
    struct session_table *sessions;   /* who was sent where; or NULL */
    uint64_t slow_start_us;           /* see balancer_share; 0: off */
    uint64_t seed; /* moves the start, so that workers do not all begin with the same target */
};

/* What a policy of Kong's does about targets that this request has tried (kong/runloop/balancer/). */
enum balancer_retry {
    BALANCER_RETRY_AVOIDS,  /* another one; when all were tried, any (least_connections.lua) */
    BALANCER_RETRY_FORGETS, /* picks as ever (round_robin.lua, consistent_hashing.lua) */
    BALANCER_RETRY_ENDS,    /* another one; none when several were all tried (latency.lua) */
};

struct balancer_ops {
    const char *name; /* Kong's spelling: "round-robin" */
    enum balancer_retry retry;
    bool needs_ring; /* balancer_options.ring */
    /* NULL: no memory. */
    struct balancer *(*create)(const struct balancer_options *options);
    /* Index of a usable target that was not tried, or -ENOENT. `count` is the same on every call. */
    int (*pick)(struct balancer *balancer, const struct upstream_target *targets, size_t count,
                const struct balancer_request *request);
    void (*free)(struct balancer *balancer);
};

/* What every policy begins with. */
struct balancer {
    const struct balancer_ops *ops;
    const struct weighted_draw *draw;
    uint64_t slow_start_us;
    uint64_t random;                /* state of balancer_random */
    size_t first;                   /* ties go to the candidate that is first from here on */
    uint64_t looked_at_count;       /* targets, over all picks: what picking costs */
    uint64_t full_count;            /* of them: those that could be picked if they were not full */
    bool ignores_health;            /* too few are usable: better ask all than those few */
    uint32_t lowest_group;          /* targets of lower priority groups rest */
    struct balancer_ratios *ratios; /* the policy's own, on top of weights; NULL: none */
};

/* All policies; NULL ends them. */
extern const struct balancer_ops *const balancer_policies[];

/* By Kong's name; NULL: there is no such policy. */
const struct balancer_ops *balancer_find(const char *name);

/* Index of a usable target; one that was tried only when all usable ones were, or as the policy says.
 * -ENOENT: none. */
int balancer_pick(struct balancer *balancer, const struct upstream_target *targets, size_t count,
                  const struct balancer_request *request);

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

#endif
