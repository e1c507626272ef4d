/* relay_control: what a running `hopgate wire` answers on its control API. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/wire/flow.h"
#include "tools/wire/relay.h"

#define FAULTS "/faults"

/* ---- faults -------------------------------------------------------------------------------- */

static json_t *show_faults(const struct relay *relay)
{
    return json_pack("{s:o}", "faults", wire_fault_set_to_json(relay->faults));
}

/* Every mistake, a line each. */
static json_t *refuse_faults(struct config_errors *errors, unsigned *ret_status)
{
    char text[1024] = "", line[512];
    size_t length = 0;

    config_errors_sort(errors);
    for (size_t i = 0; i < errors->count && length + 1 < sizeof(text); i++)
        length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s", i > 0 ? "\n" : "",
                                   config_error_format(&errors->items[i], line, sizeof(line)));
    return control_api_refuse(ret_status, 400, "%s", text);
}

static json_t *use_list(struct relay *relay, const json_t *list, unsigned *ret_status)
{
    struct config_errors errors;
    json_t *answer;
    int r;

    config_errors_init(&errors);
    r = relay_set_faults(relay, list, "request", &errors);
    if (r == 0)
        answer = show_faults(relay);
    else
        answer = r == -EINVAL ? refuse_faults(&errors, ret_status) : NULL;
    config_errors_done(&errors);
    return answer;
}

/* A list, {"faults": list}, or one fault. Borrowed from content. */
static const json_t *list_in(const json_t *content)
{
    const json_t *list = json_object_get(content, "faults");

    return list ? list : content;
}

static json_t *put_faults(struct relay *relay, const struct control_api_request *request,
                          unsigned *ret_status)
{
    json_t *answer = NULL;
    json_t *content = control_api_json(request, ret_status, &answer);

    if (content)
        answer = use_list(relay, list_in(content), ret_status);
    json_decref(content);
    return answer;
}

/* A fault that has the id of one that is there takes its place. */
static void add_to_list(json_t *list, json_t *fault)
{
    const char *id = json_string_value(json_object_get(fault, "id"));
    size_t i;
    json_t *other;

    json_array_foreach(list, i, other)
    {
        const char *other_id = json_string_value(json_object_get(other, "id"));

        if (id && other_id && strcmp(id, other_id) == 0) {
            json_array_set(list, i, fault);
            return;
        }
    }
    json_array_append(list, fault);
}

static bool has_id(const json_t *list, const char *id)
{
    size_t i;
    json_t *other;

    json_array_foreach(list, i, other)
    {
        const char *other_id = json_string_value(json_object_get(other, "id"));

        if (other_id && strcmp(other_id, id) == 0)
            return true;
    }
    return false;
}

/* Without an id of its own a new one gets the first that is free; from *next on, as ids only come. */
static void name_fault(const json_t *list, json_t *fault, unsigned *next)
{
    char id[24];

    if (!json_is_object(fault) || json_object_get(fault, "id"))
        return;
    do
        snprintf(id, sizeof(id), "f%u", (*next)++);
    while (has_id(list, id));
    json_object_set_new(fault, "id", json_string(id));
}

/* A list that has become too long stays so: whoever uses it refuses it. */
static void add_all(json_t *list, json_t *added)
{
    unsigned next = 1;

    if (!json_is_array(added)) {
        name_fault(list, added, &next);
        add_to_list(list, added);
    }
    for (size_t i = 0; i < json_array_size(added) && json_array_size(list) <= WIRE_FAULTS_MAX;
         i++) {
        name_fault(list, json_array_get(added, i), &next);
        add_to_list(list, json_array_get(added, i));
    }
}

static json_t *post_faults(struct relay *relay, const struct control_api_request *request,
                           unsigned *ret_status)
{
    json_t *answer = NULL, *list = NULL;
    json_t *content = control_api_json(request, ret_status, &answer);
    json_t *added = (json_t *)list_in(content);

    if (json_array_size(added) > WIRE_FAULTS_MAX)
        list = json_incref(added); /* too long by itself, which is all that is to be said of it */
    else if (content)
        list = wire_fault_set_to_json(relay->faults);
    if (list && list != added)
        add_all(list, added);
    if (list)
        answer = use_list(relay, list, ret_status);
    json_decref(list);
    json_decref(content);
    return answer;
}

static json_t *delete_faults(struct relay *relay, struct slice id, unsigned *ret_status)
{
    json_t *list = wire_fault_set_to_json(relay->faults), *kept = json_array(), *answer = NULL;

    for (size_t i = 0; list && kept && id.len > 0 && i < json_array_size(list); i++) {
        json_t *fault = json_array_get(list, i);
        const char *its_id = json_string_value(json_object_get(fault, "id"));

        if (!its_id || !slice_equal(slice_of(its_id), id))
            json_array_append(kept, fault);
    }
    if (list && kept)
        answer = id.len > 0 && json_array_size(kept) == json_array_size(list)
                     ? control_api_refuse(ret_status, 404, "there is no fault with the id \"%.*s\"",
                                          SLICE_ARG(id))
                     : use_list(relay, kept, ret_status);
    json_decref(list);
    json_decref(kept);
    return answer;
}

