/*
 * declarative_link: the second half of loading, once every entity has been read.
 *
 * Nothing moves in memory after the lists were handed to the configuration, so from there on the
 * entities can point to each other.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/declarative_priv.h"

/* As it is called where it is written. */
static const char *field_of(const struct reference *reference)
{
    static const char *const names[ENTITY_KIND_COUNT] = {
        [ENTITY_SERVICE] = "service",
        [ENTITY_UPSTREAM] = "upstream",
        [ENTITY_CERTIFICATE] = "client_certificate",
        [ENTITY_CA_CERTIFICATE] = "ca_certificates",
    };

    return reference->from_kind == ENTITY_SNI ? "certificate" : names[reference->to_kind];
}

static void resolve_one(struct loader *loader, struct reference *reference)
{
    reference->to = loader_find_id(loader, reference->to_kind, reference->key);
    if (reference->to == NO_ENTITY)
        config_errors_add(loader->errors, CONFIG_ERROR, reference->place,
                          "invalid reference '%s: %s' (no such entry in '%s'); add it or correct "
                          "the name",
                          field_of(reference), reference->key,
                          entity_kind_names[reference->to_kind]);
}

#define HAND_OVER(loader, kind, member)                              \
    ((loader)->config->member##_count = (loader)->lists[kind].count, \
     (loader)->config->member = (loader)->lists[kind].items, (loader)->lists[kind].items = NULL)

static void hand_over(struct loader *loader)
{
    HAND_OVER(loader, ENTITY_SERVICE, services);
    HAND_OVER(loader, ENTITY_ROUTE, routes);
    HAND_OVER(loader, ENTITY_UPSTREAM, upstreams);
    HAND_OVER(loader, ENTITY_CERTIFICATE, certificates);
    HAND_OVER(loader, ENTITY_CA_CERTIFICATE, ca_certificates);
    HAND_OVER(loader, ENTITY_MTLS, mtls);
}

/* First pass: how long each array inside an entity becomes. */
static void count_members(struct config *config, const struct reference *reference)
{
    if (reference->from_kind == ENTITY_TARGET)
        config->upstreams[reference->to].targets_count++;
    else if (reference->from_kind == ENTITY_SNI)
        config->certificates[reference->to].snis.count++;
    else if (reference->from_kind == ENTITY_MTLS)
        config->mtls[reference->from].ca_certificates_count++;
    else if (reference->to_kind == ENTITY_CA_CERTIFICATE)
        config->services[reference->from].ca_certificates_count++;
}

/* Room for all, and the counts back to 0 for the second pass. */
static int allocate_members(struct config *config)
{
    for (size_t i = 0; i < config->upstreams_count; i++) {
        struct config_upstream *upstream = &config->upstreams[i];
        upstream->targets =
            config_alloc(config, upstream->targets_count * sizeof(*upstream->targets));
        if (!upstream->targets)
            return -ENOMEM;
        upstream->targets_count = 0;
    }
    for (size_t i = 0; i < config->certificates_count; i++) {
        struct config_strings *snis = &config->certificates[i].snis;
        snis->items = config_alloc(config, snis->count * sizeof(*snis->items));
        if (!snis->items)
            return -ENOMEM;
        snis->count = 0;
    }
    for (size_t i = 0; i < config->services_count; i++) {
        struct config_service *service = &config->services[i];
        service->ca_certificates = config_alloc(config, service->ca_certificates_count *
                                                            sizeof(*service->ca_certificates));
        if (!service->ca_certificates)
            return -ENOMEM;
        service->ca_certificates_count = 0;
    }
    for (size_t i = 0; i < config->mtls_count; i++) {
        struct config_mtls *mtls = &config->mtls[i];
        mtls->ca_certificates =
            config_alloc(config, mtls->ca_certificates_count * sizeof(*mtls->ca_certificates));
        if (!mtls->ca_certificates)
            return -ENOMEM;
        mtls->ca_certificates_count = 0;
    }
    return 0;
}

