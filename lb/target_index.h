/*
 * target_index: finds one of an upstream's targets by what is known of it.
 *
 * Role    among 10,000 targets a look-up must not cost a look at each
 * Owns    target_index: two orders of the targets, which are borrowed
 * Thread  made on the configuration thread, then read by all
 */
#ifndef LB_TARGET_INDEX_H
#define LB_TARGET_INDEX_H

#include <stddef.h>

#include "core/cleanup.h"
#include "lb/balancer.h"

struct target_index;

/* NULL: no memory. */
struct target_index *target_index_create(const struct upstream_target *targets, size_t count);
void target_index_free(struct target_index *index);
DEFINE_SCOPED(target_index);

/* Its number, or -ENOENT. `target` is compared and not looked into. */
int target_index_of(const struct target_index *index, const struct target *target);

/* One with that address and port. */
int target_index_at(const struct target_index *index, const struct sockaddr_storage *address);

#endif
