/*
 * admin_health: the health of an upstream as Kong's Admin API tells it.
 *
 * Role    GET /upstreams/{u}/health, also with ?balancer_health=1, as pure functions: what is known
 *         in, JSON out; config/ never calls lb/, so whoever asks fills the view
 * Owns    nothing
 * Thread  any
 */
#ifndef CONFIG_ADMIN_HEALTH_H
#define CONFIG_ADMIN_HEALTH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct admin_health_address {
    const char *ip; /* without port */
    uint16_t port;
    uint32_t weight;
    bool is_usable;
};

struct admin_health_target {
    const json_t *entity; /* the target as the Admin API shows it: id, target, weight, ... */
    const char *host;     /* without port */
    uint16_t port;
    const char *dns; /* "A", "AAAA", "SRV", what went wrong, or "unknown" */
    uint32_t weight; /* the target's own: Kong's nodeWeight */
    const struct admin_health_address *addresses; /* none: its name was not found */
    size_t addresses_count;
    bool is_unanswered; /* its name was not asked for long enough ago to have an answer */
};

struct admin_health {
    const char *upstream_id, *node_id;
    bool is_checked; /* else HEALTHCHECKS_OFF */
    bool is_healthy; /* enough weight is available */
    const struct admin_health_target *targets;
    size_t targets_count;
};

/* {"data": [target with "health" and "data"], "next": null, "node_id": ...}. NULL: no memory. */
json_t *admin_health_targets(const struct admin_health *health);

/* The same of the upstream as a whole: "data" is an object with "balancer_health" and "details". */
json_t *admin_health_balancer(const struct admin_health *health);

#endif
