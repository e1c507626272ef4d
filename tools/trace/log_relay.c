/* Lines of connections that a hop of ours led on without looking into them (persona nlb, TLS by server name):
 * proxy/client/passthrough_log.c. They are flows that have a hop. */
#include <jansson.h>
#include <string.h>

#include "core/time_scale.h"
#include "tools/trace/log_formats.h"

/* A year 9999 in milliseconds is less. */
#define NUMBER_MAX (1ll << 48)

static int64_t number_of(const json_t *object, const char *key)
{
    json_int_t number = json_integer_value(json_object_get(object, key));

    return number > 0 && number < NUMBER_MAX ? number : 0;
}

static struct sockaddr_storage address_of(const json_t *object, const char *ip, const char *port)
{
    const char *text = json_string_value(json_object_get(object, ip));
    struct sockaddr_storage address = { 0 };

    if (text)
        (void)addr_parse_ip(slice_of(text), (uint16_t)number_of(object, port), &address);
    return address;
}

static struct slice text_of(struct trace *trace, const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? trace_copy(trace, slice_of(text)) : (struct slice){ NULL, 0 };
}

static enum end_reason reason_of(const json_t *root)
{
    const char *name = json_string_value(json_object_get(root, "reason"));
    enum end_reason reason = name ? end_reason_of(name) : END_REASON_COUNT;

    return reason < END_REASON_COUNT ? reason : END_INTERNAL; /* of a newer version */
}

static void read_relay(struct trace *trace, const struct log_place *place, const json_t *root,
                       struct trace_relay *relay)
{
    int64_t scale = number_of(root, "time_scale");

    *relay =
        (struct trace_relay){ .file = place->file,
                              .line = place->line,
                              .hop = place->hop.len > 0 ? place->hop : text_of(trace, root, "hop"),
                              .service = text_of(trace, root, "service"),
                              .target_name = text_of(trace, root, "target"),
                              .reason = reason_of(root),
                              .time_scale = scale <= TIME_SCALE_MAX ? (uint32_t)scale : 0 };
    relay->end_us = (number_of(root, "started_at") + number_of(root, "session_ms")) * 1000;
}

/* A connection to the target that was never made has no address of ours, and no other of the target than
 * its name. */
static struct sockaddr_storage target_of(const json_t *root)
{
    const char *name = json_string_value(json_object_get(root, "target"));
    struct sockaddr_storage target = address_of(json_object_get(root, "upstream"), "ip", "port");

    if (!trace_is_known(&target) && name)
        (void)addr_parse(slice_of(name), 0, &target);
    return target;
}

static void add_relay(struct trace *trace, const struct log_place *place, const json_t *root)
{
    const json_t *client = json_object_get(root, "client");
    const json_t *upstream = json_object_get(root, "upstream");
    struct trace_flow *flow = arena_alloc(&trace->memory, sizeof(*flow));
    struct trace_relay *relay = arena_alloc(&trace->memory, sizeof(*relay));

    if (!flow || !relay) {
        trace->out_of_memory = true;
        return;
    }
    read_relay(trace, place, root, relay);
    *flow = (struct trace_flow){ .client = address_of(client, "peer_ip", "peer_port"),
                                 .listen = address_of(client, "local_ip", "local_port"),
                                 .local = address_of(upstream, "local_ip", "local_port"),
                                 .server = target_of(root),
                                 .begin_us = number_of(root, "started_at") * 1000,
                                 .relay = relay,
                                 .before = trace->last_flow };
    trace->last_flow = flow;
}

bool log_read_relay(struct trace *trace, const struct log_place *place, struct slice line,
                    struct trace_account **ret_account)
{
    json_t *root =
        line.len > 0 && line.ptr[0] == '{' ? json_loadb(line.ptr, line.len, 0, NULL) : NULL;
    bool is_relay = json_is_string(json_object_get(root, "protocol")) &&
                    json_is_string(json_object_get(root, "hop")) &&
                    json_is_object(json_object_get(root, "client")) &&
                    json_is_integer(json_object_get(root, "session_ms"));

    *ret_account = NULL; /* who asked for what, the hops on both sides know: relay.c */
    if (is_relay)
        add_relay(trace, place, root);
    json_decref(root);
    return is_relay;
}
