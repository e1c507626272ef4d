#include "proxy/snapshot/service_plan.h"

#include "lb/waiting_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "core/log.h"

/* ---- names --------------------------------------------------------------------------------- */

static size_t targets_of(const struct config_service *service)
{
    return service->upstream ? service->upstream->targets_count : 1;
}

static const char *host_of(const struct config_service *service, size_t index)
{
    return service->upstream ? service->upstream->targets[index].host : service->host;
}

static bool watch_names(struct service_plan *plan, struct resolver *resolver)
{
    size_t count = targets_of(plan->service);

    plan->names = calloc(count + 1, sizeof(struct watched_name *));
    if (!plan->names)
        return false;
    for (size_t i = 0; i < count; i++) {
        plan->names[i] = resolver_watch(resolver, host_of(plan->service, i));
        if (!plan->names[i])
            return false;
        plan->names_count++;
    }
    return true;
}

static uint64_t version_of(const struct service_plan *plan)
{
    uint64_t version = 0;

    for (size_t i = 0; i < plan->names_count; i++)
        version += watched_name_record(plan->names[i])->version;
    return version;
}

bool service_plan_is_outdated(const struct service_plan *plan)
{
    return plan->names_version != version_of(plan);
}

/* ---- targets ------------------------------------------------------------------------------- */

static enum end_reason reason_of(enum name_outcome outcome)
{
    switch (outcome) {
    case NAME_FOUND:
    case NAME_MISSING:
    case NAME_EMPTY:
    case NAME_INVALID:
        break;
    case NAME_UNKNOWN:
    case NAME_TIMEOUT:
    case NAME_UNREACHABLE:
        return END_UPSTREAM_RESOLVE_TIMEOUT;
    case NAME_SERVER_FAILURE:
    case NAME_BAD_ANSWER:
    case NAME_NO_MEMORY:
        return END_UPSTREAM_RESOLVE_SERVFAIL;
    case NAME_REFUSED:
        return END_UPSTREAM_RESOLVE_REFUSED;
    }
    return END_UPSTREAM_RESOLVE_FAILED;
}

/* Each address by itself, since SRV gives each a port and a weight. */
static size_t add_name(const struct service_plan *plan, size_t index,
                       struct upstream_target_options *into)
{
    const struct config_service *service = plan->service;
    const struct config_target *target =
        service->upstream ? &service->upstream->targets[index] : NULL;
    const struct name_record *record = watched_name_record(plan->names[index]);

    for (size_t i = 0; i < record->count; i++) {
        const struct name_address *item = &record->items[i];
        uint16_t port = addr_port(&item->address);
        uint32_t weight = target ? target->weight : 100;

        if (port == 0)
            port = target ? target->port : service->port;
        if (item->weight > 0 &&
            weight > 0) /* as Kong: SRV's replaces the target's, but for "none" */
            weight = item->weight;
        into[i] =
            (struct upstream_target_options){ .host = host_of(service, index),
                                              .port = port,
                                              .weight = weight,
                                              .priority_group = target ? target->priority_group : 0,
                                              .max_requests = target ? target->max_requests : 0,
                                              .addresses = &item->address,
                                              .addresses_count = 1 };
    }
    return record->count;
}

static bool remembers(const struct config_persistence *persistence)
{
    return persistence->method == CONFIG_PERSISTENCE_HASH ||
           persistence->method == CONFIG_PERSISTENCE_SOURCE_ADDRESS;
}

struct target_set *service_plan_make_set(const struct service_plan *plan,
                                         struct target_registry *registry)
{
    const struct config_upstream *upstream = plan->service->upstream;
    struct upstream_options options = { .name = plan->service->host };
    struct upstream_target_options *targets;
    SCOPED(upstream_targets) made = NULL;
    enum end_reason failure = END_OK;
    size_t count = 0;

