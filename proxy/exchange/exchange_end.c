/* What is written down of an exchange: lines of the logs, metrics, the flight recorder. */
#include "lb/target.h"
#include "proxy/exchange/exchange.h"
#include "proxy/persona/persona.h"
#include "proxy/report/access_log.h"
#include "proxy/report/error_log.h"
#include "proxy/report/metrics.h"
#include "proxy/report/recorder.h"
#include "proxy/report/request_debug.h"
#include "proxy/report/stated_times.h"
#include "proxy/worker/connection_limits.h"
#include "proxy/worker/worker.h"

/* Memory for one line: a head in which every byte is escaped to six (33 KiB), and as much again for a text
 * that grows; of an access log both heads, and the target several times. */
enum { ERROR_LINE_BYTES_MAX = 1024 * 1024, ACCESS_LINE_BYTES_MAX = 4 * 1024 * 1024 };
/* All four heads. */
enum { CAPTURE_BYTES_MAX = 8 * 1024 * 1024 };

bool exchange_log_line(struct exchange *exchange, const struct try_record *attempt)
{
    struct log_file *log = exchange->worker->hop->error_log;
    struct arena scratch; /* there may be many tries */
    struct slice line;

    if (log_is_off(log) || !log_level_is_on(error_log_level(&exchange->record, attempt)))
        return true;
    arena_init(&scratch, exchange->worker->loop->pool, ERROR_LINE_BYTES_MAX);
    line = error_log_line(&exchange->record, attempt, &scratch);
    if (line.len > 0)
        log_write(log, line);
    arena_done(&scratch);
    return line.len > 0;
}

void exchange_log_try(struct exchange *exchange)
{
    exchange->reason_is_told =
        exchange_log_line(exchange, exchange_record_last_try(&exchange->record));
}

static void count(struct exchange *exchange)
{
    const struct exchange_record *record = &exchange->record;
    struct worker *worker = exchange->worker;
    const struct snapshot *snapshot = exchange->pinned->snapshot;
    struct metrics_route_shard *route = NULL;

    if (exchange->kind != VIRTUAL_SERVER_PROXY)
        return;
    if (record->route)
        route = &snapshot->routes[record->route - snapshot->config->routes]->shards[worker->index];
    metrics_on_exchange(worker->metrics, route, record);
}

static struct log_file *access_log_of(const struct exchange *exchange)
{
    const struct hop *hop = exchange->worker->hop;

    switch (exchange->kind) {
    case VIRTUAL_SERVER_PROXY:
    case VIRTUAL_SERVER_PASSTHROUGH:
    case VIRTUAL_SERVER_TCP:
        return hop->access_log;
    case VIRTUAL_SERVER_STATUS:
        return hop->status_access_log;
    }
    return NULL;
}

/* How busy it was around this exchange, itself not counted at its target. */
static void note_company(struct exchange *exchange)
{
    struct exchange_record *record = &exchange->record;
    const struct target *last =
        exchange->tried_count > 0 ? exchange->tried[exchange->tried_count - 1] : NULL;
    uint32_t in_flight = last ? target_in_flight(last) : 0;

    record->clients_count = connection_limits_count(exchange->worker->hop->connection_limits);
    record->target_requests_count =
        in_flight > 0 && exchange->target_use.target == last ? in_flight - 1 : in_flight;
}

/* No client may make its line vanish by what it sends: what is too much for the exchange's own memory
 * gets more. */
static void write_access_line(struct exchange *exchange, struct log_file *access_log,
                              const struct exchange_record *stated)
{
    const struct snapshot *snapshot = exchange->pinned->snapshot;
    const struct access_log_format *format = exchange->kind == VIRTUAL_SERVER_STATUS
                                                 ? snapshot->log_formats.status
                                                 : snapshot->log_formats.proxy;
    struct arena scratch;
    const struct exchange_record *record = format->keeps_real_times ? &exchange->record : stated;
    struct slice line = access_log_line(format, record, &exchange->arena);

    arena_init(&scratch, exchange->worker->loop->pool, ACCESS_LINE_BYTES_MAX);
    if (line.len == 0)
        line = access_log_line(format, record, &scratch);
    if (line.len > 0)
        log_write(access_log, line);
    else
        log_count_lost(access_log);
    arena_done(&scratch);
}

/* What the log of this persona says where nothing was sent. */
static uint16_t status_of_nothing(const struct exchange_record *record)
{
    const struct try_record *last = exchange_record_peek_try(record);

    return (uint16_t)persona_answer(record->persona, record->reason, record->was_proxied,
                                    last && last->reused)
        .status;
}

/* For logs, metrics and the flight recorder. */
static void write_down_end(struct exchange *exchange)
{
    struct log_file *access_log = access_log_of(exchange);
    const struct snapshot *snapshot = exchange->pinned->snapshot;
    struct exchange_record *record = &exchange->record, room;
    const struct exchange_record *stated;
    struct slice line;

    record->ended_at_us = exchange->worker->loop->now_us;
    record->request_bytes = exchange->front->received_bytes;
    record->response_bytes = exchange->front->sent_bytes;
    record->response_head_bytes = exchange->front->sent_head_bytes;
    /* nothing was sent to a client that left or was too late; nginx logs what it would have been,
     * and 400 for one that left inside its request */
    if (record->status == 0 && end_reason_info(record->reason)->hop == END_HOP_CLIENT)
        record->status = record->reason == END_CLIENT_ABORTED && record->request_end_at_us == 0
                             ? 400
                             : status_of_nothing(record);
    note_company(exchange);
    exchange_report_health(exchange, false);
    count(exchange);
    if (record->reason != END_OK && !exchange->reason_is_told)
        (void)exchange_log_line(exchange, NULL); /* nothing comes after it */
    stated = stated_times_of(record, &room);
    if (exchange->kind == VIRTUAL_SERVER_PROXY)
        recorder_note(exchange->worker->recorder, stated, snapshot->generation,
                      snapshot->settings->hopgate_recorder_slow_ms);
    line = request_debug_line(stated, &exchange->arena);
    if (line.len > 0 && log_level_is_on(LOG_LEVEL_NOTICE))
        log_write(exchange->worker->hop->error_log, line);
    if (log_is_off(access_log) || !exchange->is_logged)
        return;
    write_access_line(exchange, access_log, stated);
}

/* Only where the lab wants it: see capture_log.h. */
static void capture(struct exchange *exchange)
{
    const struct settings *settings = exchange->pinned->snapshot->settings;
    const struct capture_log *log = &exchange->worker->hop->capture_log;
    const struct capture_heads heads = {
        .request_sent = exchange->request_out.fields ? &exchange->request_out : NULL,
        .response_sent = exchange->response_out.fields ? &exchange->response_out : NULL,
        .response_received = exchange->response_chunk ? &exchange->response : NULL,
    };
    struct arena scratch;
    struct slice line;

    if (!log->file || !settings->hopgate_lab || !settings->hopgate_capture_log ||
        exchange->kind != VIRTUAL_SERVER_PROXY)
        return;
    arena_init(&scratch, exchange->worker->loop->pool, CAPTURE_BYTES_MAX);
    line = capture_log_line(&log->key, settings->hopgate_capture_secrets, &exchange->record, &heads,
                            &scratch);
    if (line.len > 0)
        log_write(log->file, line);
    arena_done(&scratch);
}

void exchange_note_end(struct exchange *exchange)
{
    struct chunk_pool *pool = exchange->worker->loop->pool;
    bool was_privileged = chunk_pool_privilege(pool, true);

    write_down_end(exchange);
    capture(exchange);
    (void)chunk_pool_privilege(pool, was_privileged);
}
