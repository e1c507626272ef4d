/*
 * upstream: a named group of targets with a policy, as one runtime object per worker.
 *
 * Role    answers "where does this request go": picks a target and counts it in
 * Owns    upstream_targets: the targets, shared by all workers; upstream: one worker's balancer
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
#include "lb/target.h"

struct upstream_target_options {
    const char *host; /* without brackets */
    uint16_t port;
    uint32_t weight;                          /* 0..65535 */
    const struct sockaddr_storage *addresses; /* what host resolves to (port ignored); each becomes
                                                 a target with the full weight, as in Kong */
    size_t addresses_count;                   /* 0: the name did not resolve, no target */
};

struct upstream_options {
    const char *name;
    const struct upstream_target_options *targets;
    size_t targets_count;
};

struct upstream_targets {
    char *name;
    struct target *items; /* in the order of the options */
    size_t count;
};

/* Copies what it needs. NULL: no memory. */
struct upstream_targets *upstream_targets_create(const struct upstream_options *options);
void upstream_targets_free(struct upstream_targets *targets);
DEFINE_SCOPED(upstream_targets);

struct upstream;

/* `targets` is borrowed until upstream_free; a seed of its own for each worker. NULL: no memory. */
struct upstream *upstream_create(struct upstream_targets *targets, uint64_t seed);
void upstream_free(struct upstream *upstream);
DEFINE_SCOPED(upstream);

const struct upstream_targets *upstream_targets_of(const struct upstream *upstream);

/* 0: `use` holds the chosen target (a former use is ended); -ENOENT: no target is usable. */
int upstream_pick(struct upstream *upstream, const struct balancer_request *request,
                  struct target_use *use);

#endif