    for (size_t i = 0; i < plan->names_count; i++)
        count += watched_name_record(plan->names[i])->count;
    targets = calloc(count + 1, sizeof(*targets));
    if (!targets)
        return NULL;
    for (size_t i = 0; i < plan->names_count; i++)
        options.targets_count += add_name(plan, i, targets + options.targets_count);
    options.targets = targets;
    if (upstream) {
        options.algorithm = upstream->algorithm;
        options.slots = upstream->slots;
        options.slow_start_ms = upstream->slow_start_ms;
        options.threshold_thousandths = (uint32_t)upstream->healthchecks.threshold_thousandths;
        options.panic_percent = upstream->panic_percent;
        options.fails_open = upstream->fails_open;
        options.min_active_members = upstream->balancing.min_active_members;
        if (upstream->balancing.queue_max > 0)
            options.line = waiting_lines_find(target_registry_lines(registry), options.name);
    }
    if (upstream && remembers(&upstream->balancing.persistence)) {
        options.sessions = target_registry_sessions(registry, options.name);
        if (!options.sessions) {
            free(targets);
            return NULL;
        }
    }
    made = upstream_targets_create(&options, registry);
    free(targets);
    if (!made || (upstream && upstream->balancing.queue_max > 0 && !options.line))
        return NULL;
    /* an upstream without a target is another failure than a host that is not found, as in Kong */
    if (count == 0 && !upstream)
        failure = reason_of(watched_name_record(plan->names[0])->last);
    return target_set_create(&made, failure);
}

void service_plan_take_set(struct service_plan *plan, struct target_set **set)
{
    (*set)->older = plan->set;
    plan->set = TAKE(*set);
    plan->names_version = version_of(plan);
}

/* ---- TLS ----------------------------------------------------------------------------------- */

/* "2 https services are not verified: a, b"; "" where all are. */
static void list_unverified(const struct service_plan *plans, size_t count, char *into, size_t size)
{
    char names[512] = "";
    size_t unverified = 0, length = 0;

    for (size_t i = 0; i < count; i++) {
        const struct config_service *service = plans[i].service;

        if (!plans[i].tls || plans[i].tls_verified)
            continue;
        unverified++;
        if (length + 64 < sizeof(names))
            length += (size_t)snprintf(names + length, sizeof(names) - length, "%s%.48s",
                                       length > 0 ? ", " : "",
                                       service->name ? service->name : service->path);
    }
    into[0] = '\0';
    if (unverified > 0)
        (void)snprintf(into, size, "%zu https service%s are not verified: %s", unverified,
                       unverified == 1 ? "" : "s", names);
}

void service_plans_tell_unverified(const struct service_plan *plans, size_t count,
                                   const struct service_plan *former, size_t former_count)
{
    char now[640], before[640];

    list_unverified(plans, count, now, sizeof(now));
    list_unverified(former, former_count, before, sizeof(before));
    if (now[0] && strcmp(now, before) != 0)
        log_error(LOG_LEVEL_NOTICE,
                  "certificates of %s; tls_verify = true of the service switches it on", now);
}

static bool plan_tls(struct service_plan *plan, struct client_tls *client_tls,
                     struct tls_error *reterr)
{
    if (plan->service->protocol != CONFIG_PROTOCOL_HTTPS)
        return true;
    plan->tls_verified = client_tls_verifies(client_tls, plan->service);
    plan->tls = client_tls_create(client_tls, plan->service, reterr);
    return plan->tls != NULL;
}

/* ---- plans --------------------------------------------------------------------------------- */

static bool watch_all(struct service_plan *plans, const struct service_plan_options *options)
{
    for (size_t i = 0; i < options->config->services_count; i++) {
        plans[i].service = &options->config->services[i];
        if (!watch_names(&plans[i], options->resolver))
            return false;
    }
    /* names that have no answer by then are served as such until it comes */
    (void)resolver_wait(options->resolver, options->names_wait_ms, options->stop_fd);
    return true;
}

/* What was made for services before may do for this one. */
static bool offer_former(const struct former_plans *former, struct tls_client_configs *made)
{
    const struct tls_client_config *last = NULL;

    for (size_t i = 0; former->config && i < former->config->services_count; i++) {
        struct tls_client_config *tls = former->plans[i].tls;

        if (tls && tls != last && tls_client_configs_add(made, tls) < 0)
            return false;
        last = tls;
    }
    return true;
}

