/*
 * HAProxy's "option httplog" (its configuration manual, 8.2.3 and 8.5), as syslog writes it to a file.
 *
 * What this hop does not know stands there as HAProxy writes it when there is none: captured cookies
 * are "-", positions in queues 0, and no braces without captured fields.
 */
#include <time.h>
#include <unistd.h>

#include "core/addr.h"
#include "core/log.h"
#include "proxy/persona/persona.h"
#include "proxy/report/access_log_priv.h"
#include "proxy/report/log_variable.h"
#include "proxy/report/termination.h"

static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

/* What would end a name in the line; HAProxy's own names have no such bytes. */
static void put_name(struct text *text, struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        struct slice byte = { name.ptr + i, 1 };

        if (*byte.ptr == ' ' || *byte.ptr == '/')
            byte = SLICE("_");
        text_add_escaped(text, byte, TEXT_ESCAPE_LOG);
    }
}

static void put_prefix(struct text *text, const struct exchange_record *record)
{
    uint64_t ended_ms = exchange_record_unix_ms(record, record->ended_at_us);
    struct tm tm;

    log_local_time((time_t)(ended_ms / 1000), &tm);
    text_addf(text, "%s %2d %02d:%02d:%02d ", months[tm.tm_mon], tm.tm_mday, tm.tm_hour, tm.tm_min,
              tm.tm_sec);
    put_name(text, record->hop_name);
    text_addf(text, " haproxy[%d]: ", (int)getpid());
}

/* Who asked, when its first byte came, and where that was. */
static void put_client(struct text *text, const struct exchange_record *record)
{
    struct tm tm;

    log_put_ip(record, text);
    log_local_time((time_t)(record->started_at_unix_ms / 1000), &tm);
    text_addf(text, ":%u [%02d/%s/%d:%02d:%02d:%02d.%03u] ", addr_port(&record->client_peer),
              tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec,
              (unsigned)(record->started_at_unix_ms % 1000));
    put_name(text, record->hop_name);
    text_add_string(text, record->over_tls ? "~ " : " ");
}

static void put_backend(struct text *text, const struct exchange_record *record)
{
    const struct config_service *service = record->service;
    const struct try_record *last = exchange_record_peek_try(record);

    if (service)
        put_name(text, slice_of(service->name ? service->name : service->id));
    else
        put_name(text, record->hop_name);
    text_add(text, SLICE("/"));
    if (last)
        put_name(text, last->target_name);
    else
        text_add(text, SLICE("<NOSRV>"));
    text_add(text, SLICE(" "));
}

/* Milliseconds, or -1 when one end did not happen. */
static void put_timer(struct text *text, uint64_t from_us, uint64_t to_us)
{
    if (from_us == 0 || to_us == 0)
        text_add(text, SLICE("-1"));
    else
        text_add_number(text, to_us > from_us ? (to_us - from_us) / 1000 : 0);
}

static uint64_t connected_at(const struct try_record *try)
{
    if (try->reused)
        return try->picked_at_us;
    return try->over_tls ? try->tls_done_at_us : try->connected_at_us;
}

static uint64_t queued_us(const struct exchange_record *record)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < log_tries_kept(record); i++)
        sum += record->tries[i].queued_us;
    return sum;
}

/* TR/Tw/Tc/Tr/Ta: Tc holds all tries before the connection that served. */
static void put_timers(struct text *text, const struct exchange_record *record)
{
    const struct try_record *last = exchange_record_peek_try(record);
    uint64_t connected_us = last ? connected_at(last) : 0;

    put_timer(text, record->started_at_us, record->request_head_at_us);
    text_add(text, SLICE("/"));
    if (last)
        text_add_number(text, queued_us(record) / 1000);
    else
        text_add(text, SLICE("-1"));
    text_add(text, SLICE("/"));
    put_timer(text, last ? record->tries[0].picked_at_us : 0, connected_us);
    text_add(text, SLICE("/"));
    put_timer(text, connected_us, last ? last->head_at_us : 0);
    text_add(text, SLICE("/"));
    put_timer(text, record->started_at_us, record->ended_at_us);
}

/* HAProxy has no 499: nothing was sent. */
static void put_status(struct text *text, const struct exchange_record *record)
{
    if (record->response_head_at_us == 0 || record->status == 0)
        text_add(text, SLICE(" -1 "));
    else
        text_addf(text, " %u ", record->status);
    text_add_number(text, record->response_bytes);
}

/* The "+" of a request that was redispatched: it asked another target than its first. */
static bool has_moved(const struct exchange_record *record)
{
    for (uint32_t i = 1; i < log_tries_kept(record); i++)
        if (!addr_equal(&record->tries[i].target, &record->tries[0].target))
            return true;
    return false;
}

/* actconn/feconn/beconn/srv_conn/retries, then the two queues. */
static void put_counters(struct text *text, const struct exchange_record *record)
{
    text_addf(text, " %u/%u/%u/%u/%s%u 0/0", record->clients_count, record->clients_count,
              record->target_requests_count, record->target_requests_count,
              has_moved(record) ? "+" : "", record->tries_count > 0 ? record->tries_count - 1 : 0);
}

/* src/log.c: '"', '#' and what is not printable as #XX. */
static void put_request(struct text *text, const struct exchange_record *record)
{
    struct slice line = record->request ? record->request->request_line : SLICE("<BADREQ>");

    text_add(text, SLICE(" \""));
    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.ptr[i];

        if (c < 0x20 || c >= 0x7f || c == '"' || c == '#')
            text_addf(text, "#%02X", c);
        else
            text_add(text, (struct slice){ line.ptr + i, 1 });
    }
    text_add(text, SLICE("\"\n"));
}

struct slice access_log_haproxy_line(const struct access_log_format *format,
                                     const struct exchange_record *record, struct arena *arena)
{
    struct text text;

    (void)format;
    text_init_sized(&text, arena, 512);
    put_prefix(&text, record);
    put_client(&text, record);
    put_backend(&text, record);
    put_timers(&text, record);
    put_status(&text, record);
    text_add(&text, SLICE(" - - "));
    text_add_string(&text, termination_of(record));
    put_counters(&text, record);
    put_request(&text, record);
    return text_take(&text);
}
