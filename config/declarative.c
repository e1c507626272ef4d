#include "config/declarative.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/declarative_priv.h"
#include "config/file.h"
#include "config/flatten/flatten.h"
#include "config/service_url.h"
#include "core/addr.h"
#include "core/md5.h"

static const size_t entity_sizes[ENTITY_KIND_COUNT] = {
    [ENTITY_SERVICE] = sizeof(struct config_service),
    [ENTITY_ROUTE] = sizeof(struct config_route),
    [ENTITY_UPSTREAM] = sizeof(struct config_upstream),
    [ENTITY_TARGET] = sizeof(struct config_target),
    [ENTITY_CERTIFICATE] = sizeof(struct config_certificate),
    [ENTITY_SNI] = sizeof(struct loaded_sni),
    [ENTITY_CA_CERTIFICATE] = sizeof(struct config_ca_certificate),
    [ENTITY_MTLS] = sizeof(struct config_mtls),
};

/* --- one reader per entity ----------------------------------------------------------------- */

/* A service whose protocol is not https must not carry TLS fields. */
static void check_service(struct loader *loader, const struct document_node *node,
                          const struct config_service *service)
{
    static const char *const tls_fields[] = { "client_certificate", "tls_verify",
                                              "tls_verify_depth", "ca_certificates" };
    struct document_node member;

    if (service->protocol == CONFIG_PROTOCOL_HTTPS)
        return;
    for (size_t i = 0; i < sizeof(tls_fields) / sizeof(tls_fields[0]); i++)
        if (document_member(node, tls_fields[i], &member) && !json_is_null(member.value))
            FAIL(loader, &member,
                 "value must be null, because 'protocol' is '%s'; set protocol to https or "
                 "remove '%s'",
                 service->protocol == CONFIG_PROTOCOL_TCP ? "tcp" : "http", tls_fields[i]);
}

static int read_service(struct loader *loader, const struct document_node *node, size_t parent)
{
    struct config_service *service = loader_add(loader, ENTITY_SERVICE);
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
    r = loader_set_place(loader, node, &service->path, &service->line, &service->column);
    if (r == 0)
        r = loader_register(loader, ENTITY_SERVICE, node, service->name, &service->id,
                            service->path);
    if (r == 0 && document_member(node, "client_certificate", &member))
        r = loader_refer_to(loader, ENTITY_SERVICE, ENTITY_CERTIFICATE, &member);
    if (r == 0 && document_member(node, "ca_certificates", &member) &&
        json_is_array(member.value)) {
        struct document_node item = { 0 };
        while (r == 0 && document_next(&member, &item))
            r = loader_refer_to(loader, ENTITY_SERVICE, ENTITY_CA_CERTIFICATE, &item);
    }
    return r < 0 ? r : loader_read_list(loader, node, "routes", declarative_read_route, index);
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
    struct config_target *target = loader_add(loader, ENTITY_TARGET);
    int r;

    if (!target)
        return -ENOMEM;
    schema_read(&loader->reader, &schema_targets, node, NULL, target);
    r = loader_set_place(loader, node, &target->path, &target->line, &target->column);
    if (r == 0)
        r = declarative_normalise_target(loader, target);
    if (r == 0)
        r = loader_refer_to_parent(loader, ENTITY_TARGET, ENTITY_UPSTREAM, node, "upstream",
                                   parent);
    if (r == 0 && parent == NO_ENTITY && json_is_object(node->value) &&
        !loader_has_items(node, "upstream"))
        FAIL(loader, node, "required field missing; add 'upstream', the upstream's name or id");
    return r;
}

static int read_upstream(struct loader *loader, const struct document_node *node, size_t parent)
{
    struct config_upstream *upstream = loader_add(loader, ENTITY_UPSTREAM);
    size_t index = loader->lists[ENTITY_UPSTREAM].count - 1;
    struct document_node member;
    int r;

    (void)parent;
    if (!upstream)
        return -ENOMEM;
    schema_read(&loader->reader, &schema_upstreams, node, NULL, upstream);
    r = loader_set_place(loader, node, &upstream->path, &upstream->line, &upstream->column);
    if (r == 0)
        r = declarative_finish_upstream(loader, node, upstream);
    if (r == 0)
        r = declarative_finish_healthchecks(loader, node, upstream);
    if (r == 0)
        r = loader_register(loader, ENTITY_UPSTREAM, node, upstream->name, &upstream->id,
                            upstream->path);
    if (r == 0 && document_member(node, "client_certificate", &member))
        r = loader_refer_to(loader, ENTITY_UPSTREAM, ENTITY_CERTIFICATE, &member);
    return r < 0 ? r : loader_read_list(loader, node, "targets", read_target, index);
}

