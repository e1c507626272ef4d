/*
 * target_set: where the name of a service leads at present, and a worker's hold on it.
 *
 * Role    lets DNS change the targets of a service without another configuration
 * Owns    target_set: the targets; worker_upstream: a balancer over them, and a hold on the set
 * Thread  a target_set is made and freed on the main thread and read by workers; a worker_upstream
 *         is made on the main thread and then one worker's
 *
 * An exchange holds the worker_upstream that it began with, so that what it points to stays until
 * its end. The worker that lets the last hold on it go closes idle connections to targets that
 * nobody names any more, then lets the set go; the main thread frees it when all have.
 */
#ifndef PROXY_TARGET_SET_H
#define PROXY_TARGET_SET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "core/end_reason.h"
#include "lb/upstream.h"

struct worker;

struct target_set {
    struct upstream_targets *targets;
    enum end_reason
        failure; /* why there is no target; END_OK: there is, or it is no service's host */
    _Atomic uint32_t holders; /* worker_upstreams */
    uint32_t sharers;         /* plans that free it, beyond the first */
    struct target_set *older; /* the service's former ones that may still be held */
};

/* Takes the targets on success. NULL: no memory. */
struct target_set *target_set_create(struct upstream_targets **targets, enum end_reason failure);
void target_set_free(struct target_set *set); /* with the older ones */
DEFINE_SCOPED(target_set);

/* For the same service in the next snapshot. NULL: that makes its own, this one has older ones to look
 * after. */
struct target_set *target_set_share(struct target_set *set);

/* Frees those older ones that nobody holds. */
void target_set_free_older(struct target_set *set);

/* Targets of `former` that `next` has not are no configuration's any more. False: no memory, and
 * none was marked. */
bool target_set_mark_vanished(const struct target_set *former, const struct target_set *next);

struct worker_upstream {
    struct upstream *upstream;
    struct target_set *set;
    uint32_t holders; /* exchanges, and the destination for which it is the present one */
    bool is_replaced; /* by newer targets of the same configuration */
};

/* Held once. NULL: no memory. */
struct worker_upstream *worker_upstream_create(struct target_set *set, uint64_t seed);

static inline struct worker_upstream *worker_upstream_hold(struct worker_upstream *upstream)
{
    upstream->holders++;
    return upstream;
}

/* On the worker's thread, or with `worker` NULL: no worker has seen it. Accepts NULL. */
void worker_upstream_release(struct worker_upstream *upstream, struct worker *worker);

#endif
