#include "proxy/persona/template.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/addr.h"
#include "core/http/http_chars.h"
#include "core/time_scale.h"
#include "proxy/persona/persona.h"
#include "proxy/report/request_debug.h"
#include "proxy/rewrite/amazon_trace.h"
#include "proxy/rewrite/field_name.h"
#include "proxy/rewrite/forwarded_field.h"
#include "tls/client_certificate.h"

static const char *const variable_names[TEMPLATE_VARIABLE_COUNT] = {
#define TEMPLATE_VARIABLE(name) [TEMPLATE_##name] = #name,
#include "proxy/persona/template.def"
#undef TEMPLATE_VARIABLE
};

const char *template_variable_name(unsigned variable)
{
    return variable < TEMPLATE_VARIABLE_COUNT ? variable_names[variable] : NULL;
}

static enum template_variable variable_of(struct slice name)
{
    for (unsigned i = 1; i < TEMPLATE_VARIABLE_COUNT; i++)
        if (slice_equal(name, slice_of(variable_names[i])))
            return (enum template_variable)i;
    return TEMPLATE_LITERAL;
}

static size_t name_length(struct slice s)
{
    size_t n = 0;

    while (n < s.len && ((s.ptr[n] >= 'a' && s.ptr[n] <= 'z') || s.ptr[n] == '_'))
        n++;
    return n;
}

/* "http_x_name" after "$"; digits belong to it as well. 0: it is none. */
static size_t field_variable_length(struct slice s, struct template_part *ret_part)
{
    static const struct {
        struct slice prefix;
        enum template_variable variable;
    } kinds[] = {
        { { "http_", 5 }, TEMPLATE_REQUEST_FIELD },
        { { "upstream_http_", 14 }, TEMPLATE_RESPONSE_FIELD },
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t start = kinds[i].prefix.len, n = start;

        if (!slice_starts_with(s, kinds[i].prefix))
            continue;
        while (n < s.len && ((s.ptr[n] >= 'a' && s.ptr[n] <= 'z') || s.ptr[n] == '_' ||
                             (s.ptr[n] >= '0' && s.ptr[n] <= '9')))
            n++;
        *ret_part = (struct template_part){ .literal = { s.ptr + start, n - start },
                                            .variable = kinds[i].variable };
        return n > start ? n : 0;
    }
    return 0;
}

/* What follows "$" or "${"; *ret_length: how much of it is the name. */
static bool compile_variable(struct slice s, struct template_part *ret_part, size_t *ret_length)
{
    *ret_length = field_variable_length(s, ret_part);
    if (*ret_length > 0)
        return true;
    *ret_length = name_length(s);
    *ret_part =
        (struct template_part){ .variable = variable_of((struct slice){ s.ptr, *ret_length }) };
    return ret_part->variable != TEMPLATE_LITERAL;
}

/* One part from the front of *rest; false when it is an unknown variable. */
static bool compile_part(struct slice *rest, struct template_part *ret_part, struct slice *ret_bad)
{
    const char *dollar = memchr(rest->ptr, '$', rest->len);
    bool in_braces = slice_starts_with(*rest, SLICE("${"));
    struct slice name;
    size_t length;
    bool is_known;

    if (dollar != rest->ptr) {
        length = dollar ? (size_t)(dollar - rest->ptr) : rest->len;
        *ret_part = (struct template_part){ .literal = { rest->ptr, length } };
        *rest = slice_from(*rest, length);
        return true;
    }
    if (slice_starts_with(*rest, SLICE("$$"))) {
        *ret_part = (struct template_part){ .literal = { rest->ptr, 1 } };
        *rest = slice_from(*rest, 2);
        return true;
    }
    name = slice_from(*rest, in_braces ? 2 : 1);
    is_known = compile_variable(name, ret_part, &length);
    *ret_bad = (struct slice){ name.ptr, length };
    *rest = slice_from(name, length);
    if (!in_braces)
        return is_known;
    *ret_bad = (struct slice){ name.ptr - 1, length + 1 };
    is_known = is_known && rest->len > 0 && rest->ptr[0] == '}';
    *rest = slice_from(*rest, 1);
    return is_known;
}

int template_compile(struct slice source, struct template_part *ret_parts, struct slice *ret_bad)
{
    int count = 0;

    while (source.len > 0) {
        if (count == TEMPLATE_PARTS_MAX) {
            *ret_bad = (struct slice){ NULL, 0 };
            return -1;
        }
        if (!compile_part(&source, &ret_parts[count++], ret_bad))
            return -1;
    }
    return count;
}