/* --- the file ------------------------------------------------------------------------------ */

static void check_format_version(struct loader *loader, const struct document_node *root)
{
    struct document_node version = *root;
    bool found = document_member(root, "_format_version", &version);
    const char *why = schema_format_version_error(found ? version.value : NULL);

    if (why)
        FAIL(loader, &version, "%s", why);
}

static int read_document(struct loader *loader)
{
    struct document_node root = document_root(loader->document), own;
    int r;

    if (!json_is_object(root.value)) {
        FAIL(loader, &root, "expected an object; the file begins with _format_version: \"3.0\"");
        return 0;
    }
    check_format_version(loader, &root);
    schema_read(&loader->reader, &schema_document, &root, NULL, NULL);
    r = loader_read_list(loader, &root, "services", read_service, NO_ENTITY);
    if (r == 0)
        r = loader_read_list(loader, &root, "routes", declarative_read_route, NO_ENTITY);
    if (r == 0)
        r = loader_read_list(loader, &root, "upstreams", read_upstream, NO_ENTITY);
    if (r == 0)
        r = loader_read_list(loader, &root, "targets", read_target, NO_ENTITY);
    if (r == 0)
        r = loader_read_list(loader, &root, "certificates", declarative_read_certificate,
                             NO_ENTITY);
    if (r == 0)
        r = loader_read_list(loader, &root, "snis", declarative_read_sni, NO_ENTITY);
    if (r == 0)
        r = loader_read_list(loader, &root, "ca_certificates", declarative_read_ca_certificate,
                             NO_ENTITY);
    if (r == 0 && document_member(&root, "hopgate", &own) && json_is_object(own.value))
        r = loader_read_list(loader, &own, "mtls", declarative_read_mtls, NO_ENTITY);
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
        loader->config->hopgate_source = loader->config->source;
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

/* All 0 without an entity, as when there was no configuration yet (kong/db/declarative/import.lua). */
static void set_hash(struct config *config, struct slice text)
{
    if (flattened_any(config->entities))
        md5_hex(text, config->hash);
}

/* All entities once more by the model, with those that nothing here runs: what the Admin API shows, and
 * whatever is wrong that was not told yet. */
static int flatten_entities(struct loader *loader)
{
    struct timespec now;
    SCOPED(flattened) flattened = NULL;
    int r = model_get() ? 0 : -ENOMEM;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (r == 0)
        r = flatten_document(model_get(), loader->document->root,
                             (double)now.tv_sec + (double)now.tv_nsec / 1e9, &flattened);
    if (r == -EINVAL) {
        flattened_tell(flattened, loader->document, loader->errors);
        return 0; /* nothing told: a certificate, which cannot be loaded either */
    }
    if (r == 0)
        loader->config->entities = flattened_entities(flattened);
    return r == 0 && !loader->config->entities ? -ENOMEM : r;
}

/* Everything after the document is there; takes what is in `loader` and `found`. r: how that went. */
static int finish_loading(struct loader *loader, int r, struct config_errors *errors)
{
    struct config_errors *found = loader->errors;

    if (r == 0)
        r = read_document(loader);
    if (r == 0)
        r = declarative_link(loader);
    if (r == 0 && found->errors_count == 0)
        r = declarative_read_hopgate(loader);
    if (r == 0 && loader->document->marks && json_is_object(loader->document->root))
        r = flatten_entities(loader);
    if (r == 0 && found->errors_count > 0)
        r = -EINVAL;
    config_errors_sort(found);
    config_errors_take(errors, found);
    return r;
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
        r = flatten_migrate(loader.document->root);
    r = finish_loading(&loader, r, errors);
    if (r == 0) {
        if (file)
            set_hash(loader.config, text);
        if (loader.config->entities && json_object_set_new(loader.config->entities, "_hash",
                                                           json_string(loader.config->hash)) < 0)
            r = -ENOMEM;
    }
    if (r == 0) {
        *ret = TAKE(loader.config);
    }
    loader_done(&loader);
    return r;
}

int config_load_entities(json_t *document, const char *source, struct config **ret,
                         struct config_errors *errors)
{
    struct config_errors found;
    struct loader loader;
    int r;

    config_errors_init(&found);
    r = loader_init(&loader, &found, source);
    if (r == 0) {
        loader.document = document_wrap(document, source);
        r = loader.document ? 0 : -ENOMEM;
    }
    r = finish_loading(&loader, r, errors);
    if (r == 0)
        *ret = TAKE(loader.config);
    loader_done(&loader);
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
