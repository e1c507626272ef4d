/*
 * health_plan: how the targets of a service are judged, in the words of lb/.
 *
 * Role    compiled from an upstream of the configuration and from the persona
 * Owns    the TLS configuration of its probes
 * Thread  filled on the main thread; `passive` is then read by all, the rest by the main thread
 */
#ifndef PROXY_HEALTH_PLAN_H
#define PROXY_HEALTH_PLAN_H

#include "config/config.h"
#include "lb/monitor_settings.h"
#include "lb/outlier.h"
#include "lb/passive_health.h"
#include "lb/upstream.h"
#include "proxy/persona/persona.h"
#include "proxy/snapshot/client_tls.h"

struct health_plan {
    bool
        is_checked; /* active, passive, by a monitor or for outliers; else Kong's HEALTHCHECKS_OFF */
    struct passive_health passive;
    bool is_down, panics;                   /* as last told */
    const struct config_upstream *upstream; /* NULL: none */
    bool is_first; /* of the services that lead to this upstream: it stands for all of them */
    bool is_monitored;
    struct monitor_options monitor;  /* its texts are the configuration's */
    struct outlier_options outliers; /* interval_ms 0: outliers are not looked for */
};

/* upstream NULL: nothing is judged. False: reterr; done is due in either case. */
bool health_plan_init(struct health_plan *plan, const struct config_upstream *upstream,
                      struct client_tls *client_tls, struct tls_error *reterr);
/* The same with the TLS of a former plan, whose upstream and persona were what these are. */
void health_plan_init_as(struct health_plan *plan, const struct config_upstream *upstream,
                         const struct persona *persona, const struct health_plan *former);
void health_plan_done(struct health_plan *plan);

/* What a target is asked, and by which name its certificate is verified; malloc'ed. */
struct health_question {
    char *request, *server_name; /* NULL: none */
};

/* False: no memory. */
bool health_plan_ask(const struct health_plan *plan, const struct target *target,
                     struct health_question *ret);
void health_question_done(struct health_question *question);

/* Kong's counts as rules. */
struct health_rules health_plan_rules(const struct config_health_counts *counts);

#endif
