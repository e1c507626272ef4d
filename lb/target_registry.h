/*
 * target_registry: every target that some configuration in force knows, each once.
 *
 * Role    gives a new configuration the same record for the same target, so that load, health and
 *         idle connections survive a reload
 * Owns    the targets; each is freed when its last holder has released it
 * Thread  the configuration thread; what a target holds is shared by its own rules
 *
 * The same target is: the same upstream, the same "host:port", the same address. Two upstreams with
 * a target in common judge its health apart, as in Kong.
 */
#ifndef LB_TARGET_REGISTRY_H
#define LB_TARGET_REGISTRY_H

#include <stddef.h>

#include "core/cleanup.h"
#include "lb/target.h"

struct target_registry;

/* NULL: no memory. */
struct target_registry *target_registry_create(void);

/* Nobody may hold a target any more. Accepts NULL. */
void target_registry_free(struct target_registry *registry);
DEFINE_SCOPED(target_registry);

/* Which target. Copied. */
struct target_key {
    const char *upstream;
    const char *name;                       /* "host:port" */
    const struct sockaddr_storage *address; /* with port */
};

/* Found or made (healthy, nothing in flight); release it once. NULL: no memory. */
struct target *target_registry_take(struct target_registry *registry, const struct target_key *key);
void target_registry_release(struct target_registry *registry, struct target *target);

/* Another hold on a target that is held; release it once more. */
struct target *target_registry_hold(struct target *target);

/* Where requests wait for a place at a target; borrowed, and set before any target is taken. */
struct waiting_lines;
void target_registry_set_lines(struct target_registry *registry, struct waiting_lines *lines);
struct waiting_lines *target_registry_lines(const struct target_registry *registry);

/* Who was sent to which target of an upstream; kept for good, so that a reload forgets nobody. NULL: no
 * memory. */
struct session_table *target_registry_sessions(struct target_registry *registry,
                                               const char *upstream);

/* Told of every target whose health changes. */
struct health_board *target_registry_board(struct target_registry *registry);

/* Targets that somebody holds. */
size_t target_registry_count(const struct target_registry *registry);

#endif
