#include <stdlib.h>

#include "lb/balancer_priv.h"
#include "lb/session_table.h"
#include "lb/target_index.h"

/*
 * F5's least-sessions: the target with the fewest persistence entries. Only clients without an entry
 * come here, so each pick adds one; what ended meanwhile is counted anew once a second, over the whole
 * table. Weights play no part (a weight of 0 still means never). Without a table, or before it has
 * entries, targets take turns.
 */
static const uint64_t interval_us = 1000000;

struct least_sessions {
    struct balancer balancer;
    struct session_table *sessions; /* borrowed, as the next two; or NULL */
    const struct target_index *index;
    const struct upstream_target *targets;
    uint64_t counted_at_us;
    bool has_counted;
    uint32_t counts[]; /* of each target */
};

static void count_entry(void *asker, const struct target *target)
{
    struct least_sessions *policy = asker;
    int index = target_index_of(policy->index, target);

    if (index >= 0)
        policy->counts[index]++;
}

static void count_all(struct least_sessions *policy, size_t count, uint64_t now_us)
{
    if (!policy->sessions || (policy->has_counted && now_us - policy->counted_at_us < interval_us))
        return;
    for (size_t i = 0; i < count; i++)
        policy->counts[i] = 0;
    session_table_each(policy->sessions, now_us / 1000, count_entry, policy);
    policy->counted_at_us = now_us;
    policy->has_counted = true;
}

static uint32_t sessions_of(const struct balancer *balancer, const struct upstream_target *item)
{
    const struct least_sessions *policy = (const struct least_sessions *)balancer;

    return policy->counts[item - policy->targets];
}

static struct balancer_load load_of(const struct balancer *balancer,
                                    const struct upstream_target *item,
                                    const struct balancer_request *request)
{
    return (struct balancer_load){ (uint64_t)sessions_of(balancer, item) + 1,
                                   balancer_share(balancer, item, request) };
}

static bool has_fewer(const struct balancer *balancer, const struct upstream_target *a,
                      const struct upstream_target *than)
{
    return sessions_of(balancer, a) < sessions_of(balancer, than);
}

static int least_sessions_pick(struct balancer *balancer, const struct upstream_target *targets,
                               size_t count, const struct balancer_request *request)
{
    static const struct balancer_measure sessions = { .load_of = load_of };
    struct least_sessions *policy = (struct least_sessions *)balancer;
    int first, second;

    count_all(policy, count, request->now_us);
    if (count > BALANCER_SCAN_MAX) {
        first = balancer_draw(balancer, targets, count, request, count, balancer_random);
        if (first < 0)
            return first;
        second = balancer_draw(balancer, targets, count, request, (size_t)first, balancer_random);
        if (second >= 0 && has_fewer(balancer, &targets[second], &targets[first]))
            first = second;
    } else {
        first = balancer_lightest(balancer, targets, count, request, &sessions);
    }
    if (first >= 0)
        policy->counts[first]++;
    return first;
}

static struct balancer *least_sessions_create(const struct balancer_options *options)
{
    struct least_sessions *policy =
        calloc(1, sizeof(*policy) + options->count * sizeof(policy->counts[0]));

    if (!policy)
        return NULL;
    balancer_init(&policy->balancer, &balancer_least_sessions, options);
    policy->sessions = options->index ? options->sessions : NULL;
    policy->index = options->index;
    policy->targets = options->targets;
    return &policy->balancer;
}

const struct balancer_ops balancer_least_sessions = {
    .name = "least-sessions",
    .create = least_sessions_create,
    .pick = least_sessions_pick,
    .free = balancer_free_memory,
};
