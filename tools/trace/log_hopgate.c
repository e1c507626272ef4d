/* Our own JSON access log: proxy/report/access_log_json.c. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/time_scale.h"
#include "tools/trace/log_formats.h"
#include "tools/trace/telling.h"

static struct slice text_of(struct trace *trace, const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? trace_copy(trace, slice_of(text)) : (struct slice){ NULL, 0 };
}

/* A year 9999 in microseconds is less: beyond, a line is not ours, and sums would not fit. */
#define NUMBER_MAX (1ll << 58)

static uint64_t number_of(const json_t *object, const char *key)
{
    json_int_t number = json_integer_value(json_object_get(object, key));

    return number > 0 && number < NUMBER_MAX ? (uint64_t)number : 0;
}

static int64_t ms_of(const json_t *object, const char *key)
{
    uint64_t ms = number_of(object, key);

    return ms < NUMBER_MAX / 1000 ? (int64_t)ms * 1000 : 0;
}

/* "phases_ms": spans from the beginning. */
static int64_t instant_of(const json_t *object, const char *key, int64_t begin_us)
{
    const json_t *span = json_object_get(object, key);
    double ms = json_number_value(span);

    return json_is_number(span) && ms >= 0 && ms < 1e12 && begin_us != TRACE_NEVER
               ? begin_us + (int64_t)(ms * 1000)
               : TRACE_NEVER;
}

static struct sockaddr_storage address_of(const json_t *object, const char *ip, const char *port)
{
    const char *text = json_string_value(json_object_get(object, ip));
    struct sockaddr_storage address = { 0 };

    if (text)
        (void)addr_parse_ip(slice_of(text), (uint16_t)number_of(object, port), &address);
    return address;
}

/* What came with the request and can be found again in a log of the hop in front; the first that is
 * there, the one that hops write themselves before those of applications. */
static struct slice passed_id(struct trace *trace, const json_t *fields)
{
    static const char *const names[] = { "x-kong-request-id", "x-request-id", "x-correlation-id",
                                         "x-amzn-trace-id", "traceparent" };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (json_is_string(json_object_get(fields, names[i])))
            return text_of(trace, fields, names[i]);
    return (struct slice){ NULL, 0 };
}

static enum end_reason reason_of(const json_t *object)
{
    const char *name = json_string_value(json_object_get(object, "reason"));
    enum end_reason reason = name ? end_reason_of(name) : END_REASON_COUNT;

    return reason < END_REASON_COUNT ? reason : END_INTERNAL; /* of a newer version */
}

static void read_try(struct trace *trace, struct trace_account *account, const json_t *from)
{
    struct trace_try *try = trace_try_new(trace, account);

    try->begin_us = instant_of(from, "begin_ms", account->begin_us);
    if (try->begin_us == TRACE_NEVER) /* of a version before it was written */
        try->begin_us = ms_of(from, "balancer_start");
    try->sent_us = instant_of(from, "sent_ms", try->begin_us);
    try->head_us = instant_of(from, "head_ms", try->begin_us);
    try->end_us = instant_of(from, "end_ms", try->begin_us);
    try->local = address_of(from, "local_ip", "local_port");
    try->target = address_of(from, "ip", "port");
    try->target_name = text_of(trace, from, "target");
    try->request_number = number_of(from, "request_number");
    try->status = (unsigned)number_of(from, "status");
    try->reason = reason_of(from);
    try->detail = text_of(trace, from, "detail");
    try->explanation = text_of(trace, from, "explanation");
    try->reused = json_is_true(json_object_get(from, "reused"));
    try->passed_id = account->request_id;
}

static void read_times(struct trace_account *account, const json_t *root)
{
    const json_t *phases = json_object_get(root, "phases_ms");

    account->begin_us = (int64_t)number_of(root, "started_at_us");
    account->precision_us = 1;
    if (account->begin_us == 0) { /* of a version before it was written */
        account->begin_us = ms_of(root, "started_at");
        account->precision_us = 1000;
    }
    account->head_us = instant_of(phases, "response_head", account->begin_us);
    account->end_us = instant_of(phases, "end", account->begin_us);
}

