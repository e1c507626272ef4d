/*
 * test_status_api: Kong's status API as a function, without a socket.
 */
#include "proxy/report/status_api.h"

#include <jansson.h>
#include <stdlib.h>

#include "config/entities.h"
#include "proxy/report/metrics.h"
#include "proxy/snapshot/snapshot.h"
#include "proxy/worker/hop_figures.h"
#include "tests/check.h"

/* What a hop with one worker would gather. */
struct fixture {
    struct metrics *metrics;
    struct snapshot snapshot;
    struct worker_figures worker;
    struct hop_figures figures;
};

static void fixture_init(struct fixture *f)
{
    *f = (struct fixture){ .metrics = metrics_create(1) };
    f->snapshot.config = config_create();
    f->worker = (struct worker_figures){
        .runs = true, .connections_count = 7, .exchanges_count = 5, .reading_count = 2
    };
    f->figures = (struct hop_figures){ .node_id = "node",
                                       .kong_version = "3.9.3",
                                       .metrics = f->metrics,
                                       .snapshot = &f->snapshot,
                                       .workers = &f->worker,
                                       .workers_count = 1,
                                       .process = { .pid = 42, .heap_bytes = 3 * 1024 * 1024 } };
    metrics_add(&f->metrics->shards->counters[METRICS_CONNECTIONS], 10);
    metrics_add(&f->metrics->shards->counters[METRICS_CONNECTIONS_REFUSED], 1);
    metrics_add(&f->metrics->shards->counters[METRICS_REQUESTS], 30);
}

static void fixture_done(struct fixture *f)
{
    config_free(f->snapshot.config);
    metrics_free(f->metrics);
}

static struct status_answer ask(struct fixture *f, enum http_method method, const char *path,
                                const char *query)
{
    const struct status_request request = { method, slice_of(path), slice_of(query) };
    const struct status_facts facts = { .figures = &f->figures };
    struct status_answer answer;

    CHECK_INT(status_api_answer(&request, &facts, &answer), STATUS_ANSWERED);
    return answer;
}

static void check_answer(struct fixture *f, enum http_method method, const char *path,
                         unsigned status, const char *content)
{
    struct status_answer answer = ask(f, method, path, "");

    CHECK_INT(answer.status, status);
    CHECK_STR(answer.content, content);
    CHECK_INT(answer.content_length, strlen(content));
    CHECK_STR(answer.content_type, "application/json; charset=utf-8");
    free(answer.content);
}

TEST(unknown_paths_and_methods_are_refused_as_kong_does)
{
    struct fixture f;
    struct status_answer answer;

    fixture_init(&f);
    check_answer(&f, HTTP_METHOD_GET, "/", 404, "{\"message\":\"Not found\"}");
    check_answer(&f, HTTP_METHOD_POST, "/nope", 404, "{\"message\":\"Not found\"}");
    check_answer(&f, HTTP_METHOD_GET, "/metricss", 404, "{\"message\":\"Not found\"}");
    check_answer(&f, HTTP_METHOD_DELETE, "/status", 405, "{\"message\":\"Method not allowed\"}");
    answer = ask(&f, HTTP_METHOD_PUT, "/metrics", "");
    CHECK_STR(answer.allow, "GET, HEAD, OPTIONS");
    free(answer.content);
    answer = ask(&f, HTTP_METHOD_OPTIONS, "/status/ready", "");
    CHECK_INT(answer.status, 204);
    CHECK(answer.content == NULL);
    fixture_done(&f);
}

TEST(readiness_needs_no_figures)
{
    const struct status_request request = { HTTP_METHOD_GET, SLICE("/status/ready"), { NULL, 0 } };
    struct status_facts facts = { 0 };
    struct status_answer answer;

    CHECK_INT(status_api_answer(&request, &facts, &answer), STATUS_ANSWERED);
    CHECK_INT(answer.status, 200);
    CHECK_STR(answer.content, "{\"message\":\"ready\"}");
    free(answer.content);
    facts.not_ready = "why not";
    CHECK_INT(status_api_answer(&request, &facts, &answer), STATUS_ANSWERED);
    CHECK_INT(answer.status, 503);
    CHECK_STR(answer.content, "{\"message\":\"why not\"}");
    free(answer.content);
}

