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
extern const struct balancer_ops balancer_random_of_two;      /* the less loaded of two */
extern const struct balancer_ops balancer_fastest;            /* fewest in flight, unweighted */
extern const struct balancer_ops balancer_observed;           /* as F5: more for who has less */
extern const struct balancer_ops balancer_least_sessions;     /* fewest persistence entries */
extern const struct balancer_ops balancer_predictive;         /* as F5: more for who gets less */

void balancer_init(struct balancer *balancer, const struct balancer_ops *ops,
                   const struct balancer_options *options);
void balancer_free_memory(struct balancer *balancer); /* ops->free of who owns nothing else */

/* Usable (or health is not looked at), of a priority group in use, not tried and not full. Counts
 * the look. */
bool balancer_is_candidate(struct balancer *balancer, const struct upstream_target *item,
                           const struct balancer_request *request);

enum { BALANCER_SHARE_FULL = 256 };

/*
 * How much of its weight a target may use, 1..BALANCER_SHARE_FULL: with slow start it grows evenly
 * from the moment at which the target was first known or became healthy.
 */
uint32_t balancer_share(const struct balancer *balancer, const struct upstream_target *item,
                        const struct balancer_request *request);

enum { BALANCER_RATIO_MAX = 4 };

/* One for each target, 1..BALANCER_RATIO_MAX, that goes with its weight. */
struct balancer_ratios {
    uint64_t looked_at_us; /* when they were last made */
    bool has_looked;
    uint32_t highest; /* of the ratios */
    struct balancer_ratio {
        uint32_t in_flight; /* then */
        uint8_t ratio;
    } items[];
};

/* Weight, share and ratio together. */
uint64_t balancer_weight(const struct balancer *balancer, const struct upstream_target *targets,
                         size_t index, const struct balancer_request *request);

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

/* What a target carries, against its weight. */
struct balancer_load {
    uint64_t count, weight; /* weight > 0 */
};

/*
 * The candidate with the least load per weight. Up to BALANCER_SCAN_MAX targets all are compared by
 * load_of, and ties take turns; above, two drawn at random by is_better, which is nearly as good
 * (Mitzenmacher, "The Power of Two Choices", 2001) and keeps workers from all choosing the same idle
 * target.
 */
struct balancer_measure {
    struct balancer_load (*load_of)(const struct balancer *balancer,
                                    const struct upstream_target *item,
                                    const struct balancer_request *request);
    balancer_is_better *is_better;
};
int balancer_lightest(struct balancer *balancer, const struct upstream_target *targets,
                      size_t count, const struct balancer_request *request,
                      const struct balancer_measure *measure);

/* Fewer in flight per weight. */
balancer_is_better balancer_is_less_loaded;

/* ops->create of who owns nothing but struct balancer. */
struct balancer *balancer_create_plain(const struct balancer_ops *ops,
                                       const struct balancer_options *options);

#endif
