/*
 * metrics: what the hop counts while it works.
 *
 * Role    counters of each worker, and of each route by each worker; summed when somebody asks
 * Owns    all counters, for the life of the hop; those of a route as long as a configuration names it
 * Thread  created, freed and read by the main thread, which also keeps the routes; a worker writes
 *         its own counters and nobody else's, hence plain adds without a lock or a locked bus: a
 *         reader sees each counter whole, but two of them perhaps an exchange apart
 *
 * Labels come from the configuration, never from a client: at most METRICS_ROUTES_MAX routes are
 * told apart, the others share one set of counters.
 */
#ifndef PROXY_METRICS_H
#define PROXY_METRICS_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/entities.h"
#include "core/cleanup.h"
#include "core/end_reason.h"

struct exchange_record;
struct try_record;

enum {
    METRICS_ALIGN = 64,        /* bytes of a cache line: workers must not slow each other */
    METRICS_ROUTES_MAX = 2000, /* told apart */
    METRICS_STATUSES_MAX = 24, /* told apart per route; the last place counts all others */
};

enum metrics_counter {
    METRICS_CONNECTIONS, /* accepted */
    METRICS_CONNECTIONS_REFUSED,
    METRICS_REQUESTS,        /* on listeners of every kind */
    METRICS_RETRIES,         /* tries after the first */
    METRICS_RETRIES_REFUSED, /* by a budget, a limit or the clock */
    METRICS_QUEUED,          /* had to wait for a place at a target */
    METRICS_QUEUE_REFUSED,   /* might not, or waited too long */
    METRICS_POOL_HITS,
    METRICS_POOL_MISSES,
    METRICS_STALE_CONNECTIONS, /* pooled ones that the target had closed meanwhile */
    METRICS_CLIENT_TLS_OK,
    METRICS_CLIENT_TLS_FAILED,
    METRICS_CLIENT_TLS_RESUMED,  /* of those that are ok */
    METRICS_CLIENT_TLS_DEFERRED, /* steps of handshakes: see tls/handshake_queue.h */
    METRICS_UPSTREAM_TLS_OK,
    METRICS_UPSTREAM_TLS_FAILED,
    METRICS_REQUESTS_SPOOLED,  /* content went to a file */
    METRICS_RESPONSES_SPOOLED, /* likewise, because the client was slow */
    METRICS_RESPONSE_SPOOLED_BYTES,
    METRICS_MEMORY_CUT,         /* exchanges and connections ended to free memory */
    METRICS_MEMORY_IDLE_CLOSED, /* idle client connections closed for it */
    METRICS_COUNTERS
};

typedef _Atomic uint64_t metrics_count;

struct metrics_shard {
    alignas(METRICS_ALIGN) metrics_count counters[METRICS_COUNTERS];
    metrics_count exchanges[END_REASON_COUNT]; /* ended, on listeners for traffic */
    metrics_count tries[END_REASON_COUNT];
};

/* ---- per route ---- */

/* Upper bounds as in Kong's prometheus plugin, in ms; one more bucket has what is above all. */
enum { METRICS_KONG_BUCKETS = 17, METRICS_LATENCY_BUCKETS = 13 };
extern const uint32_t metrics_kong_bounds_ms[METRICS_KONG_BUCKETS];
extern const uint32_t metrics_latency_bounds_ms[METRICS_LATENCY_BUCKETS];

struct metrics_status {
    _Atomic uint32_t key; /* status * 2 + 1 if a target sent it; 0: a free place */
    metrics_count count;
};

/* One worker's counters of a route. */
struct metrics_route_shard {
    alignas(METRICS_ALIGN) struct metrics_status statuses[METRICS_STATUSES_MAX];
    metrics_count received_bytes, sent_bytes;
    metrics_count kong[METRICS_KONG_BUCKETS + 1], kong_sum_us;
    metrics_count upstream[METRICS_LATENCY_BUCKETS + 1], upstream_sum_us;
    metrics_count request[METRICS_LATENCY_BUCKETS + 1], request_sum_us;
};

struct metrics_route {
    char *service, *route;              /* Kong's label values */
    struct metrics_route_shard *shards; /* one per worker */
    uint32_t holders;
    struct metrics_route *next; /* in its bucket */
};

struct metrics {
    struct metrics_shard *shards;
    unsigned workers_count;
    struct metrics_route **buckets; /* METRICS_ROUTES_MAX of them */
    size_t routes_count;
    struct metrics_route *others; /* for routes beyond METRICS_ROUTES_MAX */
};

/* NULL: no memory. */
struct metrics *metrics_create(unsigned workers_count);

/* Nobody may hold a route any more. Accepts NULL. */
void metrics_free(struct metrics *metrics);
DEFINE_SCOPED(metrics);

/* The counters of a route: the same ones for the same names, whatever configuration they are from.
 * Release them once. NULL: no memory. */
struct metrics_route *metrics_take_route(struct metrics *metrics, const struct config_route *route);
void metrics_release_route(struct metrics *metrics, struct metrics_route *route);

/* The sets of all routes of a configuration, in its order; NULL: no memory. */
struct metrics_route **metrics_take_routes(struct metrics *metrics, const struct config *config);
void metrics_release_routes(struct metrics *metrics, struct metrics_route **routes, size_t count);

/* ---- counting: the worker's ---- */

static inline void metrics_add(metrics_count *count, uint64_t more)
{
    /* one writer: no read-modify-write is needed */
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

static inline void metrics_count_one(struct metrics_shard *shard, enum metrics_counter counter)
{
    metrics_add(&shard->counters[counter], 1);
}

/* A try has ended; another may follow. */
void metrics_on_try(struct metrics_shard *shard, const struct try_record *attempt);

/* An exchange has ended, its last try too. route: NULL when none matched. */
void metrics_on_exchange(struct metrics_shard *shard, struct metrics_route_shard *route,
                         const struct exchange_record *record);

/* ---- reading ---- */

static inline uint64_t metrics_read(const metrics_count *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

/* Of all workers. */
uint64_t metrics_total(const struct metrics *metrics, enum metrics_counter counter);

#endif
