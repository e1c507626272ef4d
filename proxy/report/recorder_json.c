#include "proxy/report/recorder_json.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/addr.h"
#include "proxy/report/story_priv.h"

uint64_t recorded_ended_at_unix_ms(const struct recorded_exchange *entry)
{
    return entry->started_at_unix_ms + (entry->ended_at_us - entry->started_at_us) / 1000;
}

static json_t *text_of(const struct recorded_exchange *entry, struct recorded_text text)
{
    char *safe = NULL;
    size_t length;
    FILE *out = text.length > 0 ? open_memstream(&safe, &length) : NULL;
    json_t *made;

    if (!out)
        return json_null();
    story_print_safe(out, recorded_slice(entry, text));
    made = fclose(out) == 0 ? json_string(safe) : json_null();
    free(safe);
    return made;
}

static json_t *address_of(const struct recorded_address *address)
{
    struct sockaddr_storage expanded = recorded_address_expand(address);
    char text[ADDR_TEXT_MAX];

    return address->family == AF_UNSPEC ? json_null()
                                        : json_string(addr_format(&expanded, text, sizeof(text)));
}

static json_t *instant_of(const struct recorded_exchange *entry, uint64_t at_us)
{
    return at_us == 0 ? json_null()
                      : json_integer((json_int_t)at_us - (json_int_t)entry->started_at_us);
}

static const char *reason_of(unsigned reason)
{
    return end_reason_info((enum end_reason)reason)->name;
}

json_t *recorder_json_row(const struct recorded_exchange *entry, uint64_t now_unix_ms)
{
    const struct recorded_try *try = recorded_last_try(entry);
    uint64_t ended_at = recorded_ended_at_unix_ms(entry);

    return json_pack("{s:I, s:s, s:I, s:i, s:s, s:b, s:I, s:i, s:o, s:o, s:o, s:o, s:o}", "number",
                     (json_int_t)entry->number, "request_id", entry->request_id, "ended_ms_ago",
                     (json_int_t)(now_unix_ms > ended_at ? now_unix_ms - ended_at : 0), "status",
                     (int)entry->status, "reason", reason_of(entry->reason), "cut",
                     entry->truncated, "took_ms",
                     (json_int_t)((entry->ended_at_us - entry->started_at_us) / 1000), "tries",
                     (int)entry->tries_count, "client", address_of(&entry->client_peer), "upstream",
                     try ? address_of(&try->target) : json_null(), "service",
                     text_of(entry, entry->service_name), "method", text_of(entry, entry->method),
                     "path", text_of(entry, entry->path));
}

static json_t *try_of(const struct recorded_exchange *entry, const struct recorded_try *try)
{
    return json_pack(
        "{s:o, s:o, s:o, s:b, s:b, s:I, s:i, s:s, s:o, s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:o}",
        "target", address_of(&try->target), "target_name", text_of(entry, try->target_name),
        "local", address_of(&try->local), "tls", try->over_tls, "reused", try->reused, "connection",
        (json_int_t)try->connection_id, "request_number", (int)try->request_number, "reason",
        reason_of(try->reason), "detail", text_of(entry, try->detail), "explanation",
        text_of(entry, try->explanation), "status", (int)try->status, "picked_us",
        instant_of(entry, try->picked_at_us), "connected_us",
        instant_of(entry, try->connected_at_us), "tls_done_us",
        instant_of(entry, try->tls_done_at_us), "sent_us", instant_of(entry, try->sent_at_us),
        "head_us", instant_of(entry, try->head_at_us), "ended_us",
        instant_of(entry, try->ended_at_us));
}

static json_t *tries_of(const struct recorded_exchange *entry)
{
    json_t *list = json_array();

    for (uint32_t i = 0; list && i < recorded_tries_count(entry); i++)
        json_array_append_new(list, try_of(entry, &entry->tries[i]));
    return list;
}

