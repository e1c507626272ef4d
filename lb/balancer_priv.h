/*
 * balancer_priv: the policies by name, and what they have in common.
 *
 * Role    who may be picked, with which weight; drawing one by weight; the better of two draws
 * Owns    nothing
 * Thread  as balancer.h
 */
#ifndef LB_BALANCER_PRIV_H
#define LB_BALANCER_PRIV_H

#include "lb/balancer.h"

extern const struct balancer_ops balancer_round_robin;        /* smooth and weighted */
extern const struct balancer_ops balancer_least_connections;  /* fewest in flight per weight */
extern const struct balancer_ops balancer_consistent_hashing; /* the same input, the same target */
extern const struct balancer_ops balancer_latency;            /* the quicker of two */

void balancer_init(struct balancer *balancer, const struct balancer_ops *ops,
                   const struct balancer_options *options);
void balancer_free_memory(struct balancer *balancer); /* ops->free of who owns nothing else */

/* Usable (or health is not looked at), of a priority group in use, not tried. Counts the look. */
bool balancer_is_candidate(struct balancer *balancer, const struct upstream_target *item,
                           const struct balancer_request *request);

enum { BALANCER_SHARE_FULL = 256 };

/*
 * How much of its weight a target may use, 1..BALANCER_SHARE_FULL: with slow start it grows evenly
 * from the moment at which the target was first known or became healthy.
 */
uint32_t balancer_share(const struct balancer *balancer, const struct upstream_target *item,
                        const struct balancer_request *request);

/* A source of 64-bit numbers that balancer_draw takes its draws from. */
typedef uint64_t balancer_numbers(struct balancer *balancer);

balancer_numbers balancer_random;

/*
 * A candidate other than `except` (`count`: none is excepted), drawn by weight and share. -ENOENT:
 * there is none. Up to BALANCER_SCAN_MAX targets one look at each; above, a few draws, and a look at
 * each only when so many may not be picked that all draws missed.
 */
int balancer_draw(struct balancer *balancer, const struct upstream_target *targets, size_t count,
                  const struct balancer_request *request, size_t except, balancer_numbers *numbers);

/*
 * Two different draws, and of them the better one; the first when neither is. So targets that are
 * equally good get requests in proportion to their weights.
 */
typedef bool balancer_is_better(const struct upstream_target *a, const struct upstream_target *than,
                                const struct balancer_request *request);
int balancer_better_of_two(struct balancer *balancer, const struct upstream_target *targets,
                           size_t count, const struct balancer_request *request,
                           balancer_is_better *is_better);

#endif
