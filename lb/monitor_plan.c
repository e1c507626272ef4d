#include "lb/monitor_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct monitor_plan *monitor_plan_create(size_t groups_max)
{
    struct monitor_plan *plan = calloc(1, sizeof(*plan));

    if (!plan)
        return NULL;
    plan->groups = calloc(groups_max > 0 ? groups_max : 1, sizeof(*plan->groups));
    if (plan->groups)
        return plan;
    free(plan);
    return NULL;
}

/* False: no memory. */
static bool copy_text(const char *text, char **ret)
{
    *ret = text ? strdup(text) : NULL;
    return !text || *ret;
}

static int add_target(struct monitor_group *group, const struct monitored_options *options)
{
    struct monitored *item = &group->items[group->count++];

    item->monitor.target = target_registry_hold(options->target);
    item->monitor.settings = group->settings;
    return copy_text(options->request, &item->request) &&
                   copy_text(options->server_name, &item->server_name)
               ? 0
               : -ENOMEM;
}

static int compare_targets(const void *a, const void *b)
{
    const struct target *one = ((const struct monitored *)a)->monitor.target;
    const struct target *other = ((const struct monitored *)b)->monitor.target;

    return (one > other) - (one < other);
}

int monitor_plan_add(struct monitor_plan *plan, const struct monitor_group_options *options)
{
    struct monitor_group *group = &plan->groups[plan->count++];
    int r = 0;

    group->upstream = strdup(options->upstream);
    group->items = calloc(options->targets_count + 1, sizeof(*group->items));
    if (!group->upstream || !group->items)
        return -ENOMEM;
    if (options->monitor) {
        group->settings = monitor_settings_create(options->monitor);
        if (!group->settings)
            return -ENOMEM;
    }
    if (options->outliers)
        group->outliers.options = *options->outliers;
    for (size_t i = 0; r == 0 && i < options->targets_count; i++)
        r = add_target(group, &options->targets[i]);
    qsort(group->items, group->count, sizeof(*group->items), compare_targets);
    return r;
}

static int compare_groups(const void *a, const void *b)
{
    return strcmp(((const struct monitor_group *)a)->upstream,
                  ((const struct monitor_group *)b)->upstream);
}

void monitor_plan_finish(struct monitor_plan *plan)
{
    qsort(plan->groups, plan->count, sizeof(*plan->groups), compare_groups);
    for (size_t i = 0; i < plan->count; i++)
        for (size_t k = 0; k < plan->groups[i].count; k++)
            plan->groups[i].items[k].group = &plan->groups[i];
}

void monitor_plan_free(struct monitor_plan *plan, struct target_registry *registry)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->count; i++) {
        struct monitor_group *group = &plan->groups[i];

        for (size_t k = 0; k < group->count; k++) {
            target_registry_release(registry, group->items[k].monitor.target);
            free(group->items[k].request);
            free(group->items[k].server_name);
        }
        free(group->items);
        free(group->upstream);
        monitor_settings_free(group->settings);
    }
    free(plan->groups);
    free(plan);
}
