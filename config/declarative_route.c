/*
 * Routes: what goes together in one (kong/db/schema/entities/routes_subschemas.lua), and the fields that
 * they match. What depends on the router's flavour is checked by proxy/route/router_check.c.
 */
#include <errno.h>
#include <string.h>

#include "config/declarative_priv.h"
#include "core/regex.h"

/* ---- fields to match ----------------------------------------------------------------------- */

/* A regex is compiled as any flavour would: what only one of them refuses comes later. */
static void check_value(struct loader *loader, const struct document_node *node)
{
    const char *text = json_string_value(node->value);
    char message[REGEX_MESSAGE_MAX];

    if (!text) {
        FAIL(loader, node, "expected a string%s",
             json_is_number(node->value) ? "; write it in quotes" : "");
        return;
    }
    if (*text == '\0')
        FAIL(loader, node, "length must be at least 1");
    if (strncmp(text, "~*", 2) == 0 && regex_check(slice_of(text + 2), 0, message) < 0)
        FAIL(loader, node, "invalid regex: '%s' (PCRE returned: %s)", text + 2, message);
}

static void check_header(struct loader *loader, const struct document_node *header)
{
    struct document_node value = { 0 };
    char message[CHECK_MESSAGE_MAX];

    if (strcasecmp(header->key, "host") == 0)
        document_add_error(header, DOCUMENT_AT_KEY, loader->errors, CONFIG_ERROR,
                           "cannot contain 'host' header, which must be specified in the 'hosts' "
                           "attribute");
    else if (check_token(header->key, message) < 0)
        document_add_error(header, DOCUMENT_AT_KEY, loader->errors, CONFIG_ERROR, "%s", message);
    if (!json_is_array(header->value)) {
        FAIL(loader, header, "expected an array; write it as a list: [ … ]");
        return;
    }
    if (json_array_size(header->value) == 0)
        FAIL(loader, header, "length must be at least 1");
    while (document_next(header, &value))
        check_value(loader, &value);
}

static int store_header(struct loader *loader, const struct document_node *header,
                        struct config_route_header *ret)
{
    size_t count = json_array_size(header->value);

    ret->name = config_copy_text(loader->config, header->key, strlen(header->key));
    ret->values.items = config_alloc(loader->config, (count + 1) * sizeof(char *));
    if (!ret->name || !ret->values.items)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(header->value, i);

        if (!json_is_string(value))
            continue;
        ret->values.items[ret->values.count] =
            config_copy_text(loader->config, json_string_value(value), json_string_length(value));
        if (!ret->values.items[ret->values.count++])
            return -ENOMEM;
    }
    return 0;
}

static int read_headers(struct loader *loader, const struct document_node *headers,
                        struct config_route *route)
{
    struct document_node header = { 0 };
    size_t count = json_object_size(headers->value);
    int r = 0;

    if (json_is_null(headers->value))
        return 0;
    if (!json_is_object(headers->value)) {
        FAIL(loader, headers, "expected a map; write it as {name: [value, …]}");
        return 0;
    }
    route->headers = config_alloc(loader->config, (count + 1) * sizeof(*route->headers));
    if (!route->headers)
        return -ENOMEM;
    while (r == 0 && document_next(headers, &header)) {
        check_header(loader, &header);
        r = store_header(loader, &header, &route->headers[route->headers_count++]);
    }
    return r;
}

/* ---- ports that clients connected to --------------------------------------------------------- */

/* Kong's {ip, port}; of addresses nothing is known here. 0: it is no port. */
static uint16_t read_destination(struct loader *loader, const struct document_node *destination)
{
    struct document_node port, ip;
    json_int_t number;

    if (!document_member(destination, "port", &port) || !json_is_integer(port.value)) {
        FAIL(loader, destination, "expected a record; write it as {port: 443}");
        return 0;
    }
    if (document_member(destination, "ip", &ip) && !json_is_null(ip.value))
        FAIL(loader, &ip, "'ip' is not supported by this version of hopgate; remove it");
    number = json_integer_value(port.value);
    if (number >= 1 && number <= UINT16_MAX)
        return (uint16_t)number;
    FAIL(loader, &port, "value should be between 1 and 65535");
    return 0;
}

