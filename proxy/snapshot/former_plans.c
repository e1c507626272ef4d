#include "proxy/snapshot/former_plans.h"

#include <string.h>

#include "proxy/snapshot/service_plan.h"

/* An id is read with its entity: where it is the same text, so is the rest. */
static bool is_same_certificate(const struct config_certificate *one,
                                const struct config_certificate *other)
{
    return one && other ? one->id == other->id : one == other;
}

/* hopgate: settings are laid over entities after they were read: whatever a target set is made of is compared. */
static bool balances_alike(const struct config_upstream *one, const struct config_upstream *other)
{
    const struct config_balancing *first = &one->balancing, *second = &other->balancing;

    return strcmp(one->algorithm, other->algorithm) == 0 && one->slots == other->slots &&
           one->slow_start_ms == other->slow_start_ms &&
           one->healthchecks.threshold_thousandths == other->healthchecks.threshold_thousandths &&
           one->panic_percent == other->panic_percent && one->fails_open == other->fails_open &&
           first->min_active_members == second->min_active_members &&
           first->queue_max == second->queue_max &&
           first->persistence.method == second->persistence.method;
}

static bool is_same_target(const struct config_target *one, const struct config_target *other)
{
    return one->target == other->target && one->priority_group == other->priority_group &&
           one->max_requests == other->max_requests;
}

static bool has_same_targets(const struct config_upstream *one, const struct config_upstream *other)
{
    if (one->targets_count != other->targets_count)
        return false;
    for (size_t i = 0; i < one->targets_count; i++)
        if (!is_same_target(&one->targets[i], &other->targets[i]))
            return false;
    return true;
}

static bool is_same_upstream(const struct config_upstream *one, const struct config_upstream *other)
{
    if (!one || !other)
        return one == other;
    return one->id == other->id &&
           is_same_certificate(one->client_certificate, other->client_certificate) &&
           balances_alike(one, other) && has_same_targets(one, other);
}

static bool has_same_authorities(const struct config_service *one,
                                 const struct config_service *other)
{
    if (one->ca_certificates_count != other->ca_certificates_count)
        return false;
    for (size_t i = 0; i < one->ca_certificates_count; i++)
        if (one->ca_certificates[i]->id != other->ca_certificates[i]->id)
            return false;
    return true;
}

static bool is_same_service(const struct config_service *one, const struct config_service *other)
{
    return one->id == other->id && is_same_upstream(one->upstream, other->upstream) &&
           is_same_certificate(one->client_certificate, other->client_certificate) &&
           has_same_authorities(one, other);
}

const struct service_plan *former_plans_find(struct former_plans *former,
                                             const struct config_service *service)
{
    const struct config *config = former->config;
    size_t at;

    while (config && former->next < config->services_count &&
           config->services[former->next].id != service->id &&
           strcmp(config->services[former->next].id, service->id) < 0)
        former->next++;
    at = former->next;
    if (!config || at >= config->services_count || !is_same_service(&config->services[at], service))
        return NULL;
    return &former->plans[at];
}
