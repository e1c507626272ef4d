#include "proxy/report/metrics_page.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "core/addr.h"
#include "proxy/report/metrics.h"
#include "proxy/report/metrics_targets.h"
#include "proxy/report/metrics_text.h"
#include "proxy/snapshot/service_plan.h"
#include "proxy/snapshot/snapshot.h"
#include "proxy/worker/hop_figures.h"

enum { LATENCY_BUCKETS_MAX = METRICS_KONG_BUCKETS + 1 };

static const struct metrics_labels none = METRICS_NO_LABELS;

static void gauge(struct metrics_text *text, const char *name, const char *help, uint64_t value)
{
    metrics_text_family(text, name, METRICS_TYPE_GAUGE, help);
    metrics_text_sample(text, none, value);
}

static void counter(struct metrics_text *text, const char *name, const char *help, uint64_t value)
{
    metrics_text_family(text, name, METRICS_TYPE_COUNTER, help);
    metrics_text_sample(text, none, value);
}

/* ---- routes: Kong's prometheus plugin ------------------------------------------------------ */

/* Calls `put` for each route that is told apart, and for the rest together. */
static void each_route(struct metrics_text *text, const struct metrics *metrics,
                       void (*put)(struct metrics_text *text, const struct metrics_route *route,
                                   unsigned workers_count))
{
    for (size_t i = 0; i < METRICS_ROUTES_MAX; i++)
        for (const struct metrics_route *route = metrics->buckets[i]; route; route = route->next)
            put(text, route, metrics->workers_count);
    put(text, metrics->others, metrics->workers_count);
}

/* What all workers have counted under a key; each (key, worker) is visited once per key. */
static uint64_t count_of_key(const struct metrics_route *route, unsigned workers_count,
                             uint32_t key)
{
    uint64_t total = 0;

    for (unsigned w = 0; w < workers_count; w++)
        for (size_t i = 0; i < METRICS_STATUSES_MAX - 1; i++) {
            const struct metrics_status *place = &route->shards[w].statuses[i];

            if (atomic_load_explicit(&place->key, memory_order_relaxed) == key)
                total += metrics_read(&place->count);
        }
    return total;
}

static bool was_seen_before(const struct metrics_route *route, unsigned worker, uint32_t key)
{
    for (unsigned w = 0; w < worker; w++)
        for (size_t i = 0; i < METRICS_STATUSES_MAX - 1; i++)
            if (atomic_load_explicit(&route->shards[w].statuses[i].key, memory_order_relaxed) ==
                key)
                return true;
    return false;
}

static void put_status(struct metrics_text *text, const struct metrics_route *route,
                       const char *code, const char *source, uint64_t count)
{
    metrics_text_sample(text,
                        METRICS_LABELS({ "service", route->service }, { "route", route->route },
                                       { "code", code }, { "source", source },
                                       { "workspace", "default" }, { "consumer", "" }),
                        count);
}

static void put_statuses(struct metrics_text *text, const struct metrics_route *route,
                         unsigned workers_count)
{
    uint64_t other = 0;
    char code[16];

    for (unsigned w = 0; w < workers_count; w++) {
        for (size_t i = 0; i < METRICS_STATUSES_MAX - 1; i++) {
            uint32_t key =
                atomic_load_explicit(&route->shards[w].statuses[i].key, memory_order_relaxed);

            if (key == 0)
                break;
            if (was_seen_before(route, w, key))
                continue;
            (void)snprintf(code, sizeof(code), "%u", (unsigned)(key / 2));
            put_status(text, route, code, key % 2 ? "service" : "kong",
                       count_of_key(route, workers_count, key));
        }
        other += metrics_read(&route->shards[w].statuses[METRICS_STATUSES_MAX - 1].count);
    }
    if (other > 0)
        put_status(text, route, "other", "service", other);
}

