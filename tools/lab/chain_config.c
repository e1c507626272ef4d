#include "tools/lab/chain_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/file.h"

#define CA_ID          "5f0c2f5e-7f52-4f38-9d6c-0f8d9a3f1bca"
#define CERTIFICATE_ID "5f0c2f5e-7f52-4f38-9d6c-0f8d9a3f1bc1"
#define UPSTREAM_NAME  "next"

/* ---- kong.conf ----------------------------------------------------------------------------- */

/* The usual port and, on the same address, those that were added. */
static void print_listens(FILE *out, const struct chain_config_context *context, const char *key,
                          const char *flags)
{
    const struct chain_place *here = &context->here;

    (void)fprintf(out, "%s = %s:%u%s", key, here->address, here->port, flags);
    for (size_t i = 0; i < json_array_size(context->more_ports); i++)
        (void)fprintf(out, ", %s:%lld%s", here->address,
                      (long long)json_integer_value(json_array_get(context->more_ports, i)), flags);
    (void)fputs("\n", out);
}

static void print_tls(FILE *out, const struct chain_config_context *context)
{
    const struct chain_element *element = context->element;

    if (!element->tls || context->leads_tls || !context->pki_folder)
        return;
    (void)fprintf(out, "ssl_cert = %s/%s/chain.pem\nssl_cert_key = %s/%s/key.pem\n",
                  context->pki_folder, element->certificate, context->pki_folder,
                  element->certificate);
    if (strcmp(element->verify_client, "off") != 0)
        (void)fprintf(out,
                      "nginx_proxy_ssl_verify_client = %s\n"
                      "nginx_proxy_ssl_client_certificate = %s/ca.pem\n"
                      "nginx_proxy_ssl_verify_depth = 5\n",
                      element->verify_client, context->pki_folder);
}

static void print_setting(FILE *out, const char *key, const json_t *value)
{
    char text[1024];

    if (json_is_string(value))
        snprintf(text, sizeof(text), "%s", json_string_value(value));
    else if (json_is_integer(value))
        snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        snprintf(text, sizeof(text), "%g", json_real_value(value));
    else
        snprintf(text, sizeof(text), "%s", json_is_true(value) ? "on" : "off");
    (void)fprintf(out, "%s = %s\n", key, text);
}

/* Of what the chain file says nothing. */
static void print_default(FILE *out, const struct chain_config_context *context, const char *key,
                          const char *value)
{
    if (!json_object_get(context->element->settings, key))
        (void)fprintf(out, "%s = %s\n", key, value);
}

char *chain_config_kong_conf(const struct chain_config_context *context)
{
    const struct chain_element *element = context->element;
    char *text = NULL, scale[24];
    size_t length;
    FILE *out = open_memstream(&text, &length);
    const char *key;
    json_t *value;

    if (!out)
        return NULL;
    (void)fprintf(out, "prefix = %s\n", context->prefix);
    if (context->leads_tls)
        (void)fputs("proxy_listen = off\n", out);
    print_listens(out, context, context->leads_tls ? "stream_listen" : "proxy_listen",
                  element->tls || context->leads_tls ? " ssl" : "");
    (void)fprintf(out,
                  "admin_listen = off\n"
                  "hopgate_persona = %s\nhopgate_name = %s\nhopgate_upstream_bind = %s\n",
                  element->persona, element->name, context->here.address);
    print_default(out, context, "nginx_worker_processes", "1");
    print_default(out, context, "hopgate_access_log_format", "json");
    print_default(out, context, "hopgate_lab", "on");
    if (context->has_cases)
        print_default(out, context, "hopgate_upstream_keepalive_of", "target");
    snprintf(scale, sizeof(scale), "%lld", (long long)context->chain->time_scale);
    if (context->chain->time_scale > 1)
        print_default(out, context, "hopgate_time_scale", scale);
    if (context->is_root) /* else it would become somebody who cannot read the lab's files */
        print_default(out, context, "nginx_user", "root");
    print_tls(out, context);
    json_object_foreach((json_t *)element->settings, key, value) print_setting(out, key, value);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

/* ---- entities ------------------------------------------------------------------------------ */

static json_t *everything(void)
{
    return json_pack("{s:s, s:s, s:[{s:s, s:[s], s:b, s:b}]}", "name", UPSTREAM_NAME, "host",
                     UPSTREAM_NAME, "routes", "name", "everything", "paths", "/", "strip_path", 0,
                     "preserve_host", 1);
}

static json_t *place_text(const struct chain_place *place)
{
    return json_sprintf(strchr(place->address, ':') ? "[%s]:%u" : "%s:%u", place->address,
                        place->port);
}

static json_t *targets_of(const struct chain_next *next)
{
    json_t *list = json_array();

    for (size_t i = 0; i < next->count; i++)
        json_array_append_new(list, json_pack("{s:o}", "target", place_text(&next->places[i])));
    return list;
}

static bool names_upstream(const json_t *root, const char *host)
{
    const json_t *upstreams = json_object_get(root, "upstreams");

    for (size_t i = 0; host && i < json_array_size(upstreams); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(upstreams, i), "name"));

        if (name && strcmp(name, host) == 0)
            return true;
    }
    return false;
}

