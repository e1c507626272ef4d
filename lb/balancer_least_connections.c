#include <errno.h>
#include <stdlib.h>

#include "lb/balancer_priv.h"

/*
 * Fewest requests in flight per unit of weight, those of all workers counted, the one to come
 * included: 4 of weight 100 are more than 9 of weight 300. Up to BALANCER_SCAN_MAX targets all are
 * compared and ties take turns; above, two drawn at random, which is nearly as good (Mitzenmacher,
 * "The Power of Two Choices", 2001) and keeps workers from all choosing the same idle target.
 */
struct least_connections {
    struct balancer balancer;
    size_t first; /* ties go to the candidate that is first from here on */
};

static uint64_t weight_of(const struct balancer *balancer, const struct upstream_target *item,
                          const struct balancer_request *request)
{
    return (uint64_t)item->weight * balancer_share(balancer, item, request);
}

static int scan(struct least_connections *policy, const struct upstream_target *targets,
                size_t count, const struct balancer_request *request)
{
    uint64_t best_load = 0, best_weight = 1;
    size_t best = count;

    for (size_t i = 0; i < count; i++) {
        size_t at = (policy->first + i) % count;
        uint64_t load, weight;

        if (!balancer_is_candidate(&policy->balancer, &targets[at], request))
            continue;
        load = (uint64_t)target_in_flight(targets[at].target) + 1;
        weight = weight_of(&policy->balancer, &targets[at], request);
        if (best < count && load * best_weight >= best_load * weight)
            continue;
        best = at;
        best_load = load;
        best_weight = weight;
    }
    if (best == count)
        return -ENOENT;
    policy->first = best + 1;
    return (int)best;
}

/* Draws see to the weights of idle targets, so the request to come does not count here. */
static bool is_less_loaded(const struct upstream_target *a, const struct upstream_target *than,
                           const struct balancer_request *request)
{
    (void)request;
    return (uint64_t)target_in_flight(a->target) * than->weight <
           (uint64_t)target_in_flight(than->target) * a->weight;
}

static int least_connections_pick(struct balancer *balancer, const struct upstream_target *targets,
                                  size_t count, const struct balancer_request *request)
{
    return count > BALANCER_SCAN_MAX
               ? balancer_better_of_two(balancer, targets, count, request, is_less_loaded)
               : scan((struct least_connections *)balancer, targets, count, request);
}

static struct balancer *least_connections_create(const struct balancer_options *options)
{
    struct least_connections *policy = calloc(1, sizeof(*policy));

    if (!policy)
        return NULL;
    balancer_init(&policy->balancer, &balancer_least_connections, options);
    policy->first = options->count > 0 ? options->seed % options->count : 0;
    return &policy->balancer;
}

const struct balancer_ops balancer_least_connections = {
    .name = "least-connections",
    .create = least_connections_create,
    .pick = least_connections_pick,
    .free = balancer_free_memory,
};