static json_t *limits_of(const struct recorded_limits *limits)
{
    const struct {
        const char *key;
        uint32_t value;
    } items[] = {
        { "connect_timeout_ms", limits->connect_timeout_ms },
        { "write_timeout_ms", limits->write_timeout_ms },
        { "read_timeout_ms", limits->read_timeout_ms },
        { "retries", limits->retries_count },
        { "client_head_timeout_ms", limits->head_timeout_ms },
        { "client_body_timeout_ms", limits->body_timeout_ms },
        { "client_send_timeout_ms", limits->send_timeout_ms },
        { "start_line_max_bytes", limits->start_line_max_bytes },
        { "field_line_max_bytes", limits->field_line_max_bytes },
        { "head_max_bytes", limits->head_max_bytes },
        { "fields_max", limits->fields_max_count },
        { "content_max_bytes", limits->content_max_bytes },
        { "body_min_rate_bytes_per_s", limits->body_min_rate_bytes_per_s },
        { "upstream_keepalive_timeout_ms", limits->upstream_keepalive_timeout_ms },
        { "upstream_head_max_bytes", limits->upstream_head_max_bytes },
    };
    json_t *made = json_object();

    for (size_t i = 0; made && i < sizeof(items) / sizeof(items[0]); i++)
        json_object_set_new(made, items[i].key, json_integer(items[i].value));
    return made;
}

static json_t *request_of(const struct recorded_exchange *entry)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:I, s:o}", "line", text_of(entry, entry->request_line),
                     "method", text_of(entry, entry->method), "path", text_of(entry, entry->path),
                     "host", text_of(entry, entry->host), "bytes", (json_int_t)entry->request_bytes,
                     "fields", text_of(entry, entry->request_fields));
}

static json_t *response_of(const struct recorded_exchange *entry)
{
    return json_pack("{s:i, s:b, s:b, s:I, s:I, s:o}", "status", (int)entry->status,
                     "from_upstream", entry->from_upstream, "truncated", entry->truncated, "bytes",
                     (json_int_t)entry->response_bytes, "content_bytes",
                     (json_int_t)entry->response_content_bytes, "fields",
                     text_of(entry, entry->response_fields));
}

static json_t *times_of(const struct recorded_exchange *entry)
{
    return json_pack("{s:I, s:o, s:o, s:o, s:o}", "began_at_unix_ms",
                     (json_int_t)entry->started_at_unix_ms, "request_head_us",
                     instant_of(entry, entry->request_head_at_us), "request_end_us",
                     instant_of(entry, entry->request_end_at_us), "response_head_us",
                     instant_of(entry, entry->response_head_at_us), "ended_us",
                     instant_of(entry, entry->ended_at_us));
}

static json_t *client_of(const struct recorded_exchange *entry)
{
    return json_pack("{s:o, s:o, s:o, s:b, s:b, s:I, s:i}", "peer", address_of(&entry->client_peer),
                     "local", address_of(&entry->client_local), "ip",
                     text_of(entry, entry->client_ip), "tls", entry->over_tls, "trusted",
                     entry->client_is_trusted, "connection",
                     (json_int_t)entry->client_connection_id, "request_number",
                     (int)entry->client_request_number);
}

static json_t *destination_of(const struct recorded_exchange *entry)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o}", "route", text_of(entry, entry->route_name), "route_id",
        text_of(entry, entry->route_id), "service", text_of(entry, entry->service_name),
        "service_id", text_of(entry, entry->service_id), "upstream_uri",
        text_of(entry, entry->upstream_uri), "upstream_host", text_of(entry, entry->upstream_host));
}

json_t *recorder_json_facts(const struct recorded_exchange *entry)
{
    static const char *const hops[] = {
        [END_HOP_SELF] = "self", [END_HOP_CLIENT] = "client", [END_HOP_UPSTREAM] = "upstream"
    };
    const struct end_reason_info *info = end_reason_info((enum end_reason)entry->reason);
    json_t *made, *fault = entry->reason == END_OK ? json_null() : json_string(hops[info->hop]);

    made = json_pack(
        "{s:I, s:s, s:I, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:o}", "number",
        (json_int_t)entry->number, "request_id", entry->request_id, "configuration",
        (json_int_t)entry->generation, "hop", text_of(entry, entry->hop_name), "persona",
        text_of(entry, entry->persona_name), "reason", info->name, "fault", fault, "detail",
        text_of(entry, entry->detail), "client", client_of(entry), "request", request_of(entry),
        "destination", destination_of(entry), "response", response_of(entry), "times",
        times_of(entry), "tries_count", (int)entry->tries_count, "tries", tries_of(entry));
    if (made)
        json_object_set_new(made, "limits", limits_of(&entry->limits));
    return made;
}
