#include "proxy/service_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"

enum { RESOLVE_DEADLINE_MS = 10000 };

/* Every host name of the configuration, once per place where it stands. */
struct name_list {
    const char **names;
    struct resolve_result *results;
    size_t count;
};

static void name_list_done(struct name_list *list)
{
    for (size_t i = 0; list->results && i < list->count; i++)
        resolve_result_done(&list->results[i]);
    free(list->results);
    free(list->names);
}

static size_t targets_of(const struct config_service *service)
{
    return service->upstream ? service->upstream->targets_count : 1;
}

static int resolve_all(const struct config *config, struct name_list *list)
{
    const struct resolve_options options = { .family = AF_INET,
                                             .deadline_ms = RESOLVE_DEADLINE_MS };
    size_t count = 0;

    for (size_t i = 0; i < config->services_count; i++)
        count += targets_of(&config->services[i]);
    list->names = calloc(count + 1, sizeof(*list->names));
    list->results = calloc(count + 1, sizeof(*list->results));
    if (!list->names || !list->results)
        return -1;
    for (size_t i = 0; i < config->services_count; i++) {
        const struct config_service *service = &config->services[i];

        for (size_t k = 0; k < targets_of(service); k++)
            list->names[list->count++] =
                service->upstream ? service->upstream->targets[k].host : service->host;
    }
    return count ? resolve_names(&options, list->names, count, list->results) : 0;
}

/* `results` are those of this service's targets, in their order. */
static bool plan_targets(struct service_plan *plan, const struct resolve_result *results)
{
    const struct config_service *service = plan->service;
    size_t count = targets_of(service), resolved = 0;
    struct upstream_target_options *targets = calloc(count + 1, sizeof(*targets));
    struct upstream_options options = { .name = service->host,
                                        .targets = targets,
                                        .targets_count = count };

    if (!targets)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct config_target *target =
            service->upstream ? &service->upstream->targets[i] : NULL;

        targets[i] = (struct upstream_target_options){
            .host = target ? target->host : service->host,
            .port = target ? target->port : service->port,
            .weight = target ? target->weight : 100,
            .addresses = results[i].addresses,
            .addresses_count = results[i].count,
        };
        resolved += results[i].count;
        if (results[i].count == 0)
            log_error(LOG_LEVEL_ERROR, "%s: host \"%s\" could not be resolved (%s)", service->path,
                      targets[i].host, results[i].error ? results[i].error : "no address");
    }
    if (resolved == 0 && count > 0 && !service->upstream)
        snprintf(plan->resolve_error, sizeof(plan->resolve_error), "%s",
                 results[0].error ? results[0].error : "no address");
    plan->targets = upstream_targets_create(&options);
    free(targets);
    return plan->targets != NULL;
}

/* The service's own authorities as one text; NULL: it names none (or there is no memory). */
static char *own_authorities(const struct config_service *service)
{
    size_t size = 0;
    char *text = NULL;
    FILE *stream;

    if (service->ca_certificates_count == 0)
        return NULL;
    stream = open_memstream(&text, &size);
    if (!stream)
        return NULL;
    for (size_t i = 0; i < service->ca_certificates_count; i++)
        (void)fprintf(stream, "%s\n", service->ca_certificates[i]->cert_pem);
    if (fclose(stream) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static bool plan_tls(struct service_plan *plan, const char *trusted_pem, struct tls_error *reterr)
{
    static const char *const alpn[] = { "http/1.1" };
    const struct config_service *service = plan->service;
    struct tls_client_settings wanted = {
        .verify = service->tls_verify == 1, /* Kong: not set means nginx's proxy_ssl_verify off */
        .verify_depth = service->tls_verify_depth,
        .alpn = alpn,
        .alpn_count = 1,
    };
    char *own = own_authorities(service);

    if (service->ca_certificates_count > 0 && !own)
        return false;
    wanted.ca_pem = own ? own : trusted_pem;
    if (service->client_certificate) {
        wanted.certificate.chain_pem = service->client_certificate->cert_pem;
        wanted.certificate.key_pem = service->client_certificate->key_pem;
    }
    plan->tls = tls_client_config_create(&wanted, reterr);
    free(own);
    return plan->tls != NULL;
}

struct service_plan *service_plans_create(const struct config *config, const char *trusted_pem,
                                          char *error, size_t error_size)
{
    struct service_plan *plans = calloc(config->services_count + 1, sizeof(*plans));
    struct name_list list = { 0 };
    const struct resolve_result *results;
    struct tls_error reterr = { "out of memory" };

    if (!plans || resolve_all(config, &list) < 0) {
        snprintf(error, error_size, "cannot look up host names: no memory or no resolver");
        goto fail;
    }
    results = list.results;
    for (size_t i = 0; i < config->services_count; i++) {
        struct service_plan *plan = &plans[i];

        plan->service = &config->services[i];
        if (!plan_targets(plan, results) || (plan->service->protocol == CONFIG_PROTOCOL_HTTPS &&
                                             !plan_tls(plan, trusted_pem, &reterr))) {
            snprintf(error, error_size, "%s: %s", plan->service->path, reterr.text);
            goto fail;
        }
        results += targets_of(plan->service);
    }
    name_list_done(&list);
    return plans;

fail:
    name_list_done(&list);
    service_plans_free(plans, config->services_count);
    return NULL;
}

void service_plans_free(struct service_plan *plans, size_t count)
{
    for (size_t i = 0; plans && i < count; i++) {
        upstream_targets_free(plans[i].targets);
        tls_client_config_unref(plans[i].tls);
    }
    free(plans);
}
