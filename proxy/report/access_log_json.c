#include <string.h>

#include "config/entity_times.h"
#include "core/addr.h"
#include "core/proxy_protocol.h"
#include "proxy/persona/persona.h"
#include "proxy/report/access_log_priv.h"
#include "proxy/report/json_text.h"
#include "proxy/report/log_variable.h"
#include "proxy/report/termination.h"
#include "proxy/report/text.h"
#include "tls/alert.h"
#include "tls/client_certificate.h"
#include "tls/tls.h"

/* Milliseconds with microseconds behind the point; left out when one end did not happen. */
static void add_span(struct json_object *object, const char *key, uint64_t from_us, uint64_t to_us)
{
    uint64_t span = to_us > from_us ? to_us - from_us : 0;

    if (from_us == 0 || to_us == 0)
        return;
    json_add_key(object, key);
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
           field->id == FIELD_COOKIE || slice_equal_nocase(field->name, SLICE("Set-Cookie")) ||
           slice_equal_nocase(field->name, SLICE("X-Kong-Request-Debug-Token"));
}

/* ---- request and response ---- */

/* Kong's: the port of the listener is always there, whatever Host said. */
static void add_url(struct json_object *object, const struct exchange_record *record)
{
    static const struct template_part parts[] = { { .variable = TEMPLATE_scheme },
                                                  { .literal = { "://", 3 } },
                                                  { .variable = TEMPLATE_host },
                                                  { .literal = { ":", 1 } },
                                                  { .variable = TEMPLATE_listener_port } };
    static const struct template origin = { parts, sizeof(parts) / sizeof(*parts) };
    const struct template_scope scope = { .record = record, .escape = TEXT_ESCAPE_JSON };

    json_add_key(object, "url");
    text_add_string(object->text, "\"");
    if (record->request->target_form != HTTP_TARGET_ABSOLUTE)
        template_expand(&origin, &scope, object->text);
    text_add_escaped(object->text, record->request->request_target, TEXT_ESCAPE_JSON);
    text_add_string(object->text, "\"");
}

/* Kong's three keys, and beside them what else the handshake agreed on. */
static void add_tls(struct json_object *parent, const struct tls_session_info *tls)
{
    struct json_object object;

    json_add_key(parent, "tls");
    object = json_object_open(parent->text);
    json_add_text_if(&object, "version", tls->version);
    json_add_text_if(&object, "cipher", tls->cipher);
    json_add_text_if(&object, "client_verify", tls->client.verify);
    json_add_text_if(&object, "server_name", tls->server_name);
    json_add_text_if(&object, "alpn", tls->alpn);
    json_add_bool(&object, "resumed", tls->resumed);
    json_object_close(&object);
}

static void add_request(struct json_object *parent, const struct exchange_record *record)
{
    const struct http_head *request = record->request;
    struct json_object object;

    json_add_key(parent, "request");
    object = json_object_open(parent->text);
    json_add_text(&object, "id", slice_of(record->request_id));
    if (request) {
        json_add_text(&object, "method", request->method_name);
        json_add_text(&object, "uri", request->request_target);
        add_url(&object, record);
        json_add_fields(&object, "headers", &request->fields, is_secret);
    } else {
        json_add_text(&object, "line", record->bad_request_line);
    }
    json_add_number(&object, "size", record->request_bytes);
    if (record->tls)
        add_tls(&object, record->tls);
    json_object_close(&object);
}

static void add_response(struct json_object *parent, const struct exchange_record *record)
{
    struct json_object object;

    json_add_key(parent, "response");
    object = json_object_open(parent->text);
    json_add_number(&object, "status", record->status);
    json_add_fields(&object, "headers", record->response_fields, is_secret);
    json_add_number(&object, "size", record->response_bytes);
    json_add_number(&object, "content_size", record->response_content_bytes);
    json_object_close(&object);
}

/* ---- times ---- */

static void add_latencies(struct json_object *parent, const struct exchange_record *record)
{
    const struct try_record *last = exchange_record_peek_try(record);
    struct json_object object;

    json_add_key(parent, "latencies");
    object = json_object_open(parent->text);
    json_add_number(&object, "request", whole_ms(record->started_at_us, record->ended_at_us));
    json_add_number(
        &object, "kong",
        whole_ms(record->started_at_us, last ? last->picked_at_us : record->response_head_at_us));
    json_add_key(&object, "proxy");
    if (last && record->was_proxied)
        text_add_number(object.text, whole_ms(last->picked_at_us, record->response_head_at_us));
    else
        text_add_string(object.text, "-1");
    json_add_number(&object, "receive",
                    last ? whole_ms(record->response_head_at_us, record->ended_at_us) : 0);
    json_object_close(&object);
}

