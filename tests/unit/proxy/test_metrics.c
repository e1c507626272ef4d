/*
 * test_metrics: what is counted of a try and of an exchange, and that the counters of a route outlive
 * the configuration that named it first.
 */
#include "proxy/report/metrics.h"

#include <stdio.h>

#include "proxy/exchange/exchange_record.h"
#include "tests/check.h"

static struct config_service shop = { .name = (char *)"shop", .host = (char *)"shop.test" };
static struct config_service nameless = { .host = (char *)"host.test" };

static uint64_t of(const struct metrics *metrics, enum metrics_counter counter)
{
    return metrics_total(metrics, counter);
}

TEST(route_keeps_its_counters_over_a_reload)
{
    SCOPED(metrics) metrics = metrics_create(2);
    const struct config_route before = { .name = (char *)"a", .service = &shop };
    const struct config_route after = { .name = (char *)"a", .service = &shop };
    struct metrics_route *held = metrics_take_route(metrics, &before);
    struct metrics_route *again = metrics_take_route(metrics, &after);

    CHECK(held == again);
    metrics_add(&held->shards[1].received_bytes, 5);
    metrics_release_route(metrics, held); /* the former configuration is gone */
    CHECK_INT(metrics_read(&again->shards[1].received_bytes), 5);
    CHECK_INT(metrics->routes_count, 1);
    metrics_release_route(metrics, again);
    CHECK_INT(metrics->routes_count, 0);
}

TEST(labels_are_those_of_kong)
{
    SCOPED(metrics) metrics = metrics_create(1);
    const struct config_route named = { .name = (char *)"a", .id = (char *)"id", .service = &shop };
    const struct config_route by_id = { .id = (char *)"id", .service = &nameless };
    const struct config_route alone = { .name = (char *)"b" };
    struct metrics_route *routes[] = { metrics_take_route(metrics, &named),
                                       metrics_take_route(metrics, &by_id),
                                       metrics_take_route(metrics, &alone) };

    CHECK_STR(routes[0]->service, "shop");
    CHECK_STR(routes[0]->route, "a");
    CHECK_STR(routes[1]->service, "host.test");
    CHECK_STR(routes[1]->route, "id");
    CHECK_STR(routes[2]->service, "");
    for (size_t i = 0; i < 3; i++)
        metrics_release_route(metrics, routes[i]);
}

TEST(routes_beyond_the_limit_share_one_set)
{
    static struct metrics_route *routes[METRICS_ROUTES_MAX + 2];
    SCOPED(metrics) metrics = metrics_create(1);
    char name[16];

    for (size_t i = 0; i < METRICS_ROUTES_MAX + 2; i++) {
        const struct config_route route = { .name = name, .service = &shop };

        (void)snprintf(name, sizeof(name), "r%zu", i);
        routes[i] = metrics_take_route(metrics, &route);
    }
    CHECK(routes[METRICS_ROUTES_MAX - 1] != metrics->others);
    CHECK(routes[METRICS_ROUTES_MAX] == metrics->others);
    CHECK(routes[METRICS_ROUTES_MAX + 1] == metrics->others);
    CHECK_INT(metrics->routes_count, METRICS_ROUTES_MAX);
    for (size_t i = 0; i < METRICS_ROUTES_MAX + 2; i++)
        metrics_release_route(metrics, routes[i]);
    CHECK_INT(metrics->routes_count, 0);
}