static void put_bandwidth(struct metrics_text *text, const struct metrics_route *route,
                          unsigned workers_count)
{
    uint64_t received = 0, sent = 0;

    for (unsigned w = 0; w < workers_count; w++) {
        received += metrics_read(&route->shards[w].received_bytes);
        sent += metrics_read(&route->shards[w].sent_bytes);
    }
    if (received + sent == 0)
        return;
    metrics_text_sample(text,
                        METRICS_LABELS({ "service", route->service }, { "route", route->route },
                                       { "direction", "ingress" }, { "workspace", "default" },
                                       { "consumer", "" }),
                        received);
    metrics_text_sample(text,
                        METRICS_LABELS({ "service", route->service }, { "route", route->route },
                                       { "direction", "egress" }, { "workspace", "default" },
                                       { "consumer", "" }),
                        sent);
}

/* Where a shard has the counts of a histogram, and their bounds. */
struct latency {
    size_t counts_at, sum_at; /* in struct metrics_route_shard */
    const uint32_t *bounds_ms;
    size_t bounds_count;
};

static void put_latency(struct metrics_text *text, const struct metrics_route *route,
                        unsigned workers_count, const struct latency *latency)
{
    uint64_t counts[LATENCY_BUCKETS_MAX] = { 0 }, total = 0;
    struct metrics_histogram histogram = { latency->bounds_ms, counts, latency->bounds_count, 0 };

    for (unsigned w = 0; w < workers_count; w++) {
        const char *shard = (const char *)&route->shards[w];
        const metrics_count *places = (const metrics_count *)(shard + latency->counts_at);

        for (size_t i = 0; i <= latency->bounds_count; i++) {
            uint64_t count = metrics_read(&places[i]);

            counts[i] += count;
            total += count;
        }
        histogram.sum_us += metrics_read((const metrics_count *)(shard + latency->sum_at));
    }
    if (total > 0)
        metrics_text_histogram(text,
                               METRICS_LABELS({ "service", route->service },
                                              { "route", route->route },
                                              { "workspace", "default" }),
                               &histogram);
}

static void put_kong_latency(struct metrics_text *text, const struct metrics_route *route,
                             unsigned workers_count)
{
    static const struct latency latency = { offsetof(struct metrics_route_shard, kong),
                                            offsetof(struct metrics_route_shard, kong_sum_us),
                                            metrics_kong_bounds_ms, METRICS_KONG_BUCKETS };

    put_latency(text, route, workers_count, &latency);
}

static void put_upstream_latency(struct metrics_text *text, const struct metrics_route *route,
                                 unsigned workers_count)
{
    static const struct latency latency = { offsetof(struct metrics_route_shard, upstream),
                                            offsetof(struct metrics_route_shard, upstream_sum_us),
                                            metrics_latency_bounds_ms, METRICS_LATENCY_BUCKETS };

    put_latency(text, route, workers_count, &latency);
}

static void put_request_latency(struct metrics_text *text, const struct metrics_route *route,
                                unsigned workers_count)
{
    static const struct latency latency = { offsetof(struct metrics_route_shard, request),
                                            offsetof(struct metrics_route_shard, request_sum_us),
                                            metrics_latency_bounds_ms, METRICS_LATENCY_BUCKETS };

    put_latency(text, route, workers_count, &latency);
}

static void put_routes(struct metrics_text *text, const struct metrics *metrics)
{
    metrics_text_family(text, "kong_http_requests_total", METRICS_TYPE_COUNTER,
                        "HTTP status codes per consumer/service/route in Kong");
    each_route(text, metrics, put_statuses);
    metrics_text_family(text, "kong_bandwidth_bytes", METRICS_TYPE_COUNTER,
                        "Total bandwidth (ingress/egress) throughput in bytes");
    each_route(text, metrics, put_bandwidth);
    metrics_text_family(text, "kong_kong_latency_ms", METRICS_TYPE_HISTOGRAM,
                        "Latency added by Kong and enabled plugins for each service/route in Kong");
    each_route(text, metrics, put_kong_latency);
    metrics_text_family(text, "kong_upstream_latency_ms", METRICS_TYPE_HISTOGRAM,
                        "Latency added by upstream response for each service/route in Kong");
    each_route(text, metrics, put_upstream_latency);
    metrics_text_family(text, "kong_request_latency_ms", METRICS_TYPE_HISTOGRAM,
                        "Total latency incurred during requests for each service/route in Kong");
    each_route(text, metrics, put_request_latency);
}