static char *read_pem(const char *folder, const char *name, const char *file,
                      struct config_errors *errors)
{
    char path[1024], *text = NULL;
    size_t length;

    snprintf(path, sizeof(path), "%s/%s%s%s", folder, name ? name : "", name ? "/" : "", file);
    (void)file_read(path, 1 << 20, &text, &length, errors);
    return text;
}

static void add_trust(json_t *root, json_t *service, const struct chain_config_context *context,
                      struct config_errors *errors)
{
    char *ca = read_pem(context->pki_folder, NULL, "ca.pem", errors);

    json_object_set_new(service, "tls_verify", json_true());
    json_object_set_new(service, "tls_verify_depth", json_integer(5));
    json_object_set_new(service, "ca_certificates", json_pack("[s]", CA_ID));
    if (ca)
        json_object_set_new(root, "ca_certificates",
                            json_pack("[{s:s, s:s}]", "id", CA_ID, "cert", ca));
    free(ca);
}

static void add_identity(json_t *root, json_t *service, const struct chain_config_context *context,
                         struct config_errors *errors)
{
    const char *name = context->element->client_certificate;
    char *chain = read_pem(context->pki_folder, name, "chain.pem", errors);
    char *key = read_pem(context->pki_folder, name, "key.pem", errors);

    json_object_set_new(service, "client_certificate", json_pack("{s:s}", "id", CERTIFICATE_ID));
    if (chain && key)
        json_object_set_new(
            root, "certificates",
            json_pack("[{s:s, s:s, s:s}]", "id", CERTIFICATE_ID, "cert", chain, "key", key));
    free(chain);
    free(key);
}

static bool leads_connections(const json_t *service)
{
    const char *protocol = json_string_value(json_object_get(service, "protocol"));

    return protocol && strcmp(protocol, "tcp") == 0;
}

/* The default service, or one of the user's: to the next part of the path, as that wants it. */
static void redirect_service(json_t *root, json_t *service,
                             const struct chain_config_context *context,
                             struct config_errors *errors)
{
    const struct chain_place *first = &context->next.places[0];
    const char *host = json_string_value(json_object_get(service, "host"));
    const char *stated = context->element->protocol;
    bool over_tls = stated ? strcmp(stated, "https") == 0 : first->tls;

    json_object_del(service, "url");
    if (!names_upstream(root, host)) {
        json_object_set_new(service, "host", json_string(first->address));
        json_object_set_new(service, "port", json_integer(first->port));
    }
    if (leads_connections(service)) /* their bytes stay as they are */
        return;
    json_object_set_new(service, "protocol", json_string(over_tls ? "https" : "http"));
    if (over_tls && context->element->verify_upstream)
        add_trust(root, service, context, errors);
    if (over_tls && context->element->client_certificate)
        add_identity(root, service, context, errors);
}

static void redirect(json_t *root, const struct chain_config_context *context,
                     struct config_errors *errors)
{
    size_t i;
    json_t *item;

    json_array_foreach(json_object_get(root, "services"), i, item)
        redirect_service(root, item, context, errors);
    json_array_foreach(json_object_get(root, "upstreams"), i, item)
        json_object_set_new(item, "targets", targets_of(&context->next));
    json_object_del(root, "targets"); /* of upstreams, written beside them */
}

