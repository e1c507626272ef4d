#include <errno.h>
#include <stdlib.h>

#include "lb/balancer_priv.h"

/*
 * Up to BALANCER_SCAN_MAX targets, as in nginx: a pick raises every candidate's credit by its weight,
 * takes the highest and charges it the sum of the weights. So {5,1,1} gives a a b a c a a, not five
 * times a in a row, and over a full cycle each target gets its exact share. A target that may not be
 * picked neither earns nor pays; it comes back with the credit it left with.
 *
 * Above, that would cost more with every target. There the picks walk over the line of all weights in
 * steps of the golden ratio: of any number of steps in a row each target gets its share, give or take
 * a few.
 */
struct round_robin {
    struct balancer balancer;
    uint64_t place;   /* on the line, 2^64 long; only among many targets */
    int64_t credit[]; /* one for each target, in weight * BALANCER_SHARE_FULL */
};

static uint64_t next_step(struct balancer *balancer)
{
    return ((struct round_robin *)balancer)->place += 0x9e3779b97f4a7c15u; /* 2^64 / golden ratio */
}

static int round_robin_pick(struct balancer *balancer, const struct upstream_target *targets,
                            size_t count, const struct balancer_request *request)
{
    struct round_robin *policy = (struct round_robin *)balancer;
    size_t best = count;
    int64_t total = 0;

    if (count > BALANCER_SCAN_MAX)
        return balancer_draw(balancer, targets, count, request, count, next_step);
    for (size_t i = 0; i < count; i++) {
        size_t at = (balancer->first + i) % count;
        int64_t weight;

        if (!balancer_is_candidate(balancer, &targets[at], request))
            continue;
        weight = (int64_t)balancer_weight(balancer, targets, at, request);
        total += weight;
        policy->credit[at] += weight;
        if (best == count || policy->credit[at] > policy->credit[best])
            best = at;
    }
    if (best == count)
        return -ENOENT;
    policy->credit[best] -= total;
    return (int)best;
}

static struct balancer *round_robin_create(const struct balancer_options *options)
{
    static const struct balancer_request any;
    enum { WARM_UP_PICKS = 64 };
    size_t count = options->count;
    struct round_robin *policy = calloc(1, sizeof(*policy) + count * sizeof(policy->credit[0]));

    if (!policy)
        return NULL;
    balancer_init(&policy->balancer, &balancer_round_robin, options);
    /* seeds in a row would be places in a row */
    policy->place = balancer_random(&policy->balancer);
    if (count == 0 || count > BALANCER_SCAN_MAX)
        return &policy->balancer;
    /* balancer->first is enough for equal weights; some picks move the start also when one weighs most. Not
     * with slow start: credit of full weights would outlast many picks by small shares. */
    for (uint64_t i = options->seed / count % WARM_UP_PICKS; i > 0 && !options->slow_start_us; i--)
        (void)round_robin_pick(&policy->balancer, options->targets, count, &any); /* only moves */
    policy->balancer.looked_at_count = 0;
    return &policy->balancer;
}

const struct balancer_ops balancer_round_robin = {
    .name = "round-robin",
    .retry = BALANCER_RETRY_FORGETS,
    .create = round_robin_create,
    .pick = round_robin_pick,
    .free = balancer_free_memory,
};
