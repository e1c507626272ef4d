/* The request head is complete: who asks, where it goes, what it may not do. */
#include <inttypes.h>
#include <stdlib.h>

#include "core/addr.h"
#include "core/proxy_protocol.h"
#include "core/utf8.h"
#include "proxy/exchange/exchange.h"
#include "proxy/report/request_debug.h"
#include "proxy/rewrite/field_plan.h"
#include "proxy/route/real_ip.h"
#include "proxy/route/route_protocol.h"
#include "proxy/route/router.h"
#include "proxy/route/uri.h"
#include "proxy/snapshot/service_plan.h"
#include "proxy/worker/worker.h"

static const struct slice nothing = { NULL, 0 };

static bool trace_passes(const struct persona *persona)
{
    return persona->lab_is_on && persona->client.trace == PERSONA_METHOD_FORWARD;
}

/* Each option is looked for among all fields: a head of both would be work without end. */
enum { CONNECTION_OPTIONS_MAX = 100 };

static bool lists_too_many_options(const struct fields *fields)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < fields->count; i++) {
        struct slice rest = fields->items[i].value, option;

        while (fields->items[i].id == FIELD_CONNECTION && field_list_next(&rest, &option))
            count++;
    }
    return count > CONNECTION_OPTIONS_MAX;
}

/* Addresses in all lines of X-Forwarded-For. */
static uint64_t forwarded_for_count(const struct http_head *request)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < request->fields.count; i++) {
        const struct field *field = &request->fields.items[i];

        if (!slice_equal_nocase(field->name, SLICE("X-Forwarded-For")) || field->value.len == 0)
            continue;
        count++;
        for (size_t k = 0; k < field->value.len; k++)
            count += field->value.ptr[k] == ',';
    }
    return count;
}

/* What this hop never does, whatever the route says. END_OK: nothing against it. */
static enum end_reason refusal(struct exchange *exchange, struct slice *ret_detail)
{
    const struct persona_client *policy = &exchange->record.persona->client;
    const struct http_head *request = &exchange->request;

    enum end_reason reason = exchange_learn_identity(exchange, ret_detail);

    if (reason != END_OK)
        return reason;
    if (lists_too_many_options(&request->fields)) {
        *ret_detail = SLICE("client sent more than 100 options in \"Connection\"");
        return END_CLIENT_HEAD_INVALID;
    }
    *ret_detail = request->method_name;
    if ((request->method == HTTP_METHOD_CONNECT && policy->connect == PERSONA_METHOD_INVALID) ||
        (request->method == HTTP_METHOD_TRACE && policy->trace == PERSONA_METHOD_INVALID)) {
        *ret_detail = SLICE("request"); /* nobody looked as far as the method */
        return END_CLIENT_REQUEST_INVALID;
    }
    if (request->method == HTTP_METHOD_CONNECT ||
        (request->method == HTTP_METHOD_TRACE && !trace_passes(exchange->record.persona)))
        return END_CLIENT_METHOD_REFUSED;
    if (request->method == HTTP_METHOD_OTHER && policy->unknown_method == PERSONA_METHOD_REFUSE)
        return END_CLIENT_METHOD_REFUSED;
    if (policy->forwarded_for_max_count != 0 &&
        forwarded_for_count(request) > policy->forwarded_for_max_count) {
        *ret_detail = arena_printf(&exchange->arena, "%" PRIu64, policy->forwarded_for_max_count);
        return END_CLIENT_FORWARDED_TOO_LONG;
    }
    if (policy->content_max_bytes != 0 && request->framing == HTTP_FRAMING_LENGTH &&
        request->content_length > policy->content_max_bytes) {
        *ret_detail = arena_printf(&exchange->arena, "%" PRIu64, request->content_length);
        return END_CLIENT_BODY_TOO_BIG;
    }
    return END_OK;
}

static bool learn_client(struct exchange *exchange)
{
    struct exchange_record *record = &exchange->record;
    const struct real_ip_settings *settings = &exchange->pinned->snapshot->real_ip;
    struct real_ip client;
    int r;

    if (record->proxy_header && real_ip_is_in_proxy_header(settings))
        r = real_ip_from_proxy_header(settings, &record->client_peer, &record->proxy_header->source,
                                      &exchange->arena, &client);
    else
        r = real_ip_resolve(settings, &record->client_peer, &exchange->request.fields,
                            &exchange->arena, &client);
    if (r < 0)
        return false;
    record->client_ip = client.text;
    record->client_is_trusted = client.peer_is_trusted;
    return true;
}

