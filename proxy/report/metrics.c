#include "proxy/report/metrics.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/fnv1a.h"
#include "proxy/exchange/exchange_record.h"

const uint32_t metrics_kong_bounds_ms[METRICS_KONG_BUCKETS] = { 1,   2,   5,    7,    10,  15,
                                                                20,  30,  50,   75,   100, 200,
                                                                500, 750, 1000, 3000, 6000 };
const uint32_t metrics_latency_bounds_ms[METRICS_LATENCY_BUCKETS] = {
    25, 50, 80, 100, 250, 400, 700, 1000, 2000, 5000, 10000, 30000, 60000
};

/* ---- life ---------------------------------------------------------------------------------- */

/* Zeroed and on cache lines of its own. NULL: no memory. */
static void *allocate_shards(unsigned count, size_t size)
{
    void *memory = aligned_alloc(METRICS_ALIGN, count * size);

    if (memory)
        memset(memory, 0, count * size);
    return memory;
}

static void route_free(struct metrics_route *route)
{
    if (!route)
        return;
    free(route->service);
    free(route->route);
    free(route->shards);
    free(route);
}

static struct metrics_route *route_create(const char *service, const char *name,
                                          unsigned workers_count)
{
    struct metrics_route *route = calloc(1, sizeof(*route));

    if (!route)
        return NULL;
    route->service = strdup(service);
    route->route = strdup(name);
    route->shards = allocate_shards(workers_count, sizeof(*route->shards));
    if (route->service && route->route && route->shards)
        return route;
    route_free(route);
    return NULL;
}

struct metrics *metrics_create(unsigned workers_count)
{
    struct metrics *metrics = calloc(1, sizeof(*metrics));

    if (!metrics)
        return NULL;
    metrics->workers_count = workers_count;
    metrics->shards = allocate_shards(workers_count, sizeof(*metrics->shards));
    metrics->buckets = calloc(METRICS_ROUTES_MAX, sizeof(struct metrics_route *));
    metrics->others = route_create("(others)", "(others)", workers_count);
    if (metrics->shards && metrics->buckets && metrics->others)
        return metrics;
    metrics_free(metrics);
    return NULL;
}

void metrics_free(struct metrics *metrics)
{
    if (!metrics)
        return;
    assert(metrics->routes_count == 0 && "a configuration still holds routes");
    route_free(metrics->others);
    free(metrics->buckets);
    free(metrics->shards);
    free(metrics);
}

/* ---- routes -------------------------------------------------------------------------------- */

/* Kong: the service's name, else its host; the route's name, else its id. */
static const char *service_label(const struct config_service *service)
{
    if (!service)
        return "";
    return service->name ? service->name : service->host;
}

/* The end of the first text counts, so that "a", "bc" is not "ab", "c" */
static struct metrics_route **bucket_of(const struct metrics *metrics, const char *service,
                                        const char *name)
{
    uint64_t hash = fnv1a_add(FNV1A_START, service, strlen(service) + 1);

    hash = fnv1a_add(hash, name, strlen(name));
    return &metrics->buckets[hash % METRICS_ROUTES_MAX];
}

struct metrics_route *metrics_take_route(struct metrics *metrics, const struct config_route *route)
{
    const char *service = service_label(route->service);
    const char *name = route->name ? route->name : route->id;
    struct metrics_route **bucket = bucket_of(metrics, service, name), *found = *bucket;

    while (found && (strcmp(found->service, service) != 0 || strcmp(found->route, name) != 0))
        found = found->next;
    if (!found && metrics->routes_count >= METRICS_ROUTES_MAX)
        found = metrics->others;
    if (!found) {
        found = route_create(service, name, metrics->workers_count);
        if (!found)
            return NULL;
        found->next = *bucket;
        *bucket = found;
        metrics->routes_count++;
    }
    found->holders++;
    return found;
}

void metrics_release_route(struct metrics *metrics, struct metrics_route *route)
{
    struct metrics_route **link;

    assert(route->holders > 0);
    if (--route->holders > 0 || route == metrics->others)
        return;
    link = bucket_of(metrics, route->service, route->route);
    while (*link != route)
        link = &(*link)->next;
    *link = route->next;
    metrics->routes_count--;
    route_free(route);
}

struct metrics_route **metrics_take_routes(struct metrics *metrics, const struct config *config)
{
    struct metrics_route **routes =
        calloc(config->routes_count + 1, sizeof(struct metrics_route *));

    for (size_t i = 0; routes && i < config->routes_count; i++) {
        routes[i] = metrics_take_route(metrics, &config->routes[i]);
        if (routes[i])
            continue;
        metrics_release_routes(metrics, routes, i);
        return NULL;
    }
    return routes;
}

