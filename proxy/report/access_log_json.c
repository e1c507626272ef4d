#include "core/addr.h"
#include "core/proxy_protocol.h"
#include "proxy/persona/persona.h"
#include "proxy/report/access_log_priv.h"
#include "proxy/report/text.h"
#include "tls/alert.h"
#include "tls/client_certificate.h"
#include "tls/tls.h"

/* A JSON object that is being written: keys know whether a comma is due. */
struct object {
    struct text *text;
    bool has_members;
};

static struct object object_open(struct text *text)
{
    text_add_string(text, "{");
    return (struct object){ text, false };
}

static void object_close(struct object *object)
{
    text_add_string(object->text, "}");
}

static void add_key(struct object *object, const char *key)
{
    text_add_string(object->text, object->has_members ? ",\"" : "\"");
    text_add_string(object->text, key);
    text_add_string(object->text, "\":");
    object->has_members = true;
}

static void add_quoted(struct text *text, struct slice value)
{
    text_add_string(text, "\"");
    text_add_escaped(text, value, TEXT_ESCAPE_JSON);
    text_add_string(text, "\"");
}

static void add_text(struct object *object, const char *key, struct slice value)
{
    add_key(object, key);
    add_quoted(object->text, value);
}

static void add_text_if(struct object *object, const char *key, const char *value)
{
    if (value)
        add_text(object, key, slice_of(value));
}

static void add_number(struct object *object, const char *key, uint64_t value)
{
    add_key(object, key);
    text_add_number(object->text, value);
}

static void add_bool(struct object *object, const char *key, bool value)
{
    add_key(object, key);
    text_add_string(object->text, value ? "true" : "false");
}

static void add_address(struct object *object, const char *ip_key, const char *port_key,
                        const struct sockaddr_storage *addr)
{
    char ip[ADDR_IP_TEXT_MAX];

    if (addr->ss_family != AF_INET && addr->ss_family != AF_INET6)
        return;
    add_text(object, ip_key, slice_of(addr_format_ip(addr, ip, sizeof(ip))));
    add_number(object, port_key, addr_port(addr));
}

/* Milliseconds with microseconds behind the point; left out when one end did not happen. */
static void add_span(struct object *object, const char *key, uint64_t from_us, uint64_t to_us)
{
    uint64_t span = to_us > from_us ? to_us - from_us : 0;

    if (from_us == 0 || to_us == 0)
        return;
    add_key(object, key);
    text_addf(object->text, "%llu.%03llu", (unsigned long long)(span / 1000),
              (unsigned long long)(span % 1000));
}

static uint64_t whole_ms(uint64_t from_us, uint64_t to_us)
{
    return from_us != 0 && to_us > from_us ? (to_us - from_us) / 1000 : 0;
}

/* ---- fields ---- */

static bool is_secret(const struct field *field)
{
    return field->id == FIELD_AUTHORIZATION || field->id == FIELD_PROXY_AUTHORIZATION ||
           field->id == FIELD_COOKIE || slice_equal_nocase(field->name, SLICE("Set-Cookie"));
}

static void add_field_value(struct text *text, const struct field *field)
{
    add_quoted(text, is_secret(field) ? SLICE("REDACTED") : field->value);
}

static void add_lower_key(struct object *object, struct slice name)
{
    add_key(object, "");
    object->text->length -= 2; /* back over the closing quote and colon of the empty key */
    for (size_t i = 0; i < name.len; i++) {
        char c =
            name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? (char)(name.ptr[i] | 0x20) : name.ptr[i];

        text_add_escaped(object->text, (struct slice){ &c, 1 }, TEXT_ESCAPE_JSON);
    }
    text_add_string(object->text, "\":");
}