/* A lab's hop; what it says is anybody's number. */
static uint32_t time_scale_of(const json_t *root)
{
    uint64_t scale = number_of(root, "time_scale");

    return scale <= TIME_SCALE_MAX ? (uint32_t)scale : 0;
}

static void read_ends(struct trace *trace, struct trace_account *account, const json_t *root)
{
    const char *source = json_string_value(json_object_get(root, "source"));

    account->status = (unsigned)number_of(json_object_get(root, "response"), "status");
    account->reason = reason_of(root);
    account->detail = text_of(trace, root, "detail");
    account->termination = text_of(trace, root, "termination");
    account->made_here = account->status != 0 && source && strcmp(source, "upstream") != 0;
}

static void read_service(struct trace *trace, struct trace_account *account, const json_t *service)
{
    const json_t *retries = json_object_get(service, "retries");

    account->service = text_of(trace, service, "name");
    account->limits = (struct trace_limits){ .connect_us = ms_of(service, "connect_timeout"),
                                             .write_us = ms_of(service, "write_timeout"),
                                             .read_us = ms_of(service, "read_timeout") };
    if (json_is_integer(retries)) /* lines of a version before have none of these */
        account->limits.tries_max = (unsigned)number_of(service, "retries") + 1;
}

/* By what the answer can be understood: fields of the request, where a redirect leads. */
static void read_fields(struct trace *trace, struct trace_account *account, const json_t *root)
{
    const json_t *request = json_object_get(root, "request");
    const json_t *client = json_object_get(root, "client");
    const json_t *answer = json_object_get(json_object_get(root, "response"), "headers");

    account->fields = telling_fields_read(trace, json_object_get(request, "headers"));
    account->url = text_of(trace, request, "url");
    account->location = text_of(trace, answer, "location");
    account->sets_cookie = json_object_get(answer, "set-cookie") != NULL;
    account->over_tls = json_is_true(json_object_get(client, "tls"));
    account->is_trusted = json_is_true(json_object_get(client, "trusted"));
}

bool log_read_hopgate(struct trace *trace, const struct log_place *place, struct slice line,
                      struct trace_account **ret_account)
{
    json_t *root =
        line.len > 0 && line.ptr[0] == '{' ? json_loadb(line.ptr, line.len, 0, NULL) : NULL;
    const json_t *request = json_object_get(root, "request");
    const json_t *client = json_object_get(root, "client");
    struct trace_account *account;
    const json_t *try;
    size_t index;

    if (!json_is_object(request) || !json_is_string(json_object_get(root, "hop")) ||
        !json_is_integer(json_object_get(root, "started_at"))) {
        json_decref(root);
        return false;
    }
    account = *ret_account = trace_account_new(trace);
    if (account) {
        account->format = "hopgate";
        account->hop = place->hop.len > 0 ? place->hop : text_of(trace, root, "hop");
        read_times(account, root);
        account->request_id = text_of(trace, request, "id");
        account->received_id = passed_id(trace, json_object_get(request, "headers"));
        account->method = text_of(trace, request, "method");
        account->target = text_of(trace, request, "uri");
        account->upstream_target = text_of(trace, root, "upstream_uri");
        read_service(trace, account, json_object_get(root, "service"));
        read_fields(trace, account, root);
        account->peer = address_of(client, "peer_ip", "peer_port");
        account->local = address_of(client, "local_ip", "local_port");
        account->request_number = number_of(client, "request_number");
        account->time_scale = time_scale_of(root);
        read_ends(trace, account, root);
        json_array_foreach(json_object_get(root, "tries"), index, try)
            read_try(trace, account, try);
        account->tries_made = (unsigned)number_of(root, "tries_count");
    }
    json_decref(root);
    return true;
}
