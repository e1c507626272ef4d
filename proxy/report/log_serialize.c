#include "proxy/report/log_serialize.h"

#include "proxy/report/access_log_priv.h"
#include "proxy/report/json_text.h"
#include "proxy/report/log_entities.h"
#include "proxy/report/log_variable.h"

/* lua_max_req_headers, _resp_headers and _uri_args are 100: what Lua sees of more is cut there. For
 * fields the hop's own limits hold. */
enum { ARGUMENTS_MAX = 100 };

/* ---- query string -------------------------------------------------------------------------- */

struct argument {
    struct slice name, value; /* decoded; value ptr NULL: there was no "=" */
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* As ngx.decode_args: %HH, and "+" is a space. ptr NULL: no memory. */
static struct slice decode(struct arena *arena, struct slice text)
{
    char *bytes = arena_alloc(arena, text.len + 1);
    size_t length = 0;

    if (!bytes)
        return (struct slice){ NULL, 0 };
    for (size_t i = 0; i < text.len; i++) {
        int high = text.ptr[i] == '%' && i + 2 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text.ptr[i + 2]) : -1;

        bytes[length++] = low >= 0             ? (char)(high * 16 + low)
                          : text.ptr[i] == '+' ? ' '
                                               : text.ptr[i];
        i += low >= 0 ? 2 : 0;
    }
    return (struct slice){ bytes, length };
}

/* Fills arguments; names without a byte are left out. Their count. */
static size_t read_arguments(struct arena *arena, struct slice query, struct argument *arguments)
{
    size_t count = 0;

    while (query.len > 0 && count < ARGUMENTS_MAX) {
        const char *end = memchr(query.ptr, '&', query.len);
        struct slice pair = { query.ptr, end ? (size_t)(end - query.ptr) : query.len };
        const char *equals = memchr(pair.ptr, '=', pair.len);
        size_t name_length = equals ? (size_t)(equals - pair.ptr) : pair.len;
        struct argument argument = { .value = { NULL, 0 } };

        query = slice_from(query, pair.len + 1);
        argument.name = decode(arena, (struct slice){ pair.ptr, name_length });
        if (equals)
            argument.value = decode(arena, slice_from(pair, name_length + 1));
        if (argument.name.len > 0)
            arguments[count++] = argument;
    }
    return count;
}

static void add_argument_value(struct text *text, const struct argument *argument)
{
    if (argument->value.ptr)
        json_add_quoted(text, argument->value);
    else
        text_add(text, SLICE("true"));
}

static bool is_first_of_its_name(const struct argument *arguments, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (slice_equal(arguments[i].name, arguments[index].name))
            return false;
    return true;
}

static bool is_last_of_its_name(const struct argument *arguments, size_t count, size_t index)
{
    for (size_t i = index + 1; i < count; i++)
        if (slice_equal(arguments[i].name, arguments[index].name))
            return false;
    return true;
}

/* A name that comes again has a list. */
static void add_querystring(struct json_object *parent, struct slice query)
{
    struct argument arguments[ARGUMENTS_MAX];
    size_t count = read_arguments(parent->text->arena, query, arguments);
    struct json_object object;

    json_add_key(parent, "querystring");
    object = json_object_open(parent->text);
    for (size_t i = 0; i < count; i++) {
        bool several;

        if (!is_first_of_its_name(arguments, i))
            continue;
        several = !is_last_of_its_name(arguments, count, i);
        text_add_string(object.text, object.has_members ? "," : "");
        object.has_members = true;
        json_add_quoted(object.text, arguments[i].name);
        text_add_string(object.text, several ? ":[" : ":");
        add_argument_value(object.text, &arguments[i]);
        for (size_t k = i + 1; several && k < count; k++) {
            if (!slice_equal(arguments[k].name, arguments[i].name))
                continue;
            text_add(object.text, SLICE(","));
            add_argument_value(object.text, &arguments[k]);
        }
        text_add_string(object.text, several ? "]" : "");
    }
    json_object_close(&object);
}

