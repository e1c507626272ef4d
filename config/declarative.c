#include "config/declarative.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/declarative_priv.h"
#include "config/entity_id.h"
#include "config/file.h"
#include "config/service_url.h"
#include "core/addr.h"

const char *const entity_kind_names[ENTITY_KIND_COUNT] = {
    [ENTITY_SERVICE] = "services",
    [ENTITY_ROUTE] = "routes",
    [ENTITY_UPSTREAM] = "upstreams",
    [ENTITY_TARGET] = "targets",
    [ENTITY_CERTIFICATE] = "certificates",
    [ENTITY_SNI] = "snis",
    [ENTITY_CA_CERTIFICATE] = "ca_certificates",
};

static const size_t entity_sizes[ENTITY_KIND_COUNT] = {
    [ENTITY_SERVICE] = sizeof(struct config_service),
    [ENTITY_ROUTE] = sizeof(struct config_route),
    [ENTITY_UPSTREAM] = sizeof(struct config_upstream),
    [ENTITY_TARGET] = sizeof(struct config_target),
    [ENTITY_CERTIFICATE] = sizeof(struct config_certificate),
    [ENTITY_SNI] = sizeof(struct loaded_sni),
    [ENTITY_CA_CERTIFICATE] = sizeof(struct config_ca_certificate),
};

#define FAIL(loader, node, ...) \
    document_add_error(node, DOCUMENT_AT_VALUE, (loader)->errors, CONFIG_ERROR, __VA_ARGS__)

/* --- lists --------------------------------------------------------------------------------- */

/* Room for one more, zeroed; NULL: no memory. The pointer is good until the next one is added. */
static void *add_entity(struct loader *loader, enum entity_kind kind)
{
    struct entity_list *list = &loader->lists[kind];

    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 16;
        void *items = reallocarray(list->items, capacity, list->item_size);
        if (!items)
            return NULL;
        list->items = items;
        list->capacity = capacity;
    }
    return memset((char *)list->items + list->count++ * list->item_size, 0, list->item_size);
}

static char *path_copy(struct loader *loader, const struct document_node *node)
{
    char path[DOCUMENT_PATH_MAX];

    document_path(node, path, sizeof(path));
    return config_copy_text(loader->config, path, strlen(path));
}

/* Where the entity stands, copied into its own fields. */
static int set_place(struct loader *loader, const struct document_node *node, const char **path,
                     unsigned *line, unsigned *column)
{
    const struct document_mark *mark = &node->document->marks[node->mark];

    *line = mark->line;
    *column = mark->column;
    *path = path_copy(loader, node);
    return *path ? 0 : -ENOMEM;
}

/* id or name must be new in its list; `member` is the field's name. */
static int register_key(struct loader *loader, enum entity_kind kind, json_t *keys,
                        const struct document_node *node, const char *member, const char *key)
{
    struct document_node at = *node;

    if (!key)
        return 0;
    if (json_object_get(keys, key)) {
        (void)document_member(node, member, &at); /* a generated one stays at the entity */
        FAIL(loader, &at,
             "uniqueness violation: '%s' entity with %s set to '%s' already declared; rename or "
             "remove one of the two",
             entity_kind_names[kind], strcmp(member, "id") == 0 ? "primary key" : member, key);
        return 0;
    }
    return json_object_set_new(keys, key, json_integer((json_int_t)loader->lists[kind].count - 1)) <
                   0
               ? -ENOMEM
               : 0;
}

/* An id that was not given: Kong's own from the name, else one from where the entity stands. */
static int fill_id(struct loader *loader, enum entity_kind kind, const char *name, const char *path,
                   char **id)
{
    char text[UUID_TEXT_BYTES + 1];

    if (*id)
        return 0;
    entity_id_from_key(entity_kind_names[kind], name ? name : path, text);
    *id = config_copy_text(loader->config, text, strlen(text));
    return *id ? 0 : -ENOMEM;
}

static int register_entity(struct loader *loader, enum entity_kind kind,
                           const struct document_node *node, const char *name, char **id,
                           const char *path)
{
    struct entity_list *list = &loader->lists[kind];
    int r = fill_id(loader, kind, name, path, id);

    if (r == 0)
        r = register_key(loader, kind, list->by_id, node, "id", *id);
    if (r == 0)
        r = register_key(loader, kind, list->by_name, node, "name", name);
    return r;
}