/* ---- the hop, in Kong's words -------------------------------------------------------------- */

static void put_connections(struct metrics_text *text, const struct hop_figures *figures)
{
    uint64_t accepted = metrics_total(figures->metrics, METRICS_CONNECTIONS);
    uint64_t refused = metrics_total(figures->metrics, METRICS_CONNECTIONS_REFUSED);
    uint64_t active = hop_figures_sum(figures, offsetof(struct worker_figures, connections_count));
    uint64_t exchanges = hop_figures_sum(figures, offsetof(struct worker_figures, exchanges_count));
    uint64_t reading = hop_figures_sum(figures, offsetof(struct worker_figures, reading_count));
    const struct {
        const char *state;
        uint64_t value;
    } rows[] = {
        { "accepted", accepted + refused },
        { "handled", accepted },
        { "total", metrics_total(figures->metrics, METRICS_REQUESTS) },
        { "active", active },
        { "reading", reading },
        { "writing", exchanges - reading },
        { "waiting", active - exchanges },
    };

    metrics_text_family(text, "kong_nginx_connections_total", METRICS_TYPE_GAUGE,
                        "Number of connections by subsystem");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        metrics_text_sample(text,
                            METRICS_LABELS({ "node_id", figures->node_id }, { "subsystem", "http" },
                                           { "state", rows[i].state }),
                            rows[i].value);
}

static void put_node(struct metrics_text *text, const struct hop_figures *figures)
{
    put_connections(text, figures);
    metrics_text_family(text, "kong_nginx_requests_total", METRICS_TYPE_GAUGE,
                        "Total number of requests");
    metrics_text_sample(text,
                        METRICS_LABELS({ "node_id", figures->node_id }, { "subsystem", "http" }),
                        metrics_total(figures->metrics, METRICS_REQUESTS));
    gauge(text, "kong_datastore_reachable", "Datastore reachable from Kong, 0 is unreachable",
          !figures->store_fails);
    metrics_text_family(text, "kong_node_info", METRICS_TYPE_GAUGE,
                        "Kong Node metadata information");
    metrics_text_sample(
        text, METRICS_LABELS({ "node_id", figures->node_id }, { "version", figures->kong_version }),
        1);
}

/* ---- ours: exchanges, tries, connections --------------------------------------------------- */

/* END_CONNECT_REFUSED is "connect_refused"; the error is the one of Proxy-Status (RFC 9209). */
static void put_reasons(struct metrics_text *text, const struct metrics *metrics, size_t offset)
{
    for (size_t reason = 0; reason < END_REASON_COUNT; reason++) {
        const struct end_reason_info *info = end_reason_info((enum end_reason)reason);
        uint64_t total = 0;
        char name[64];
        size_t n = 0;

        for (unsigned w = 0; w < metrics->workers_count; w++) {
            const char *shard = (const char *)&metrics->shards[w];

            total += metrics_read((const metrics_count *)(shard + offset) + reason);
        }
        if (total == 0 && reason != END_OK)
            continue;
        for (; info->name[n] && n + 1 < sizeof(name); n++)
            name[n] = (char)tolower((unsigned char)info->name[n]);
        name[n] = '\0';
        metrics_text_sample(text, METRICS_LABELS({ "reason", name }, { "error", info->token }),
                            total);
    }
}

