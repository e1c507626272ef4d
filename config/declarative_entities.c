/*
 * declarative_entities: each of Kong's entities into its struct, with what it refers to and where it stands.
 *
 * The single fields are config/bind's. Here is what a table cannot say: lists of structs, references, and
 * what an upstream's hashing and health checks amount to, with the warnings about it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/bind.h"
#include "config/declarative_priv.h"
#include "core/addr.h"

/* One entity on its way. */
struct entity_reading {
    struct loader *loader;
    const struct document_node *node; /* as written */
    const json_t *values;             /* as stored */
    const struct model_entity *entity;
};

/* A store that was filled by other hands. */
static int refuse_field(const struct entity_reading *reading, const char *field)
{
    struct document_node at = *reading->node;

    if (!document_member(reading->node, field, &at)) {
        at.parent = reading->node;
        at.key = field;
    }
    FAIL(reading->loader, &at,
         "no value that this version can use; the Admin API would not have stored it: write the "
         "entity anew");
    return 0;
}

static int bind_to(const struct entity_reading *reading, const struct bind_table *table,
                   void *entity)
{
    const char *wrong = NULL;
    int r = bind_values(reading->loader->config, table, &reading->entity->record, reading->values,
                        reading->node->value, entity, &wrong);

    return r == -EINVAL ? refuse_field(reading, wrong) : r;
}

static const json_t *value_of(const struct entity_reading *reading, const char *name)
{
    return json_object_get(reading->values, name);
}

/* --- services ------------------------------------------------------------------------------ */

/* They are no foreign keys for Kong, so that nobody has looked them up yet. */
static int refer_to_authorities(const struct entity_reading *reading)
{
    const json_t *ids = value_of(reading, "ca_certificates");
    struct document_node list, item = { 0 };
    int r = 0;

    if (json_array_size(ids) == 0 || !document_member(reading->node, "ca_certificates", &list))
        return 0;
    while (r == 0 && document_next(&list, &item))
        r = loader_refer_to(reading->loader, ENTITY_SERVICE, ENTITY_CA_CERTIFICATE,
                            json_array_get(ids, item.index), &item);
    return r;
}

static int read_service(const struct entity_reading *reading)
{
    struct loader *loader = reading->loader;
    struct config_service *service = loader_add(loader, ENTITY_SERVICE);
    int r = service ? bind_to(reading, &bind_services, service) : -ENOMEM;

    if (r == 0)
        r = loader_set_place(loader, reading->node, &service->path, &service->line,
                             &service->column);
    if (r == 0)
        r = loader_register(loader, ENTITY_SERVICE, service->name, service->id);
    if (r == 0)
        r = loader_refer_to(loader, ENTITY_SERVICE, ENTITY_CERTIFICATE,
                            value_of(reading, "client_certificate"), NULL);
    return r == 0 ? refer_to_authorities(reading) : r;
}

/* --- routes -------------------------------------------------------------------------------- */

static int read_texts(struct config *config, const json_t *list, struct config_strings *ret)
{
    ret->items = config_alloc(config, (json_array_size(list) + 1) * sizeof(char *));
    if (!ret->items)
        return -ENOMEM;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        if (!json_is_string(value))
            continue; /* no model lets it in */
        ret->items[ret->count] =
            config_copy_text(config, json_string_value(value), json_string_length(value));
        if (!ret->items[ret->count++])
            return -ENOMEM;
    }
    return 0;
}

static int read_route_headers(struct config *config, const json_t *headers,
                              struct config_route *route)
{
    size_t count = json_object_size(headers);
    const char *name;
    json_t *values;
    int r = 0;

    if (count == 0)
        return 0;
    route->headers = config_alloc(config, count * sizeof(*route->headers));
    if (!route->headers)
        return -ENOMEM;
    json_object_foreach((json_t *)headers, name, values)
    {
        struct config_route_header *header = &route->headers[route->headers_count++];
        header->name = config_copy_text(config, name, strlen(name));
        if (r == 0)
            r = header->name ? read_texts(config, values, &header->values) : -ENOMEM;
    }
    return r;
}

/* Of {ip, port} only the port: of addresses nothing is known here, and the model says so. */
static int read_destinations(struct config *config, const json_t *list, struct config_route *route)
{
    size_t count = json_array_size(list);

    if (count == 0)
        return 0;
    route->destination_ports = config_alloc(config, count * sizeof(*route->destination_ports));
    if (!route->destination_ports)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        route->destination_ports[route->destination_ports_count++] =
            (uint16_t)json_number_value(json_object_get(json_array_get(list, i), "port"));
    return 0;
}

static int read_route(const struct entity_reading *reading)
{
    struct loader *loader = reading->loader;
    struct config_route *route = loader_add(loader, ENTITY_ROUTE);
    int r = route ? bind_to(reading, &bind_routes, route) : -ENOMEM;

    if (r == 0)
        r = read_route_headers(loader->config, value_of(reading, "headers"), route);
    if (r == 0)
        r = read_destinations(loader->config, value_of(reading, "destinations"), route);
    if (r == 0)
        r = loader_set_place(loader, reading->node, &route->path, &route->line, &route->column);
    if (r == 0)
        r = loader_register(loader, ENTITY_ROUTE, route->name, route->id);
    return r < 0 ? r
                 : loader_refer_to(loader, ENTITY_ROUTE, ENTITY_SERVICE,
                                   value_of(reading, "service"), NULL);
}