/* Second pass: in the order of the file. */
static void link_one(struct loader *loader, const struct reference *reference)
{
    struct config *config = loader->config;

    if (reference->from_kind == ENTITY_TARGET) {
        struct config_upstream *upstream = &config->upstreams[reference->to];
        const struct config_target *target = loader_entity(loader, ENTITY_TARGET, reference->from);
        upstream->targets[upstream->targets_count++] = *target;
    } else if (reference->from_kind == ENTITY_SNI) {
        struct config_strings *snis = &config->certificates[reference->to].snis;
        const struct loaded_sni *sni = loader_entity(loader, ENTITY_SNI, reference->from);
        snis->items[snis->count++] = sni->name;
    } else if (reference->from_kind == ENTITY_ROUTE) {
        config->routes[reference->from].service = &config->services[reference->to];
    } else if (reference->from_kind == ENTITY_UPSTREAM) {
        config->upstreams[reference->from].client_certificate =
            &config->certificates[reference->to];
    } else if (reference->from_kind == ENTITY_MTLS) {
        struct config_mtls *mtls = &config->mtls[reference->from];
        mtls->ca_certificates[mtls->ca_certificates_count++] =
            &config->ca_certificates[reference->to];
    } else if (reference->to_kind == ENTITY_CERTIFICATE) {
        config->services[reference->from].client_certificate = &config->certificates[reference->to];
    } else if (reference->to_kind == ENTITY_CA_CERTIFICATE) {
        struct config_service *service = &config->services[reference->from];
        service->ca_certificates[service->ca_certificates_count++] =
            &config->ca_certificates[reference->to];
    }
}

static void link_upstreams(struct loader *loader)
{
    for (size_t i = 0; i < loader->config->services_count; i++) {
        struct config_service *service = &loader->config->services[i];
        const json_t *index =
            json_object_get(loader->lists[ENTITY_UPSTREAM].by_name, service->host);
        if (index)
            service->upstream = &loader->config->upstreams[json_integer_value(index)];
    }
}

/* --- warnings ------------------------------------------------------------------------------ */

static void warn_about_upstreams(struct loader *loader)
{
    for (size_t i = 0; i < loader->config->upstreams_count; i++) {
        const struct config_upstream *upstream = &loader->config->upstreams[i];
        uint64_t weight = 0;
        for (size_t j = 0; j < upstream->targets_count; j++)
            weight += upstream->targets[j].weight;
        if (weight == 0)
            config_errors_add(loader->errors, CONFIG_WARNING,
                              (struct config_place){ loader->document->file, upstream->line,
                                                     upstream->column, upstream->path },
                              "upstream '%s' has no target with a weight above 0; every request "
                              "to it is answered with 503",
                              upstream->name);
    }
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare_headers(const void *a, const void *b)
{
    const struct config_route_header *const *left = a, *const *right = b;

    return strcasecmp((*left)->name, (*right)->name);
}

/* Adds a list as a set: sorted, each once. */
static int write_set(FILE *stream, const struct config_strings *strings)
{
    char **sorted = reallocarray(NULL, strings->count + 1, sizeof(*sorted));

    if (!sorted)
        return -ENOMEM;
    if (strings->count > 0)
        memcpy(sorted, strings->items, strings->count * sizeof(*sorted));
    qsort(sorted, strings->count, sizeof(*sorted), compare_texts);
    for (size_t i = 0; i < strings->count; i++)
        if (i == 0 || strcmp(sorted[i], sorted[i - 1]) != 0)
            (void)fprintf(stream, "%s\n", sorted[i]); /* fclose tells of any failure */
    free(sorted);
    (void)fputs("\n", stream);
    return 0;
}

/* Adds the fields that a route asks for; those of one name lie together, whatever the order. */
static int write_headers(FILE *stream, const struct config_route *route)
{
    const struct config_route_header **sorted =
        reallocarray(NULL, route->headers_count + 1, sizeof(*sorted));
    int r = sorted ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < route->headers_count; i++)
        sorted[i] = &route->headers[i];
    if (r == 0)
        qsort(sorted, route->headers_count, sizeof(*sorted), compare_headers);
    for (size_t i = 0; r == 0 && i < route->headers_count; i++) {
        for (const char *c = sorted[i]->name; *c; c++)
            (void)fputc(*c == '_' ? '-' : tolower((unsigned char)*c), stream);
        (void)fputs(":\n", stream);
        r = write_set(stream, &sorted[i]->values);
    }
    free(sorted);
    return r;
}