static void put_handshakes(struct metrics_text *text, const struct metrics *metrics)
{
    static const struct {
        const char *side, *result;
        enum metrics_counter counter;
    } rows[] = {
        { "client", "ok", METRICS_CLIENT_TLS_OK },
        { "client", "failed", METRICS_CLIENT_TLS_FAILED },
        { "upstream", "ok", METRICS_UPSTREAM_TLS_OK },
        { "upstream", "failed", METRICS_UPSTREAM_TLS_FAILED },
    };

    metrics_text_family(text, "hopgate_tls_handshakes_total", METRICS_TYPE_COUNTER,
                        "TLS handshakes with clients and with targets");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        metrics_text_sample(text,
                            METRICS_LABELS({ "side", rows[i].side }, { "result", rows[i].result }),
                            metrics_total(metrics, rows[i].counter));
    counter(text, "hopgate_tls_resumed_total",
            "TLS handshakes with clients that resumed an earlier session",
            metrics_total(metrics, METRICS_CLIENT_TLS_RESUMED));
    counter(text, "hopgate_tls_handshake_steps_deferred_total",
            "Steps of handshakes with clients that waited, so that others were served meanwhile",
            metrics_total(metrics, METRICS_CLIENT_TLS_DEFERRED));
}

static void put_traffic(struct metrics_text *text, const struct metrics *metrics)
{
    metrics_text_family(text, "hopgate_exchanges_total", METRICS_TYPE_COUNTER,
                        "Requests that ended, by the reason of their end");
    put_reasons(text, metrics, offsetof(struct metrics_shard, exchanges));
    metrics_text_family(text, "hopgate_tries_total", METRICS_TYPE_COUNTER,
                        "Tries at targets, by their outcome");
    put_reasons(text, metrics, offsetof(struct metrics_shard, tries));
    counter(text, "hopgate_retries_total", "Tries after the first of a request",
            metrics_total(metrics, METRICS_RETRIES));
    counter(text, "hopgate_retries_refused_total",
            "Further tries that a retry budget, a limit or the clock forbade",
            metrics_total(metrics, METRICS_RETRIES_REFUSED));
    counter(text, "hopgate_queued_total", "Requests that had to wait for a place at a target",
            metrics_total(metrics, METRICS_QUEUED));
    counter(text, "hopgate_queue_refused_total",
            "Requests that found the queue of their upstream full, or waited there too long",
            metrics_total(metrics, METRICS_QUEUE_REFUSED));
    counter(text, "hopgate_requests_spooled_total", "Requests whose content went to a file",
            metrics_total(metrics, METRICS_REQUESTS_SPOOLED));
    counter(text, "hopgate_responses_spooled_total",
            "Responses whose content went to a file because the client was slow",
            metrics_total(metrics, METRICS_RESPONSES_SPOOLED));
    counter(text, "hopgate_response_spooled_bytes_total",
            "Bytes that went there, of responses that have ended",
            metrics_total(metrics, METRICS_RESPONSE_SPOOLED_BYTES));
    counter(text, "hopgate_pool_hits_total", "Tries on a kept connection to the target",
            metrics_total(metrics, METRICS_POOL_HITS));
    counter(text, "hopgate_pool_misses_total", "Tries that needed a new connection to the target",
            metrics_total(metrics, METRICS_POOL_MISSES));
    counter(text, "hopgate_stale_connections_total",
            "Kept connections that the target had closed when they were used",
            metrics_total(metrics, METRICS_STALE_CONNECTIONS));
    counter(text, "hopgate_connections_refused_total",
            "Client connections that were closed at once: a limit or no memory",
            metrics_total(metrics, METRICS_CONNECTIONS_REFUSED));
    put_handshakes(text, metrics);
}

/* ---- ours: configuration, certificates ----------------------------------------------------- */