void metrics_release_routes(struct metrics *metrics, struct metrics_route **routes, size_t count)
{
    for (size_t i = 0; routes && i < count; i++)
        metrics_release_route(metrics, routes[i]);
    free(routes);
}

/* ---- tries --------------------------------------------------------------------------------- */

/* A connection from the pool that turned out to be closed when we used it. */
static bool was_stale(const struct try_record *attempt)
{
    return attempt->reused && (attempt->reason == END_UPSTREAM_HEAD_CLOSED ||
                               attempt->reason == END_UPSTREAM_HEAD_RESET ||
                               attempt->reason == END_UPSTREAM_SEND_FAILED);
}

static bool failed_in_handshake(const struct try_record *attempt)
{
    return end_reason_info(attempt->reason)->hop == END_HOP_UPSTREAM &&
           end_reason_info(attempt->reason)->phase == END_PHASE_TLS_HANDSHAKE;
}

void metrics_on_try(struct metrics_shard *shard, const struct try_record *attempt)
{
    metrics_add(&shard->tries[attempt->reason], 1);
    metrics_count_one(shard, attempt->reused ? METRICS_POOL_HITS : METRICS_POOL_MISSES);
    if (was_stale(attempt))
        metrics_count_one(shard, METRICS_STALE_CONNECTIONS);
    if (attempt->over_tls && attempt->tls_done_at_us)
        metrics_count_one(shard, METRICS_UPSTREAM_TLS_OK);
    else if (failed_in_handshake(attempt))
        metrics_count_one(shard, METRICS_UPSTREAM_TLS_FAILED);
}

/* ---- exchanges ----------------------------------------------------------------------------- */

static void count_status(struct metrics_route_shard *route, const struct exchange_record *record)
{
    uint32_t key = (uint32_t)record->status * 2 + record->from_upstream;
    size_t i = 0;

    for (; i < METRICS_STATUSES_MAX - 1; i++) {
        uint32_t known = atomic_load_explicit(&route->statuses[i].key, memory_order_relaxed);

        if (known == key)
            break;
        if (known == 0) {
            atomic_store_explicit(&route->statuses[i].key, key, memory_order_relaxed);
            break;
        }
    }
    metrics_add(&route->statuses[i].count, 1);
}

static size_t bucket_for(const uint32_t *bounds_ms, size_t count, uint64_t us)
{
    size_t i = 0;

    while (i < count && us > (uint64_t)bounds_ms[i] * 1000)
        i++;
    return i;
}

static void observe_latencies(struct metrics_route_shard *route,
                              const struct exchange_record *record)
{
    const struct try_record *last = exchange_record_peek_try(record);
    uint64_t whole_us = record->ended_at_us - record->started_at_us;
    /* as X-Kong-Proxy-Latency, or X-Kong-Response-Latency of an answer made here */
    uint64_t own_end_us = last ? last->picked_at_us : record->response_head_at_us;
    uint64_t own_us = own_end_us > record->started_at_us ? own_end_us - record->started_at_us : 0;

    metrics_add(&route->kong[bucket_for(metrics_kong_bounds_ms, METRICS_KONG_BUCKETS, own_us)], 1);
    metrics_add(&route->kong_sum_us, own_us);
    metrics_add(
        &route->request[bucket_for(metrics_latency_bounds_ms, METRICS_LATENCY_BUCKETS, whole_us)],
        1);
    metrics_add(&route->request_sum_us, whole_us);
    if (last && last->head_at_us) {
        uint64_t us = last->head_at_us - last->picked_at_us;

        metrics_add(
            &route->upstream[bucket_for(metrics_latency_bounds_ms, METRICS_LATENCY_BUCKETS, us)],
            1);
        metrics_add(&route->upstream_sum_us, us);
    }
}

void metrics_on_exchange(struct metrics_shard *shard, struct metrics_route_shard *route,
                         const struct exchange_record *record)
{
    const struct try_record *last = exchange_record_peek_try(record);

    metrics_add(&shard->exchanges[record->reason], 1);
    if (last)
        metrics_on_try(shard, last);
    if (record->tries_count > 1)
        metrics_add(&shard->counters[METRICS_RETRIES], record->tries_count - 1);
    if (record->response_spooled_bytes > 0)
        metrics_add(&shard->counters[METRICS_RESPONSE_SPOOLED_BYTES],
                    record->response_spooled_bytes);
    if (!route)
        return;
    count_status(route, record);
    metrics_add(&route->received_bytes, record->request_bytes);
    metrics_add(&route->sent_bytes, record->response_bytes);
    observe_latencies(route, record);
}

/* ---- reading ------------------------------------------------------------------------------- */

uint64_t metrics_total(const struct metrics *metrics, enum metrics_counter counter)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < metrics->workers_count; i++)
        total += metrics_read(&metrics->shards[i].counters[counter]);
    return total;
}