void template_format_date(uint64_t unix_ms, char into[30])
{
    static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    snprintf(into, 30, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday % 7],
             tm.tm_mday % 100, months[tm.tm_mon % 12], (tm.tm_year + 1900) % 10000,
             tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100);
}

/* ---- one function per variable ---- */

static void put(struct text *into, const struct template_scope *scope, struct slice s)
{
    text_add_escaped(into, s, scope->escape);
}

/* As it would be in real time, also in a lab where time passes faster. */
static void put_latency(struct text *into, const struct exchange_record *record, uint64_t from_us,
                        uint64_t to_us)
{
    uint64_t stated_us = time_scale_stretch(from_us, to_us, record->persona->time_scale);

    if (from_us != 0 && to_us != 0)
        text_add_number(into, stated_us > from_us ? (stated_us - from_us) / 1000 : 0);
}

/* When the response head was made or arrived; while that is still going on, now is the end. */
static uint64_t response_at_us(const struct exchange_record *record)
{
    return record->response_head_at_us ? record->response_head_at_us : record->ended_at_us;
}

static void put_client_ip(const struct template_scope *scope, struct text *into)
{
    put(into, scope, scope->record->client_ip);
}

static void put_peer_ip(const struct template_scope *scope, struct text *into)
{
    char ip[ADDR_IP_TEXT_MAX];

    text_add_string(into, addr_format_ip(&scope->record->client_peer, ip, sizeof(ip)));
}

static void put_scheme(const struct template_scope *scope, struct text *into)
{
    text_add_string(into, scope->record->over_tls ? "https" : "http");
}

static void put_host(const struct template_scope *scope, struct text *into)
{
    const struct http_head *request = scope->record->request;
    struct slice host, port;

    if (request && request->authority.len == 0) {
        text_add_string(into, scope->record->persona->log.server_name);
        return;
    }
    if (!request || addr_split_host_port(request->authority, &host, &port) < 0)
        return;
    if (host.len > 1 && host.ptr[host.len - 1] == '.')
        host.len--;
    if (request->authority.ptr[0] == '[') /* nginx keeps the brackets of an IPv6 literal */
        host = (struct slice){ host.ptr - 1, host.len + 2 };
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];

        c = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
        put(into, scope, (struct slice){ &c, 1 });
    }
}

static void put_authority(const struct template_scope *scope, struct text *into)
{
    if (scope->record->request)
        put(into, scope, scope->record->request->authority);
}

static void put_listener_port(const struct template_scope *scope, struct text *into)
{
    text_add_number(into, scope->record->listener_port);
}

static void put_request_path(const struct template_scope *scope, struct text *into)
{
    if (scope->record->request)
        put(into, scope, scope->record->request->path);
}

static void put_matched_prefix(const struct template_scope *scope, struct text *into)
{
    if (!slice_equal(scope->record->matched_prefix, SLICE("/")))
        put(into, scope, scope->record->matched_prefix);
}

static void put_request_id(const struct template_scope *scope, struct text *into)
{
    text_add_string(into, scope->record->request_id);
}

static void put_request_version(const struct template_scope *scope, struct text *into)
{
    const struct http_head *request = scope->record->request;

    if (!request)
        return;
    text_add_number(into, request->version_major);
    text_add_string(into, ".");
    text_add_number(into, request->version_minor);
}

static void put_lua_version(const struct template_scope *scope, struct text *into)
{
    const struct http_head *request = scope->record->request;

    if (request && request->version_minor == 0)
        text_add_number(into, request->version_major);
    else
        put_request_version(scope, into);
}

static bool wants_trailers(const struct exchange_record *record)
{
    return record->request &&
           fields_list_has(&record->request->fields, FIELD_TE, SLICE("trailers"));
}

static void put_te_trailers(const struct template_scope *scope, struct text *into)
{
    if (wants_trailers(scope->record))
        text_add_string(into, "trailers");
}

static void put_connection_te(const struct template_scope *scope, struct text *into)
{
    if (wants_trailers(scope->record))
        text_add_string(into, "TE");
}

static void put_upgrade(const struct template_scope *scope, struct text *into)
{
    put(into, scope, scope->record->upgrade);
}