/* ---- request and response ------------------------------------------------------------------ */

static void put(const struct exchange_record *record, enum log_variable variable, struct text *into)
{
    const struct log_part part = { .variable = variable };
    const struct log_scope scope = { .record = record, .escape = TEXT_ESCAPE_JSON, .part = &part };

    log_variable_put(&scope, into);
}

static void add_uri_and_url(struct json_object *object, const struct exchange_record *record)
{
    json_add_key(object, "uri");
    text_add(object->text, SLICE("\""));
    put(record, LOG_request_uri, object->text);
    text_add(object->text, SLICE("\""));
    json_add_key(object, "url");
    text_add_string(object->text, record->over_tls ? "\"https://" : "\"http://");
    put(record, LOG_host, object->text);
    text_add(object->text, SLICE(":"));
    text_add_number(object->text, record->listener_port);
    put(record, LOG_request_uri, object->text);
    text_add(object->text, SLICE("\""));
}

static bool is_redacted(const struct field *field)
{
    return field->id == FIELD_AUTHORIZATION || field->id == FIELD_PROXY_AUTHORIZATION ||
           slice_equal_nocase(field->name, SLICE("X-Kong-Request-Debug-Token")); /* ours */
}

static bool is_never_redacted(const struct field *field)
{
    (void)field;
    return false;
}

static void add_tls(struct json_object *parent, const struct exchange_record *record)
{
    const struct tls_session_info *tls = record->tls;
    struct json_object object;

    if (!tls)
        return;
    json_add_key(parent, "tls");
    object = json_object_open(parent->text);
    json_add_text_if(&object, "version", tls->version);
    json_add_text_if(&object, "cipher", tls->cipher);
    json_add_text_if(&object, "client_verify", tls->client.verify);
    json_object_close(&object);
}

static void add_request(struct json_object *parent, const struct exchange_record *record)
{
    const struct http_head *request = record->request;
    struct json_object object;

    json_add_key(parent, "request");
    object = json_object_open(parent->text);
    json_add_text(&object, "id", slice_of(record->request_id));
    add_uri_and_url(&object, record);
    add_querystring(&object, request ? request->query : SLICE(""));
    if (request)
        json_add_text(&object, "method", request->method_name);
    json_add_fields(&object, "headers", request ? &request->fields : NULL, is_redacted);
    json_add_number(&object, "size", record->request_bytes);
    add_tls(&object, record);
    json_object_close(&object);
}

static void add_response(struct json_object *parent, const struct exchange_record *record)
{
    struct json_object object;

    json_add_key(parent, "response");
    object = json_object_open(parent->text);
    json_add_number(&object, "status", record->status);
    json_add_fields(&object, "headers", record->response_fields, is_never_redacted);
    json_add_number(&object, "size", record->response_bytes);
    json_object_close(&object);
}

/* ---- times and tries ----------------------------------------------------------------------- */

static uint64_t span_ms(uint64_t from_us, uint64_t to_us)
{
    return from_us != 0 && to_us > from_us ? (to_us - from_us) / 1000 : 0;
}

/* kong: X-Kong-Proxy-Latency or X-Kong-Response-Latency. proxy: -1 without a response head of a request
 * that was sent on. receive: only of content that came to its end (kong/init.lua, body_filter). */
static void add_latencies(struct json_object *parent, const struct exchange_record *record)
{
    const struct try_record *last = exchange_record_peek_try(record);
    uint64_t head_us = record->response_head_at_us;
    bool is_waited_for = record->was_proxied && last && head_us != 0;
    bool is_received = is_waited_for && !record->truncated && record->reason != END_CLIENT_ABORTED;
    struct json_object object;

    json_add_key(parent, "latencies");
    object = json_object_open(parent->text);
    json_add_number(&object, "kong",
                    span_ms(record->started_at_us, last ? last->picked_at_us : head_us));
    json_add_key(&object, "proxy");
    if (is_waited_for)
        text_add_number(object.text, span_ms(last->picked_at_us, head_us));
    else
        text_add(object.text, SLICE("-1"));
    json_add_number(&object, "request", span_ms(record->started_at_us, record->ended_at_us));
    json_add_number(&object, "receive", is_received ? span_ms(head_us, record->ended_at_us) : 0);
    json_object_close(&object);
}