static void add_phases(struct json_object *parent, const struct exchange_record *record)
{
    struct json_object object;

    json_add_key(parent, "phases_ms");
    object = json_object_open(parent->text);
    add_span(&object, "request_head", record->started_at_us, record->request_head_at_us);
    add_span(&object, "request_end", record->started_at_us, record->request_end_at_us);
    add_span(&object, "response_head", record->started_at_us, record->response_head_at_us);
    add_span(&object, "end", record->started_at_us, record->ended_at_us);
    json_object_close(&object);
}

/* ---- tries ---- */

static void add_try(struct text *text, const struct exchange_record *record,
                    const struct try_record *try)
{
    struct json_object object = json_object_open(text);

    json_add_number(&object, "balancer_start", exchange_record_unix_ms(record, try->picked_at_us));
    add_span(&object, "begin_ms", record->started_at_us, try->picked_at_us);
    json_add_address(&object, "ip", "port", &try->target);
    if (try->reason != END_OK) {
        json_add_text(&object, "state", SLICE("failed"));
        json_add_number(&object, "code", end_reason_info(try->reason)->status);
    }
    json_add_text(&object, "target", try->target_name);
    if (try->algorithm)
        json_add_text(&object, "algorithm", slice_of(try->algorithm));
    if (try->persistence)
        json_add_text(&object, "persistence", slice_of(try->persistence));
    if (try->pinned)
        json_add_bool(&object, "pinned", true);
    if (try->queued_us > 0)
        json_add_number(&object, "queue_ms", try->queued_us / 1000);
    json_add_text(&object, "reason", slice_of(end_reason_info(try->reason)->name));
    if (try->detail.len > 0)
        json_add_text(&object, "detail", try->detail);
    if (try->explanation.len > 0)
        json_add_text(&object, "explanation", try->explanation);
    if (try->tls_alert != 0)
        json_add_text(&object, "tls_alert", slice_of(alert_name(try->tls_alert)));
    if (try->status != 0)
        json_add_number(&object, "status", try->status);
    json_add_bool(&object, "tls", try->over_tls);
    if (try->over_tls)
        json_add_text(&object, "tls_verify", try->tls_verified ? SLICE("on") : SLICE("off"));
    json_add_bool(&object, "reused", try->reused);
    if (try->connection_id != 0) {
        json_add_number(&object, "connection", try->connection_id);
        json_add_number(&object, "request_number", try->request_number);
        json_add_address(&object, "local_ip", "local_port", &try->local);
    }
    add_span(&object, "connect_ms", try->picked_at_us, try->connected_at_us);
    add_span(&object, "tls_ms", try->connected_at_us, try->tls_done_at_us);
    add_span(&object, "sent_ms", try->picked_at_us, try->sent_at_us);
    add_span(&object, "head_ms", try->picked_at_us, try->head_at_us);
    add_span(&object, "end_ms", try->picked_at_us, try->ended_at_us);
    json_object_close(&object);
}