/* kong/runloop/handler.lua: the host that a trusted peer tells of, else nginx's $host. */
static void put_https_location(const struct template_scope *scope, struct text *into)
{
    const struct http_head *request = scope->record->request;
    const struct field *told = request && scope->record->client_is_trusted
                                   ? fields_find_name(&request->fields, SLICE("X-Forwarded-Host"))
                                   : NULL;

    if (!request)
        return;
    text_add_string(into, "https://");
    if (told)
        put(into, scope, told->value);
    else
        put_host(scope, into);
    put(into, scope, request->path);
    if (request->query.ptr) {
        text_add_string(into, "?");
        put(into, scope, request->query);
    }
}

static void put_upstream_host(const struct template_scope *scope, struct text *into)
{
    put(into, scope, scope->record->upstream_host);
}

static void put_product(const struct template_scope *scope, struct text *into)
{
    text_add_string(into, scope->record->persona->product);
}

static void put_hop(const struct template_scope *scope, struct text *into)
{
    put(into, scope, scope->record->hop_name);
}

static void put_proxy_latency_ms(const struct template_scope *scope, struct text *into)
{
    const struct try_record *last = exchange_record_peek_try(scope->record);

    if (last)
        put_latency(into, scope->record, scope->record->started_at_us, last->picked_at_us);
}

static void put_upstream_latency_ms(const struct template_scope *scope, struct text *into)
{
    const struct try_record *last = exchange_record_peek_try(scope->record);

    if (last)
        put_latency(into, scope->record, last->picked_at_us, response_at_us(scope->record));
}

static void put_response_latency_ms(const struct template_scope *scope, struct text *into)
{
    put_latency(into, scope->record, scope->record->started_at_us, response_at_us(scope->record));
}

static void put_upstream_status(const struct template_scope *scope, struct text *into)
{
    const struct try_record *last = exchange_record_peek_try(scope->record);

    if (last && last->status != 0)
        text_add_number(into, last->status);
}

static void put_status(const struct template_scope *scope, struct text *into)
{
    if (scope->answer)
        text_add_number(into, scope->answer->status);
}

static void put_reason_phrase(const struct template_scope *scope, struct text *into)
{
    if (scope->answer)
        put(into, scope, slice_of(scope->answer->reason_phrase));
}

static void put_message(const struct template_scope *scope, struct text *into)
{
    if (scope->answer)
        put(into, scope, scope->answer->message);
}

static void put_detail(const struct template_scope *scope, struct text *into)
{
    put(into, scope, scope->record->reason_detail);
}

static void put_service_host(const struct template_scope *scope, struct text *into)
{
    if (scope->record->service)
        put(into, scope, slice_of(scope->record->service->host));
}

static void put_route_id(const struct template_scope *scope, struct text *into)
{
    if (scope->record->route)
        put(into, scope, slice_of(scope->record->route->id));
}

static void put_route_name(const struct template_scope *scope, struct text *into)
{
    if (scope->record->route)
        put(into, scope, slice_of(scope->record->route->name));
}

static void put_service_id(const struct template_scope *scope, struct text *into)
{
    if (scope->record->service)
        put(into, scope, slice_of(scope->record->service->id));
}

static void put_service_name(const struct template_scope *scope, struct text *into)
{
    if (scope->record->service)
        put(into, scope, slice_of(scope->record->service->name));
}

static void put_request_debug(const struct template_scope *scope, struct text *into)
{
    request_debug_put(scope->record, false, into);
}

static void put_date(const struct template_scope *scope, struct text *into)
{
    char date[30];

    template_format_date(exchange_record_unix_ms(scope->record, response_at_us(scope->record)),
                         date);
    text_add_string(into, date);
}

#define PUT_TEXT(name, source)                                                    \
    static void put_##name(const struct template_scope *scope, struct text *into) \
    {                                                                             \
        const struct exchange_record *record = scope->record;                     \
                                                                                  \
        put(into, scope, slice_of(source));                                       \
    }

static const char *name_or_id(const char *name, const char *id)
{
    return name ? name : id;
}

static const struct tls_client_certificate *certificate_of(const struct exchange_record *record)
{
    return record->client_identity.certificate;
}