static int read_destinations(struct loader *loader, const struct document_node *list,
                             struct config_route *route)
{
    struct document_node destination = { 0 };

    if (json_is_null(list->value))
        return 0;
    if (!json_is_array(list->value)) {
        FAIL(loader, list, "expected a set; write it as a list: [{port: 443}]");
        return 0;
    }
    route->destination_ports = config_alloc(loader->config, (json_array_size(list->value) + 1) *
                                                                sizeof(*route->destination_ports));
    if (!route->destination_ports)
        return -ENOMEM;
    while (document_next(list, &destination)) {
        uint16_t port = read_destination(loader, &destination);

        if (port != 0)
            route->destination_ports[route->destination_ports_count++] = port;
    }
    return 0;
}

/* ---- which fields go together -------------------------------------------------------------- */

enum {
    HTTP = CONFIG_PROTOCOL_HTTP | CONFIG_PROTOCOL_HTTPS,
    GRPC = CONFIG_PROTOCOL_GRPC | CONFIG_PROTOCOL_GRPCS,
    PASSTHROUGH = CONFIG_PROTOCOL_TLS_PASSTHROUGH,
    TCP = CONFIG_PROTOCOL_TCP,
};

static bool is_set(const struct document_node *node, const char *field)
{
    struct document_node member;

    return loader_has_items(node, field) && document_member(node, field, &member) &&
           !(json_is_object(member.value) && json_object_size(member.value) == 0);
}

static void refuse_fields(struct loader *loader, const struct document_node *node,
                          const char *const *fields, const char *protocols)
{
    struct document_node member;

    for (; *fields; fields++)
        if (is_set(node, *fields) && document_member(node, *fields, &member))
            FAIL(loader, &member, "cannot set '%s' when 'protocols' is %s; remove it", *fields,
                 protocols);
}

static void need_one_of(struct loader *loader, const struct document_node *node,
                        const char *const *fields, const char *listed, const char *protocol)
{
    for (; *fields; fields++)
        if (is_set(node, *fields))
            return;
    FAIL(loader, node, "must set one of %s when 'protocols' is '%s'", listed, protocol);
}

/* Of connections, not of requests. */
static const char *const of_stream[] = { "destinations", NULL };

static void check_http(struct loader *loader, const struct document_node *node, unsigned protocols)
{
    static const char *const https[] = { "methods", "hosts", "headers", "paths", "snis", NULL };
    static const char *const http[] = { "methods", "hosts", "headers", "paths", NULL };

    refuse_fields(loader, node, of_stream, "'http' or 'https'");
    if (protocols & CONFIG_PROTOCOL_HTTPS)
        need_one_of(loader, node, https, "'methods', 'hosts', 'headers', 'paths', 'snis'", "https");
    else
        need_one_of(loader, node, http, "'methods', 'hosts', 'headers', 'paths'", "http");
}

static void check_grpc(struct loader *loader, const struct document_node *node,
                       struct config_route *route)
{
    static const char *const grpcs[] = { "hosts", "headers", "paths", "snis", NULL };
    static const char *const grpc[] = { "hosts", "headers", "paths", NULL };
    static const char *const refused[] = { "methods", "destinations", NULL };
    struct document_node member;

    refuse_fields(loader, node, refused, "'grpc' or 'grpcs'");
    if (document_member(node, "strip_path", &member) && json_is_true(member.value))
        FAIL(loader, &member, "cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'");
    route->strip_path = false;
    if (route->protocols & CONFIG_PROTOCOL_GRPCS)
        need_one_of(loader, node, grpcs, "'hosts', 'headers', 'paths', 'snis'", "grpcs");
    else
        need_one_of(loader, node, grpc, "'hosts', 'headers', 'paths'", "grpc");
}

