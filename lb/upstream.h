/*
 * upstream: a named group of targets with a policy, as one runtime object per worker.
 *
 * Role    answers "where does this request go": picks a target and counts it in
 * Owns    upstream_targets: a hold on each target and what policies make of their weights (hash ring,
 *         table to draw from), shared by all workers; upstream: one worker's balancer
 * Thread  upstream_targets is created and freed on the configuration thread and must outlive every
 *         upstream and every target_use on it; an upstream belongs to one worker
 *
 * A service whose host is a plain name or an address is an upstream with one target.
 */
#ifndef LB_UPSTREAM_H
#define LB_UPSTREAM_H

#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "lb/balancer.h"
#include "lb/priority_groups.h"
#include "lb/target_registry.h"

struct upstream_target_options {
    const char *host; /* without brackets */
    uint16_t port;
    uint32_t weight;                          /* 0..65535 */
    uint32_t priority_group;                  /* see priority_groups */
    uint32_t max_requests;                    /* at a time; 0: no limit */
    const struct sockaddr_storage *addresses; /* what host resolves to (port ignored); each becomes
                                                 a target with the full weight, as in Kong */
    size_t addresses_count;                   /* 0: the name did not resolve, no target */
};

struct upstream_options {
    const char *name;
    const struct upstream_target_options *targets;
    size_t targets_count;
    const char *algorithm;  /* Kong's spelling; NULL: round-robin */
    uint32_t slots;         /* of consistent-hashing's ring */
    uint64_t slow_start_ms; /* until a target that came up gets its full share; 0: off */
    /* Kong's: so much of the weight, in thousandths of a percent, is not enough: nobody is picked */
    uint32_t threshold_thousandths;
    /* Fewer targets usable, in percent: all are picked, but those withdrawn on purpose; 0: never */
    uint32_t panic_percent;
    bool fails_open;                /* the same when none is usable */
    uint32_t min_active_members;    /* see priority_groups */
    struct waiting_line *line;      /* of this upstream; NULL: nobody waits for a place */
    struct session_table *sessions; /* of this upstream; NULL: nobody is remembered */
};

struct upstream_targets {
    char *name;
    struct upstream_target *items; /* in the order of the options */
    size_t count;
    struct target_registry *registry; /* borrowed; the targets are held there */
    const struct balancer_ops *policy;
    uint64_t slow_start_us;
    uint32_t threshold_thousandths, panic_percent;
    bool fails_open;
    struct hash_ring *ring;     /* NULL: the policy does not hash */
    struct weighted_draw *draw; /* NULL: few targets, see balancer_options */
    struct priority_groups groups;
    struct target_index *index;
    struct session_table *sessions; /* borrowed; NULL: nobody is remembered */
    struct waiting_line *line;      /* borrowed; or NULL */
};

/* Copies what it needs. The registry must outlive it. NULL: no memory. */
struct upstream_targets *upstream_targets_create(const struct upstream_options *options,
                                                 struct target_registry *registry);
void upstream_targets_free(struct upstream_targets *targets);

/* A configuration of this generation, which names them, is in force: see target_is_current. */
void upstream_targets_mark(struct upstream_targets *targets, uint64_t generation);
DEFINE_SCOPED(upstream_targets);

/* How it stands with them at this moment. */
struct upstream_health {
    uint64_t weight_total, weight_available;
    size_t count, usable_count; /* of targets with a weight */
    bool is_healthy;            /* as Kong says it: enough weight is available */
    bool panics;                /* so few are usable that health is not looked at */
};
struct upstream_health upstream_targets_health(const struct upstream_targets *targets);

struct upstream;

/* `targets` is borrowed until upstream_free; a seed of its own for each worker. NULL: no memory. */
struct upstream *upstream_create(struct upstream_targets *targets, uint64_t seed);
void upstream_free(struct upstream *upstream);
DEFINE_SCOPED(upstream);

/* Which policy picks, in Kong's spelling. */
const char *upstream_algorithm(const struct upstream *upstream);

/* Targets, over all picks: what picking costs. */
uint64_t upstream_looked_at_count(const struct upstream *upstream);

const struct upstream_targets *upstream_targets_of(const struct upstream *upstream);

/* 0: `use` holds the chosen target (a former use is ended); -ENOENT: no target is usable; -EBUSY: those
 * that are have as many requests as they may have. */
int upstream_pick(struct upstream *upstream, const struct balancer_request *request,
                  struct target_use *use);

/* The same with a target that is chosen already. -ENOENT: it is not of this upstream. */
int upstream_take(struct upstream *upstream, const struct target *target, struct target_use *use);

/* The upstream's target with that address, or that one, if it may be picked (its priority group does
 * not matter, as with an F5); else NULL. A target that is gone is compared and not looked into. */
struct target *upstream_usable_at(const struct upstream_targets *targets,
                                  const struct sockaddr_storage *address);
struct target *upstream_usable(const struct upstream_targets *targets, const struct target *target);

#endif
