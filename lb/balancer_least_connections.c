#include "lb/balancer_priv.h"

/*
 * Fewest requests in flight per unit of weight, those of all workers counted, the one to come
 * included: 4 of weight 100 are more than 9 of weight 300.
 */
static struct balancer_load load_of(const struct balancer *balancer,
                                    const struct upstream_target *item,
                                    const struct balancer_request *request)
{
    return (struct balancer_load){ (uint64_t)target_in_flight(item->target) + 1,
                                   (uint64_t)item->weight *
                                       balancer_share(balancer, item, request) };
}

static const struct balancer_measure connections = { load_of, balancer_is_less_loaded };

static int least_connections_pick(struct balancer *balancer, const struct upstream_target *targets,
                                  size_t count, const struct balancer_request *request)
{
    return balancer_lightest(balancer, targets, count, request, &connections);
}

static struct balancer *least_connections_create(const struct balancer_options *options)
{
    return balancer_create_plain(&balancer_least_connections, options);
}

const struct balancer_ops balancer_least_connections = {
    .name = "least-connections",
    .create = least_connections_create,
    .pick = least_connections_pick,
    .free = balancer_free_memory,
};
