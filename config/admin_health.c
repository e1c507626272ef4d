#include "config/admin_health.h"

struct weights {
    uint64_t total, available;
};

static struct weights weights_of(const struct admin_health_target *target)
{
    struct weights weights = { 0 };

    for (size_t i = 0; i < target->addresses_count; i++) {
        weights.total += target->addresses[i].weight;
        if (target->addresses[i].is_usable)
            weights.available += target->addresses[i].weight;
    }
    return weights;
}

static json_t *weights_json(struct weights weights)
{
    return json_pack("{s:I, s:I, s:I}", "total", (json_int_t)weights.total, "available",
                     (json_int_t)weights.available, "unavailable",
                     (json_int_t)(weights.total - weights.available));
}

static bool is_off(const struct admin_health *health, const struct admin_health_target *target)
{
    return !health->is_checked || target->weight == 0;
}

static const char *state_of(const struct admin_health *health,
                            const struct admin_health_target *target)
{
    if (target->addresses_count == 0 && !target->is_unanswered)
        return "DNS_ERROR";
    if (is_off(health, target))
        return "HEALTHCHECKS_OFF";
    for (size_t i = 0; i < target->addresses_count; i++)
        if (target->addresses[i].is_usable)
            return "HEALTHY";
    return "UNHEALTHY";
}

/* ---- by target ----------------------------------------------------------------------------- */

static json_t *address_json(const struct admin_health *health,
                            const struct admin_health_target *target,
                            const struct admin_health_address *address)
{
    const char *state = is_off(health, target) ? "HEALTHCHECKS_OFF"
                        : address->is_usable   ? "HEALTHY"
                                               : "UNHEALTHY";

    return json_pack("{s:s, s:i, s:I, s:s}", "ip", address->ip, "port", (int)address->port,
                     "weight", (json_int_t)address->weight, "health", state);
}

/* Of a host; addresses is taken. */
static json_t *host_json(const struct admin_health_target *target, json_t *addresses)
{
    return json_pack("{s:s, s:i, s:s, s:I, s:o, s:o}", "host", target->host, "port",
                     (int)target->port, "dns", target->dns, "nodeWeight",
                     (json_int_t)target->weight, "weight", weights_json(weights_of(target)),
                     "addresses", addresses);
}

static json_t *target_json(const struct admin_health *health,
                           const struct admin_health_target *target)
{
    json_t *addresses = json_array(), *entry = json_copy((json_t *)target->entity);

    for (size_t i = 0; i < target->addresses_count; i++)
        (void)json_array_append_new(addresses, /* what is missing shows in the length below */
                                    address_json(health, target, &target->addresses[i]));
    if (!entry || json_array_size(addresses) != target->addresses_count) {
        json_decref(addresses);
        json_decref(entry);
        return NULL;
    }
    if (json_object_set_new(entry, "health", json_string(state_of(health, target))) == 0 &&
        json_object_set_new(entry, "data", host_json(target, addresses)) == 0)
        return entry;
    json_decref(entry);
    return NULL;
}

json_t *admin_health_targets(const struct admin_health *health)
{
    json_t *data = json_array();

    for (size_t i = 0; data && i < health->targets_count; i++) {
        if (json_array_append_new(data, target_json(health, &health->targets[i])) == 0)
            continue;
        json_decref(data);
        return NULL;
    }
    return json_pack("{s:o, s:n, s:s}", "data", data, "next", "node_id", health->node_id);
}

/* ---- as a whole ---------------------------------------------------------------------------- */

static json_t *balanced_host_json(const struct admin_health_target *target)
{
    json_t *addresses = json_array();

    for (size_t i = 0; i < target->addresses_count; i++) {
        const struct admin_health_address *address = &target->addresses[i];

        (void)json_array_append_new(addresses, json_pack("{s:s, s:i, s:I, s:b}", "ip", address->ip,
                                                         "port", (int)address->port, "weight",
                                                         (json_int_t)address->weight, "healthy",
                                                         address->is_usable));
    }
    return host_json(target, addresses);
}

json_t *admin_health_balancer(const struct admin_health *health)
{
    const char *balancer = health->is_healthy ? "HEALTHY" : "UNHEALTHY";
    struct weights all = { 0 };
    json_t *hosts = json_array();

    for (size_t i = 0; i < health->targets_count; i++) {
        struct weights weights = weights_of(&health->targets[i]);

        all.total += weights.total;
        all.available += weights.available;
        (void)json_array_append_new(hosts, balanced_host_json(&health->targets[i]));
    }
    return json_pack("{s:{s:s, s:s, s:s, s:{s:b, s:o, s:o}}, s:n, s:s}", "data", "health",
                     health->is_checked ? balancer : "HEALTHCHECKS_OFF", "balancer_health",
                     balancer, "id", health->upstream_id, "details", "healthy", health->is_healthy,
                     "weight", weights_json(all), "hosts", hosts, "next", "node_id",
                     health->node_id);
}
