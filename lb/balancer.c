#include "lb/balancer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lb/balancer_priv.h"
#include "lb/weighted_draw.h"

enum { DRAWS_MAX = 16 };

const struct balancer_ops *const balancer_policies[] = {
    &balancer_round_robin,        &balancer_least_connections,
    &balancer_consistent_hashing, &balancer_latency,
    &balancer_random_of_two,      &balancer_fastest,
    &balancer_observed,           &balancer_predictive,
    &balancer_least_sessions,     NULL,
};

const struct balancer_ops *balancer_find(const char *name)
{
    for (const struct balancer_ops *const *policy = balancer_policies; *policy; policy++)
        if (strcmp((*policy)->name, name) == 0)
            return *policy;
    return NULL;
}

static bool are_several_usable(const struct upstream_target *targets, size_t count)
{
    size_t usable_count = 0;

    for (size_t i = 0; i < count && usable_count < 2; i++)
        usable_count += upstream_target_is_usable(&targets[i]);
    return usable_count > 1;
}

/* Nothing was tried yet, as far as this policy is concerned. */
static bool forgets(const struct balancer *balancer, const struct upstream_target *targets,
                    size_t count, const struct balancer_request *request)
{
    if (request->tried_count == 0 || !request->policy_decides)
        return false;
    return balancer->ops->retry == BALANCER_RETRY_FORGETS ||
           (balancer->ops->retry == BALANCER_RETRY_ENDS && !are_several_usable(targets, count));
}

/* The highest group below those in use that has a target for this request: a backup is asked when all
 * others were tried (nginx). */
static int pick_below(struct balancer *balancer, const struct upstream_target *targets,
                      size_t count, const struct balancer_request *request)
{
    const uint32_t in_use = balancer->lowest_group;
    uint32_t next = 0;
    int index;

    for (size_t i = 0; i < count; i++)
        if (targets[i].priority_group < in_use && targets[i].priority_group > next &&
            upstream_target_is_usable(&targets[i]) &&
            !balancer_was_tried(request, targets[i].target))
            next = targets[i].priority_group;
    if (in_use == 0)
        return -ENOENT;
    balancer->lowest_group = next;
    index = balancer->ops->pick(balancer, targets, count, request);
    balancer->lowest_group = in_use;
    return index;
}

int balancer_pick(struct balancer *balancer, const struct upstream_target *targets, size_t count,
                  const struct balancer_request *request)
{
    bool forgotten = forgets(balancer, targets, count, request);
    struct balancer_request again = *request;
    int index = -ENOENT;

    if (!forgotten)
        index = balancer->ops->pick(balancer, targets, count, request);
    if (!forgotten && (index != -ENOENT || request->tried_count == 0))
        return index;
    if (!forgotten && request->policy_decides && balancer->ops->retry == BALANCER_RETRY_ENDS)
        return index;
    if (!request->policy_decides)
        index = pick_below(balancer, targets, count, request);
    if (index != -ENOENT)
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
    balancer->first = options->count > 0 ? options->seed % options->count : 0;
}

struct balancer *balancer_create_plain(const struct balancer_ops *ops,
                                       const struct balancer_options *options)
{
    struct balancer *balancer = calloc(1, sizeof(*balancer));

    if (balancer)
        balancer_init(balancer, ops, options);
    return balancer;
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
    if (balancer_was_tried(request, item->target))
        return false;
    if (target_is_full(item->target, item->max_requests)) {
        balancer->full_count++;
        return false;
    }
    return true;
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

uint64_t balancer_weight(const struct balancer *balancer, const struct upstream_target *targets,
                         size_t index, const struct balancer_request *request)
{
    uint64_t ratio = balancer->ratios ? balancer->ratios->items[index].ratio : 1;

    return ratio * targets[index].weight * balancer_share(balancer, &targets[index], request);
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
        weight = balancer_weight(balancer, targets, i, request);
        total += weight;
        if (balancer_random(balancer) % total < weight)
            drawn = (int)i;
    }
    return drawn;
}

/* A target in its slow start, or with less than the best ratio, loses so many of its draws that its
 * part is left. */
static bool may_keep_draw(struct balancer *balancer, const struct upstream_target *targets,
                          size_t drawn, const struct balancer_request *request)
{
    const struct balancer_ratios *ratios = balancer->ratios;
    uint32_t share = balancer_share(balancer, &targets[drawn], request);

    if (ratios && balancer_random(balancer) % ratios->highest >= ratios->items[drawn].ratio)
        return false;
    return share == BALANCER_SHARE_FULL || balancer_random(balancer) % BALANCER_SHARE_FULL < share;
}

int balancer_draw(struct balancer *balancer, const struct upstream_target *targets, size_t count,
                  const struct balancer_request *request, size_t except, balancer_numbers *numbers)
{
    int lost = -ENOENT; /* its draw, but it may be picked: better than a look at each */

    for (unsigned i = 0; count > BALANCER_SCAN_MAX && i < DRAWS_MAX; i++) {
        size_t drawn = weighted_draw_index(balancer->draw, numbers(balancer));

        if (drawn == except || !balancer_is_candidate(balancer, &targets[drawn], request))
            continue;
        if (may_keep_draw(balancer, targets, drawn, request))
            return (int)drawn;
        lost = (int)drawn;
    }
    return lost >= 0 ? lost : scan_draw(balancer, targets, count, request, except);
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

/* Draws see to the weights of idle targets, so the request to come does not count here. */
bool balancer_is_less_loaded(const struct upstream_target *a, const struct upstream_target *than,
                             const struct balancer_request *request)
{
    (void)request;
    return (uint64_t)target_in_flight(a->target) * than->weight <
           (uint64_t)target_in_flight(than->target) * a->weight;
}

static int scan_lightest(struct balancer *balancer, const struct upstream_target *targets,
                         size_t count, const struct balancer_request *request,
                         const struct balancer_measure *measure)
{
    struct balancer_load best_load = { 0, 1 };
    size_t best = count;

    for (size_t i = 0; i < count; i++) {
        size_t at = (balancer->first + i) % count;
        struct balancer_load load;

        if (!balancer_is_candidate(balancer, &targets[at], request))
            continue;
        load = measure->load_of(balancer, &targets[at], request);
        if (best < count && load.count * best_load.weight >= best_load.count * load.weight)
            continue;
        best = at;
        best_load = load;
    }
    if (best == count)
        return -ENOENT;
    balancer->first = best + 1;
    return (int)best;
}

int balancer_lightest(struct balancer *balancer, const struct upstream_target *targets,
                      size_t count, const struct balancer_request *request,
                      const struct balancer_measure *measure)
{
    return count > BALANCER_SCAN_MAX
               ? balancer_better_of_two(balancer, targets, count, request, measure->is_better)
               : scan_lightest(balancer, targets, count, request, measure);
}