/* --- references ---------------------------------------------------------------------------- */

static int add_reference(struct loader *loader, struct reference reference)
{
    if (loader->references_count == loader->references_capacity) {
        size_t capacity = loader->references_capacity ? loader->references_capacity * 2 : 64;
        struct reference *references =
            reallocarray(loader->references, capacity, sizeof(*references));
        if (!references)
            return -ENOMEM;
        loader->references = references;
        loader->references_capacity = capacity;
    }
    loader->references[loader->references_count++] = reference;
    return 0;
}

/* "x", {id: x} or {name: x}; NULL when the schema has already refused it. */
static const char *reference_key(const json_t *value)
{
    const char *key = json_string_value(value);

    if (!key)
        key = json_string_value(json_object_get(value, "id"));
    return key ? key : json_string_value(json_object_get(value, "name"));
}

/* The latest entity of from_kind points to what stands at `node`. */
static int refer_to(struct loader *loader, enum entity_kind from_kind, enum entity_kind to_kind,
                    const struct document_node *node)
{
    const struct document_mark *mark = &node->document->marks[node->mark];
    const char *key = reference_key(node->value);
    struct reference reference = {
        .from_kind = from_kind,
        .to_kind = to_kind,
        .from = loader->lists[from_kind].count - 1,
        .to = NO_ENTITY,
        .field = node->key ? node->key : node->parent->key,
        .key = key,
        .place = { .file = loader->document->file, .line = mark->line, .column = mark->column },
    };

    if (!key)
        return 0;
    reference.place.path = path_copy(loader, node);
    return reference.place.path ? add_reference(loader, reference) : -ENOMEM;
}

/* The parent of a nested entity, or what its own field says; a nested one must not say it again. */
static int refer_to_parent(struct loader *loader, enum entity_kind kind,
                           enum entity_kind parent_kind, const struct document_node *node,
                           const char *field, size_t parent)
{
    struct document_node member;
    bool written = document_member(node, field, &member) && !json_is_null(member.value);

    if (parent == NO_ENTITY)
        return written ? refer_to(loader, kind, parent_kind, &member) : 0;
    if (written)
        FAIL(loader, &member, "value must be null; the nesting already says it, remove '%s'",
             field);
    return add_reference(loader, (struct reference){ .from_kind = kind,
                                                     .to_kind = parent_kind,
                                                     .from = loader->lists[kind].count - 1,
                                                     .to = parent });
}

/* --- one reader per entity ----------------------------------------------------------------- */

typedef int read_entity(struct loader *loader, const struct document_node *node, size_t parent);

static int read_list(struct loader *loader, const struct document_node *parent_node,
                     const char *field, read_entity *read, size_t parent)
{
    struct document_node list, item = { 0 };

    if (!document_member(parent_node, field, &list) || !json_is_array(list.value))
        return 0;
    while (document_next(&list, &item)) {
        int r = read(loader, &item, parent);
        if (r < 0)
            return r;
    }
    return 0;
}

/* A service whose protocol is not https must not carry TLS fields. */
static void check_service(struct loader *loader, const struct document_node *node,
                          const struct config_service *service)
{
    static const char *const tls_fields[] = { "client_certificate", "tls_verify",
                                              "tls_verify_depth", "ca_certificates" };
    struct document_node member;

    if (service->protocol != CONFIG_PROTOCOL_HTTP)
        return;
    for (size_t i = 0; i < sizeof(tls_fields) / sizeof(tls_fields[0]); i++)
        if (document_member(node, tls_fields[i], &member) && !json_is_null(member.value))
            FAIL(loader, &member,
                 "value must be null, because 'protocol' is 'http'; set protocol to https or "
                 "remove '%s'",
                 tls_fields[i]);
}

static read_entity read_route;

