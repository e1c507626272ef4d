/* flow_report: what is said of a flow, in the log and by the control API. */
#include <string.h>

#include "core/addr.h"
#include "tools/wire/flow_priv.h"

static const char *const pipe_names[FLOW_SIDES] = {
    [FLOW_CLIENT] = "to-server", [FLOW_SERVER] = "to-client"
};

static const char *end_name(enum side_end end)
{
    switch (end) {
    case SIDE_OPEN:
        return "open";
    case SIDE_FIN:
        return "fin";
    case SIDE_RESET:
        return "reset";
    case SIDE_REFUSED:
        return "refused";
    }
    return "?";
}

void flow_note(struct flow *flow, const struct wire_fault *fault, int side)
{
    struct note *added;
    json_t *event;

    event = json_pack("{s:I, s:s, s:s, s:I}", "connection", (json_int_t)flow->number, "fault",
                      wire_fault_kind_name(fault->kind), "id", fault->id, "after_ms",
                      (json_int_t)(flow_now_ms(flow) - flow->started_at_ms));
    if (event && side >= 0) {
        json_object_set_new(event, "direction", json_string(pipe_names[side]));
        json_object_set_new(event, "bytes",
                            json_integer((json_int_t)flow->pipes[side].passed_bytes));
    }
    wire_log(flow->wire, "fault", event);
    if (flow->notes_count == FLOW_NOTES_MAX)
        return;
    added = &flow->notes[flow->notes_count++];
    *added = (struct note){ .fault = wire_fault_kind_name(fault->kind),
                            .side = side,
                            .at_ms = flow_now_ms(flow) - flow->started_at_ms,
                            .at_bytes = side >= 0 ? flow->pipes[side].passed_bytes : 0 };
    snprintf(added->id, sizeof(added->id), "%s", fault->id);
}

static json_t *addr_json(const struct sockaddr_storage *addr)
{
    char text[ADDR_TEXT_MAX];

    return addr->ss_family == AF_UNSPEC ? json_null()
                                        : json_string(addr_format(addr, text, sizeof(text)));
}

static json_t *notes_json(const struct flow *flow)
{
    json_t *list = json_array();

    for (unsigned i = 0; list && i < flow->notes_count; i++) {
        const struct note *one = &flow->notes[i];
        json_t *row = json_pack("{s:s, s:s, s:I}", "fault", one->fault, "id", one->id, "after_ms",
                                (json_int_t)one->at_ms);

        if (row && one->side >= 0) {
            json_object_set_new(row, "direction", json_string(pipe_names[one->side]));
            json_object_set_new(row, "bytes", json_integer((json_int_t)one->at_bytes));
        }
        json_array_append_new(list, row);
    }
    return list;
}

static json_t *pipe_json(const struct pipe *pipe)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "received", (json_int_t)pipe->received_bytes, "passed",
                     (json_int_t)pipe->passed_bytes, "vanished", (json_int_t)pipe->vanished_bytes,
                     "held", (json_int_t)pipe->held.length);
}

/* Both connections, as the hops on either side name them: that is how their logs are joined. */
static json_t *addresses_json(const struct flow *flow)
{
    return json_pack("{s:I, s:o, s:o, s:o, s:o}", "connection", (json_int_t)flow->number, "client",
                     addr_json(&flow->sides[FLOW_CLIENT].peer), "listen",
                     addr_json(&flow->sides[FLOW_CLIENT].local), "local",
                     addr_json(&flow->sides[FLOW_SERVER].local), "server",
                     addr_json(&flow->sides[FLOW_SERVER].peer));
}

json_t *flow_to_json(const struct flow *flow)
{
    json_t *row = addresses_json(flow);

    if (!row)
        return NULL;
    json_object_set_new(row, "wire", json_string(flow->wire->options.name));
    json_object_set_new(row, "age_ms",
                        json_integer((json_int_t)(flow_now_ms(flow) - flow->started_at_ms)));
    json_object_set_new(row, "to_server", pipe_json(&flow->pipes[FLOW_CLIENT]));
    json_object_set_new(row, "to_client", pipe_json(&flow->pipes[FLOW_SERVER]));
    json_object_set_new(row, "client_end", json_string(end_name(flow->sides[FLOW_CLIENT].ended)));
    json_object_set_new(row, "server_end", json_string(end_name(flow->sides[FLOW_SERVER].ended)));
    json_object_set_new(row, "forgotten",
                        json_boolean(flow->forgotten || (flow->pipes[FLOW_CLIENT].vanishing &&
                                                         flow->pipes[FLOW_SERVER].vanishing)));
    json_object_set_new(row, "faults", notes_json(flow));
    return row;
}

void flow_log_open(struct flow *flow)
{
    if (flow->is_logged_open)
        return;
    flow->is_logged_open = true;
    wire_log(flow->wire, "open", addresses_json(flow));
}

void flow_log_close(struct flow *flow)
{
    json_t *row = flow_to_json(flow);

    if (row)
        json_object_set_new(row, "end", json_string(flow->end ? flow->end : "ended"));
    wire_log(flow->wire, "close", row);
}
