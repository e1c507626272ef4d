#include "lb/passive_health.h"

enum { GATEWAY_TIMEOUT = 504, FIRST_SERVER_ERROR = 500 };

/* False: it says nothing of the target. */
static bool judge_cause(const struct passive_health *passive, const struct passive_outcome *outcome,
                        enum health_counter *ret)
{
    switch (end_reason_info(outcome->reason)->health) {
    case END_HEALTH_TIMEOUT:
        *ret = HEALTH_TIMEOUT;
        return true;
    case END_HEALTH_TCP:
        if (outcome->reused && outcome->status == 0)
            return false; /* its time was up while it was idle: that is no failure */
        *ret = HEALTH_TCP;
        return true;
    case END_HEALTH_HTTP:
        *ret = HEALTH_HTTP;
        return true;
    case END_HEALTH_NONE:
        break;
    }
    return outcome->status > 0 && health_rules_judge(&passive->rules, outcome->status, ret);
}

/* As Kong: balancer.lua when it tries again, handler.lua's log phase at the end. */
static bool judge_status(const struct passive_health *passive,
                         const struct passive_outcome *outcome, enum health_counter *ret)
{
    const struct end_reason_info *info = end_reason_info(outcome->reason);
    unsigned status = outcome->status;

    if (status == 0) {
        if (info->hop != END_HOP_UPSTREAM && info->health == END_HEALTH_NONE)
            return false; /* we or the client ended it: 499 and the like are in no list */
        status = info->status;
    }
    if (status == GATEWAY_TIMEOUT)
        *ret = HEALTH_TIMEOUT;
    else if (outcome->another_follows)
        *ret = HEALTH_TCP;
    else
        return status > 0 && health_rules_judge(&passive->rules, status, ret);
    return true;
}

static bool is_failure(const struct passive_outcome *outcome)
{
    return outcome->status >= FIRST_SERVER_ERROR ||
           end_reason_info(outcome->reason)->health != END_HEALTH_NONE;
}

static bool is_telling(const struct passive_outcome *outcome)
{
    enum end_health health = end_reason_info(outcome->reason)->health;

    return outcome->status > 0 || outcome->connected || health == END_HEALTH_TIMEOUT ||
           (health != END_HEALTH_NONE && !outcome->reused);
}

void passive_health_report(const struct passive_health *passive, struct target *target,
                           const struct passive_outcome *outcome)
{
    struct health_report report = { .rules = &passive->rules,
                                    .source = HEALTH_BY_TRAFFIC,
                                    .status = (uint16_t)outcome->status,
                                    .reason = outcome->reason };

    if (passive->counts_requests && is_telling(outcome)) {
        atomic_fetch_add_explicit(&target->requests, 1, memory_order_relaxed);
        if (is_failure(outcome))
            atomic_fetch_add_explicit(&target->failures, 1, memory_order_relaxed);
    }
    if (!passive->is_on)
        return;
    report.counter = HEALTH_SUCCESS;
    if (outcome->connected        ? true
        : passive->last_by_status ? judge_status(passive, outcome, &report.counter)
                                  : judge_cause(passive, outcome, &report.counter))
        target_health_report(target, &report);
}