static void check_protocols(struct loader *loader)
{
    for (size_t i = 0; i < loader->config->routes_count; i++) {
        const struct config_route *route = &loader->config->routes[i];
        bool is_stream = (route->protocols & CONFIG_PROTOCOLS_STREAM) != 0;

        if (!route->service || is_stream == (route->service->protocol == CONFIG_PROTOCOL_TCP))
            continue;
        config_errors_add(loader->errors, CONFIG_ERROR,
                          (struct config_place){ loader->document->file, route->line, route->column,
                                                 route->path },
                          !is_stream ? "a service with protocol tcp needs routes with protocols "
                                       "[tls_passthrough]"
                          : route->protocols == CONFIG_PROTOCOL_TCP
                              ? "a tcp route needs a service with protocol tcp"
                              : "a tls_passthrough route needs a service with protocol tcp");
    }
}

/* A text that is equal for two routes exactly when their match rules are. NULL: no memory. */
static char *match_rules(const struct config_route *route)
{
    char *text = NULL;
    size_t length;
    FILE *stream = open_memstream(&text, &length);
    bool written;

    if (!stream)
        return NULL;
    (void)fprintf(stream, "%d\n", route->regex_priority);
    for (size_t i = 0; i < route->destination_ports_count; i++)
        (void)fprintf(stream, "%u\n", route->destination_ports[i]);
    written = write_set(stream, &route->methods) == 0 && write_set(stream, &route->hosts) == 0 &&
              write_set(stream, &route->paths) == 0 && write_set(stream, &route->snis) == 0 &&
              write_headers(stream, route) == 0;
    if (fclose(stream) == 0 && written)
        return text;
    free(text);
    return NULL;
}

static const char *route_label(const struct config_route *route)
{
    return route->name ? route->name : route->id;
}

static int warn_about_duplicate_routes(struct loader *loader)
{
    json_t *seen = json_object();
    int r = seen ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < loader->config->routes_count; i++) {
        const struct config_route *route = &loader->config->routes[i], *first;
        char *rules = match_rules(route);
        const json_t *index = rules ? json_object_get(seen, rules) : NULL;
        if (!rules || (!index && json_object_set_new(seen, rules, json_integer((json_int_t)i)) < 0))
            r = -ENOMEM;
        free(rules);
        first = index ? &loader->config->routes[json_integer_value(index)] : route;
        if (first->service != route->service)
            config_errors_add(loader->errors, CONFIG_WARNING,
                              (struct config_place){ loader->document->file, route->line,
                                                     route->column, route->path },
                              "route '%s' matches the same requests as route '%s' (line %u) but "
                              "leads to another service; only one of them is ever used, change "
                              "or remove one",
                              route_label(route), route_label(first), first->line);
    }
    json_decref(seen);
    return r;
}

int declarative_link(struct loader *loader)
{
    int r;

    for (size_t i = 0; i < loader->references_count; i++)
        resolve_one(loader, &loader->references[i]);
    if (loader->errors->errors_count > 0)
        return 0; /* entities may lack what the rest relies on */
    hand_over(loader);
    for (size_t i = 0; i < loader->references_count; i++)
        count_members(loader->config, &loader->references[i]);
    r = allocate_members(loader->config);
    if (r < 0)
        return r;
    for (size_t i = 0; i < loader->references_count; i++)
        link_one(loader, &loader->references[i]);
    link_upstreams(loader);
    check_protocols(loader);
    warn_about_upstreams(loader);
    return warn_about_duplicate_routes(loader);
}
