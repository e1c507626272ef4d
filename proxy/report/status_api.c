#include "proxy/report/status_api.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/entities.h"
#include "core/utf8.h"
#include "proxy/report/metrics.h"
#include "proxy/report/metrics_page.h"
#include "proxy/report/metrics_text.h"
#include "proxy/snapshot/snapshot.h"
#include "proxy/worker/hop_figures.h"

#define JSON_CONTENT_TYPE "application/json; charset=utf-8"

/* Takes the object. */
static enum status_verdict answer_json(unsigned status, json_t *object, struct status_answer *ret)
{
    char *content = object ? json_dumps(object, JSON_COMPACT) : NULL;

    json_decref(object);
    if (!content)
        return STATUS_NO_MEMORY;
    *ret = (struct status_answer){ .status = status,
                                   .content_type = JSON_CONTENT_TYPE,
                                   .content = content,
                                   .content_length = strlen(content) };
    return STATUS_ANSWERED;
}

static enum status_verdict answer_message(unsigned status, const char *message,
                                          struct status_answer *ret)
{
    return answer_json(status, json_pack("{s:s}", "message", message), ret);
}

/* ---- /status/ready ------------------------------------------------------------------------- */

static enum status_verdict answer_ready(const struct status_request *request,
                                        const struct status_facts *facts, struct status_answer *ret)
{
    (void)request;
    return facts->not_ready ? answer_message(503, facts->not_ready, ret)
                            : answer_message(200, "ready", ret);
}

/* ---- /status ------------------------------------------------------------------------------- */

/* How memory is to be written: Kong's arguments unit and scale. */
struct memory_unit {
    char letter; /* b, k, m, g */
    int scale;   /* digits after the point */
};

/* The value of an argument of the query; empty: it is not there. Kong's units need no escapes. */
static struct slice query_argument(struct slice query, struct slice name)
{
    while (query.len > 0) {
        const char *end = memchr(query.ptr, '&', query.len);
        struct slice pair = { query.ptr, end ? (size_t)(end - query.ptr) : query.len };

        query = slice_from(query, pair.len + (end ? 1 : 0));
        if (slice_starts_with(pair, name) && pair.len > name.len && pair.ptr[name.len] == '=')
            return slice_from(pair, name.len + 1);
    }
    return (struct slice){ NULL, 0 };
}

static bool read_unit(struct slice query, struct memory_unit *ret_unit)
{
    struct slice unit = query_argument(query, SLICE("unit"));
    struct slice scale = query_argument(query, SLICE("scale"));

    *ret_unit = (struct memory_unit){ 'm', 2 };
    if (scale.len == 1 && scale.ptr[0] >= '0' && scale.ptr[0] <= '9')
        ret_unit->scale = scale.ptr[0] - '0';
    if (unit.len == 0)
        return true;
    ret_unit->letter = (char)(unit.ptr[0] | 0x20);
    return unit.len == 1 && memchr("bkmg", ret_unit->letter, 4);
}

/* Bytes of a client: short, and fit for JSON. */
static struct slice shown_unit(struct slice unit)
{
    return unit.len <= 16 && utf8_is_valid(unit) ? unit : SLICE("?");
}

static json_t *memory_of(uint64_t bytes, struct memory_unit unit)
{
    double divisor = unit.letter == 'k'   ? 1024.0
                     : unit.letter == 'm' ? 1024.0 * 1024
                                          : 1024.0 * 1024 * 1024;
    char text[64];

    if (unit.letter == 'b')
        return json_integer((json_int_t)bytes);
    (void)snprintf(text, sizeof(text), "%.*f %ciB", unit.scale, (double)bytes / divisor,
                   unit.letter - 0x20);
    return json_string(text);
}