static int read_service(struct loader *loader, const struct document_node *node, size_t parent)
{
    struct config_service *service = add_entity(loader, ENTITY_SERVICE);
    size_t index = loader->lists[ENTITY_SERVICE].count - 1;
    struct document_node member;
    struct schema_overlay overlay = { .at = &member };
    json_t *expanded = NULL;
    int r;

    (void)parent;
    if (!service)
        return -ENOMEM;
    if (document_member(node, "url", &member) && json_is_string(member.value)) {
        expanded = service_url_expand(json_string_value(member.value));
        if (!expanded)
            return -ENOMEM;
        overlay.members = expanded;
    }
    schema_read(&loader->reader, &schema_services, node, expanded ? &overlay : NULL, service);
    json_decref(expanded);
    check_service(loader, node, service);
    r = set_place(loader, node, &service->path, &service->line, &service->column);
    if (r == 0)
        r = register_entity(loader, ENTITY_SERVICE, node, service->name, &service->id,
                            service->path);
    if (r == 0 && document_member(node, "client_certificate", &member))
        r = refer_to(loader, ENTITY_SERVICE, ENTITY_CERTIFICATE, &member);
    if (r == 0 && document_member(node, "ca_certificates", &member) &&
        json_is_array(member.value)) {
        struct document_node item = { 0 };
        while (r == 0 && document_next(&member, &item))
            r = refer_to(loader, ENTITY_SERVICE, ENTITY_CA_CERTIFICATE, &item);
    }
    return r < 0 ? r : read_list(loader, node, "routes", read_route, index);
}

static bool has_items(const struct document_node *node, const char *field)
{
    struct document_node member;

    return document_member(node, field, &member) && !json_is_null(member.value) &&
           !(json_is_array(member.value) && json_array_size(member.value) == 0);
}

static void check_route(struct loader *loader, const struct document_node *node,
                        const struct config_route *route)
{
    bool https = route->protocols & CONFIG_PROTOCOL_HTTPS;
    struct document_node member;

    if (!has_items(node, "methods") && !has_items(node, "hosts") && !has_items(node, "paths") &&
        !has_items(node, "headers") && !(https && has_items(node, "snis")))
        FAIL(loader, node,
             "must set one of 'methods', 'hosts', 'headers', 'paths'%s when "
             "'protocols' is '%s'",
             https ? ", 'snis'" : "", https ? "https" : "http");
    if (document_member(node, "protocols", &member) && json_is_array(member.value) &&
        json_array_size(member.value) == 0)
        FAIL(loader, &member, "length must be at least 1; remove it for http and https");
    if (document_member(node, "path_handling", &member) && json_is_string(member.value) &&
        strcmp(json_string_value(member.value), "v1") == 0)
        document_add_error(&member, DOCUMENT_AT_VALUE, loader->errors, CONFIG_WARNING,
                           "'v1' has no effect, as in Kong's default router "
                           "(traditional_compatible); remove it");
}

static int read_route(struct loader *loader, const struct document_node *node, size_t parent)
{
    struct config_route *route = add_entity(loader, ENTITY_ROUTE);
    int r;

    if (!route)
        return -ENOMEM;
    schema_read(&loader->reader, &schema_routes, node, NULL, route);
    if (json_is_object(node->value))
        check_route(loader, node, route);
    r = set_place(loader, node, &route->path, &route->line, &route->column);
    if (r == 0)
        r = register_entity(loader, ENTITY_ROUTE, node, route->name, &route->id, route->path);
    if (r == 0)
        r = refer_to_parent(loader, ENTITY_ROUTE, ENTITY_SERVICE, node, "service", parent);
    return r;
}

/* "host:port" with Kong's default port and IPv6 groups written out, as Kong stores it. */
static int normalise_target(struct loader *loader, struct config_target *target)
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
        (void)addr_parse_port(port, &number); /* checked by the schema */
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

static int read_target(struct loader *loader, const struct document_node *node, size_t parent)
{
    struct config_target *target = add_entity(loader, ENTITY_TARGET);
    int r;

    if (!target)
        return -ENOMEM;
    schema_read(&loader->reader, &schema_targets, node, NULL, target);
    r = set_place(loader, node, &target->path, &target->line, &target->column);
    if (r == 0)
        r = normalise_target(loader, target);
    if (r == 0)
        r = refer_to_parent(loader, ENTITY_TARGET, ENTITY_UPSTREAM, node, "upstream", parent);
    if (r == 0 && parent == NO_ENTITY && json_is_object(node->value) &&
        !has_items(node, "upstream"))
        FAIL(loader, node, "required field missing; add 'upstream', the upstream's name or id");
    return r;
}

