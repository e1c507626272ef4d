/*
 * weighted_draw: an index out of many, each as often as its weight says, in constant time.
 *
 * Role    alias table (Vose 1991): every bucket is shared by at most two indexes
 * Owns    the table
 * Thread  immutable once made; shared by all workers
 */
#ifndef LB_WEIGHTED_DRAW_H
#define LB_WEIGHTED_DRAW_H

#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "lb/balancer.h"

struct weighted_draw;

/* Of the targets' weights; count > 0. Are all 0, any index may be drawn. NULL: no memory. */
struct weighted_draw *weighted_draw_create(const struct upstream_target *targets, size_t count);
void weighted_draw_free(struct weighted_draw *draw);
DEFINE_SCOPED(weighted_draw);

/* `number` out of all 64-bit numbers, evenly: at random, or a sequence that fills them evenly. */
size_t weighted_draw_index(const struct weighted_draw *draw, uint64_t number);

#endif
