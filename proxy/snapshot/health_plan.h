/*
 * health_plan: how the targets of a service are judged, in the words of lb/.
 *
 * Role    compiled from an upstream of the configuration and from the persona
 * Owns    nothing
 * Thread  filled on the main thread, then read by all
 */
#ifndef PROXY_HEALTH_PLAN_H
#define PROXY_HEALTH_PLAN_H

#include "config/config.h"
#include "lb/passive_health.h"
#include "proxy/persona/persona.h"

struct health_plan {
    bool
        is_checked; /* active, passive, by a monitor or for outliers; else Kong's HEALTHCHECKS_OFF */
    struct passive_health passive;
    bool is_down, panics; /* as last told; the main thread's */
};

/* upstream NULL: nothing is judged. */
void health_plan_init(struct health_plan *plan, const struct config_upstream *upstream,
                      const struct persona *persona);

/* Kong's counts as rules. */
struct health_rules health_plan_rules(const struct config_health_counts *counts);

#endif
