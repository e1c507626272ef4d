#include <stdlib.h>

#include "lb/balancer_priv.h"

/*
 * F5's observed and predictive (K6406): once a second each target gets a ratio out of its connection
 * count, here its requests in flight, those of all workers counted; between that they are spread as
 * by round robin, by ratio times weight (F5 has no weight here: leave them equal).
 *
 *   observed    fewer than the average: 3, else 2 (assumed: the figures are a practitioner's, K6406
 *               only says that they follow the count)
 *   predictive  begins with 4 when fewer than the average, else with 1 (likewise assumed). From then
 *               on the trend decides: as many as a second ago leaves the ratio, fewer raise it, more
 *               lower it (K6406), by one and within 1 to 4 (assumed)
 *
 * Each worker looks at all counts itself, at its first pick of a second.
 */
static const uint64_t interval_us = 1000000;

typedef uint8_t ratio_of(const struct balancer_ratio *before, uint32_t in_flight, bool is_below,
                         bool is_first);

static uint8_t observed_ratio(const struct balancer_ratio *before, uint32_t in_flight,
                              bool is_below, bool is_first)
{
    (void)before;
    (void)in_flight;
    (void)is_first;
    return is_below ? 3 : 2;
}

static uint8_t predictive_ratio(const struct balancer_ratio *before, uint32_t in_flight,
                                bool is_below, bool is_first)
{
    if (is_first)
        return is_below ? BALANCER_RATIO_MAX : 1;
    if (in_flight < before->in_flight && before->ratio < BALANCER_RATIO_MAX)
        return before->ratio + 1;
    if (in_flight > before->in_flight && before->ratio > 1)
        return before->ratio - 1;
    return before->ratio;
}

static void look(struct balancer_ratios *ratios, const struct upstream_target *targets,
                 size_t count, ratio_of *ratio)
{
    uint64_t total = 0, usable = 0;

    ratios->highest = 1;
    for (size_t i = 0; i < count; i++) {
        if (!upstream_target_is_usable(&targets[i]))
            continue;
        total += target_in_flight(targets[i].target);
        usable++;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t in_flight = target_in_flight(targets[i].target);
        struct balancer_ratio *item = &ratios->items[i];

        item->ratio = ratio(item, in_flight, in_flight * usable < total, !ratios->has_looked);
        item->in_flight = in_flight;
        if (item->ratio > ratios->highest)
            ratios->highest = item->ratio;
    }
}

static int pick(struct balancer *balancer, const struct upstream_target *targets, size_t count,
                const struct balancer_request *request, ratio_of *ratio)
{
    struct balancer_ratios *ratios = balancer->ratios;

    if (!ratios->has_looked || request->now_us - ratios->looked_at_us >= interval_us) {
        look(ratios, targets, count, ratio);
        ratios->looked_at_us = request->now_us;
        ratios->has_looked = true;
    }
    return balancer_round_robin.pick(balancer, targets, count, request);
}

static int observed_pick(struct balancer *balancer, const struct upstream_target *targets,
                         size_t count, const struct balancer_request *request)
{
    return pick(balancer, targets, count, request, observed_ratio);
}

static int predictive_pick(struct balancer *balancer, const struct upstream_target *targets,
                           size_t count, const struct balancer_request *request)
{
    return pick(balancer, targets, count, request, predictive_ratio);
}

static void free_with_ratios(struct balancer *balancer)
{
    free(balancer->ratios);
    balancer_free_memory(balancer);
}

static struct balancer *create(const struct balancer_ops *ops,
                               const struct balancer_options *options)
{
    struct balancer *balancer = balancer_round_robin.create(options);
    struct balancer_ratios *ratios;

    if (!balancer)
        return NULL;
    ratios = calloc(1, sizeof(*ratios) + options->count * sizeof(ratios->items[0]));
    if (!ratios) {
        balancer_round_robin.free(balancer);
        return NULL;
    }
    balancer->ops = ops;
    balancer->ratios = ratios;
    return balancer;
}

static struct balancer *observed_create(const struct balancer_options *options)
{
    return create(&balancer_observed, options);
}

static struct balancer *predictive_create(const struct balancer_options *options)
{
    return create(&balancer_predictive, options);
}

const struct balancer_ops balancer_observed = {
    .name = "observed",
    .create = observed_create,
    .pick = observed_pick,
    .free = free_with_ratios,
};

const struct balancer_ops balancer_predictive = {
    .name = "predictive",
    .create = predictive_create,
    .pick = predictive_pick,
    .free = free_with_ratios,
};