static json_t *server_of(const struct hop_figures *figures)
{
    const struct metrics *metrics = figures->metrics;
    json_int_t accepted = (json_int_t)metrics_total(metrics, METRICS_CONNECTIONS);
    json_int_t refused = (json_int_t)metrics_total(metrics, METRICS_CONNECTIONS_REFUSED);
    uint64_t active = hop_figures_sum(figures, offsetof(struct worker_figures, connections_count));
    uint64_t exchanges = hop_figures_sum(figures, offsetof(struct worker_figures, exchanges_count));
    uint64_t reading = hop_figures_sum(figures, offsetof(struct worker_figures, reading_count));

    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "connections_accepted",
                     accepted + refused, "connections_handled", accepted, "connections_active",
                     (json_int_t)active, "connections_reading", (json_int_t)reading,
                     "connections_writing", (json_int_t)(exchanges - reading),
                     "connections_waiting", (json_int_t)(active - exchanges), "total_requests",
                     (json_int_t)metrics_total(metrics, METRICS_REQUESTS));
}

/* Kong's places for memory are those of Lua; what stands in them is this process's heap. */
static enum status_verdict answer_status(const struct status_request *request,
                                         const struct status_facts *facts,
                                         struct status_answer *ret)
{
    const struct hop_figures *figures = facts->figures;
    struct slice unit_text = query_argument(request->query, SLICE("unit"));
    struct memory_unit unit;
    char message[96];

    if (!read_unit(request->query, &unit)) {
        (void)snprintf(message, sizeof(message),
                       "invalid unit '%.*s' (expected 'k/K', 'm/M', or 'g/G')",
                       SLICE_ARG(shown_unit(unit_text)));
        return answer_message(400, message, ret);
    }
    return answer_json(200,
                       json_pack("{s:{s:{}, s:[{s:o, s:i}]}, s:o, s:s}", "memory",
                                 "lua_shared_dicts", "workers_lua_vms", "http_allocated_gc",
                                 memory_of(figures->process.heap_bytes, unit), "pid",
                                 figures->process.pid, "server", server_of(figures),
                                 "configuration_hash", figures->snapshot->config->hash),
                       ret);
}

/* ---- /metrics ------------------------------------------------------------------------------ */

static enum status_verdict answer_metrics(const struct status_request *request,
                                          const struct status_facts *facts,
                                          struct status_answer *ret)
{
    struct status_answer answer = { .status = 200, .content_type = METRICS_CONTENT_TYPE };

    (void)request;
    answer.content = metrics_page(facts->figures, &answer.content_length);
    if (!answer.content)
        return STATUS_NO_MEMORY;
    *ret = answer;
    return STATUS_ANSWERED;
}

/* -------------------------------------------------------------------------------------------- */

static const struct endpoint {
    struct slice path;
    bool needs_figures;
    enum status_verdict (*answer)(const struct status_request *request,
                                  const struct status_facts *facts, struct status_answer *ret);
} endpoints[] = {
    { { "/status", 7 }, true, answer_status },
    { { "/status/ready", 13 }, false, answer_ready },
    { { "/metrics", 8 }, true, answer_metrics },
};

static const struct endpoint *find_endpoint(struct slice path)
{
    if (path.len > 1 && path.ptr[path.len - 1] == '/') /* Kong takes it either way */
        path.len--;
    for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++)
        if (slice_equal(endpoints[i].path, path))
            return &endpoints[i];
    return NULL;
}

enum status_verdict status_api_answer(const struct status_request *request,
                                      const struct status_facts *facts, struct status_answer *ret)
{
    static const char allow[] = "GET, HEAD, OPTIONS";
    const struct endpoint *endpoint = find_endpoint(request->path);
    enum status_verdict verdict;

    if (!endpoint)
        return answer_message(404, "Not found", ret);
    if (request->method == HTTP_METHOD_OPTIONS) {
        *ret = (struct status_answer){ .status = 204, .allow = allow };
        return STATUS_ANSWERED;
    }
    if (request->method != HTTP_METHOD_GET && request->method != HTTP_METHOD_HEAD) {
        verdict = answer_message(405, "Method not allowed", ret);
        if (verdict == STATUS_ANSWERED)
            ret->allow = allow;
        return verdict;
    }
    if (endpoint->needs_figures && !facts->figures)
        return STATUS_NEEDS_FIGURES;
    return endpoint->answer(request, facts, ret);
}
