/* Monitors: the thread that probes gets the targets of each new configuration, and of changed names. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/log.h"
#include "lb/monitors.h"
#include "lb/target_registry.h"
#include "proxy/gateway/gateway_priv.h"
#include "proxy/snapshot/service_plan.h"

static bool is_looked_after(const struct health_plan *health)
{
    return health->is_monitored || health->outliers.interval_ms > 0;
}

static bool needs_monitors(const struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->config->services_count; i++)
        if (is_looked_after(&snapshot->services[i].health))
            return true;
    return false;
}

bool gateway_prepare_monitors(struct gateway *gateway, const struct snapshot *snapshot)
{
    char error[256];

    if (gateway->monitors || !needs_monitors(snapshot))
        return true;
    gateway->monitors = monitors_start(gateway->hop.tick_ms, error, sizeof(error));
    if (!gateway->monitors)
        snprintf(gateway->error, sizeof(gateway->error), "cannot start the monitors: %s", error);
    return gateway->monitors != NULL;
}

/* Targets of weight 0 are not checked, as in Kong. Returns how many there are; negative: no memory. */
static int ask_targets(const struct service_plan *plan, struct monitored_options *targets,
                       struct health_question *questions)
{
    const struct upstream_targets *all = plan->set->targets;
    int count = 0;

    for (size_t i = 0; i < all->count; i++) {
        if (all->items[i].weight == 0)
            continue;
        targets[count].target = all->items[i].target;
        if (plan->health.is_monitored &&
            !health_plan_ask(&plan->health, all->items[i].target, &questions[count]))
            return -ENOMEM;
        targets[count].request = questions[count].request;
        targets[count].server_name = questions[count].server_name;
        count++;
    }
    return count;
}

static int add_group(struct monitor_plan *into, const struct service_plan *plan)
{
    size_t count = plan->set->targets->count;
    struct monitored_options *targets = calloc(count + 1, sizeof(*targets));
    struct health_question *questions = calloc(count + 1, sizeof(*questions));
    struct monitor_group_options options = {
        .upstream = plan->set->targets->name,
        .monitor = plan->health.is_monitored ? &plan->health.monitor : NULL,
        .outliers = plan->health.outliers.interval_ms > 0 ? &plan->health.outliers : NULL,
        .targets = targets,
    };
    int r = targets && questions ? ask_targets(plan, targets, questions) : -ENOMEM;

    if (r >= 0) {
        options.targets_count = (size_t)r;
        r = monitor_plan_add(into, &options);
    }
    for (size_t i = 0; questions && i < count; i++)
        health_question_done(&questions[i]);
    free(questions);
    free(targets);
    return r;
}

static struct monitor_plan *compile(struct gateway *gateway, const struct snapshot *snapshot)
{
    struct monitor_plan *plan = monitor_plan_create(snapshot->config->services_count);
    const struct sockaddr_storage *bind = snapshot_upstream_bind(snapshot);
    int r = plan ? 0 : -ENOMEM;

    for (size_t i = 0; r >= 0 && i < snapshot->config->services_count; i++)
        if (is_looked_after(&snapshot->services[i].health) && snapshot->services[i].health.is_first)
            r = add_group(plan, &snapshot->services[i]);
    if (r < 0) {
        monitor_plan_free(plan, gateway->hop.targets);
        return NULL;
    }
    plan->has_bind = bind != NULL;
    if (bind)
        plan->bind = *bind;
    monitor_plan_finish(plan);
    return plan;
}

void gateway_switch_monitors(struct gateway *gateway)
{
    struct monitor_plan *plan;

    if (!gateway->monitors || gateway->draining)
        return;
    plan = compile(gateway, gateway_newest(gateway));
    if (!plan) {
        log_error(LOG_LEVEL_CRIT, "no memory for the monitors: the former ones go on");
        return;
    }
    monitor_plan_free(monitors_switch(gateway->monitors, plan), gateway->hop.targets);
}

void gateway_pause_monitors(struct gateway *gateway)
{
    if (gateway->monitors)
        monitor_plan_free(monitors_switch(gateway->monitors, NULL), gateway->hop.targets);
}

void gateway_stop_monitors(struct gateway *gateway)
{
    if (gateway->monitors)
        monitor_plan_free(monitors_stop(TAKE(gateway->monitors)), gateway->hop.targets);
}