/* A try that another one followed, or the last of all that were allowed (runloop/handler.lua, log). */
static bool shows_failure(const struct exchange_record *record, uint32_t index, uint32_t kept)
{
    uint32_t retries = record->service ? record->service->retries : 0;

    if (index + 1 < kept)
        return true;
    return record->tries[index].reason != END_OK && record->tries_count > retries &&
           record->status > 499;
}

static void add_try(struct text *text, const struct exchange_record *record, uint32_t index,
                    uint32_t kept)
{
    const struct try_record *try = &record->tries[index];
    uint64_t picked_us =
        try->picked_at_us > try->queued_us ? try->picked_at_us - try->queued_us : try->picked_at_us;
    uint64_t since_us = picked_us > record->started_at_us ? picked_us - record->started_at_us : 0;
    struct json_object object = json_object_open(text);

    json_add_number(&object, "balancer_start", record->started_at_unix_ms + since_us / 1000);
    json_add_number(&object, "balancer_start_ns",
                    record->started_at_unix_ms * 1000000 + since_us * 1000);
    json_add_number(&object, "balancer_latency", try->queued_us / 1000);
    json_add_number(&object, "balancer_latency_ns", try->queued_us * 1000);
    json_add_address(&object, "ip", "port", &try->target);
    if (shows_failure(record, index, kept)) {
        json_add_text(&object, "state", SLICE("failed"));
        json_add_number(&object, "code", try->status);
    }
    json_object_close(&object);
}

/* Without a service there was no balancing and Kong has no list. */
static void add_tries(struct json_object *parent, const struct exchange_record *record)
{
    uint32_t kept = log_tries_kept(record);

    if (!record->service)
        return;
    json_add_key(parent, "tries");
    text_add(parent->text, SLICE("["));
    for (uint32_t i = 0; i < kept; i++) {
        text_add_string(parent->text, i > 0 ? "," : "");
        add_try(parent->text, record, i, kept);
    }
    text_add(parent->text, SLICE("]"));
}

/* ---- the whole ----------------------------------------------------------------------------- */

/* kong.response.get_source: what was sent on is the service's, unless an error handler answered. */
static bool is_upstreams(const struct exchange_record *record)
{
    return record->from_upstream || (record->was_proxied && record->reason == END_CLIENT_ABORTED);
}

void log_serialize(const struct exchange_record *record, struct text *into)
{
    struct json_object object = json_object_open(into);

    add_request(&object, record);
    json_add_text(&object, "upstream_uri", record->was_proxied ? record->upstream_uri : SLICE(""));
    json_add_key(&object, "upstream_status");
    text_add(into, SLICE("\""));
    put(record, LOG_upstream_status, into);
    text_add(into, SLICE("\""));
    add_response(&object, record);
    add_latencies(&object, record);
    add_tries(&object, record);
    if (record->route)
        log_add_route(&object, record->route);
    if (record->service)
        log_add_service(&object, record->service);
    json_add_key(&object, "client_ip");
    text_add(into, SLICE("\""));
    log_put_ip(record, into);
    text_add(into, SLICE("\""));
    json_add_number(&object, "started_at", record->started_at_unix_ms);
    json_add_text(&object, "source", is_upstreams(record) ? SLICE("upstream") : SLICE("kong"));
    json_add_text(&object, "workspace", SLICE(KONG_DEFAULT_WORKSPACE));
    json_add_text(&object, "workspace_name", SLICE("default"));
    json_object_close(&object);
}

struct slice access_log_serialize_line(const struct access_log_format *format,
                                       const struct exchange_record *record, struct arena *arena)
{
    struct text text;

    (void)format;
    text_init_sized(&text, arena, 2048);
    log_serialize(record, &text);
    text_add(&text, SLICE("\n"));
    return text_take(&text);
}
