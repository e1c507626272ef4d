#include "lb/balancer_priv.h"
#include "lb/target_latency.h"

/*
 * Of two targets drawn by weight the one that will answer sooner: its latency times the requests that
 * wait there, the one to come included (as Finagle's PeakEwma, where Kong's comes from). A target that
 * never answered counts as the mean of those it is compared with; Kong takes the mean of all.
 */
static bool is_sooner(const struct upstream_target *a, const struct upstream_target *than,
                      const struct balancer_request *request)
{
    double latency_a = (double)target_latency_us(a->target, request->now_us);
    double latency_than = (double)target_latency_us(than->target, request->now_us);
    double mean_weight = ((double)a->weight + than->weight) / 2;
    double queue_a = 1 + target_in_flight(a->target) * mean_weight / a->weight;
    double queue_than = 1 + target_in_flight(than->target) * mean_weight / than->weight;

    if (latency_a == 0 || latency_than == 0)
        return queue_a < queue_than;
    return latency_a * queue_a < latency_than * queue_than;
}

static int latency_pick(struct balancer *balancer, const struct upstream_target *targets,
                        size_t count, const struct balancer_request *request)
{
    return balancer_better_of_two(balancer, targets, count, request, is_sooner);
}

static struct balancer *latency_create(const struct balancer_options *options)
{
    return balancer_create_plain(&balancer_latency, options);
}

const struct balancer_ops balancer_latency = {
    .name = "latency",
    .retry = BALANCER_RETRY_ENDS,
    .create = latency_create,
    .pick = latency_pick,
    .free = balancer_free_memory,
};