static void add_tries(struct json_object *parent, const struct exchange_record *record)
{
    json_add_key(parent, "tries");
    text_add_string(parent->text, "[");
    for (uint32_t i = 0; i < log_tries_kept(record); i++) {
        text_add_string(parent->text, i > 0 ? "," : "");
        add_try(parent->text, record, &record->tries[i]);
    }
    text_add_string(parent->text, "]");
    json_add_number(parent, "tries_count", record->tries_count);
    json_add_key(parent, "upstream_status");
    text_add_string(parent->text, "\"");
    for (uint32_t i = 0; i < log_tries_kept(record); i++) {
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
static void add_certificate(struct json_object *parent, const struct exchange_record *record)
{
    const struct tls_client_certificate *certificate = record->client_identity.certificate;
    struct json_object object;

    if (!certificate)
        return;
    json_add_key(parent, "certificate");
    object = json_object_open(parent->text);
    json_add_text_if(&object, "subject", certificate->subject);
    json_add_text_if(&object, "issuer", certificate->issuer);
    json_add_text_if(&object, "serial", certificate->serial);
    json_add_text_if(&object, "fingerprint_sha256", certificate->sha256);
    json_add_text_if(&object, "verify", record->client_identity.verify);
    json_add_text(&object, "from",
                  record->client_identity_is_claimed ? SLICE("field") : SLICE("handshake"));
    json_object_close(&object);
}

/* What the peer's PROXY protocol header says; it is believed as far as real_ip_header says. */
static void add_proxy_header(struct json_object *parent, const struct proxy_protocol *header)
{
    struct json_object object;

    json_add_key(parent, "proxy_protocol");
    object = json_object_open(parent->text);
    json_add_number(&object, "version", header->version);
    json_add_address(&object, "source_ip", "source_port", &header->source);
    json_add_address(&object, "destination_ip", "destination_port", &header->destination);
    if (header->authority.len > 0)
        json_add_text(&object, "authority", header->authority);
    if (header->alpn.len > 0)
        json_add_text(&object, "alpn", header->alpn);
    if (header->tls.present) {
        json_add_text(&object, "tls_version", header->tls.version);
        json_add_bool(&object, "client_verified", header->tls.is_verified);
        json_add_text(&object, "common_name", header->tls.common_name);
    }
    json_object_close(&object);
}

static void add_client(struct json_object *parent, const struct exchange_record *record)
{
    struct json_object object;

    json_add_key(parent, "client");
    object = json_object_open(parent->text);
    json_add_address(&object, "peer_ip", "peer_port", &record->client_peer);
    json_add_address(&object, "local_ip", "local_port", &record->client_local);
    json_add_bool(&object, "tls", record->over_tls);
    json_add_bool(&object, "trusted", record->client_is_trusted);
    json_add_number(&object, "connection", record->client_connection_id);
    json_add_number(&object, "request_number", record->client_request_number);
    add_certificate(&object, record);
    if (record->proxy_header)
        add_proxy_header(&object, record->proxy_header);
    json_object_close(&object);
}

static void add_reason(struct json_object *parent, const struct exchange_record *record)
{
    const struct end_reason_info *info = end_reason_info(record->reason);
    const struct try_record *try = exchange_record_telling_try(record);
    static const char *const hops[] = {
        [END_HOP_SELF] = "self", [END_HOP_CLIENT] = "client", [END_HOP_UPSTREAM] = "upstream"
    };

    json_add_text(parent, "reason", slice_of(info->name));
    if (strcmp(record->persona->log.access_format, "haproxy") == 0)
        json_add_text(parent, "termination", slice_of(termination_of(record)));
    if (record->reason == END_OK)
        return;
    json_add_text(parent, "fault", slice_of(hops[info->hop]));
    if (record->reason_detail.len > 0)
        json_add_text(parent, "detail", record->reason_detail);
    if (try && try->explanation.len > 0)
        json_add_text(parent, "explanation", try->explanation);
}

static void add_entities(struct json_object *parent, const struct exchange_record *record)
{
    const struct config_service *stated = entity_times_stated(record->service);
    struct json_object object;

    if (record->route) {
        json_add_key(parent, "route");
        object = json_object_open(parent->text);
        json_add_text_if(&object, "id", record->route->id);
        json_add_text_if(&object, "name", record->route->name);
        json_object_close(&object);
    }
    if (record->service) {
        json_add_key(parent, "service");
        object = json_object_open(parent->text);
        json_add_text_if(&object, "id", record->service->id);
        json_add_text_if(&object, "name", record->service->name);
        json_add_text_if(&object, "host", record->service->host);
        json_add_number(&object, "port", record->service->port);
        json_add_number(&object, "retries", record->service->retries);
        json_add_number(&object, "connect_timeout", stated->connect_timeout_ms);
        json_add_number(&object, "write_timeout", stated->write_timeout_ms);
        json_add_number(&object, "read_timeout", stated->read_timeout_ms);
        json_object_close(&object);
    }
}

struct slice access_log_json_line(const struct access_log_format *format,
                                  const struct exchange_record *record, struct arena *arena)
{
    struct json_object object;
    struct text text;

    (void)format;
    text_init_sized(&text, arena, 2048);
    object = json_object_open(&text);
    json_add_number(&object, "started_at", record->started_at_unix_ms);
    json_add_number(&object, "started_at_us", record->started_at_unix_us);
    json_add_text(&object, "hop", record->hop_name);
    json_add_text(&object, "persona", slice_of(record->persona->name));
    json_add_number(&object, "exchange", record->number);
    if (record->persona->time_scale > 1) /* instants are real ones, timeouts stated ones */
        json_add_number(&object, "time_scale", record->persona->time_scale);
    add_reason(&object, record);
    json_add_text(&object, "client_ip", record->client_ip);
    add_client(&object, record);
    add_request(&object, record);
    if (record->was_proxied)
        json_add_text(&object, "upstream_uri", record->upstream_uri);
    add_response(&object, record);
    json_add_text(&object, "source", record->from_upstream ? SLICE("upstream") : SLICE("kong"));
    json_add_bool(&object, "truncated", record->truncated);
    add_latencies(&object, record);
    add_phases(&object, record);
    add_tries(&object, record);
    add_entities(&object, record);
    json_object_close(&object);
    text_add_string(&text, "\n");
    return text_take(&text);
}
