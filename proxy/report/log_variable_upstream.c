/* Variables of times, of targets, of what was sent on, and hopgate's own. */
#include <stdlib.h>
#include <time.h>

#include "core/addr.h"
#include "core/log.h"
#include "proxy/report/log_variable_priv.h"

#define VARIABLE(name) \
    void log_variable_put_##name(const struct log_scope *scope, struct text *into)

/* ---- times --------------------------------------------------------------------------------- */

static void read_clock(const struct exchange_record *record, struct tm *ret_time)
{
    log_local_time((time_t)(exchange_record_unix_ms(record, record->ended_at_us) / 1000), ret_time);
}

static void put_clock(struct text *into, const struct tm *tm)
{
    log_put_padded(into, (uint64_t)tm->tm_hour, 2);
    text_add(into, SLICE(":"));
    log_put_padded(into, (uint64_t)tm->tm_min, 2);
    text_add(into, SLICE(":"));
    log_put_padded(into, (uint64_t)tm->tm_sec, 2);
}

static void put_offset(struct text *into, const struct tm *tm, struct slice between)
{
    long minutes = tm->tm_gmtoff / 60;

    text_add(into, minutes < 0 ? SLICE("-") : SLICE("+"));
    log_put_padded(into, (uint64_t)labs(minutes) / 60, 2);
    text_add(into, between);
    log_put_padded(into, (uint64_t)labs(minutes) % 60, 2);
}

VARIABLE(time_local)
{
    static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    struct tm tm;

    read_clock(scope->record, &tm);
    log_put_padded(into, (uint64_t)tm.tm_mday, 2);
    text_add(into, SLICE("/"));
    text_add(into, (struct slice){ months[tm.tm_mon], 3 });
    text_add(into, SLICE("/"));
    log_put_padded(into, (uint64_t)tm.tm_year + 1900, 4);
    text_add(into, SLICE(":"));
    put_clock(into, &tm);
    text_add(into, SLICE(" "));
    put_offset(into, &tm, SLICE(""));
}

VARIABLE(time_iso8601)
{
    struct tm tm;

    read_clock(scope->record, &tm);
    log_put_padded(into, (uint64_t)tm.tm_year + 1900, 4);
    text_add(into, SLICE("-"));
    log_put_padded(into, (uint64_t)tm.tm_mon + 1, 2);
    text_add(into, SLICE("-"));
    log_put_padded(into, (uint64_t)tm.tm_mday, 2);
    text_add(into, SLICE("T"));
    put_clock(into, &tm);
    put_offset(into, &tm, SLICE(":"));
}

VARIABLE(msec)
{
    log_put_seconds(into,
                    exchange_record_unix_ms(scope->record, scope->record->ended_at_us) * 1000);
}

static uint64_t span_us(uint64_t from_us, uint64_t to_us)
{
    return to_us > from_us ? to_us - from_us : 0;
}

VARIABLE(request_time)
{
    log_put_seconds(into, span_us(scope->record->started_at_us, scope->record->ended_at_us));
}

/* ---- targets ------------------------------------------------------------------------------- */

/* `put` for each try; without tries there is nothing. */
static void put_tries(const struct log_scope *scope, struct text *into,
                      void (*put)(const struct try_record *try, struct text *into))
{
    uint32_t count = log_tries_kept(scope->record);

    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            text_add(into, SLICE(", "));
        put(&scope->record->tries[i], into);
    }
    if (count == 0)
        put_absent(scope, into);
}

static void put_span_or_dash(struct text *into, const struct try_record *try, uint64_t at_us)
{
    if (at_us != 0)
        log_put_seconds(into, span_us(try->picked_at_us, at_us));
    else
        text_add(into, SLICE("-"));
}

static void put_try_addr(const struct try_record *try, struct text *into)
{
    char addr[ADDR_TEXT_MAX];

    text_add_string(into, addr_format(&try->target, addr, sizeof(addr)));
}

static void put_try_status(const struct try_record *try, struct text *into)
{
    if (try->status != 0)
        text_add_number(into, try->status);
    else
        text_add(into, SLICE("-"));
}

/* nginx's ends with the TLS handshake; a pooled connection is there at once. */
static void put_try_connect(const struct try_record *try, struct text *into)
{
    uint64_t at_us = try->over_tls && !try->reused ? try->tls_done_at_us : try->connected_at_us;

    put_span_or_dash(into, try, try->reused ? try->picked_at_us : at_us);
}

static void put_try_header(const struct try_record *try, struct text *into)
{
    put_span_or_dash(into, try, try->head_at_us);
}

static void put_try_response(const struct try_record *try, struct text *into)
{
    put_span_or_dash(into, try, try->ended_at_us);
}

static void put_try_sent(const struct try_record *try, struct text *into)
{
    text_add_number(into, try->sent_bytes);
}

static void put_try_received(const struct try_record *try, struct text *into)
{
    text_add_number(into, try->received_bytes);
}

VARIABLE(upstream_addr)
{
    put_tries(scope, into, put_try_addr);
}

VARIABLE(upstream_status)
{
    put_tries(scope, into, put_try_status);
}

VARIABLE(upstream_connect_time)
{
    put_tries(scope, into, put_try_connect);
}

VARIABLE(upstream_header_time)
{
    put_tries(scope, into, put_try_header);
}

VARIABLE(upstream_response_time)
{
    put_tries(scope, into, put_try_response);
}

VARIABLE(upstream_bytes_sent)
{
    put_tries(scope, into, put_try_sent);
}

VARIABLE(upstream_bytes_received)
{
    put_tries(scope, into, put_try_received);
}

VARIABLE(upstream_cache_status)
{
    put_absent(scope, into);
}

/* ---- the request as sent on ---------------------------------------------------------------- */

VARIABLE(upstream_scheme)
{
    const struct try_record *last = exchange_record_peek_try(scope->record);

    put_string(scope, into, !last ? NULL : last->over_tls ? "https" : "http");
}

VARIABLE(upstream_host)
{
    put_value(scope, into, scope->record->upstream_host);
}

VARIABLE(upstream_uri)
{
    put_value(scope, into, scope->record->upstream_uri);
}

/* ---- hopgate's own ------------------------------------------------------------------------- */

VARIABLE(hopgate_name)
{
    put_value(scope, into, scope->record->hop_name);
}

VARIABLE(hopgate_reason)
{
    text_add_string(into, end_reason_info(scope->record->reason)->name);
}

VARIABLE(hopgate_route)
{
    const struct config_route *route = scope->record->route;

    put_string(scope, into, !route ? NULL : route->name ? route->name : route->id);
}

VARIABLE(hopgate_service)
{
    const struct config_service *service = scope->record->service;

    put_string(scope, into, !service ? NULL : service->name ? service->name : service->id);
}

VARIABLE(hopgate_tries_count)
{
    text_add_number(into, scope->record->tries_count);
}