/* ---- connections --------------------------------------------------------------------------- */

static json_t *show_connections(const struct relay *relay)
{
    json_t *list = json_array();

    for (unsigned i = 0; list && i < relay->wires_count; i++)
        for (struct flow *flow = relay->wires[i].flows; flow; flow = flow_next(flow))
            json_array_append_new(list, flow_to_json(flow));
    return json_pack("{s:o}", "connections", list);
}

static json_t *show_wires(const struct relay *relay)
{
    json_t *list = json_array();

    for (unsigned i = 0; list && i < relay->wires_count; i++)
        json_array_append_new(list, wire_to_json(&relay->wires[i]));
    return json_pack("{s:o, s:I, s:I}", "wires", list, "time_scale",
                     (json_int_t)relay->context.time_scale, "seed",
                     (json_int_t)relay->context.seed);
}

static bool is_one_of(const char *word, const char *a, const char *b, const char *c)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0 || (c && strcmp(word, c) == 0);
}

static json_t *kill_these(struct relay *relay, const json_t *which, unsigned *ret_status)
{
    const char *wire = NULL, *how = "reset", *side = "both";
    json_int_t connection = 0;
    json_error_t error;
    unsigned sides;

    if (json_unpack_ex((json_t *)which, &error, JSON_STRICT, "{s?s, s?I, s?s, s?s}", "wire", &wire,
                       "connection", &connection, "how", &how, "side", &side) < 0)
        return control_api_refuse(ret_status, 400,
                                  "%s; expected {wire, connection, how, side}, all optional",
                                  error.text);
    if (wire && !relay_find_wire(relay, wire))
        return control_api_refuse(ret_status, 404, "there is no wire \"%s\"", wire);
    if (connection < 0)
        return control_api_refuse(ret_status, 400, "connection: numbers begin at 1");
    if (!is_one_of(how, "reset", "fin", NULL))
        return control_api_refuse(ret_status, 400, "how: expected one of: reset, fin");
    if (!is_one_of(side, "client", "server", "both"))
        return control_api_refuse(ret_status, 400, "side: expected one of: client, server, both");
    sides = (strcmp(side, "server") != 0 ? 1u << FLOW_CLIENT : 0) |
            (strcmp(side, "client") != 0 ? 1u << FLOW_SERVER : 0);
    return json_pack(
        "{s:i}", "killed",
        (int)relay_kill(relay, wire, (uint64_t)connection, strcmp(how, "reset") == 0, sides));
}

static json_t *post_kill(struct relay *relay, const struct control_api_request *request,
                         unsigned *ret_status)
{
    json_t *answer = NULL, *content;

    content =
        request->content.len > 0 ? control_api_json(request, ret_status, &answer) : json_object();
    if (content)
        answer = kill_these(relay, content, ret_status);
    json_decref(content);
    return answer;
}

/* ---- dispatch ------------------------------------------------------------------------------ */

static bool is(struct slice word, const char *text)
{
    return slice_equal(word, slice_of(text));
}

static json_t *answer_faults(struct relay *relay, const struct control_api_request *request,
                             unsigned *ret_status)
{
    if (is(request->method, "GET"))
        return show_faults(relay);
    if (is(request->method, "PUT"))
        return put_faults(relay, request, ret_status);
    if (is(request->method, "POST"))
        return post_faults(relay, request, ret_status);
    if (is(request->method, "DELETE"))
        return delete_faults(relay, (struct slice){ "", 0 }, ret_status);
    return control_api_refuse(ret_status, 405, "%s takes GET, PUT, POST and DELETE", FAULTS);
}

json_t *relay_answer(void *owner, const struct control_api_request *request, unsigned *ret_status)
{
    struct relay *relay = owner;
    struct slice path = request->path;

    if (is(path, FAULTS))
        return answer_faults(relay, request, ret_status);
    if (slice_starts_with(path, SLICE(FAULTS "/")) && is(request->method, "DELETE"))
        return delete_faults(relay, slice_from(path, strlen(FAULTS "/")), ret_status);
    if (is(path, "/connections") && is(request->method, "GET"))
        return show_connections(relay);
    if (is(path, "/kill") && is(request->method, "POST"))
        return post_kill(relay, request, ret_status);
    if (is(path, "/") && is(request->method, "GET"))
        return show_wires(relay);
    return control_api_refuse(ret_status, 404,
                              "there are GET /, GET, PUT, POST and DELETE " FAULTS
                              ", DELETE " FAULTS "/ID, GET /connections and POST /kill");
}
