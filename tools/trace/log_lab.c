/* What the other parts of a lab write: `hopgate wire` (connections) and `hopgate origin` (requests). */
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tools/trace/log_formats.h"
#include "tools/trace/telling.h"

static struct slice text_of(struct trace *trace, const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? trace_copy(trace, slice_of(text)) : (struct slice){ NULL, 0 };
}

static struct sockaddr_storage address_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    struct sockaddr_storage address = { 0 };

    if (text)
        (void)addr_parse(slice_of(text), 0, &address);
    return address;
}

/* So that sums of milliseconds as microseconds fit. */
#define NUMBER_MAX (1ll << 48)

static json_int_t number_of(const json_t *object, const char *key)
{
    json_int_t number = json_integer_value(json_object_get(object, key));

    return number > 0 && number < NUMBER_MAX ? number : 0;
}

/* ---- wire ---- */

/* Connections that a wire is opening at the same time, at most: only those are looked at. */
enum { OPENING_MAX = 256 };

/* The one that the line is about; a line about a fault of the first instant comes before "open". */
static struct trace_flow *flow_of(struct trace *trace, const json_t *root, unsigned looks)
{
    struct slice wire = slice_of(json_string_value(json_object_get(root, "wire")));
    json_int_t number = number_of(root, "connection");
    struct trace_flow *flow;

    for (flow = trace->last_flow; flow && looks-- > 0; flow = flow->before)
        if (flow->number == number && slice_equal(flow->wire, wire))
            return flow;
    flow = arena_alloc(&trace->memory, sizeof(*flow));
    if (!flow) {
        trace->out_of_memory = true;
        return NULL;
    }
    *flow = (struct trace_flow){ .wire = trace_copy(trace, wire),
                                 .number = number,
                                 .begin_us = number_of(root, "time_ms") * 1000,
                                 .before = trace->last_flow };
    trace->last_flow = flow;
    return flow;
}

static void open_flow(struct trace *trace, const json_t *root)
{
    struct trace_flow *flow = flow_of(trace, root, OPENING_MAX);

    if (!flow)
        return;
    flow->client = address_of(root, "client");
    flow->listen = address_of(root, "listen");
    flow->local = address_of(root, "local");
    flow->server = address_of(root, "server");
}

/* The last fault that acted is told: it is the one that was felt. */
static void add_fault(struct trace *trace, const json_t *root)
{
    struct trace_flow *flow = flow_of(trace, root, UINT_MAX);

    if (!flow)
        return;
    flow->fault = text_of(trace, root, "fault");
    flow->fault_at_us = number_of(root, "time_ms") * 1000;
}

static bool read_wire(struct trace *trace, const json_t *root)
{
    const char *event = json_string_value(json_object_get(root, "event"));

    if (!event || !json_is_string(json_object_get(root, "wire")))
        return false;
    if (strcmp(event, "open") == 0)
        open_flow(trace, root);
    else if (strcmp(event, "fault") == 0)
        add_fault(trace, root);
    return true;
}

/* ---- origin ---- */

/* A connection on which no request came: one in plain text where TLS is spoken tells why. */
static bool is_silent(const json_t *root)
{
    const char *end = json_string_value(json_object_get(root, "end"));

    return !json_is_string(json_object_get(root, "method")) &&
           !(end && strcmp(end, "plain_http") == 0);
}

static bool read_origin(struct trace *trace, const struct log_place *place, const json_t *root,
                        struct trace_account **ret_account)
{
    const char *time = json_string_value(json_object_get(root, "time"));
    struct trace_account *account;

    if (!time || !json_is_string(json_object_get(root, "listener")) ||
        !json_is_string(json_object_get(root, "peer")))
        return false;
    if (is_silent(root))
        return true;
    account = *ret_account = trace_account_new(trace);
    if (!account)
        return true;
    account->format = "origin";
    account->hop = place->hop.len > 0 ? place->hop : text_of(trace, root, "listener");
    account->wants_tls = !json_is_string(json_object_get(root, "method"));
    account->fields = telling_fields_read(trace, json_object_get(root, "headers"));
    account->over_tls = json_is_object(json_object_get(root, "tls"));
    account->method = text_of(trace, root, "method");
    account->target = text_of(trace, root, "target");
    account->peer = address_of(root, "peer");
    account->local = address_of(root, "local");
    account->request_number = (uint64_t)number_of(root, "number");
    account->status = (unsigned)number_of(root, "status");
    account->detail = text_of(trace, root, "fault");
    account->begin_us = trace_time(slice_of(time));
    account->end_us = account->begin_us == TRACE_NEVER
                          ? TRACE_NEVER
                          : account->begin_us + number_of(root, "duration_ms") * 1000;
    account->precision_us = 1000;
    return true;
}

bool log_read_lab(struct trace *trace, const struct log_place *place, struct slice line,
                  struct trace_account **ret_account)
{
    json_t *root =
        line.len > 0 && line.ptr[0] == '{' ? json_loadb(line.ptr, line.len, 0, NULL) : NULL;
    bool is_known =
        root && (read_wire(trace, root) || read_origin(trace, place, root, ret_account));

    json_decref(root);
    return is_known;
}