/* ---- what is left out ---------------------------------------------------------------------- */

static const char *const not_simulated[] = { "plugins", "consumers", "consumer_groups", "vaults",
                                             "keys",    "key_sets",  "licenses" };

static void leave_out(json_t *value, const char *where, json_t *notes)
{
    const char *key;
    json_t *member;
    size_t i;
    void *next;

    json_array_foreach(value, i, member) leave_out(member, where, notes);
    json_object_foreach_safe(value, next, key, member)
    {
        bool is_out = false;

        for (size_t n = 0; n < sizeof(not_simulated) / sizeof(not_simulated[0]); n++)
            is_out = is_out || strcmp(key, not_simulated[n]) == 0;
        if (is_out && json_array_size(member) > 0)
            json_array_append_new(notes, json_sprintf("not simulated: %zu of %s%s%s",
                                                      json_array_size(member), where,
                                                      where[0] ? "." : "", key));
        if (is_out)
            json_object_del(value, key);
        else if (strcmp(key, "hopgate") != 0)
            leave_out(member, key, notes);
    }
}

/* ---- public -------------------------------------------------------------------------------- */

static json_t *default_entities(const struct chain_config_context *context)
{
    json_t *upstreams = context->next.count > 1
                            ? json_pack("[{s:s, s:[]}]", "name", UPSTREAM_NAME, "targets")
                            : json_array();

    return json_pack("{s:s, s:[o], s:o}", "_format_version", "3.0", "services", everything(),
                     "upstreams", upstreams);
}

static json_t *stated_entities(const struct chain_config_context *context,
                               struct config_errors *errors)
{
    SCOPED(document) document = NULL;
    char *text = NULL;
    size_t length;
    json_t *root = NULL;

    if (context->element->entities)
        return json_deep_copy(context->element->entities);
    if (file_read(context->element->config, DOCUMENT_BYTES_MAX, &text, &length, errors) < 0)
        return NULL;
    if (document_parse(
            (struct slice){ text, length },
            document_guess_format(context->element->config, (struct slice){ text, length }),
            context->element->config, &document, errors) == 0)
        root = json_deep_copy(document->root);
    free(text);
    return root;
}

json_t *chain_config_declarative(const struct chain_config_context *context, json_t *notes,
                                 struct config_errors *errors)
{
    const struct chain_element *element = context->element;
    size_t before = errors->errors_count;
    bool is_default = !element->entities && !element->config;
    json_t *root = is_default ? default_entities(context) : stated_entities(context, errors);

    if (root && !json_is_object(root))
        config_errors_add(errors, CONFIG_ERROR, (struct config_place){ .file = element->config },
                          "expected a record: a declarative file of Kong, such as "
                          "{_format_version: \"3.0\", services: [...]}");
    if (!json_is_object(root)) {
        json_decref(root);
        return NULL;
    }
    if (!json_object_get(root, "_format_version"))
        json_object_set_new(root, "_format_version", json_string("3.0"));
    leave_out(root, "", notes);
    if (element->redirect || is_default)
        redirect(root, context, errors);
    if (errors->errors_count == before)
        return root;
    json_decref(root);
    return NULL;
}

static bool are_of_tls(const json_t *routes, size_t *ret_count)
{
    for (size_t i = 0; i < json_array_size(routes); i++) {
        const json_t *protocols = json_object_get(json_array_get(routes, i), "protocols");
        const char *first = json_string_value(json_array_get(protocols, 0));

        if (!first || strcmp(first, "tls_passthrough") != 0)
            return false;
    }
    *ret_count += json_array_size(routes);
    return true;
}

bool chain_config_leads_tls(const json_t *declarative)
{
    const json_t *services = json_object_get(declarative, "services");
    size_t count = 0;

    if (!are_of_tls(json_object_get(declarative, "routes"), &count))
        return false;
    for (size_t i = 0; i < json_array_size(services); i++)
        if (!are_of_tls(json_object_get(json_array_get(services, i), "routes"), &count))
            return false;
    return count > 0;
}
