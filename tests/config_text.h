/*
 * config_text: a struct config as text, and problems as text, so that tests compare strings.
 *
 * Role    shared by the tests of the declarative loader
 * Owns    nothing; what is returned is malloc'ed
 * Thread  one
 */
#ifndef TESTS_CONFIG_TEXT_H
#define TESTS_CONFIG_TEXT_H

#include <stdio.h>
#include <stdlib.h>

#include "config/config.h"

static inline const char *config_text_or_dash(const char *text)
{
    return text ? text : "-";
}

static inline void config_text_strings(FILE *stream, const char *name,
                                       const struct config_strings *strings)
{
    (void)fprintf(stream, " %s=", name);
    for (size_t i = 0; i < strings->count; i++)
        (void)fprintf(stream, "%s%s", i ? "|" : "", strings->items[i]);
}

static inline void config_text_service(FILE *stream, const struct config_service *service)
{
    (void)fprintf(
        stream,
        "%s id=%s name=%s protocol=%d host=%s port=%u path=%s retries=%u "
        "timeouts=%llu/%llu/%llu enabled=%d verify=%d/%d client=%s upstream=%s ca=",
        service->path, service->id, config_text_or_dash(service->name), (int)service->protocol,
        service->host, service->port, config_text_or_dash(service->base_path), service->retries,
        (unsigned long long)service->connect_timeout_ms,
        (unsigned long long)service->write_timeout_ms, (unsigned long long)service->read_timeout_ms,
        service->enabled, service->tls_verify, service->tls_verify_depth,
        service->client_certificate ? service->client_certificate->path : "-",
        service->upstream ? service->upstream->path : "-");
    for (size_t i = 0; i < service->ca_certificates_count; i++)
        (void)fprintf(stream, "%s,", service->ca_certificates[i]->path);
    (void)fputs("\n", stream);
}

static inline void config_text_route(FILE *stream, const struct config_route *route)
{
    (void)fprintf(stream, "%s id=%s name=%s protocols=%u", route->path, route->id,
                  config_text_or_dash(route->name), route->protocols);
    config_text_strings(stream, "methods", &route->methods);
    config_text_strings(stream, "hosts", &route->hosts);
    config_text_strings(stream, "paths", &route->paths);
    (void)fprintf(stream, " strip=%d preserve=%d buffering=%d/%d priority=%d redirect=%u -> %s\n",
                  route->strip_path, route->preserve_host, route->request_buffering,
                  route->response_buffering, route->regex_priority,
                  route->https_redirect_status_code, route->service ? route->service->path : "-");
}

static inline char *config_text(const struct config *config)
{
    char *text = NULL;
    size_t length;
    FILE *stream = open_memstream(&text, &length);

    if (!stream)
        return NULL;
    for (size_t i = 0; i < config->services_count; i++)
        config_text_service(stream, &config->services[i]);
    for (size_t i = 0; i < config->routes_count; i++)
        config_text_route(stream, &config->routes[i]);
    for (size_t i = 0; i < config->upstreams_count; i++) {
        const struct config_upstream *upstream = &config->upstreams[i];
        (void)fprintf(stream, "%s id=%s name=%s algorithm=%s host_header=%s\n", upstream->path,
                      upstream->id, upstream->name, upstream->algorithm,
                      config_text_or_dash(upstream->host_header));
        for (size_t j = 0; j < upstream->targets_count; j++)
            (void)fprintf(stream, "%s %s host=%s port=%u weight=%u\n", upstream->targets[j].path,
                          upstream->targets[j].target, upstream->targets[j].host,
                          upstream->targets[j].port, upstream->targets[j].weight);
    }
    for (size_t i = 0; i < config->certificates_count; i++) {
        const struct config_certificate *certificate = &config->certificates[i];
        (void)fprintf(stream, "%s id=%s cert=%zu key=%zu", certificate->path, certificate->id,
                      strlen(certificate->cert_pem), strlen(certificate->key_pem));
        config_text_strings(stream, "snis", &certificate->snis);
        (void)fputs("\n", stream);
    }
    for (size_t i = 0; i < config->ca_certificates_count; i++)
        (void)fprintf(stream, "%s id=%s cert=%zu\n", config->ca_certificates[i].path,
                      config->ca_certificates[i].id, strlen(config->ca_certificates[i].cert_pem));
    (void)fclose(stream); /* in memory */
    return text;
}

static inline char *config_errors_text(const struct config_errors *errors)
{
    char *text = NULL;
    size_t length;
    FILE *stream = open_memstream(&text, &length);

    if (!stream)
        return NULL;
    config_errors_print(errors, stream);
    (void)fclose(stream); /* in memory */
    return text;
}

#endif