TEST(try_is_counted_by_outcome_and_connection)
{
    static const struct {
        struct try_record attempt;
        uint64_t hits, misses, stale, tls_ok, tls_failed;
    } rows[] = {
        { { .reason = END_OK, .reused = true }, 1, 0, 0, 0, 0 },
        { { .reason = END_OK, .over_tls = true, .tls_done_at_us = 9 }, 0, 1, 0, 1, 0 },
        { { .reason = END_UPSTREAM_HEAD_RESET, .reused = true }, 1, 0, 1, 0, 0 },
        { { .reason = END_UPSTREAM_HEAD_RESET }, 0, 1, 0, 0, 0 },
        { { .reason = END_UPSTREAM_HEAD_TIMEOUT, .reused = true }, 1, 0, 0, 0, 0 },
        { { .reason = END_UPSTREAM_TLS_NAME, .over_tls = true }, 0, 1, 0, 0, 1 },
        { { .reason = END_CLIENT_TLS_FAILED }, 0, 1, 0, 0, 0 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED(metrics) metrics = metrics_create(1);

        metrics_on_try(metrics->shards, &rows[i].attempt);
        CHECK_INT(metrics_read(&metrics->shards->tries[rows[i].attempt.reason]), 1);
        CHECK_INT(of(metrics, METRICS_POOL_HITS), rows[i].hits);
        CHECK_INT(of(metrics, METRICS_POOL_MISSES), rows[i].misses);
        CHECK_INT(of(metrics, METRICS_STALE_CONNECTIONS), rows[i].stale);
        CHECK_INT(of(metrics, METRICS_UPSTREAM_TLS_OK), rows[i].tls_ok);
        CHECK_INT(of(metrics, METRICS_UPSTREAM_TLS_FAILED), rows[i].tls_failed);
    }
}

static struct exchange_record answered(uint16_t status, bool from_upstream)
{
    return (struct exchange_record){ .status = status,
                                     .from_upstream = from_upstream,
                                     .request_bytes = 100,
                                     .response_bytes = 300,
                                     .tries_count = 3,
                                     .started_at_us = 1000,
                                     .ended_at_us = 1000 + 80001,
                                     .tries[2] = { .picked_at_us = 1000 + 2000,
                                                   .head_at_us = 1000 + 27000 } };
}

TEST(exchange_is_counted_by_status_bytes_and_latency)
{
    SCOPED(metrics) metrics = metrics_create(1);
    const struct config_route config = { .name = (char *)"a", .service = &shop };
    const struct exchange_record record = answered(200, true);
    struct metrics_route *route = metrics_take_route(metrics, &config);
    const struct metrics_route_shard *shard = route->shards;

    metrics_on_exchange(metrics->shards, route->shards, &record);
    metrics_on_exchange(metrics->shards, NULL, &record); /* no route: counted by its reason only */
    CHECK_INT(metrics_read(&metrics->shards->exchanges[END_OK]), 2);
    CHECK_INT(of(metrics, METRICS_RETRIES), 4);
    CHECK_INT(shard->statuses[0].key, 401);
    CHECK_INT(metrics_read(&shard->statuses[0].count), 1);
    CHECK_INT(metrics_read(&shard->received_bytes), 100);
    CHECK_INT(metrics_read(&shard->sent_bytes), 300);
    CHECK_INT(metrics_read(&shard->kong[1]), 1);     /* 2 ms: a bound belongs to its bucket */
    CHECK_INT(metrics_read(&shard->upstream[0]), 1); /* 25 ms */
    CHECK_INT(metrics_read(&shard->request[3]), 1);  /* 80.001 ms: above 80 */
    CHECK_INT(metrics_read(&shard->request_sum_us), 80001);
    metrics_release_route(metrics, route);
}

TEST(latency_above_all_bounds_has_a_bucket)
{
    SCOPED(metrics) metrics = metrics_create(1);
    const struct config_route config = { .name = (char *)"a", .service = &shop };
    struct exchange_record record = answered(504, false);
    struct metrics_route *route = metrics_take_route(metrics, &config);

    record.ended_at_us = record.started_at_us + 3600 * 1000000ull;
    metrics_on_exchange(metrics->shards, route->shards, &record);
    CHECK_INT(metrics_read(&route->shards->request[METRICS_LATENCY_BUCKETS]), 1);
    metrics_release_route(metrics, route);
}

TEST(origin_with_many_statuses_cannot_grow_the_table)
{
    SCOPED(metrics) metrics = metrics_create(1);
    const struct config_route config = { .name = (char *)"a", .service = &shop };
    struct metrics_route *route = metrics_take_route(metrics, &config);
    uint64_t total = 0;

    for (uint16_t status = 200; status < 300; status++) {
        const struct exchange_record record = answered(status, true);

        metrics_on_exchange(metrics->shards, route->shards, &record);
    }
    for (size_t i = 0; i < METRICS_STATUSES_MAX; i++)
        total += metrics_read(&route->shards->statuses[i].count);
    CHECK_INT(total, 100);
    CHECK_INT(metrics_read(&route->shards->statuses[METRICS_STATUSES_MAX - 1].count),
              100 - (METRICS_STATUSES_MAX - 1));
    metrics_release_route(metrics, route);
}

TESTS(TEST_CASE(route_keeps_its_counters_over_a_reload), TEST_CASE(labels_are_those_of_kong),
      TEST_CASE(routes_beyond_the_limit_share_one_set),
      TEST_CASE(try_is_counted_by_outcome_and_connection),
      TEST_CASE(exchange_is_counted_by_status_bytes_and_latency),
      TEST_CASE(latency_above_all_bounds_has_a_bucket),
      TEST_CASE(origin_with_many_statuses_cannot_grow_the_table))