TEST(status_and_metrics_wait_for_figures)
{
    const struct status_facts facts = { 0 };
    struct status_request request = { HTTP_METHOD_GET, SLICE("/status"), { NULL, 0 } };
    struct status_answer answer;

    CHECK_INT(status_api_answer(&request, &facts, &answer), STATUS_NEEDS_FIGURES);
    request.path = SLICE("/metrics/");
    CHECK_INT(status_api_answer(&request, &facts, &answer), STATUS_NEEDS_FIGURES);
}

static json_t *status_of(struct fixture *f, const char *query)
{
    struct status_answer answer = ask(f, HTTP_METHOD_GET, "/status", query);
    json_t *object = json_loads(answer.content, 0, NULL);

    CHECK_INT(answer.status, 200);
    assert_non_null(object);
    free(answer.content);
    return object;
}

static const char *heap_in(json_t *status)
{
    const json_t *vm =
        json_array_get(json_object_get(json_object_get(status, "memory"), "workers_lua_vms"), 0);

    return json_string_value(json_object_get(vm, "http_allocated_gc"));
}

TEST(status_has_kongs_shape)
{
    static const struct {
        const char *key;
        long long value;
    } rows[] = {
        { "connections_accepted", 11 }, { "connections_handled", 10 }, { "connections_active", 7 },
        { "connections_reading", 2 },   { "connections_writing", 3 },  { "connections_waiting", 2 },
        { "total_requests", 30 },
    };
    struct fixture f;
    json_t *status, *server;

    fixture_init(&f);
    status = status_of(&f, "");
    server = json_object_get(status, "server");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CHECK_INT(json_integer_value(json_object_get(server, rows[i].key)), rows[i].value);
    CHECK_INT(json_object_size(server), sizeof(rows) / sizeof(rows[0]));
    CHECK_STR(json_string_value(json_object_get(status, "configuration_hash")),
              "00000000000000000000000000000000");
    CHECK_STR(heap_in(status), "3.00 MiB");
    json_decref(status);
    fixture_done(&f);
}

TEST(memory_comes_in_the_unit_that_was_asked_for)
{
    struct fixture f;
    struct status_answer answer;
    json_t *status;

    fixture_init(&f);
    status = status_of(&f, "unit=K&scale=0");
    CHECK_STR(heap_in(status), "3072 KiB");
    json_decref(status);
    status = status_of(&f, "scale=1&unit=g");
    CHECK_STR(heap_in(status), "0.0 GiB");
    json_decref(status);
    answer = ask(&f, HTTP_METHOD_GET, "/status", "unit=mm");
    CHECK_INT(answer.status, 400);
    CHECK_STR(answer.content,
              "{\"message\":\"invalid unit 'mm' (expected 'k/K', 'm/M', or 'g/G')\"}");
    free(answer.content);
    answer = ask(&f, HTTP_METHOD_GET, "/status", "unit=\xff");
    CHECK_INT(answer.status, 400);
    free(answer.content);
    fixture_done(&f);
}

TEST(metrics_are_text_with_every_counter_of_the_hop)
{
    struct fixture f;
    struct status_answer answer;

    fixture_init(&f);
    answer = ask(&f, HTTP_METHOD_HEAD, "/metrics", "");
    CHECK_INT(answer.status, 200);
    CHECK_STR(answer.content_type, "text/plain; version=0.0.4; charset=utf-8");
    CHECK(strstr(answer.content, "\nkong_nginx_requests_total{node_id=\"node\",subsystem=\"http\"} "
                                 "30\n") != NULL);
    CHECK(strstr(answer.content, "\nhopgate_connections_refused_total 1\n") != NULL);
    CHECK(strstr(answer.content, "\nhopgate_worker_exchanges{worker=\"0\"} 5\n") != NULL);
    free(answer.content);
    fixture_done(&f);
}

TESTS(TEST_CASE(unknown_paths_and_methods_are_refused_as_kong_does),
      TEST_CASE(readiness_needs_no_figures), TEST_CASE(status_and_metrics_wait_for_figures),
      TEST_CASE(status_has_kongs_shape), TEST_CASE(memory_comes_in_the_unit_that_was_asked_for),
      TEST_CASE(metrics_are_text_with_every_counter_of_the_hop))
