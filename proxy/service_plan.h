/*
 * service_plan: what all workers need to reach a service: its targets and its TLS.
 *
 * Role    compiled from one service of the configuration when the hop starts
 * Owns    the shared target records, a reference to the TLS configuration
 * Thread  built on the main thread, then read by all workers (target records by their own rules)
 */
#ifndef PROXY_SERVICE_PLAN_H
#define PROXY_SERVICE_PLAN_H

#include "config/config.h"
#include "lb/resolve.h"
#include "lb/upstream.h"
#include "tls/tls.h"

struct service_plan {
    const struct config_service *service;
    struct upstream_targets *targets;
    struct tls_client_config *tls; /* NULL: plain HTTP */
    char resolve_error[128];       /* why the host has no address; "" when it has one */
};

/* A worker's way to a service. */
struct destination {
    const struct service_plan *plan;
    struct upstream *upstream;
};

/*
 * One plan per service of the configuration, in its order. Names are looked up here, once, before
 * traffic. trusted_pem: authorities for services that name none of their own; NULL: the system's.
 * NULL: error says what is wrong.
 */
struct service_plan *service_plans_create(const struct config *config, const char *trusted_pem,
                                          char *error, size_t error_size);
void service_plans_free(struct service_plan *plans, size_t count);

#endif
