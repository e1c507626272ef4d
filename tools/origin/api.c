/* api: what the control API of an origin answers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/units.h"
#include "core/addr.h"
#include "tools/origin/origin_priv.h"

enum { REQUESTS_DEFAULT = 1000 };

/* ---- what there is ------------------------------------------------------------------------- */

static json_t *strings(const char *const *texts)
{
    json_t *list = json_array();

    for (; *texts; texts++)
        (void)json_array_append_new(list, json_string(*texts)); /* no memory shows in the list */
    return list;
}

static json_t *rule_json(const struct script_rule *rule)
{
    const char *does = rule->has_answer    ? "answer"
                       : rule->fault->name ? rule->fault->name
                                           : "(steps)";

    return json_pack("{s:s, s:s, s:I, s:I}", "on", rule->on_connection ? "connection" : "request",
                     "does", does, "seen", (json_int_t)rule->seen_count, "held",
                     (json_int_t)rule->held_count);
}

static json_t *listener_json(const struct origin_listener *listener)
{
    const struct fault *fault = listener->script->fault;
    char address[ADDR_TEXT_MAX];
    json_t *rules = json_array();

    for (size_t i = 0; i < listener->script->rules_count; i++)
        (void)json_array_append_new(rules, rule_json(&listener->script->rules[i]));
    return json_pack("{s:s, s:s, s:b, s:b, s:s?, s:o, s:I}", "name", listener->name, "address",
                     addr_format(&listener->address, address, sizeof(address)), "tls",
                     listener->tls != NULL, "listens", listener->listener != NULL, "fault",
                     fault ? fault->name : NULL, "rules", rules, "seed",
                     (json_int_t)listener->script->seed);
}

static json_t *faults_json(const struct origin *origin)
{
    json_t *list = json_array();

    for (size_t i = 0; i < origin->listeners_count; i++)
        (void)json_array_append_new(list, listener_json(&origin->listeners[i]));
    return json_pack("{s:o}", "listeners", list);
}

static json_t *library_json(const struct origin *origin)
{
    json_t *list = json_array();

    for (size_t i = 0; i < origin->library->count; i++) {
        const struct fault *fault = &origin->library->items[i];

        (void)json_array_append_new(
            list, json_pack("{s:s, s:s?, s:s?, s:s, s:s?}", "name", fault->name, "group",
                            fault->group, "description", fault->description, "listen",
                            fault_listen_text(fault->listen), "note", fault->note));
    }
    return json_pack("{s:o}", "faults", list);
}

static json_t *about(void)
{
    static const char *const calls[] = {
        "GET /hits: counts by fault, method, listener, case and request id; duplicates",
        "GET /requests?since=N&limit=N&case=ID: the last requests, every field",
        "GET /faults: what holds now, by listener",
        "GET /library: the faults that are built in",
        "PUT /faults?listener=NAME: a script (JSON or YAML) in place of the present one",
        "DELETE /faults: the scripts of the start",
        "POST /reset: the same, and counts and requests are forgotten",
        "GET /ca: who signed the certificates of TLS faults, as PEM",
        NULL,
    };

    return json_pack("{s:s, s:o}", "hopgate", "origin", "calls", strings(calls));
}

/* *ret stays as it was without the parameter. False: it is no whole number. */
static bool read_number(const struct control_api_request *request, const char *name, uint64_t *ret)
{
    struct slice text = control_api_query(request, name);
    char digits[24];

    if (text.len == 0)
        return true;
    snprintf(digits, sizeof(digits), "%.*s", SLICE_ARG(text));
    return strlen(digits) == text.len && units_parse_number(digits, ret) == 0;
}

static json_t *requests_json(const struct origin *origin, const struct control_api_request *request,
                             unsigned *ret_status)
{
    struct logbook_query query = {
        .limit = REQUESTS_DEFAULT,
        .case_id = control_api_query(request, "case"),
    };

    if (!read_number(request, "since", &query.since) ||
        !read_number(request, "limit", &query.limit))
        return control_api_refuse(ret_status, 400, "since and limit are whole numbers");
    return logbook_requests(origin->logbook, &query);
}

static json_t *ca_json(struct origin *origin)
{
    char *pem = identity_ca_pem(origin->identity);
    json_t *answer = json_pack("{s:s?}", "ca", pem);

    free(pem);
    return answer;
}

/* ---- what changes -------------------------------------------------------------------------- */

static json_t *errors_json(struct config_errors *errors, unsigned *ret_status)
{
    json_t *list = json_array();

    *ret_status = errors->count > 0 ? 400 : 500;
    config_errors_sort(errors);
    for (size_t i = 0; i < errors->count; i++) {
        const struct config_error *error = &errors->items[i];

        (void)json_array_append_new(list, json_pack("{s:i, s:i, s:s?, s:s}", "line",
                                                    (int)error->place.line, "column",
                                                    (int)error->place.column, "path",
                                                    error->place.path, "message", error->message));
    }
    return json_pack("{s:s, s:o}", "error",
                     errors->count > 0 ? "the script is wrong; nothing was changed"
                                       : "out of memory",
                     "errors", list);
}

static bool is_meant(const struct origin_listener *listener, struct slice name)
{
    return name.len == 0 || slice_equal(slice_of(listener->name), name);
}

