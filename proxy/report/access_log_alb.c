/*
 * The access log entry of an AWS Application Load Balancer (its user guide, "Access log entries").
 *
 * What only AWS knows (ARNs, classifications) is "-", as the product writes what does not apply. The
 * fields after conn_trace_id, which came later, are left out: its readers must expect that.
 */
#include <time.h>

#include "core/addr.h"
#include "proxy/persona/persona.h"
#include "proxy/report/access_log_priv.h"
#include "proxy/report/log_variable.h"

/* "2026-11-20T21:15:07.031007" and "Z" */
static void put_time(struct text *text, const struct exchange_record *record, uint64_t at_us)
{
    uint64_t since_us = at_us > record->started_at_us ? at_us - record->started_at_us : 0;
    uint64_t unix_us = record->started_at_unix_ms * 1000 + since_us;
    time_t seconds = (time_t)(unix_us / 1000000);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    text_addf(text, "%04d-%02d-%02dT%02d:%02d:%02d.%06uZ", tm.tm_year + 1900, tm.tm_mon + 1,
              tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (unsigned)(unix_us % 1000000));
}

static void put_addr(struct text *text, const struct sockaddr_storage *addr)
{
    char written[ADDR_TEXT_MAX];

    text_add(text, SLICE(" "));
    text_add_string(text, addr_format(addr, written, sizeof(written)));
}

/* A tunnel is a WebSocket: nothing else may be switched to. */
static const char *type_of(const struct exchange_record *record)
{
    bool is_tunnel = record->upgrade.len > 0 && record->status == 101;

    if (record->over_tls)
        return is_tunnel ? "wss " : "https ";
    return is_tunnel ? "ws " : "http ";
}

static void put_ends(struct text *text, const struct exchange_record *record)
{
    const struct try_record *last = exchange_record_peek_try(record);

    text_add_string(text, type_of(record));
    put_time(text, record, record->ended_at_us);
    text_add(text, SLICE(" "));
    text_add_escaped(text, record->hop_name, TEXT_ESCAPE_LOG);
    put_addr(text, &record->client_peer);
    if (last)
        put_addr(text, &last->target);
    else
        text_add(text, SLICE(" -"));
}

static void put_span(struct text *text, uint64_t from_us, uint64_t to_us)
{
    text_add(text, SLICE(" "));
    if (from_us == 0 || to_us == 0)
        text_add(text, SLICE("-1"));
    else
        log_put_seconds(text, to_us > from_us ? to_us - from_us : 0);
}

/* Received to sent on; sent on to the answer's head; that to its last byte. -1: it did not come so far. */
static void put_processing_times(struct text *text, const struct exchange_record *record)
{
    const struct try_record *last = exchange_record_peek_try(record);
    uint64_t sent_us = last ? last->sent_at_us : 0, head_us = last ? last->head_at_us : 0;

    put_span(text, record->started_at_us, sent_us);
    put_span(text, sent_us, head_us);
    put_span(text, head_us, record->ended_at_us);
}

/* A client that closed first is a 460 there; 400 before it had sent the whole content. */
static unsigned status_of(const struct exchange_record *record)
{
    if (record->from_upstream || (record->status != 499 && record->status != 460))
        return record->status;
    return record->request && record->request_end_at_us == 0 ? 400 : 460;
}

/* The answer's, and the target's. */
static void put_statuses(struct text *text, const struct exchange_record *record)
{
    const struct try_record *last = exchange_record_peek_try(record);
    unsigned status = status_of(record);

    if (status != 0)
        text_addf(text, " %u", status);
    else
        text_add(text, SLICE(" -"));
    if (last && last->head_at_us != 0)
        text_addf(text, " %u", last->status);
    else
        text_add(text, SLICE(" -"));
    text_addf(text, " %llu %llu", (unsigned long long)record->request_bytes,
              (unsigned long long)record->response_bytes);
}

static void put(struct text *text, const struct exchange_record *record, enum log_variable variable)
{
    const struct log_part part = { .variable = variable };
    const struct log_scope scope = { .record = record, .escape = TEXT_ESCAPE_LOG, .part = &part };

    log_variable_put(&scope, text);
}