static void put_configuration(struct metrics_text *text, const struct hop_figures *figures)
{
    const struct reload_figures *reload = &figures->reload;

    gauge(text, "hopgate_queued", "Requests that wait for a place at a target",
          figures->queued_count);
    gauge(text, "hopgate_config_generation", "Number of the configuration in force",
          figures->snapshot->generation);
    gauge(text, "hopgate_config_store_in_force",
          "Whether what the store of the Admin API has is in force", !figures->store_lags);
    metrics_text_family(text, "hopgate_config_reloads_total", METRICS_TYPE_COUNTER,
                        "Reloads since the start");
    metrics_text_sample(text, METRICS_LABELS({ "result", "ok" }), reload->succeeded_count);
    metrics_text_sample(text, METRICS_LABELS({ "result", "failed" }), reload->failed_count);
    gauge(text, "hopgate_config_last_reload_successful",
          "Whether the last reload, or the start, took its configuration",
          !reload->was_tried || reload->succeeded);
    gauge(text, "hopgate_config_last_reload_timestamp_seconds",
          "When the last reload was tried, or the hop was started",
          reload->was_tried ? reload->at_unix_s : figures->process.started_at_unix_s);
    gauge(text, "hopgate_draining", "Whether the hop takes no new work any more",
          figures->draining);
}

static void put_certificates(struct metrics_text *text, const struct snapshot *snapshot)
{
    metrics_text_family(text, "hopgate_certificate_expiry_seconds", METRICS_TYPE_GAUGE,
                        "Unix time at which a served certificate ends");
    for (size_t i = 0; i < snapshot->certificates.count; i++) {
        const struct served_certificate *certificate = &snapshot->certificates.items[i];
        const char *place = snapshot_certificate_label(snapshot, certificate->index);

        metrics_text_sample(text,
                            METRICS_LABELS({ "certificate", place }, { "name", certificate->name },
                                           { "key", certificate->key },
                                           { "serial", certificate->serial }),
                            certificate->not_after_s > 0 ? (uint64_t)certificate->not_after_s : 0);
    }
}

/* ---- ours: the process and its workers ----------------------------------------------------- */

static void put_process(struct metrics_text *text, const struct hop_figures *figures)
{
    const struct process_figures *process = &figures->process;

    metrics_text_family(text, "process_cpu_seconds_total", METRICS_TYPE_COUNTER,
                        "User and system CPU time");
    metrics_text_seconds(text, none, process->cpu_us);
    gauge(text, "process_resident_memory_bytes", "Resident memory", process->resident_bytes);
    gauge(text, "process_virtual_memory_bytes", "Address space", process->virtual_bytes);
    gauge(text, "process_open_fds", "Open file descriptors", process->files_count);
    gauge(text, "process_max_fds", "Limit of open file descriptors", process->files_max);
    gauge(text, "process_start_time_seconds", "Start of the process as Unix time",
          process->started_at_unix_s);
    gauge(text, "hopgate_heap_bytes", "Heap in use", process->heap_bytes);
    gauge(text, "hopgate_spool_bytes", "Bytes of stored content on disk", figures->spool_bytes);
    metrics_text_family(text, "hopgate_log_lines_lost_total", METRICS_TYPE_COUNTER,
                        "Log lines that are in no file");
    metrics_text_sample(text, METRICS_LABELS({ "cause", "ring_full" }), figures->log.dropped_count);
    metrics_text_sample(text, METRICS_LABELS({ "cause", "write_failed" }),
                        figures->log.failed_count);
}