static bool path_is_refused(const struct exchange *exchange, struct slice normal)
{
    struct slice raw = exchange->request.path;
    bool is_sound = uri_escapes_are_sound(raw) && !uri_climbs_above_root(raw);

    switch (exchange->record.persona->client.path) {
    case PERSONA_PATH_ANY:
        return false;
    case PERSONA_PATH_ESCAPES:
        return !is_sound;
    case PERSONA_PATH_UTF8:
        return !is_sound || !utf8_is_valid(normal);
    }
    return false;
}

/* Where the time goes is measured only for who may see it. */
static void begin_debug(struct exchange *exchange)
{
    struct exchange_record *record = &exchange->record;
    const char *token = exchange->pinned->snapshot->request_debug_token;

    if (!token || !request_debug_ask(record, token))
        return;
    record->debug.lap_us = record->request_head_at_us;
    request_debug_lap(&record->debug.lap_us, &record->debug.rewrite_us);
}

static bool match_route(struct exchange *exchange, const struct router_request *wanted,
                        struct router_match *match)
{
    struct request_debug *debug = &exchange->record.debug;
    bool matches = router_match(exchange->pinned->snapshot->router, wanted,
                                exchange->worker->router_scratch, match);

    if (debug->is_wanted) {
        request_debug_lap(&debug->lap_us, &debug->router_us);
        debug->access_us = debug->router_us;
    }
    return matches;
}

/* Kong (runloop/handler.lua) hands match_t.prefix to nginx decoded as it is, CR and LF with it: there the
 * client of a regex route may write fields of its own. This is not done as Kong does. False: no memory. */
static bool note_prefix(struct exchange *exchange, const struct router_match *match)
{
    struct slice *prefix = &exchange->record.matched_prefix;

    if (!match->route->strip_path)
        return true;
    *prefix = uri_field_value(&exchange->arena, match->matched_prefix);
    return prefix->ptr != NULL;
}

/* Nothing is put before the path, and nothing taken off it. */
static bool path_stays(const struct uri_upstream *uri)
{
    bool has_base = uri->base.len > 0 && !slice_equal(uri->base, SLICE("/"));
    bool is_stripped = uri->strip_path && uri->matched_prefix.len > 1;

    return !has_base && !is_stripped;
}

/* ptr NULL: no memory. */
static struct slice target_to_send(struct exchange *exchange, const struct uri_upstream *uri)
{
    const struct http_head *request = &exchange->request;

    if (exchange->record.persona->request.path == PERSONA_PATH_RECEIVED && path_stays(uri) &&
        request->target_form == HTTP_TARGET_ORIGIN)
        return request->request_target;
    return uri_upstream_target(&exchange->arena, uri);
}

static bool find_route(struct exchange *exchange)
{
    struct exchange_record *record = &exchange->record;
    struct slice path = uri_normalise(&exchange->arena, exchange->request.path);
    struct router_request wanted = {
        .method = exchange->request.method_name,
        .host = exchange->request.authority,
        .path = path,
        .port = record->listener_port,
        .fields = &exchange->request.fields,
        .server_name = slice_of(record->tls ? record->tls->server_name : NULL),
        .over_tls = record->over_tls,
    };
    const struct router *router = exchange->pinned->snapshot->router;
    struct router_scratch *scratch = exchange->worker->router_scratch;
    struct router_match match;
    struct uri_upstream uri;
    enum end_reason reason;

    if (!path.ptr) {
        exchange_answer(exchange, END_OUT_OF_MEMORY, nothing);
        return false;
    }
    if (path_is_refused(exchange, path)) {
        exchange_answer(exchange, END_CLIENT_REQUEST_INVALID, SLICE("request"));
        return false;
    }
    if (!match_route(exchange, &wanted, &match)) {
        exchange_answer(exchange, END_NO_ROUTE, nothing);
        return false;
    }
    record->route = match.route;
    record->service = match.service;
    record->field_plan =
        field_plan_of_route(&exchange->pinned->snapshot->field_plans,
                            (size_t)(match.route - exchange->pinned->snapshot->config->routes));
    reason = route_protocol_refusal(record);
    if (reason != END_OK) {
        exchange_answer(exchange, reason, nothing);
        return false;
    }
    if (!match.service) {
        exchange_answer(exchange, END_NO_SERVICE, nothing);
        return false;
    }
    uri = (struct uri_upstream){ .base = slice_of(match.service->base_path),
                                 .path = path,
                                 .matched_prefix = match.matched_prefix,
                                 .query = exchange->request.query,
                                 .strip_path = match.route->strip_path,
                                 .is_v1 = match.is_v1 };
    record->upstream_uri = target_to_send(exchange, &uri);
    if (!record->upstream_uri.ptr || !note_prefix(exchange, &match) ||
        router_captures(router, &match, path, scratch, &exchange->arena, &record->uri_captures) <
            0) {
        exchange_answer(exchange, END_OUT_OF_MEMORY, nothing);
        return false;
    }
    return true;
}

