/*
 * priority_groups: which of an upstream's targets are used first, as in an F5 pool.
 *
 * Role    groups are used from the highest down until at least so many of their targets are usable;
 *         what is below rests
 * Owns    priority_groups: the order of the targets, and tables to draw from for the highest groups
 * Thread  made on the configuration thread, then read by all
 *
 * A target that is full (max_requests) counts as usable: the cut moves with health alone, so it is
 * looked for only after a change of health.
 */
#ifndef LB_PRIORITY_GROUPS_H
#define LB_PRIORITY_GROUPS_H

#include <stddef.h>
#include <stdint.h>

#include "lb/balancer.h"

enum {
    PRIORITY_DRAWS_MAX = 16
}; /* below the 16th group a pick among many may look at each target */

struct priority_groups {
    uint32_t min_active;
    size_t count;    /* of targets; 0: all are of one group */
    uint32_t *order; /* their indexes, highest group first */
    struct priority_draw {
        uint32_t lowest_group;
        struct weighted_draw *draw; /* of this group and those above */
    } draws[PRIORITY_DRAWS_MAX];
    size_t draws_count; /* 0: few targets, as balancer_options.draw */
};

/* Zeroed before. 0 or -ENOMEM; then priority_groups_done is due as well. */
int priority_groups_init(struct priority_groups *groups, const struct upstream_target *targets,
                         size_t count, uint32_t min_active);
void priority_groups_done(struct priority_groups *groups);

/* The lowest group in use at this moment; 0 when all are. */
uint32_t priority_groups_lowest(const struct priority_groups *groups,
                                const struct upstream_target *targets);

/* Table of those in use; NULL: there is none of them alone. */
const struct weighted_draw *priority_groups_draw(const struct priority_groups *groups,
                                                 uint32_t lowest_group);

#endif
