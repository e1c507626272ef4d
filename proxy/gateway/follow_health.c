/* Health of targets: what follows a change, wherever it was made; and the operator's word on it. */
#include <stdio.h>
#include <string.h>

#include "core/addr.h"
#include "core/clock.h"
#include "core/log.h"
#include "lb/monitors.h"
#include "lb/resolver.h"
#include "lb/target_health.h"
#include "lb/target_registry.h"
#include "lb/waiting_line.h"
#include "proxy/gateway/gateway_priv.h"
#include "proxy/snapshot/service_plan.h"
#include "proxy/worker/worker.h"

/* Changes come in groups; they are followed up at most 20 times a second. */
enum { FOLLOW_INTERVAL_MS = 50 };

static void on_change(void *owner)
{
    hop_ring_doorbell(owner);
}

void gateway_watch_health(struct gateway *gateway)
{
    struct health_board *board = target_registry_board(gateway->hop.targets);

    board->owner = &gateway->hop;
    board->on_change = on_change;
}

static uint64_t changes_of(const struct gateway *gateway)
{
    return atomic_load_explicit(&target_registry_board(gateway->hop.targets)->changes,
                                memory_order_acquire);
}

/* ---- upstreams ----------------------------------------------------------------------------- */

static void tell_change(const struct upstream_targets *targets,
                        const struct upstream_health *health, bool was_healthy)
{
    if (health->is_healthy != was_healthy)
        log_error(LOG_LEVEL_WARN,
                  "[healthchecks] balancer default:%s reported health status changed to %s",
                  targets->name, health->is_healthy ? "HEALTHY" : "UNHEALTHY");
}

static void tell_panic(const struct upstream_targets *targets, const struct upstream_health *health)
{
    const char *told = targets->panic_percent > 0 ? "below its panic_threshold: health is not"
                                                  : "and so all are asked: health is not";

    if (health->panics)
        log_error(LOG_LEVEL_WARN,
                  "upstream %s: %zu of %zu targets are usable, %s looked at until more are",
                  targets->name, health->usable_count, health->count, told);
    else
        log_error(LOG_LEVEL_NOTICE,
                  "upstream %s: %zu of %zu targets are usable, health is looked at again",
                  targets->name, health->usable_count, health->count);
}

static void look_at_upstreams(const struct snapshot *snapshot, bool tells)
{
    for (size_t i = 0; i < snapshot->config->services_count; i++) {
        struct service_plan *plan = &snapshot->services[i];
        struct upstream_health health;

        if (!plan->health.is_first)
            continue;
        health = upstream_targets_health(plan->set->targets);
        if (tells)
            tell_change(plan->set->targets, &health, !plan->health.is_down);
        if (tells && health.panics != plan->health.panics)
            tell_panic(plan->set->targets, &health);
        plan->health.is_down = !health.is_healthy;
        plan->health.panics = health.panics;
    }
}

void gateway_note_health(const struct snapshot *snapshot)
{
    look_at_upstreams(snapshot, false);
}

/* What nobody will take back any more. */
static void forget(const struct health_plan *health, struct target *target)
{
    static const struct health_verdict healthy = { .is_healthy = true,
                                                   .source = HEALTH_BY_HAND,
                                                   .because = "it is not checked any more" };
    uint64_t word = target_health_word(target);

    if (!health->is_checked && word & (HEALTH_BAD_STATE | HEALTH_DISABLED | HEALTH_EJECTED))
        target_health_set(target, &healthy);
    else if (health->outliers.interval_ms == 0 && word & HEALTH_EJECTED)
        target_health_eject(target, &(struct health_ejection){ .is_ejected = false });
    else if (!(health->is_monitored && health->monitor.judge == MONITOR_BY_RECEIVE) &&
             word & HEALTH_DISABLED)
        target_health_set(target, &healthy);
    else if (!health->is_monitored && word & HEALTH_BAD_STATE &&
             target_health_source(target) == HEALTH_BY_MONITOR)
        target_health_set(target, &healthy); /* it gets no traffic that could tell */
}