/* Lower-case names; a name with several lines has a list. */
static void add_fields(struct object *parent, const char *key, const struct fields *fields)
{
    struct object object;

    add_key(parent, key);
    object = object_open(parent->text);
    for (uint32_t i = 0; fields && i < fields->count; i++) {
        const struct field *field = &fields->items[i];
        bool several = false;

        if (fields_find_name(fields, field->name) != field)
            continue;
        add_lower_key(&object, field->name);
        for (uint32_t k = i + 1; k < fields->count && !several; k++)
            several = slice_equal_nocase(fields->items[k].name, field->name);
        text_add_string(object.text, several ? "[" : "");
        add_field_value(object.text, field);
        for (uint32_t k = i + 1; several && k < fields->count; k++) {
            if (!slice_equal_nocase(fields->items[k].name, field->name))
                continue;
            text_add_string(object.text, ",");
            add_field_value(object.text, &fields->items[k]);
        }
        text_add_string(object.text, several ? "]" : "");
    }
    object_close(&object);
}

/* ---- request and response ---- */

/* Kong's: the port of the listener is always there, whatever Host said. */
static void add_url(struct object *object, const struct exchange_record *record)
{
    static const struct template_part parts[] = { { .variable = TEMPLATE_scheme },
                                                  { .literal = { "://", 3 } },
                                                  { .variable = TEMPLATE_host },
                                                  { .literal = { ":", 1 } },
                                                  { .variable = TEMPLATE_listener_port } };
    static const struct template origin = { parts, sizeof(parts) / sizeof(*parts) };
    const struct template_scope scope = { .record = record, .escape = TEXT_ESCAPE_JSON };

    add_key(object, "url");
    text_add_string(object->text, "\"");
    if (record->request->target_form != HTTP_TARGET_ABSOLUTE)
        template_expand(&origin, &scope, object->text);
    text_add_escaped(object->text, record->request->request_target, TEXT_ESCAPE_JSON);
    text_add_string(object->text, "\"");
}

/* Kong's three keys, and beside them what else the handshake agreed on. */
static void add_tls(struct object *parent, const struct tls_session_info *tls)
{
    struct object object;

    add_key(parent, "tls");
    object = object_open(parent->text);
    add_text_if(&object, "version", tls->version);
    add_text_if(&object, "cipher", tls->cipher);
    add_text_if(&object, "client_verify", tls->client.verify);
    add_text_if(&object, "server_name", tls->server_name);
    add_text_if(&object, "alpn", tls->alpn);
    add_bool(&object, "resumed", tls->resumed);
    object_close(&object);
}

static void add_request(struct object *parent, const struct exchange_record *record)
{
    const struct http_head *request = record->request;
    struct object object;

    add_key(parent, "request");
    object = object_open(parent->text);
    add_text(&object, "id", slice_of(record->request_id));
    if (request) {
        add_text(&object, "method", request->method_name);
        add_text(&object, "uri", request->request_target);
        add_url(&object, record);
        add_fields(&object, "headers", &request->fields);
    } else {
        add_text(&object, "line", record->bad_request_line);
    }
    add_number(&object, "size", record->request_bytes);
    if (record->tls)
        add_tls(&object, record->tls);
    object_close(&object);
}

static void add_response(struct object *parent, const struct exchange_record *record)
{
    struct object object;

    add_key(parent, "response");
    object = object_open(parent->text);
    add_number(&object, "status", record->status);
    add_fields(&object, "headers", record->response_fields);
    add_number(&object, "size", record->response_bytes);
    add_number(&object, "content_size", record->response_content_bytes);
    object_close(&object);
}

/* ---- times ---- */

static void add_latencies(struct object *parent, const struct exchange_record *record)
{
    const struct try_record *last = exchange_record_peek_try(record);
    struct object object;

    add_key(parent, "latencies");
    object = object_open(parent->text);
    add_number(&object, "request", whole_ms(record->started_at_us, record->ended_at_us));
    add_number(
        &object, "kong",
        whole_ms(record->started_at_us, last ? last->picked_at_us : record->response_head_at_us));
    add_key(&object, "proxy");
    if (last && record->was_proxied)
        text_add_number(object.text, whole_ms(last->picked_at_us, record->response_head_at_us));
    else
        text_add_string(object.text, "-1");
    add_number(&object, "receive",
               last ? whole_ms(record->response_head_at_us, record->ended_at_us) : 0);
    object_close(&object);
}

