#include <errno.h>
#include <stdlib.h>

#include "lb/balancer.h"

/*
 * As in nginx: a pick raises every candidate's credit by its weight, takes the highest and charges
 * it the sum of the weights. So {5,1,1} gives a a b a c a a, not five times a in a row.
 *
 * A target that may not be picked neither earns nor pays; it comes back with the credit it left
 * with.
 */
struct round_robin {
    struct balancer balancer;
    size_t first;     /* ties go to the candidate that is first from here on */
    int64_t credit[]; /* one for each target; below weight * count in size */
};

static bool is_candidate(const struct target *target, const struct balancer_request *avoid)
{
    return target_is_usable(target) && !(avoid && balancer_was_tried(avoid, target));
}

/* avoid: NULL when tried targets are as good as others. */
static int pick_one(struct round_robin *policy, const struct target *targets, size_t count,
                    const struct balancer_request *avoid)
{
    int64_t total = 0;
    size_t best = count;

    for (size_t i = 0; i < count; i++) {
        size_t at = (policy->first + i) % count;

        if (!is_candidate(&targets[at], avoid))
            continue;
        total += targets[at].weight;
        policy->credit[at] += targets[at].weight;
        if (best == count || policy->credit[at] > policy->credit[best])
            best = at;
    }
    if (best == count)
        return -ENOENT;
    policy->credit[best] -= total;
    return (int)best;
}

static int round_robin_pick(struct balancer *balancer, const struct target *targets, size_t count,
                            const struct balancer_request *request)
{
    struct round_robin *policy = (struct round_robin *)balancer;
    int index = pick_one(policy, targets, count, request);

    /* all that are usable were tried: better one of them again than none */
    return index == -ENOENT && request->tried_count > 0 ? pick_one(policy, targets, count, NULL)
                                                        : index;
}

static void round_robin_free(struct balancer *balancer)
{
    free(balancer);
}

static const struct balancer_ops round_robin_ops = {
    .name = "round-robin",
    .pick = round_robin_pick,
    .free = round_robin_free,
};

struct balancer *balancer_create_round_robin(const struct target *targets, size_t count,
                                             uint64_t seed)
{
    enum { WARM_UP_PICKS = 64 };
    struct round_robin *policy = calloc(1, sizeof(*policy) + count * sizeof(policy->credit[0]));

    if (!policy)
        return NULL;
    policy->balancer.ops = &round_robin_ops;
    if (count == 0)
        return &policy->balancer;
    /* `first` is enough for equal weights; some picks move the start also when one weighs most */
    policy->first = seed % count;
    for (uint64_t i = seed / count % WARM_UP_PICKS; i > 0; i--)
        (void)pick_one(policy, targets, count, NULL); /* -ENOENT: nothing to move */
    return &policy->balancer;
}