static int read_upstream(struct loader *loader, const struct document_node *node, size_t parent)
{
    struct config_upstream *upstream = add_entity(loader, ENTITY_UPSTREAM);
    size_t index = loader->lists[ENTITY_UPSTREAM].count - 1;
    int r;

    (void)parent;
    if (!upstream)
        return -ENOMEM;
    schema_read(&loader->reader, &schema_upstreams, node, NULL, upstream);
    r = set_place(loader, node, &upstream->path, &upstream->line, &upstream->column);
    if (r == 0)
        r = register_entity(loader, ENTITY_UPSTREAM, node, upstream->name, &upstream->id,
                            upstream->path);
    return r < 0 ? r : read_list(loader, node, "targets", read_target, index);
}

/* Inside a certificate an sni may be just its name. */
static int read_sni(struct loader *loader, const struct document_node *node, size_t parent)
{
    struct loaded_sni *sni = add_entity(loader, ENTITY_SNI);
    const char *name = json_string_value(node->value);
    char message[CHECK_MESSAGE_MAX];
    int r;

    if (!sni)
        return -ENOMEM;
    if (name && parent != NO_ENTITY) {
        if (check_sni(name, message) < 0)
            FAIL(loader, node, "%s", message);
    } else {
        schema_read(&loader->reader, &schema_snis, node, NULL, NULL);
        name = json_string_value(json_object_get(node->value, "name"));
    }
    if (!name)
        return 0;
    sni->name = config_copy_text(loader->config, name, strlen(name));
    if (!sni->name)
        return -ENOMEM;
    r = register_key(loader, ENTITY_SNI, loader->lists[ENTITY_SNI].by_name, node, "name",
                     sni->name);
    if (r == 0)
        r = refer_to_parent(loader, ENTITY_SNI, ENTITY_CERTIFICATE, node, "certificate", parent);
    if (r == 0 && parent == NO_ENTITY && !has_items(node, "certificate"))
        FAIL(loader, node, "required field missing; add 'certificate', the certificate's id");
    return r;
}

static int read_certificate(struct loader *loader, const struct document_node *node, size_t parent)
{
    struct config_certificate *certificate = add_entity(loader, ENTITY_CERTIFICATE);
    size_t index = loader->lists[ENTITY_CERTIFICATE].count - 1;
    int r;

    (void)parent;
    if (!certificate)
        return -ENOMEM;
    schema_read(&loader->reader, &schema_certificates, node, NULL, certificate);
    if (has_items(node, "cert_alt") != has_items(node, "key_alt"))
        FAIL(loader, node, "all or none of these fields must be set: 'cert_alt', 'key_alt'");
    r = set_place(loader, node, &certificate->path, &certificate->line, &certificate->column);
    if (r == 0)
        r = register_entity(loader, ENTITY_CERTIFICATE, node, NULL, &certificate->id,
                            certificate->path);
    return r < 0 ? r : read_list(loader, node, "snis", read_sni, index);
}

static int read_ca_certificate(struct loader *loader, const struct document_node *node,
                               size_t parent)
{
    struct config_ca_certificate *certificate = add_entity(loader, ENTITY_CA_CERTIFICATE);
    int r;

    (void)parent;
    if (!certificate)
        return -ENOMEM;
    schema_read(&loader->reader, &schema_ca_certificates, node, NULL, certificate);
    r = set_place(loader, node, &certificate->path, &certificate->line, &certificate->column);
    if (r == 0)
        r = register_entity(loader, ENTITY_CA_CERTIFICATE, node, NULL, &certificate->id,
                            certificate->path);
    return r;
}

/* --- the file ------------------------------------------------------------------------------ */

/* Older formats write regex paths like plain ones, so reading them as 3.0 could mean other routes.
 */
