#include "proxy/snapshot/health_plan.h"

#include <assert.h>
#include <string.h>

struct health_rules health_plan_rules(const struct config_health_counts *counts)
{
    struct health_rules rules = { .limits = {
                                      [HEALTH_SUCCESS] = counts->successes,
                                      [HEALTH_HTTP] = counts->http_failures,
                                      [HEALTH_TCP] = counts->tcp_failures,
                                      [HEALTH_TIMEOUT] = counts->timeouts,
                                  } };

    static_assert(sizeof(rules.healthy.bits) == sizeof(counts->healthy.bits),
                  "both number the statuses alike");
    memcpy(rules.healthy.bits, counts->healthy.bits, sizeof(rules.healthy.bits));
    memcpy(rules.unhealthy.bits, counts->unhealthy.bits, sizeof(rules.unhealthy.bits));
    return rules;
}

void health_plan_init(struct health_plan *plan, const struct config_upstream *upstream,
                      const struct persona *persona)
{
    const struct config_healthchecks *checks;
    struct passive_health *passive = &plan->passive;

    *plan = (struct health_plan){ 0 };
    if (!upstream)
        return;
    checks = &upstream->healthchecks;
    passive->rules = health_plan_rules(&checks->passive.counts);
    passive->last_by_status = persona->upstream.passive == PERSONA_PASSIVE_STATUS;
    passive->counts_requests = upstream->outliers.interval_ms > 0;
    /* as in Kong: an interval, or a limit of failures; then successes count as well */
    plan->is_checked = checks->active.healthy_interval_ms > 0 ||
                       checks->active.unhealthy_interval_ms > 0 ||
                       health_rules_can_fail(&passive->rules) || upstream->monitor.type ||
                       passive->counts_requests;
    passive->is_on =
        health_rules_can_fail(&passive->rules) || passive->rules.limits[HEALTH_SUCCESS] > 0;
}