/* --- upstreams and targets ----------------------------------------------------------------- */

static int read_upstream(const struct entity_reading *reading)
{
    struct loader *loader = reading->loader;
    struct config_upstream *upstream = loader_add(loader, ENTITY_UPSTREAM);
    int r = upstream ? bind_to(reading, &bind_upstreams, upstream) : -ENOMEM;

    if (r == 0)
        r = loader_set_place(loader, reading->node, &upstream->path, &upstream->line,
                             &upstream->column);
    if (r == 0)
        r = declarative_finish_upstream(loader, reading->node, upstream);
    if (r == 0)
        r = declarative_finish_healthchecks(loader, reading->node, reading->values, upstream);
    if (r == 0)
        r = loader_register(loader, ENTITY_UPSTREAM, upstream->name, upstream->id);
    return r < 0 ? r
                 : loader_refer_to(loader, ENTITY_UPSTREAM, ENTITY_CERTIFICATE,
                                   value_of(reading, "client_certificate"), NULL);
}

int declarative_normalise_target(struct loader *loader, struct config_target *target)
{
    char text[ADDR_EXPANDED_MAX];
    struct sockaddr_storage addr;
    struct slice host, port;
    uint16_t number = 8000;
    char *both;
    int length;

    if (!target->target || addr_split_host_port(slice_of(target->target), &host, &port) < 0)
        return 0; /* refused before */
    if (port.ptr)
        (void)addr_parse_port(port, &number); /* checked before */
    if (addr_parse_ip(host, 0, &addr) == 0)
        host = slice_of(addr_format_expanded(&addr, text, sizeof(text)));
    target->port = number;
    target->host = config_copy_text(loader->config, host.ptr, host.len);
    if (!target->host)
        return -ENOMEM;
    length = asprintf(&both, strchr(target->host, ':') ? "[%s]:%u" : "%s:%u", target->host, number);
    if (length < 0)
        return -ENOMEM;
    target->target = config_copy_text(loader->config, both, (size_t)length);
    free(both);
    return target->target ? 0 : -ENOMEM;
}

static int read_target(const struct entity_reading *reading)
{
    struct loader *loader = reading->loader;
    struct config_target *target = loader_add(loader, ENTITY_TARGET);
    int r = target ? bind_to(reading, &bind_targets, target) : -ENOMEM;

    if (r == 0)
        r = declarative_normalise_target(loader, target);
    if (r == 0 && !target->host)
        r = refuse_field(reading, "target");
    if (r == 0)
        r = loader_set_place(loader, reading->node, &target->path, &target->line, &target->column);
    return r < 0 ? r
                 : loader_refer_to(loader, ENTITY_TARGET, ENTITY_UPSTREAM,
                                   value_of(reading, "upstream"), NULL);
}

/* --- certificates -------------------------------------------------------------------------- */

static int read_certificate(const struct entity_reading *reading)
{
    struct loader *loader = reading->loader;
    struct config_certificate *certificate = loader_add(loader, ENTITY_CERTIFICATE);
    int r = certificate ? bind_to(reading, &bind_certificates, certificate) : -ENOMEM;

    if (r == 0)
        r = loader_set_place(loader, reading->node, &certificate->path, &certificate->line,
                             &certificate->column);
    return r < 0 ? r : loader_register(loader, ENTITY_CERTIFICATE, NULL, certificate->id);
}

static int read_sni(const struct entity_reading *reading)
{
    struct loader *loader = reading->loader;
    struct loaded_sni *sni = loader_add(loader, ENTITY_SNI);
    const json_t *name = value_of(reading, "name");

    if (!sni)
        return -ENOMEM;
    if (!json_is_string(name))
        return refuse_field(reading, "name");
    sni->name = config_copy_text(loader->config, json_string_value(name), json_string_length(name));
    return !sni->name ? -ENOMEM
                      : loader_refer_to(loader, ENTITY_SNI, ENTITY_CERTIFICATE,
                                        value_of(reading, "certificate"), NULL);
}

static int read_ca_certificate(const struct entity_reading *reading)
{
    struct loader *loader = reading->loader;
    struct config_ca_certificate *certificate = loader_add(loader, ENTITY_CA_CERTIFICATE);
    int r = certificate ? bind_to(reading, &bind_ca_certificates, certificate) : -ENOMEM;

    if (r == 0)
        r = loader_set_place(loader, reading->node, &certificate->path, &certificate->line,
                             &certificate->column);
    return r < 0 ? r : loader_register(loader, ENTITY_CA_CERTIFICATE, NULL, certificate->id);
}

/* --- all ----------------------------------------------------------------------------------- */

int declarative_read_entity(struct loader *loader, const struct model_entity *entity,
                            const json_t *values, const struct document_node *node)
{
    static int (*const readers[])(const struct entity_reading *) = {
        [ENTITY_SERVICE] = read_service,
        [ENTITY_ROUTE] = read_route,
        [ENTITY_UPSTREAM] = read_upstream,
        [ENTITY_TARGET] = read_target,
        [ENTITY_CERTIFICATE] = read_certificate,
        [ENTITY_SNI] = read_sni,
        [ENTITY_CA_CERTIFICATE] = read_ca_certificate,
    };
    const struct entity_reading reading = { loader, node, values, entity };

    for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++)
        if (strcmp(entity_kind_names[i], entity->name) == 0)
            return readers[i](&reading);
    return 0; /* no part of how requests are carried: only kept */
}