void gateway_forget_health(const struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->config->services_count; i++) {
        const struct upstream_targets *targets = snapshot->services[i].set->targets;

        for (size_t k = 0; snapshot->services[i].health.is_first && k < targets->count; k++)
            forget(&snapshot->services[i].health, targets->items[k].target);
    }
}

/* ---- following ----------------------------------------------------------------------------- */

static void close_idle(struct worker *worker, void *argument)
{
    (void)argument;
    if (worker->pool)
        conn_pool_close_down(worker->pool);
}

void gateway_follow_health(struct gateway *gateway)
{
    uint64_t changes = changes_of(gateway), now_ms = clock_now_ms();

    if (changes == gateway->health_changes || now_ms < gateway->health_changes_at_ms)
        return;
    gateway->health_changes = changes;
    gateway->health_changes_at_ms = now_ms + FOLLOW_INTERVAL_MS;
    look_at_upstreams(gateway_newest(gateway), true);
    if (gateway->monitors)
        monitors_wake(gateway->monitors);
    waiting_lines_call_all(gateway->hop.waiting_lines);
    for (unsigned i = 0; i < gateway->workers_started; i++)
        (void)worker_call(&gateway->workers[i], close_idle, NULL); /* ended: it has none */
}

int gateway_health_timeout_ms(const struct gateway *gateway)
{
    return changes_of(gateway) == gateway->health_changes ? -1 : FOLLOW_INTERVAL_MS;
}

/* ---- by hand ------------------------------------------------------------------------------- */

static json_t *refuse(const char *format, const char *word)
{
    char error[512];

    snprintf(error, sizeof(error), format, word);
    return json_pack("{s:b, s:s}", "ok", 0, "error", error);
}

/* By its name, or one of its addresses. */
static bool is_meant(const struct target *target, const char *word)
{
    char address[ADDR_TEXT_MAX];

    return strcmp(target->name, word) == 0 ||
           strcmp(addr_format(&target->address, address, sizeof(address)), word) == 0;
}

/* Returns how many there are; *ret_upstream_known: of the upstream there is at least a name. */
static size_t force(const struct snapshot *snapshot, const char *const words[2],
                    enum health_forced forced, bool *ret_upstream_known)
{
    size_t count = 0;

    for (size_t i = 0; i < snapshot->config->services_count; i++) {
        const struct upstream_targets *targets = snapshot->services[i].set->targets;

        if (!snapshot->services[i].health.is_first || strcmp(targets->name, words[0]) != 0)
            continue;
        *ret_upstream_known = true;
        for (size_t k = 0; k < targets->count; k++) {
            if (!is_meant(targets->items[k].target, words[1]))
                continue;
            target_health_force(targets->items[k].target, forced);
            count++;
        }
    }
    return count;
}

json_t *gateway_set_target(struct gateway *gateway, const json_t *request)
{
    const char *action = json_string_value(json_object_get(request, "action"));
    const char *words[2] = { json_string_value(json_object_get(request, "upstream")),
                             json_string_value(json_object_get(request, "target")) };
    const char *state = json_string_value(json_object_get(request, "state"));
    bool is_known = false;
    enum health_forced forced;
    size_t count;

    if (!action || strcmp(action, "set") != 0 || !words[0] || !words[1] || !state)
        return refuse("target set UPSTREAM TARGET %s", "healthy|unhealthy|drain|disable|auto");
    if (!health_forced_parse(state, &forced))
        return refuse("\"%s\" is none of healthy, unhealthy, drain, disable, auto", state);
    count = force(gateway_newest(gateway), words, forced, &is_known);
    if (count == 0)
        return is_known
                   ? refuse("the upstream has no target \"%s\"; `hopgate show targets` lists them",
                            words[1])
                   : refuse("no service leads to an upstream \"%s\"; `hopgate show targets` lists "
                            "them",
                            words[0]);
    return json_pack("{s:b, s:s, s:s, s:s, s:I}", "ok", 1, "upstream", words[0], "target", words[1],
                     "state", state, "addresses", (json_int_t)count);
}
