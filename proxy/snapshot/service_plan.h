/*
 * service_plan: what all workers need to reach a service: its targets and its TLS.
 *
 * Role    compiled from one service of the configuration; its targets follow the names in it
 * Owns    the present target set and former ones that are still held, a watch on each name, a
 *         reference to the TLS configuration
 * Thread  the main thread's; workers read `service` and `tls`, which never change, and get target
 *         sets as worker_upstreams
 */
#ifndef PROXY_SERVICE_PLAN_H
#define PROXY_SERVICE_PLAN_H

#include "config/config.h"
#include "lb/resolver.h"
#include "lb/service_load.h"
#include "proxy/snapshot/client_tls.h"
#include "proxy/snapshot/former_plans.h"
#include "proxy/snapshot/health_plan.h"
#include "proxy/snapshot/target_set.h"
#include "tls/tls.h"

struct service_plan {
    const struct config_service *service;
    struct tls_client_config *tls; /* NULL: plain HTTP */
    bool tls_verified;             /* its certificate is checked */
    struct health_plan health;
    struct target_set *set;      /* as of names_version */
    struct watched_name **names; /* of the targets, in their order; or the service's own host */
    size_t names_count;
    uint64_t names_version; /* sum over the names */
    struct service_load *load;
    struct service_load_registry *loads; /* borrowed; `load` is held there */
};

/* A worker's way to a service. */
struct destination {
    const struct service_plan *plan;
    struct worker_upstream *present; /* what new exchanges hold */
};

struct service_plan_options {
    const struct config *config; /* outlives the plans, as all that follows but client_tls */
    struct target_registry *targets;
    struct service_load_registry *loads;
    struct resolver *resolver;
    uint64_t names_wait_ms; /* for names that are not known yet, all together */
    int stop_fd;            /* when it is readable, they are not waited for; -1: none */
    struct client_tls *client_tls;
    struct former_plans former;
};

/*
 * One plan per service of the configuration, in its order. Names that the resolver knows already
 * cost no time. NULL: error says what is wrong.
 */
struct service_plan *service_plans_create(struct service_plan_options *options, char *error,
                                          size_t error_size);
void service_plans_free(struct service_plan *plans, size_t count, struct resolver *resolver);

/* Nobody should have to guess which connections are not verified: logs them, unless they are those of
 * the plans that were in force before. */
void service_plans_tell_unverified(const struct service_plan *plans, size_t count,
                                   const struct service_plan *former, size_t former_count);

/* A name of the plan leads elsewhere than its target set says. */
bool service_plan_is_outdated(const struct service_plan *plan);

/* What the names say now; plan->set is untouched. NULL: no memory. */
struct target_set *service_plan_make_set(const struct service_plan *plan,
                                         struct target_registry *registry);

/* Puts a set in force. */
void service_plan_take_set(struct service_plan *plan, struct target_set **set);

#endif
