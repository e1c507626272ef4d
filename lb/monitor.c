#include "lb/monitor.h"

#include "lb/target_health.h"

/* Not whether it gets requests: what is forced or ejected is probed by what checks say of it. */
static bool is_up(const struct monitor *monitor)
{
    return (target_health_word(monitor->target) & HEALTH_BAD_STATE) == 0;
}

static bool is_by_receive(const struct monitor *monitor)
{
    return monitor->settings->options.judge == MONITOR_BY_RECEIVE;
}

static uint64_t interval_ms(const struct monitor *monitor)
{
    const struct monitor_options *options = &monitor->settings->options;

    return is_up(monitor) ? options->healthy_interval_ms : options->unhealthy_interval_ms;
}

void monitor_begin(struct monitor *monitor, uint64_t now_ms, double spread)
{
    uint64_t interval = interval_ms(monitor);

    monitor->started_at_ms = monitor->success_since_ms = 0;
    monitor->last_success_at_ms = now_ms;
    /* an interval of 0 may become another one later: the probe is due at once then */
    monitor->first_at_ms = now_ms + (uint64_t)((double)interval * spread);
}

uint64_t monitor_probe_at(const struct monitor *monitor)
{
    uint64_t interval = interval_ms(monitor);

    if (interval == 0)
        return MONITOR_NEVER;
    return monitor->started_at_ms > 0 ? monitor->started_at_ms + interval : monitor->first_at_ms;
}

uint64_t monitor_look_at(const struct monitor *monitor)
{
    if (!is_by_receive(monitor) || !is_up(monitor))
        return MONITOR_NEVER;
    return monitor->last_success_at_ms + monitor->settings->options.timeout_ms;
}

uint64_t monitor_probe_timeout(const struct monitor *monitor, uint64_t now_ms,
                               bool *ret_is_deadline)
{
    uint64_t timeout_ms = monitor->settings->options.timeout_ms;
    uint64_t look_at_ms = monitor_look_at(monitor);

    *ret_is_deadline = is_by_receive(monitor);
    if (look_at_ms != MONITOR_NEVER)
        timeout_ms = look_at_ms > now_ms ? look_at_ms - now_ms : 1;
    return timeout_ms > 0 ? timeout_ms : 1;
}

/* ---- verdicts ------------------------------------------------------------------------------ */

static void take_down(struct monitor *monitor, const char *because)
{
    if (is_up(monitor))
        target_health_set(monitor->target, &(struct health_verdict){ .source = HEALTH_BY_MONITOR,
                                                                     .because = because });
}

static void bring_up(struct monitor *monitor, bool is_disabled)
{
    bool was_disabled = target_health_word(monitor->target) & HEALTH_DISABLED;

    if (!is_up(monitor) || is_disabled != was_disabled)
        target_health_set(monitor->target,
                          &(struct health_verdict){
                              .is_healthy = true,
                              .is_disabled = is_disabled,
                              .source = HEALTH_BY_MONITOR,
                              .because = is_disabled
                                             ? "its probe's answer has the receive_disable string"
                                             : "its probe is answered as it should be" });
}

void monitor_look(struct monitor *monitor, uint64_t now_ms)
{
    if (now_ms >= monitor_look_at(monitor))
        take_down(monitor, "no probe was answered as it should be for the monitor's timeout");
}

static void judge_receive(struct monitor *monitor, const struct monitor_outcome *outcome,
                          uint64_t now_ms)
{
    if (outcome->result != MONITOR_SUCCESS) {
        monitor->success_since_ms = 0;
        if (outcome->is_refused)
            take_down(monitor, "its probe was refused");
        else if (outcome->is_reversed)
            take_down(monitor, "its probe's answer has what the reversed monitor looks for");
        else
            monitor_look(monitor, now_ms);
        return;
    }
    monitor->last_success_at_ms = now_ms;
    if (monitor->success_since_ms == 0)
        monitor->success_since_ms = now_ms;
    if (is_up(monitor) ||
        now_ms - monitor->success_since_ms >= monitor->settings->options.time_until_up_ms)
        bring_up(monitor, outcome->is_disabled);
}

static void judge_count(struct monitor *monitor, const struct monitor_outcome *outcome)
{
    static const enum health_counter counters[MONITOR_RESULTS] = {
        [MONITOR_SUCCESS] = HEALTH_SUCCESS,
        [MONITOR_HTTP_FAILURE] = HEALTH_HTTP,
        [MONITOR_TCP_FAILURE] = HEALTH_TCP,
        [MONITOR_TIMEOUT] = HEALTH_TIMEOUT,
    };

    if (outcome->result == MONITOR_NO_MATCH)
        return; /* a status in no list */
    target_health_report(monitor->target,
                         &(struct health_report){ .rules = &monitor->settings->options.rules,
                                                  .source = HEALTH_BY_MONITOR,
                                                  .counter = counters[outcome->result],
                                                  .status = outcome->status,
                                                  .reason = outcome->reason });
}

void monitor_on_outcome(struct monitor *monitor, const struct monitor_outcome *outcome,
                        uint64_t now_ms)
{
    if (outcome->is_ours)
        return;
    atomic_fetch_add_explicit(&monitor->target->probes[outcome->result], 1, memory_order_relaxed);
    if (is_by_receive(monitor))
        judge_receive(monitor, outcome, now_ms);
    else
        judge_count(monitor, outcome);
}
