/*
 * config_text: a configuration as text, so that two can be compared.
 *
 * Entities in their order with what they say; other entities by their place, and what points elsewhere
 * than into the lists is a mistake.
 */
#ifndef TESTS_CONFIG_TEXT_H
#define TESTS_CONFIG_TEXT_H

#include <stdio.h>
#include <stdlib.h>

#include "config/entities.h"
#include "tests/check.h"

static inline const char *text_or_none(const char *text)
{
    return text ? text : "-";
}

static inline void tell_strings(FILE *into, const char *name, const struct config_strings *strings)
{
    fprintf(into, " %s", name);
    for (size_t i = 0; i < strings->count; i++)
        fprintf(into, ",%s", strings->items[i]);
}

static inline void tell_certificates(FILE *into, const struct config *config)
{
    for (size_t i = 0; i < config->certificates_count; i++) {
        const struct config_certificate *one = &config->certificates[i];
        fprintf(into, "certificate %s %s %s %s %s", one->id, one->path, one->cert_pem, one->key_pem,
                text_or_none(one->cert_alt_pem));
        tell_strings(into, "snis", &one->snis);
        fprintf(into, "\n");
    }
    for (size_t i = 0; i < config->ca_certificates_count; i++)
        fprintf(into, "ca %s %s %s\n", config->ca_certificates[i].id,
                config->ca_certificates[i].path, config->ca_certificates[i].cert_pem);
}

static inline void tell_client_certificate(FILE *into, const struct config *config,
                                           const struct config_certificate *certificate)
{
    if (certificate)
        CHECK(certificate >= config->certificates &&
              certificate < config->certificates + config->certificates_count);
    fprintf(into, " client_certificate %zd", certificate ? certificate - config->certificates : -1);
}

static inline void tell_upstreams(FILE *into, const struct config *config)
{
    for (size_t i = 0; i < config->upstreams_count; i++) {
        const struct config_upstream *one = &config->upstreams[i];
        fprintf(into, "upstream %s %s %s %s %u %s %d %s %s %ju %s", one->id, one->name, one->path,
                one->algorithm, one->slots, text_or_none(one->hash_on),
                (int)one->hash_inputs[0].source, text_or_none(one->hash_inputs[0].name),
                text_or_none(one->host_header),
                (uintmax_t)one->healthchecks.active.healthy_interval_ms,
                one->healthchecks.active.http_path);
        tell_client_certificate(into, config, one->client_certificate);
        for (size_t k = 0; k < one->targets_count; k++)
            fprintf(into, " target %s %s %u %u %s", one->targets[k].target, one->targets[k].host,
                    one->targets[k].port, one->targets[k].weight, one->targets[k].path);
        fprintf(into, "\n");
    }
}

static inline void tell_services(FILE *into, const struct config *config)
{
    for (size_t i = 0; i < config->services_count; i++) {
        const struct config_service *one = &config->services[i];
        fprintf(into, "service %s %s %s %d %s %u %s %u %ju %d %d upstream %zd", one->id,
                text_or_none(one->name), one->path, (int)one->protocol, one->host, one->port,
                text_or_none(one->base_path), one->retries, (uintmax_t)one->read_timeout_ms,
                one->enabled, one->tls_verify,
                one->upstream ? one->upstream - config->upstreams : -1);
        tell_client_certificate(into, config, one->client_certificate);
        for (size_t k = 0; k < one->ca_certificates_count; k++) {
            CHECK(one->ca_certificates[k] >= config->ca_certificates);
            fprintf(into, " ca %zd", one->ca_certificates[k] - config->ca_certificates);
        }
        fprintf(into, "\n");
    }
}

static inline void tell_routes(FILE *into, const struct config *config)
{
    for (size_t i = 0; i < config->routes_count; i++) {
        const struct config_route *one = &config->routes[i];
        fprintf(into, "route %s %s %s %u %d %ju %d service %zd", one->id, text_or_none(one->name),
                one->path, one->protocols, one->strip_path, (uintmax_t)one->created_at_ms,
                one->regex_priority, one->service ? one->service - config->services : -1);
        tell_strings(into, "hosts", &one->hosts);
        tell_strings(into, "paths", &one->paths);
        tell_strings(into, "methods", &one->methods);
        for (size_t k = 0; k < one->headers_count; k++)
            tell_strings(into, one->headers[k].name, &one->headers[k].values);
        fprintf(into, "\n");
    }
}

/* Free it. */
static inline char *config_text(const struct config *config)
{
    char *text;
    size_t length;
    FILE *into = open_memstream(&text, &length);

    tell_certificates(into, config);
    tell_upstreams(into, config);
    tell_services(into, config);
    tell_routes(into, config);
    CHECK_INT(fclose(into), 0);
    return text;
}

#endif
