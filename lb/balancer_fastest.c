#include "lb/balancer_priv.h"

/*
 * F5's fastest-app-response. By its manual the basis is no measured time but the number of requests
 * that a member has been sent and has not answered: who answers sooner has fewer. So: fewest in
 * flight now, those of all workers counted. Weights play no part (a weight of 0 still means never),
 * which is all that sets it apart from least-connections.
 */
static struct balancer_load load_of(const struct balancer *balancer,
                                    const struct upstream_target *item,
                                    const struct balancer_request *request)
{
    return (struct balancer_load){ (uint64_t)target_in_flight(item->target) + 1,
                                   balancer_share(balancer, item, request) };
}

static bool has_fewer(const struct upstream_target *a, const struct upstream_target *than,
                      const struct balancer_request *request)
{
    (void)request;
    return target_in_flight(a->target) < target_in_flight(than->target);
}

static const struct balancer_measure outstanding = { load_of, has_fewer };

static int fastest_pick(struct balancer *balancer, const struct upstream_target *targets,
                        size_t count, const struct balancer_request *request)
{
    return balancer_lightest(balancer, targets, count, request, &outstanding);
}

static struct balancer *fastest_create(const struct balancer_options *options)
{
    return balancer_create_plain(&balancer_fastest, options);
}

const struct balancer_ops balancer_fastest = {
    .name = "fastest",
    .create = fastest_create,
    .pick = fastest_pick,
    .free = balancer_free_memory,
};