static void add_phases(struct object *parent, const struct exchange_record *record)
{
    struct object object;

    add_key(parent, "phases_ms");
    object = object_open(parent->text);
    add_span(&object, "request_head", record->started_at_us, record->request_head_at_us);
    add_span(&object, "request_end", record->started_at_us, record->request_end_at_us);
    add_span(&object, "response_head", record->started_at_us, record->response_head_at_us);
    add_span(&object, "end", record->started_at_us, record->ended_at_us);
    object_close(&object);
}

/* ---- tries ---- */

static void add_try(struct text *text, const struct exchange_record *record,
                    const struct try_record *try)
{
    struct object object = object_open(text);

    add_number(&object, "balancer_start", exchange_record_unix_ms(record, try->picked_at_us));
    add_address(&object, "ip", "port", &try->target);
    if (try->reason != END_OK) {
        add_text(&object, "state", SLICE("failed"));
        add_number(&object, "code", end_reason_info(try->reason)->status);
    }
    add_text(&object, "target", try->target_name);
    if (try->algorithm)
        add_text(&object, "algorithm", slice_of(try->algorithm));
    if (try->persistence)
        add_text(&object, "persistence", slice_of(try->persistence));
    if (try->pinned)
        add_bool(&object, "pinned", true);
    if (try->queued_us > 0)
        add_number(&object, "queue_ms", try->queued_us / 1000);
    add_text(&object, "reason", slice_of(end_reason_info(try->reason)->name));
    if (try->detail.len > 0)
        add_text(&object, "detail", try->detail);
    if (try->explanation.len > 0)
        add_text(&object, "explanation", try->explanation);
    if (try->tls_alert != 0)
        add_text(&object, "tls_alert", slice_of(alert_name(try->tls_alert)));
    if (try->status != 0)
        add_number(&object, "status", try->status);
    add_bool(&object, "tls", try->over_tls);
    if (try->over_tls)
        add_text(&object, "tls_verify", try->tls_verified ? SLICE("on") : SLICE("off"));
    add_bool(&object, "reused", try->reused);
    if (try->connection_id != 0) {
        add_number(&object, "connection", try->connection_id);
        add_number(&object, "request_number", try->request_number);
        add_address(&object, "local_ip", "local_port", &try->local);
    }
    add_span(&object, "connect_ms", try->picked_at_us, try->connected_at_us);
    add_span(&object, "tls_ms", try->connected_at_us, try->tls_done_at_us);
    add_span(&object, "sent_ms", try->picked_at_us, try->sent_at_us);
    add_span(&object, "head_ms", try->picked_at_us, try->head_at_us);
    add_span(&object, "end_ms", try->picked_at_us, try->ended_at_us);
    object_close(&object);
}

static uint32_t tries_kept(const struct exchange_record *record)
{
    return record->tries_count < EXCHANGE_TRIES_KEPT ? record->tries_count : EXCHANGE_TRIES_KEPT;
}

static void add_tries(struct object *parent, const struct exchange_record *record)
{
    add_key(parent, "tries");
    text_add_string(parent->text, "[");
    for (uint32_t i = 0; i < tries_kept(record); i++) {
        text_add_string(parent->text, i > 0 ? "," : "");
        add_try(parent->text, record, &record->tries[i]);
    }
    text_add_string(parent->text, "]");
    add_number(parent, "tries_count", record->tries_count);
    add_key(parent, "upstream_status");
    text_add_string(parent->text, "\"");
    for (uint32_t i = 0; i < tries_kept(record); i++) {
        text_add_string(parent->text, i > 0 ? ", " : "");
        if (record->tries[i].status != 0)
            text_addf(parent->text, "%03u", record->tries[i].status);
        else
            text_add_string(parent->text, "-");
    }
    text_add_string(parent->text, "\"");
}

/* ---- who, where, why ---- */

/* Beside Kong's request.tls.client_verify; absent when no certificate came. */
static void add_certificate(struct object *parent, const struct exchange_record *record)
{
    const struct tls_client_certificate *certificate = record->client_identity.certificate;
    struct object object;

    if (!certificate)
        return;
    add_key(parent, "certificate");
    object = object_open(parent->text);
    add_text_if(&object, "subject", certificate->subject);
    add_text_if(&object, "issuer", certificate->issuer);
    add_text_if(&object, "serial", certificate->serial);
    add_text_if(&object, "fingerprint_sha256", certificate->sha256);
    add_text_if(&object, "verify", record->client_identity.verify);
    add_text(&object, "from",
             record->client_identity_is_claimed ? SLICE("field") : SLICE("handshake"));
    object_close(&object);
}