static void check_format_version(struct loader *loader, const struct document_node *root)
{
    struct document_node version;
    const char *text;

    if (!document_member(root, "_format_version", &version)) {
        FAIL(loader, root, "required field missing; add _format_version: \"3.0\"");
        return;
    }
    text = json_string_value(version.value);
    if (!text)
        FAIL(loader, &version, "expected a string; write it in quotes: \"3.0\"");
    else if (strcmp(text, "1.1") == 0 || strcmp(text, "2.1") == 0)
        FAIL(loader, &version,
             "format %s is not supported by this version of hopgate; put '~' before each regex "
             "path and set _format_version: \"3.0\" (deck file convert does both)",
             text);
    else if (strcmp(text, "3.0") != 0)
        FAIL(loader, &version, "expected one of: 3.0");
}

static int read_document(struct loader *loader)
{
    struct document_node root = document_root(loader->document);
    int r;

    if (!json_is_object(root.value)) {
        FAIL(loader, &root, "expected an object; the file begins with _format_version: \"3.0\"");
        return 0;
    }
    check_format_version(loader, &root);
    schema_read(&loader->reader, &schema_document, &root, NULL, NULL);
    r = read_list(loader, &root, "services", read_service, NO_ENTITY);
    if (r == 0)
        r = read_list(loader, &root, "routes", read_route, NO_ENTITY);
    if (r == 0)
        r = read_list(loader, &root, "upstreams", read_upstream, NO_ENTITY);
    if (r == 0)
        r = read_list(loader, &root, "targets", read_target, NO_ENTITY);
    if (r == 0)
        r = read_list(loader, &root, "certificates", read_certificate, NO_ENTITY);
    if (r == 0)
        r = read_list(loader, &root, "snis", read_sni, NO_ENTITY);
    if (r == 0)
        r = read_list(loader, &root, "ca_certificates", read_ca_certificate, NO_ENTITY);
    return r == 0 && loader->reader.out_of_memory ? -ENOMEM : r;
}

static int loader_init(struct loader *loader, struct config_errors *errors, const char *file)
{
    *loader = (struct loader){ .errors = errors };
    loader->config = config_create();
    if (!loader->config)
        return -ENOMEM;
    loader->reader = (struct schema_reader){ .config = loader->config, .errors = errors };
    if (file) {
        loader->config->source = config_copy_text(loader->config, file, strlen(file));
        if (!loader->config->source)
            return -ENOMEM;
    }
    for (size_t i = 0; i < ENTITY_KIND_COUNT; i++) {
        loader->lists[i].item_size = entity_sizes[i];
        loader->lists[i].by_id = json_object();
        loader->lists[i].by_name = json_object();
        if (!loader->lists[i].by_id || !loader->lists[i].by_name)
            return -ENOMEM;
    }
    return 0;
}

static void loader_done(struct loader *loader)
{
    for (size_t i = 0; i < ENTITY_KIND_COUNT; i++) {
        json_decref(loader->lists[i].by_id);
        json_decref(loader->lists[i].by_name);
        free(loader->lists[i].items);
    }
    free(loader->references);
    document_free(loader->document);
    config_free(loader->config);
}

int config_load_text(struct slice text, const char *file, struct config **ret,
                     struct config_errors *errors)
{
    struct config_errors found;
    struct loader loader;
    int r;

    config_errors_init(&found);
    r = loader_init(&loader, &found, file);
    if (r == 0)
        r = document_parse(text, document_guess_format(file, text), file, &loader.document, &found);
    if (r == 0)
        r = read_document(&loader);
    if (r == 0)
        r = declarative_link(&loader);
    if (r == 0 && found.errors_count > 0)
        r = -EINVAL;
    if (r == 0)
        *ret = TAKE(loader.config);
    loader_done(&loader);
    config_errors_sort(&found);
    config_errors_take(errors, &found);
    return r;
}

int config_load_file(const char *file, struct config **ret, struct config_errors *errors)
{
    char *text;
    size_t length;
    int r = file_read(file, DOCUMENT_BYTES_MAX, &text, &length, errors);

    if (r < 0)
        return r;
    r = config_load_text((struct slice){ text, length }, file, ret, errors);
    free(text);
    return r;
}
