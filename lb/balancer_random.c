#include "lb/balancer_priv.h"

/* Two drawn by weight, and of them the one with fewer requests in flight per weight. */
static int random_pick(struct balancer *balancer, const struct upstream_target *targets,
                       size_t count, const struct balancer_request *request)
{
    return balancer_better_of_two(balancer, targets, count, request, balancer_is_less_loaded);
}

static struct balancer *random_create(const struct balancer_options *options)
{
    return balancer_create_plain(&balancer_random_of_two, options);
}

const struct balancer_ops balancer_random_of_two = {
    .name = "random",
    .create = random_create,
    .pick = random_pick,
    .free = balancer_free_memory,
};