/* What the peer's PROXY protocol header says; it is believed as far as real_ip_header says. */
static void add_proxy_header(struct object *parent, const struct proxy_protocol *header)
{
    struct object object;

    add_key(parent, "proxy_protocol");
    object = object_open(parent->text);
    add_number(&object, "version", header->version);
    add_address(&object, "source_ip", "source_port", &header->source);
    add_address(&object, "destination_ip", "destination_port", &header->destination);
    if (header->authority.len > 0)
        add_text(&object, "authority", header->authority);
    if (header->alpn.len > 0)
        add_text(&object, "alpn", header->alpn);
    if (header->tls.present) {
        add_text(&object, "tls_version", header->tls.version);
        add_bool(&object, "client_verified", header->tls.is_verified);
        add_text(&object, "common_name", header->tls.common_name);
    }
    object_close(&object);
}

static void add_client(struct object *parent, const struct exchange_record *record)
{
    struct object object;

    add_key(parent, "client");
    object = object_open(parent->text);
    add_address(&object, "peer_ip", "peer_port", &record->client_peer);
    add_address(&object, "local_ip", "local_port", &record->client_local);
    add_bool(&object, "tls", record->over_tls);
    add_bool(&object, "trusted", record->client_is_trusted);
    add_number(&object, "connection", record->client_connection_id);
    add_number(&object, "request_number", record->client_request_number);
    add_certificate(&object, record);
    if (record->proxy_header)
        add_proxy_header(&object, record->proxy_header);
    object_close(&object);
}

static void add_reason(struct object *parent, const struct exchange_record *record)
{
    const struct end_reason_info *info = end_reason_info(record->reason);
    const struct try_record *try = exchange_record_telling_try(record);
    static const char *const hops[] = {
        [END_HOP_SELF] = "self", [END_HOP_CLIENT] = "client", [END_HOP_UPSTREAM] = "upstream"
    };

    add_text(parent, "reason", slice_of(info->name));
    if (record->reason == END_OK)
        return;
    add_text(parent, "fault", slice_of(hops[info->hop]));
    if (record->reason_detail.len > 0)
        add_text(parent, "detail", record->reason_detail);
    if (try && try->explanation.len > 0)
        add_text(parent, "explanation", try->explanation);
}

static void add_entities(struct object *parent, const struct exchange_record *record)
{
    struct object object;

    if (record->route) {
        add_key(parent, "route");
        object = object_open(parent->text);
        add_text_if(&object, "id", record->route->id);
        add_text_if(&object, "name", record->route->name);
        object_close(&object);
    }
    if (record->service) {
        add_key(parent, "service");
        object = object_open(parent->text);
        add_text_if(&object, "id", record->service->id);
        add_text_if(&object, "name", record->service->name);
        add_text_if(&object, "host", record->service->host);
        add_number(&object, "port", record->service->port);
        object_close(&object);
    }
}

struct slice access_log_json_line(const struct exchange_record *record, struct arena *arena)
{
    struct object object;
    struct text text;

    text_init(&text, arena);
    object = object_open(&text);
    add_number(&object, "started_at", record->started_at_unix_ms);
    add_text(&object, "hop", record->hop_name);
    add_text(&object, "persona", slice_of(record->persona->name));
    add_number(&object, "exchange", record->number);
    add_reason(&object, record);
    add_text(&object, "client_ip", record->client_ip);
    add_client(&object, record);
    add_request(&object, record);
    if (record->was_proxied)
        add_text(&object, "upstream_uri", record->upstream_uri);
    add_response(&object, record);
    add_text(&object, "source", record->from_upstream ? SLICE("upstream") : SLICE("kong"));
    add_bool(&object, "truncated", record->truncated);
    add_latencies(&object, record);
    add_phases(&object, record);
    add_tries(&object, record);
    add_entities(&object, record);
    object_close(&object);
    text_add_string(&text, "\n");
    return text_take(&text);
}
