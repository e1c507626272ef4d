#include "lb/balancer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lb/balancer_priv.h"
#include "lb/weighted_draw.h"

enum { DRAWS_MAX = 16 };

const struct balancer_ops *const balancer_policies[] = {
    &balancer_round_robin,
    &balancer_least_connections,
    &balancer_consistent_hashing,
    &balancer_latency,
    NULL,
};

const struct balancer_ops *balancer_find(const char *name)
{
    for (const struct balancer_ops *const *policy = balancer_policies; *policy; policy++)
        if (strcmp((*policy)->name, name) == 0)
            return *policy;
    return NULL;
}

int balancer_pick(struct balancer *balancer, const struct upstream_target *targets, size_t count,
                  const struct balancer_request *request)
{
    int index = balancer->ops->pick(balancer, targets, count, request);
    struct balancer_request again = *request;

    if (index != -ENOENT || request->tried_count == 0)
        return index;
    again.tried_count = 0; /* better one of them again than none */
    return balancer->ops->pick(balancer, targets, count, &again);
}

/* ---- what policies have in common ---------------------------------------------------------- */

void balancer_init(struct balancer *balancer, const struct balancer_ops *ops,
                   const struct balancer_options *options)
{
    balancer->ops = ops;
    balancer->draw = options->draw;
    balancer->slow_start_us = options->slow_start_us;
    balancer->random = options->seed;
}

void balancer_free_memory(struct balancer *balancer)
{
    free(balancer);
}

/* Nobody took it out on purpose. */
static bool may_panic(const struct upstream_target *item)
{
    return item->weight > 0 && !health_word_is_withdrawn(target_health_word(item->target));
}

bool balancer_is_candidate(struct balancer *balancer, const struct upstream_target *item,
                           const struct balancer_request *request)
{
    balancer->looked_at_count++;
    if (item->priority_group < balancer->lowest_group)
        return false;
    if (!upstream_target_is_usable(item) && !(balancer->ignores_health && may_panic(item)))
        return false;
    return !balancer_was_tried(request, item->target);
}

uint32_t balancer_share(const struct balancer *balancer, const struct upstream_target *item,
                        const struct balancer_request *request)
{
    uint64_t up_since_us, age_us;

    if (balancer->slow_start_us == 0)
        return BALANCER_SHARE_FULL;
    up_since_us = target_up_since_us(item->target);
    age_us = request->now_us > up_since_us ? request->now_us - up_since_us : 0;
    if (age_us >= balancer->slow_start_us)
        return BALANCER_SHARE_FULL;
    return 1 + (uint32_t)(age_us * (BALANCER_SHARE_FULL - 1) / balancer->slow_start_us);
}

/* splitmix64 */
uint64_t balancer_random(struct balancer *balancer)
{
    uint64_t value = balancer->random += 0x9e3779b97f4a7c15u;

    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}

/* One look at each target: every candidate takes the place of the former ones with the chance that
 * its weight has against all so far. */
static int scan_draw(struct balancer *balancer, const struct upstream_target *targets, size_t count,
                     const struct balancer_request *request, size_t except)
{
    uint64_t total = 0;
    int drawn = -ENOENT;

    for (size_t i = 0; i < count; i++) {
        uint64_t weight;

        if (i == except || !balancer_is_candidate(balancer, &targets[i], request))
            continue;
        weight = (uint64_t)targets[i].weight * balancer_share(balancer, &targets[i], request);
        total += weight;
        if (balancer_random(balancer) % total < weight)
            drawn = (int)i;
    }
    return drawn;
}

/* A target in its slow start loses so many of its draws that its share is left. */
static bool may_keep_draw(struct balancer *balancer, const struct upstream_target *item,
                          const struct balancer_request *request)
{
    uint32_t share = balancer_share(balancer, item, request);

    return share == BALANCER_SHARE_FULL || balancer_random(balancer) % BALANCER_SHARE_FULL < share;
}

int balancer_draw(struct balancer *balancer, const struct upstream_target *targets, size_t count,
                  const struct balancer_request *request, size_t except, balancer_numbers *numbers)
{
    for (unsigned i = 0; count > BALANCER_SCAN_MAX && i < DRAWS_MAX; i++) {
        size_t drawn = weighted_draw_index(balancer->draw, numbers(balancer));

        if (drawn != except && balancer_is_candidate(balancer, &targets[drawn], request) &&
            may_keep_draw(balancer, &targets[drawn], request))
            return (int)drawn;
    }
    return scan_draw(balancer, targets, count, request, except);
}

int balancer_better_of_two(struct balancer *balancer, const struct upstream_target *targets,
                           size_t count, const struct balancer_request *request,
                           balancer_is_better *is_better)
{
    int first = balancer_draw(balancer, targets, count, request, count, balancer_random), second;

    if (first < 0)
        return first;
    second = balancer_draw(balancer, targets, count, request, (size_t)first, balancer_random);
    return second >= 0 && is_better(&targets[second], &targets[first], request) ? second : first;
}