/* Only the server name is in the open; nothing of HTTP can be matched. */
static void check_passthrough(struct loader *loader, const struct document_node *node)
{
    static const char *const unseen[] = { "methods", "hosts", "paths", "headers", NULL };

    refuse_fields(loader, node, unseen, "'tls_passthrough'");
    if (!is_set(node, "snis"))
        FAIL(loader, node, "must set snis when 'protocols' is 'tls_passthrough'");
}

/* Where it leads by the port alone: kong/db/schema/entities/routes_subschemas.lua, stream_subschema. */
static void check_tcp(struct loader *loader, const struct document_node *node)
{
    static const char *const unseen[] = { "methods", "hosts", "paths", "headers", NULL };
    static const char *const needed[] = { "destinations", NULL };

    refuse_fields(loader, node, unseen, "'tcp', 'tls', 'udp'");
    need_one_of(loader, node, needed, "'sources', 'destinations', 'snis'", "tcp");
}

/* The SNI is of a handshake: kong/db/schema/entities/routes.lua. */
static void check_snis(struct loader *loader, const struct document_node *node, unsigned protocols)
{
    const unsigned with_tls = CONFIG_PROTOCOL_HTTPS | CONFIG_PROTOCOL_GRPCS | PASSTHROUGH;
    struct document_node member;

    if (is_set(node, "snis") && !(protocols & with_tls) && document_member(node, "snis", &member))
        FAIL(loader, &member,
             "'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or "
             "'tls_passthrough'");
}

/* False: a mix, or nothing. */
static bool check_protocols(struct loader *loader, const struct document_node *node,
                            unsigned protocols)
{
    static const struct {
        unsigned mask;
        const char *words;
    } sets[] = { { HTTP, "('http', 'https')" },
                 { TCP, "('tcp')" },
                 { PASSTHROUGH, "('tls_passthrough')" },
                 { GRPC, "('grpc', 'grpcs')" } };
    struct document_node member;
    const char *first = NULL;

    if (!document_member(node, "protocols", &member))
        member = *node;
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        if (!(protocols & sets[i].mask))
            continue;
        if (first) {
            FAIL(loader, &member, "these sets are mutually exclusive: %s, %s; make two routes",
                 first, sets[i].words);
            return false;
        }
        first = sets[i].words;
    }
    if (!first && json_is_array(member.value) && json_array_size(member.value) == 0)
        FAIL(loader, &member, "length must be at least 1; remove it for http and https");
    return first != NULL;
}

static void check_route(struct loader *loader, const struct document_node *node,
                        struct config_route *route)
{
    if (!check_protocols(loader, node, route->protocols) && route->protocols != 0)
        return;
    check_snis(loader, node, route->protocols);
    if (route->protocols & PASSTHROUGH)
        check_passthrough(loader, node);
    else if (route->protocols & TCP)
        check_tcp(loader, node);
    else if (route->protocols & GRPC)
        check_grpc(loader, node, route);
    else
        check_http(loader, node, route->protocols);
}

int declarative_read_route(struct loader *loader, const struct document_node *node, size_t parent)
{
    struct config_route *route = loader_add(loader, ENTITY_ROUTE);
    struct document_node headers, destinations;
    int r = 0;

    if (!route)
        return -ENOMEM;
    schema_read(&loader->reader, &schema_routes, node, NULL, route);
    if (json_is_object(node->value))
        check_route(loader, node, route);
    if (json_is_object(node->value) && document_member(node, "headers", &headers))
        r = read_headers(loader, &headers, route);
    if (r == 0 && json_is_object(node->value) &&
        document_member(node, "destinations", &destinations))
        r = read_destinations(loader, &destinations, route);
    if (r == 0)
        r = loader_set_place(loader, node, &route->path, &route->line, &route->column);
    if (r == 0)
        r = loader_register(loader, ENTITY_ROUTE, node, route->name, &route->id, route->path);
    if (r == 0)
        r = loader_refer_to_parent(loader, ENTITY_ROUTE, ENTITY_SERVICE, node, "service", parent);
    return r;
}
