#include "lb/priority_groups.h"

#include <errno.h>
#include <stdlib.h>

#include "lb/weighted_draw.h"

static int highest_first(const void *left, const void *right, void *targets)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    uint32_t group_a = ((const struct upstream_target *)targets)[a].priority_group;
    uint32_t group_b = ((const struct upstream_target *)targets)[b].priority_group;

    return group_a != group_b ? (group_a < group_b) - (group_a > group_b) : (a > b) - (a < b);
}

static bool are_one_group(const struct upstream_target *targets, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (targets[i].priority_group != targets[0].priority_group)
            return false;
    return true;
}

static int add_draw(struct priority_groups *groups, struct upstream_target *copy,
                    const struct upstream_target *targets, uint32_t lowest_group)
{
    struct weighted_draw *draw;

    for (size_t i = 0; i < groups->count; i++) {
        copy[i] = targets[i];
        if (copy[i].priority_group < lowest_group)
            copy[i].weight = 0;
    }
    draw = weighted_draw_create(copy, groups->count);
    if (!draw)
        return -ENOMEM;
    groups->draws[groups->draws_count++] = (struct priority_draw){ lowest_group, draw };
    return 0;
}

static int add_draws(struct priority_groups *groups, const struct upstream_target *targets)
{
    struct upstream_target *copy = calloc(groups->count, sizeof(*copy));
    int r = copy ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < groups->count; i++) {
        uint32_t group = targets[groups->order[i]].priority_group;

        if (groups->draws_count == PRIORITY_DRAWS_MAX)
            break;
        if (i == 0 || group != targets[groups->order[i - 1]].priority_group)
            r = add_draw(groups, copy, targets, group);
    }
    free(copy);
    return r;
}

int priority_groups_init(struct priority_groups *groups, const struct upstream_target *targets,
                         size_t count, uint32_t min_active)
{
    if (are_one_group(targets, count))
        return 0;
    groups->order = calloc(count, sizeof(*groups->order));
    if (!groups->order)
        return -ENOMEM;
    groups->count = count;
    groups->min_active = min_active;
    for (size_t i = 0; i < count; i++)
        groups->order[i] = (uint32_t)i;
    qsort_r(groups->order, count, sizeof(*groups->order), highest_first, (void *)targets);
    return count > BALANCER_SCAN_MAX ? add_draws(groups, targets) : 0;
}

void priority_groups_done(struct priority_groups *groups)
{
    for (size_t i = 0; i < groups->draws_count; i++)
        weighted_draw_free(groups->draws[i].draw);
    free(groups->order);
    *groups = (struct priority_groups){ 0 };
}

uint32_t priority_groups_lowest(const struct priority_groups *groups,
                                const struct upstream_target *targets)
{
    uint32_t usable = 0, group = 0;

    for (size_t i = 0; i < groups->count; i++) {
        const struct upstream_target *item = &targets[groups->order[i]];

        if (i > 0 && item->priority_group != group && usable >= groups->min_active)
            return group;
        group = item->priority_group;
        usable += upstream_target_is_usable(item);
    }
    return 0;
}

const struct weighted_draw *priority_groups_draw(const struct priority_groups *groups,
                                                 uint32_t lowest_group)
{
    for (size_t i = 0; i < groups->draws_count; i++)
        if (groups->draws[i].lowest_group == lowest_group)
            return groups->draws[i].draw;
    return NULL;
}