static void put_memory(struct metrics_text *text, const struct hop_figures *figures)
{
    const struct memory_figures *memory = &figures->memory;

    metrics_text_family(text, "hopgate_memory_budget_bytes", METRICS_TYPE_GAUGE,
                        "Memory of what grows with traffic");
    for (int i = 0; i < MEMORY_OWNERS; i++)
        metrics_text_sample(text,
                            METRICS_LABELS({ "owner", memory_owner_text((enum memory_owner)i) }),
                            memory->used_bytes[i]);
    gauge(text, "hopgate_memory_limit_bytes", "What all of it together may be; 0: no limit",
          memory->limit_bytes);
    gauge(text, "hopgate_memory_level",
          "0 normal, 1 soft: no new connections, 2 hard: no new requests, 3 cut: exchanges are "
          "ended, 4 full",
          (uint64_t)memory->level);
    counter(text, "hopgate_memory_cut_total", "Exchanges and connections ended to free memory",
            metrics_total(figures->metrics, METRICS_MEMORY_CUT));
    counter(text, "hopgate_memory_idle_closed_total",
            "Idle client connections closed to free memory",
            metrics_total(figures->metrics, METRICS_MEMORY_IDLE_CLOSED));
}

static void put_worker_family(struct metrics_text *text, const struct hop_figures *figures,
                              size_t offset)
{
    for (unsigned i = 0; i < figures->workers_count; i++) {
        const struct worker_figures *worker = &figures->workers[i];
        char index[16];

        (void)snprintf(index, sizeof(index), "%u", i);
        if (worker->runs)
            metrics_text_sample(text, METRICS_LABELS({ "worker", index }),
                                *(const uint64_t *)((const char *)worker + offset));
    }
}

static void put_workers(struct metrics_text *text, const struct hop_figures *figures)
{
    static const struct {
        const char *name, *help;
        enum metrics_type type;
        size_t offset;
    } rows[] = {
        { "hopgate_worker_connections", "Client connections", METRICS_TYPE_GAUGE,
          offsetof(struct worker_figures, connections_count) },
        { "hopgate_worker_exchanges", "Running requests", METRICS_TYPE_GAUGE,
          offsetof(struct worker_figures, exchanges_count) },
        { "hopgate_worker_idle_upstream_connections", "Kept connections to targets",
          METRICS_TYPE_GAUGE, offsetof(struct worker_figures, idle_upstream_count) },
        { "hopgate_worker_buffer_bytes", "Memory of buffers in use", METRICS_TYPE_GAUGE,
          offsetof(struct worker_figures, buffer_bytes) },
        { "hopgate_worker_ring_enters_total", "System calls of the ring", METRICS_TYPE_COUNTER,
          offsetof(struct worker_figures, ring.enters) },
        { "hopgate_worker_ring_completions_total", "Completed operations", METRICS_TYPE_COUNTER,
          offsetof(struct worker_figures, ring.completions) },
        { "hopgate_worker_ring_no_buffer_total", "Receives that found no buffer",
          METRICS_TYPE_COUNTER, offsetof(struct worker_figures, ring.no_buffer) },
        { "hopgate_worker_ring_overflows_total", "Turns with more completions than had room",
          METRICS_TYPE_COUNTER, offsetof(struct worker_figures, ring.overflows) },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        metrics_text_family(text, rows[i].name, rows[i].type, rows[i].help);
        put_worker_family(text, figures, rows[i].offset);
    }
}

static void put_build(struct metrics_text *text)
{
    metrics_text_family(text, "hopgate_build_info", METRICS_TYPE_GAUGE,
                        "What was built, with what");
    metrics_text_sample(
        text, METRICS_LABELS({ "version", HOPGATE_VERSION }, { "compiler", __VERSION__ }), 1);
}

char *metrics_page(const struct hop_figures *figures, size_t *ret_length)
{
    struct metrics_text text;

    metrics_text_init(&text);
    put_routes(&text, figures->metrics);
    metrics_targets_put(&text, figures->snapshot);
    put_node(&text, figures);
    put_traffic(&text, figures->metrics);
    put_configuration(&text, figures);
    put_certificates(&text, figures->snapshot);
    put_build(&text);
    put_process(&text, figures);
    put_memory(&text, figures);
    put_workers(&text, figures);
    return metrics_text_take(&text, ret_length);
}