static bool asks_to_upgrade(const struct exchange *exchange)
{
    const struct http_head *request = &exchange->request;

    return exchange->record.persona->request.upgrade_when == PERSONA_UPGRADE_NAMED ||
           (request->upgrade && request->method == HTTP_METHOD_GET &&
            request->framing == HTTP_FRAMING_NONE);
}

/* What the persona does not list is not asked for upstream. */
static void note_upgrade(struct exchange *exchange)
{
    const struct persona_strings *allowed = &exchange->record.persona->request.upgrade;
    const struct field *upgrade = fields_find(&exchange->request.fields, FIELD_UPGRADE);

    if (!upgrade || !asks_to_upgrade(exchange))
        return;
    for (size_t i = 0; i < allowed->count; i++)
        if (slice_equal_nocase(upgrade->value, allowed->items[i]))
            exchange->record.upgrade = allowed->items[i];
}

/* Kong's request_buffering takes it off a route, and cannot put it on. */
static bool is_to_be_stored(const struct exchange *exchange)
{
    return exchange->front_request == FRONT_REQUEST_BODY &&
           exchange->record.persona->content.request == PERSONA_STORE &&
           exchange->record.route->request_buffering;
}

void exchange_start(struct exchange *exchange)
{
    struct exchange_record *record = &exchange->record;
    struct slice detail;
    enum end_reason reason;

    record->request = &exchange->request;
    record->request_head_at_us = exchange->worker->loop->now_us;
    exchange_set_front_request(exchange, FRONT_REQUEST_BODY);
    note_upgrade(exchange);
    if (!learn_client(exchange)) {
        exchange_answer(exchange, END_OUT_OF_MEMORY, nothing);
        return;
    }
    if (exchange->kind == VIRTUAL_SERVER_PROXY &&
        worker_memory_level(exchange->worker) >= MEMORY_HARD) {
        exchange_answer(exchange, END_OVERLOADED, nothing);
        return;
    }
    reason = refusal(exchange, &detail);
    if (reason != END_OK) {
        exchange_answer(exchange, reason, detail);
        return;
    }
    if (exchange->kind == VIRTUAL_SERVER_STATUS) {
        exchange_answer_locally(exchange);
        return;
    }
    begin_debug(exchange);
    if (!find_route(exchange))
        return;
    exchange->destination =
        &exchange->pinned
             ->destinations[record->service - exchange->pinned->snapshot->config->services];
    exchange->upstream = worker_upstream_hold(exchange->destination->present);
    exchange->tries_left = exchange_retries_max(exchange);
    if (!exchange_enter_service(exchange))
        return;
    if (exchange->request.framing == HTTP_FRAMING_NONE) {
        relay_finish_request(exchange);
        exchange->client_ops->watch(exchange->front); /* it may leave while we connect */
    }
    if (exchange_is_over(exchange))
        return;
    if (record->debug.is_wanted)
        request_debug_lap(&record->debug.lap_us, &record->debug.access_us);
    if (is_to_be_stored(exchange))
        relay_store_request(exchange);
    else
        exchange_try(exchange);
}