static size_t count_meant(const struct origin *origin, struct slice name)
{
    size_t count = 0;

    for (size_t i = 0; i < origin->listeners_count; i++)
        count += is_meant(&origin->listeners[i], name);
    return count;
}

/* Connections that play a part of the script before it, or of a reset, would surprise. */
static void end_playing(struct origin *origin, struct slice name)
{
    struct origin_conn *next;

    for (struct origin_conn *conn = origin->conns; conn; conn = next) {
        next = conn->next;
        if (conn->fault && !conn->is_held && is_meant(conn->listener, name))
            origin_conn_end(conn, STREAM_CLOSE_ABORT, "replaced");
    }
}

static json_t *follow_all(struct origin *origin, unsigned *ret_status)
{
    for (size_t i = 0; i < origin->listeners_count; i++) {
        int r = origin_listener_follow(&origin->listeners[i]);

        if (r < 0)
            return control_api_refuse(ret_status, 500, "listener %s: %s", origin->listeners[i].name,
                                      strerror(-r));
    }
    return faults_json(origin);
}

/* Each listener has a script of its own: its rules count its requests only. */
static json_t *put_faults(struct origin *origin, const struct control_api_request *request,
                          unsigned *ret_status)
{
    struct slice name = control_api_query(request, "listener");
    struct script_source source = { .text = request->content,
                                    .format = document_guess_format(NULL, request->content),
                                    .builtin = origin->library,
                                    .seed = origin->seed };
    struct config_errors errors;
    json_t *refusal = NULL;

    if (count_meant(origin, name) == 0)
        return control_api_refuse(ret_status, 404, "there is no listener \"%.*s\"",
                                  SLICE_ARG(name));
    config_errors_init(&errors);
    for (size_t i = 0; i < origin->listeners_count && !refusal; i++) {
        struct origin_listener *listener = &origin->listeners[i];
        struct script *script;

        if (!is_meant(listener, name))
            continue;
        source.answer = &listener->first_script->answer;
        script = script_read(&source, &errors);
        if (script)
            origin_listener_set_script(listener, script);
        else
            refusal = errors_json(&errors, ret_status);
    }
    config_errors_done(&errors);
    if (refusal)
        return refusal;
    end_playing(origin, name);
    return follow_all(origin, ret_status);
}

static json_t *begin_again(struct origin *origin, unsigned *ret_status)
{
    for (size_t i = 0; i < origin->listeners_count; i++) {
        struct origin_listener *listener = &origin->listeners[i];

        origin_listener_set_script(listener, script_ref(listener->first_script));
        script_reset(listener->script);
    }
    end_playing(origin, (struct slice){ "", 0 });
    return follow_all(origin, ret_status);
}

static json_t *reset(struct origin *origin, unsigned *ret_status)
{
    json_t *answer = begin_again(origin, ret_status);

    logbook_reset(origin->logbook);
    origin->begin_at_ms = origin->loop->now_ms;
    return answer;
}

/* ---- calls --------------------------------------------------------------------------------- */

enum call {
    CALL_ABOUT,
    CALL_HITS,
    CALL_REQUESTS,
    CALL_FAULTS,
    CALL_LIBRARY,
    CALL_PUT_FAULTS,
    CALL_DELETE_FAULTS,
    CALL_RESET,
    CALL_CA,
};

static const struct {
    const char *method, *path;
    enum call call;
} calls[] = {
    { "GET", "/", CALL_ABOUT },
    { "GET", "/hits", CALL_HITS },
    { "GET", "/requests", CALL_REQUESTS },
    { "GET", "/faults", CALL_FAULTS },
    { "GET", "/library", CALL_LIBRARY },
    { "GET", "/ca", CALL_CA },
    { "PUT", "/faults", CALL_PUT_FAULTS },
    { "DELETE", "/faults", CALL_DELETE_FAULTS },
    { "POST", "/reset", CALL_RESET },
};

static json_t *make_call(struct origin *origin, enum call call,
                         const struct control_api_request *request, unsigned *ret_status)
{
    switch (call) {
    case CALL_ABOUT:
        return about();
    case CALL_HITS:
        return logbook_hits(origin->logbook);
    case CALL_REQUESTS:
        return requests_json(origin, request, ret_status);
    case CALL_FAULTS:
        return faults_json(origin);
    case CALL_LIBRARY:
        return library_json(origin);
    case CALL_PUT_FAULTS:
        return put_faults(origin, request, ret_status);
    case CALL_DELETE_FAULTS:
        return begin_again(origin, ret_status);
    case CALL_RESET:
        return reset(origin, ret_status);
    case CALL_CA:
        return ca_json(origin);
    }
    return NULL;
}

json_t *origin_api_answer(void *owner, const struct control_api_request *request,
                          unsigned *ret_status)
{
    bool path_is_known = false;

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (!slice_equal(request->path, slice_of(calls[i].path)))
            continue;
        path_is_known = true;
        if (slice_equal(request->method, slice_of(calls[i].method)))
            return make_call(owner, calls[i].call, request, ret_status);
    }
    if (path_is_known)
        return control_api_refuse(ret_status, 405, "%.*s does not go with %.*s; GET / tells more",
                                  SLICE_ARG(request->method), SLICE_ARG(request->path));
    return control_api_refuse(ret_status, 404, "there is no %.*s; GET / tells what there is",
                              SLICE_ARG(request->path));
}