/* The whole URL, its port included; of a request that was not understood, that of the listener. */
static void put_request(struct text *text, const struct exchange_record *record)
{
    char ip[ADDR_IP_TEXT_MAX];

    text_add(text, SLICE(" \""));
    put(text, record, LOG_request_method);
    text_add_string(text, record->over_tls ? " https://" : " http://");
    if (record->request)
        put(text, record, LOG_host);
    else
        text_add_string(text, addr_format_ip(&record->client_local, ip, sizeof(ip)));
    text_add(text, SLICE(":"));
    text_add_number(text, record->listener_port);
    put(text, record, LOG_request_uri);
    text_add(text, SLICE(" "));
    put(text, record, LOG_server_protocol);
    text_add(text, SLICE("\""));
}

static void put_field(struct text *text, const struct exchange_record *record, struct slice name)
{
    const struct field *field =
        record->request ? fields_find_name(&record->request->fields, name) : NULL;

    text_add(text, SLICE(" \""));
    if (field && field->value.len > 0)
        text_add_escaped(text, field->value, TEXT_ESCAPE_LOG);
    else
        text_add(text, SLICE("-"));
    text_add(text, SLICE("\""));
}

/* As sent on, where the persona sends it; else the client's. */
static void put_trace_id(struct text *text, const struct exchange_record *record)
{
    const struct persona_rules *rules = &record->persona->request.fields;
    const struct template_scope scope = { .record = record, .escape = TEXT_RAW };
    const struct slice name = SLICE("X-Amzn-Trace-Id");
    struct text value;

    for (size_t i = 0; record->request && i < rules->count; i++) {
        if (!slice_equal_nocase(rules->items[i].name, name))
            continue;
        text_init(&value, text->arena);
        template_expand(&rules->items[i].value, &scope, &value);
        text_add(text, SLICE(" \""));
        text_add_escaped(text, text_take(&value), TEXT_ESCAPE_LOG);
        text_add(text, SLICE("\""));
        return;
    }
    put_field(text, record, name);
}

static void put_tls(struct text *text, const struct exchange_record *record)
{
    text_add(text, SLICE(" "));
    put(text, record, LOG_ssl_cipher);
    text_add(text, SLICE(" "));
    put(text, record, LOG_ssl_protocol);
}

static void put_server_name(struct text *text, const struct exchange_record *record)
{
    text_add(text, SLICE(" \""));
    put(text, record, LOG_ssl_server_name);
    text_add(text, SLICE("\""));
}

/* One target and its status: an ALB tries once. */
static void put_target_lists(struct text *text, const struct exchange_record *record)
{
    const struct try_record *last = exchange_record_peek_try(record);
    char addr[ADDR_TEXT_MAX];

    if (!last)
        text_add(text, SLICE(" \"-\" \"-\""));
    else if (last->head_at_us == 0)
        text_addf(text, " \"%s\" \"-\"", addr_format(&last->target, addr, sizeof(addr)));
    else
        text_addf(text, " \"%s\" \"%u\"", addr_format(&last->target, addr, sizeof(addr)),
                  last->status);
}

static void put_actions(struct text *text, const struct exchange_record *record)
{
    text_add_string(text, !record->request  ? " \"-\""
                          : record->service ? " \"forward\""
                                            : " \"fixed-response\"");
    text_add(text, SLICE(" \"-\" \"-\"")); /* redirect_url, error_reason */
}

struct slice access_log_alb_line(const struct access_log_format *format,
                                 const struct exchange_record *record, struct arena *arena)
{
    struct text text;

    (void)format;
    text_init_sized(&text, arena, 1024);
    put_ends(&text, record);
    put_processing_times(&text, record);
    put_statuses(&text, record);
    put_request(&text, record);
    put_field(&text, record, SLICE("User-Agent"));
    put_tls(&text, record);
    text_add(&text, SLICE(" -")); /* target_group_arn */
    put_trace_id(&text, record);
    put_server_name(&text, record);
    text_add_string(&text, record->tls && record->tls->resumed ? " \"session-reused\"" : " \"-\"");
    text_add_string(&text, record->request ? " 0 " : " - "); /* the default rule's priority */
    put_time(&text, record, record->started_at_us);
    put_actions(&text, record);
    put_target_lists(&text, record);
    text_add(&text, SLICE(" \"-\" \"-\"")); /* classification and its reason */
    text_addf(&text, " TID_%032llx\n", (unsigned long long)record->client_connection_id);
    return text_take(&text);
}