/* The service is as it was. False: no memory. */
static bool take_over(struct service_plan *plan, const struct service_plan *former,
                      const struct service_plan_options *options)
{
    bool leads_there = former->names_version == version_of(plan);
    struct target_set *set = leads_there ? target_set_share(former->set) : NULL;

    if (!set)
        set = service_plan_make_set(plan, options->targets);
    if (!set)
        return false;
    plan->set = set;
    plan->names_version = version_of(plan);
    plan->load = service_load_hold(former->load);
    health_plan_init_as(&plan->health, plan->service->upstream, options->client_tls->persona,
                        &former->health);
    plan->tls = former->tls ? tls_client_config_ref(former->tls) : NULL;
    plan->tls_verified = former->tls_verified;
    return true;
}

static bool make(struct service_plan *plan, const struct service_plan_options *options,
                 struct tls_error *reterr)
{
    SCOPED(target_set) set = service_plan_make_set(plan, options->targets);

    plan->load = service_load_take(options->loads, plan->service->id);
    if (!set || !plan->load)
        return false;
    service_plan_take_set(plan, &set);
    if (!health_plan_init(&plan->health, plan->service->upstream, options->client_tls, reterr))
        return false;
    return plan_tls(plan, options->client_tls, reterr);
}

static bool finish_all(struct service_plan *plans, struct service_plan_options *options,
                       char *error, size_t error_size)
{
    struct tls_error reterr = { "out of memory" };
    bool has_offered = false;

    for (size_t i = 0; i < options->config->services_count; i++) {
        const struct service_plan *former = former_plans_find(&options->former, plans[i].service);
        bool done = true;

        plans[i].loads = options->loads;
        if (!former && !has_offered) {
            done = offer_former(&options->former, &options->client_tls->made);
            has_offered = true;
        }
        if (done)
            done =
                former ? take_over(&plans[i], former, options) : make(&plans[i], options, &reterr);
        if (!done) {
            snprintf(error, error_size, "%s: %s", plans[i].service->path, reterr.text);
            return false;
        }
    }
    return true;
}

/* False: no memory. */
static bool mark_first(struct service_plan *plans, const struct config *config)
{
    bool *seen = calloc(config->upstreams_count + 1, sizeof(*seen));

    if (!seen)
        return false;
    for (size_t i = 0; i < config->services_count; i++) {
        const struct config_upstream *upstream = config->services[i].upstream;

        if (!upstream || seen[upstream - config->upstreams])
            continue;
        seen[upstream - config->upstreams] = true;
        plans[i].health.is_first = true;
    }
    free(seen);
    return true;
}

struct service_plan *service_plans_create(struct service_plan_options *options, char *error,
                                          size_t error_size)
{
    size_t count = options->config->services_count;
    struct service_plan *plans = calloc(count + 1, sizeof(*plans));

    if (!plans || !watch_all(plans, options)) {
        snprintf(error, error_size, "cannot look up host names: out of memory");
        goto fail;
    }
    if (!finish_all(plans, options, error, error_size))
        goto fail;
    if (!mark_first(plans, options->config)) {
        snprintf(error, error_size, "out of memory");
        goto fail;
    }
    return plans;

fail:
    service_plans_free(plans, count, options->resolver);
    return NULL;
}

void service_plans_free(struct service_plan *plans, size_t count, struct resolver *resolver)
{
    for (size_t i = 0; plans && i < count; i++) {
        for (size_t k = 0; k < plans[i].names_count; k++)
            resolver_unwatch(resolver, plans[i].names[k]);
        free(plans[i].names);
        target_set_free(plans[i].set);
        tls_client_config_unref(plans[i].tls);
        health_plan_done(&plans[i].health);
        if (plans[i].load)
            service_load_release(plans[i].loads, plans[i].load);
    }
    free(plans);
}