PUT_TEXT(route, record->route ? name_or_id(record->route->name, record->route->id) : NULL)
PUT_TEXT(service, record->service ? name_or_id(record->service->name, record->service->id) : NULL)
PUT_TEXT(tls_version, record->tls ? record->tls->version : NULL)
PUT_TEXT(tls_cipher, record->tls ? record->tls->cipher : NULL)
PUT_TEXT(tls_server_name, record->tls ? record->tls->server_name : NULL)
PUT_TEXT(tls_resumed, record->tls ? (record->tls->resumed ? "1" : "0") : NULL)
PUT_TEXT(client_verify, record->client_identity.verify)
PUT_TEXT(client_subject, certificate_of(record) ? certificate_of(record)->subject : NULL)
PUT_TEXT(client_issuer, certificate_of(record) ? certificate_of(record)->issuer : NULL)
PUT_TEXT(client_serial, certificate_of(record) ? certificate_of(record)->serial : NULL)
PUT_TEXT(client_fingerprint, certificate_of(record) ? certificate_of(record)->sha256 : NULL)

static void put_peer_port(const struct template_scope *scope, struct text *into)
{
    text_add_number(into, addr_port(&scope->record->client_peer));
}

static void put_listener_ip(const struct template_scope *scope, struct text *into)
{
    char ip[ADDR_IP_TEXT_MAX];

    text_add_string(into, addr_format_ip(&scope->record->client_local, ip, sizeof(ip)));
}

static void put_method(const struct template_scope *scope, struct text *into)
{
    if (scope->record->request)
        put(into, scope, scope->record->request->method_name);
}

static void put_request_uri(const struct template_scope *scope, struct text *into)
{
    if (scope->record->request)
        put(into, scope, scope->record->request->request_target);
}

static void put_query(const struct template_scope *scope, struct text *into)
{
    if (scope->record->request)
        put(into, scope, scope->record->request->query);
}

static void put_target(const struct template_scope *scope, struct text *into)
{
    const struct try_record *last = exchange_record_peek_try(scope->record);

    if (last)
        put(into, scope, last->target_name);
}

static void put_amazon_trace_id(const struct template_scope *scope, struct text *into)
{
    amazon_trace_put(scope->record, into);
}

static void put_forwarded_for(const struct template_scope *scope, struct text *into)
{
    forwarded_add_node(into, &scope->record->client_peer, false);
}

static void put_forwarded_for_port(const struct template_scope *scope, struct text *into)
{
    forwarded_add_node(into, &scope->record->client_peer, true);
}

static void put_forwarded_by(const struct template_scope *scope, struct text *into)
{
    forwarded_add_node(into, &scope->record->client_local, false);
}

static void put_forwarded_by_port(const struct template_scope *scope, struct text *into)
{
    forwarded_add_node(into, &scope->record->client_local, true);
}

static void put_forwarded_host(const struct template_scope *scope, struct text *into)
{
    if (scope->record->request)
        forwarded_add_value(into, scope->record->request->authority);
}

/* All lines of the name as one list. */
static void put_field(const struct template_scope *scope, const struct fields *fields,
                      struct slice name, struct text *into)
{
    bool several = false;

    for (uint32_t i = 0; fields && i < fields->count; i++) {
        if (!field_name_matches(name, fields->items[i].name, true))
            continue;
        text_add_string(into, several ? ", " : "");
        put(into, scope, fields->items[i].value);
        several = true;
    }
}

static void (*const putters[TEMPLATE_VARIABLE_COUNT])(const struct template_scope *,
                                                      struct text *) = {
#define TEMPLATE_VARIABLE(name) [TEMPLATE_##name] = put_##name,
#include "proxy/persona/template.def"
#undef TEMPLATE_VARIABLE
};

void template_expand(const struct template *source, const struct template_scope *scope,
                     struct text *into)
{
    for (size_t i = 0; i < source->count; i++) {
        const struct template_part *part = &source->parts[i];

        if (part->variable == TEMPLATE_LITERAL)
            text_add(into, part->literal);
        else if (part->variable == TEMPLATE_REQUEST_FIELD)
            put_field(scope, scope->record->request ? &scope->record->request->fields : NULL,
                      part->literal, into);
        else if (part->variable == TEMPLATE_RESPONSE_FIELD)
            put_field(scope, scope->response, part->literal, into);
        else
            putters[part->variable](scope, into);
    }
}

void template_expand_value(const struct template *source, const struct template_scope *scope,
                           struct text *into)
{
    size_t start = into->length;
    struct slice rest;

    template_expand(source, scope, into);
    if (into->length == start)
        return;
    rest = (struct slice){ into->ptr + start, into->length - start };
    while ((rest = slice_from(rest, http_text_bad_at(rest))).len > 0)
        into->ptr[into->length - rest.len] = ' ';
}
