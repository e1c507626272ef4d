#include "proxy/report/log_entities.h"

#include "config/entity_times.h"

static void add_strings(struct json_object *object, const char *key,
                        const struct config_strings *strings)
{
    if (strings->count == 0)
        return;
    json_add_key(object, key);
    text_add(object->text, SLICE("["));
    for (size_t i = 0; i < strings->count; i++) {
        text_add_string(object->text, i > 0 ? "," : "");
        json_add_quoted(object->text, slice_of(strings->items[i]));
    }
    text_add(object->text, SLICE("]"));
}

/* A reference to another entity: {"id": ...} */
static void add_reference(struct json_object *parent, const char *key, const char *id)
{
    struct json_object object;

    json_add_key(parent, key);
    object = json_object_open(parent->text);
    json_add_text_if(&object, "id", id);
    json_object_close(&object);
}

static const struct {
    unsigned protocol;
    const char *name;
} protocols[] = {
    { CONFIG_PROTOCOL_HTTP, "http" },
    { CONFIG_PROTOCOL_HTTPS, "https" },
    { CONFIG_PROTOCOL_TCP, "tcp" },
    { CONFIG_PROTOCOL_TLS_PASSTHROUGH, "tls_passthrough" },
};

enum { PROTOCOLS_COUNT = sizeof(protocols) / sizeof(protocols[0]) };

static void add_protocols(struct json_object *object, unsigned mask)
{
    bool is_first = true;

    json_add_key(object, "protocols");
    text_add(object->text, SLICE("["));
    for (size_t i = 0; i < PROTOCOLS_COUNT; i++) {
        if (!(mask & protocols[i].protocol))
            continue;
        text_add_string(object->text, is_first ? "" : ",");
        json_add_quoted(object->text, slice_of(protocols[i].name));
        is_first = false;
    }
    text_add(object->text, SLICE("]"));
}

static void add_signed(struct json_object *object, const char *key, int value)
{
    json_add_key(object, key);
    text_addf(object->text, "%d", value);
}

void log_add_route(struct json_object *parent, const struct config_route *route)
{
    struct json_object object;

    json_add_key(parent, "route");
    object = json_object_open(parent->text);
    json_add_text_if(&object, "id", route->id);
    json_add_text_if(&object, "name", route->name);
    add_protocols(&object, route->protocols);
    add_strings(&object, "methods", &route->methods);
    add_strings(&object, "hosts", &route->hosts);
    add_strings(&object, "paths", &route->paths);
    add_strings(&object, "snis", &route->snis);
    json_add_bool(&object, "strip_path", route->strip_path);
    json_add_bool(&object, "preserve_host", route->preserve_host);
    json_add_bool(&object, "request_buffering", route->request_buffering);
    json_add_bool(&object, "response_buffering", route->response_buffering);
    add_signed(&object, "regex_priority", route->regex_priority);
    json_add_number(&object, "https_redirect_status_code", route->https_redirect_status_code);
    if (route->service)
        add_reference(&object, "service", route->service->id);
    json_add_text(&object, "ws_id", SLICE(KONG_DEFAULT_WORKSPACE));
    json_object_close(&object);
}

static const char *protocol_name(enum config_protocol protocol)
{
    for (size_t i = 0; i < PROTOCOLS_COUNT; i++)
        if (protocols[i].protocol == (unsigned)protocol)
            return protocols[i].name;
    return NULL;
}

static void add_certificates(struct json_object *object, const struct config_service *service)
{
    if (service->client_certificate)
        add_reference(object, "client_certificate", service->client_certificate->id);
    if (service->ca_certificates_count == 0)
        return;
    json_add_key(object, "ca_certificates");
    text_add(object->text, SLICE("["));
    for (size_t i = 0; i < service->ca_certificates_count; i++) {
        text_add_string(object->text, i > 0 ? "," : "");
        json_add_quoted(object->text, slice_of(service->ca_certificates[i]->id));
    }
    text_add(object->text, SLICE("]"));
}

void log_add_service(struct json_object *parent, const struct config_service *service)
{
    struct json_object object;

    json_add_key(parent, "service");
    object = json_object_open(parent->text);
    json_add_text_if(&object, "id", service->id);
    json_add_text_if(&object, "name", service->name);
    json_add_text_if(&object, "protocol", protocol_name(service->protocol));
    json_add_text_if(&object, "host", service->host);
    json_add_number(&object, "port", service->port);
    json_add_text_if(&object, "path", service->base_path);
    json_add_number(&object, "retries", service->retries);
    json_add_number(&object, "connect_timeout", entity_times_stated(service)->connect_timeout_ms);
    json_add_number(&object, "write_timeout", entity_times_stated(service)->write_timeout_ms);
    json_add_number(&object, "read_timeout", entity_times_stated(service)->read_timeout_ms);
    json_add_bool(&object, "enabled", service->enabled);
    if (service->tls_verify >= 0)
        json_add_bool(&object, "tls_verify", service->tls_verify == 1);
    if (service->tls_verify_depth >= 0)
        json_add_number(&object, "tls_verify_depth", (uint64_t)service->tls_verify_depth);
    add_certificates(&object, service);
    json_add_text(&object, "ws_id", SLICE(KONG_DEFAULT_WORKSPACE));
    json_object_close(&object);
}
