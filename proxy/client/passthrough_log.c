/* What is written down of a connection that was led on: a line of the error log per failure, one of the
 * access log at its end. */
#include <time.h>

#include "core/addr.h"
#include "core/log.h"
#include "proxy/client/passthrough_priv.h"
#include "proxy/report/access_log.h"
#include "proxy/report/text.h"
#include "proxy/worker/worker.h"

static const struct config_service *service_of(const struct passthrough *self)
{
    return self->route ? self->route->service : NULL;
}

static uint32_t time_scale_of(const struct passthrough *self)
{
    return self->pinned->snapshot->settings->hopgate_time_scale;
}

static const struct loop *loop_of(const struct passthrough *self)
{
    return self->listener->worker->loop;
}

/* nginx's line of its stream module. */
void passthrough_log_failure(const struct passthrough *self, enum end_reason reason,
                             struct slice detail)
{
    const struct end_reason_info *info = end_reason_info(reason);
    const struct stream_endpoint *client = self->client->endpoint;
    char phrase[512], ip[ADDR_IP_TEXT_MAX], server[ADDR_TEXT_MAX], target[ADDR_TEXT_MAX] = "";

    (void)end_reason_format(reason, detail.ptr, phrase, sizeof(phrase)); /* a cut text will do */
    if (self->target_use.target)
        addr_format(&self->target_use.target->address, target, sizeof(target));
    log_error((enum log_level)info->level, "*%llu %s%s, client: %s, server: %s%s%s%s%s%s%s",
              (unsigned long long)client->connection_id, phrase,
              end_phase_text(info->phase, info->hop), addr_format_ip(&client->peer, ip, sizeof(ip)),
              addr_format(&self->listener->virtual_server->address, server, sizeof(server)),
              *target ? ", upstream: \"" : "", target, *target ? "\"" : "",
              self->is_tcp ? "" : ", sni: \"", self->is_tcp ? "" : self->names.server_name,
              self->is_tcp ? "" : "\"");
}

static void add_json_text(struct text *text, const char *key, const char *value)
{
    if (!value)
        return;
    text_addf(text, ",\"%s\":\"", key);
    text_add_escaped(text, slice_of(value), TEXT_ESCAPE_JSON);
    text_add_string(text, "\"");
}

/* Both connections as the lines of exchanges name theirs, so that hops in front and behind are found. */
static void add_json_client(struct text *text, const struct stream_endpoint *client)
{
    char ip[ADDR_IP_TEXT_MAX];

    text_addf(text, ",\"client\":{\"connection\":%llu", (unsigned long long)client->connection_id);
    add_json_text(text, "peer_ip", addr_format_ip(&client->peer, ip, sizeof(ip)));
    text_addf(text, ",\"peer_port\":%u", addr_port(&client->peer));
    add_json_text(text, "local_ip", addr_format_ip(&client->local, ip, sizeof(ip)));
    text_addf(text, ",\"local_port\":%u}", addr_port(&client->local));
}

static void add_json_upstream(struct text *text, const struct passthrough *self)
{
    char ip[ADDR_IP_TEXT_MAX];

    text_addf(text, ",\"upstream\":{\"connection\":%llu",
              (unsigned long long)self->upstream_connection_id);
    if (self->target_use.target) {
        const struct sockaddr_storage *target = &self->target_use.target->address;

        add_json_text(text, "ip", addr_format_ip(target, ip, sizeof(ip)));
        text_addf(text, ",\"port\":%u", addr_port(target));
    }
    add_json_text(text, "local_ip", addr_format_ip(&self->upstream_local, ip, sizeof(ip)));
    text_addf(text, ",\"local_port\":%u", addr_port(&self->upstream_local));
    text_addf(text, ",\"connect_ms\":%llu}",
              (unsigned long long)(self->connected_at_ms - self->started_at_ms));
}

static void add_json(struct text *text, const struct passthrough *self, enum end_reason reason)
{
    const struct stream_endpoint *client = self->client->endpoint;
    const struct config_service *service = service_of(self);
    char addr[ADDR_TEXT_MAX];

    text_addf(text, "{\"started_at\":%llu", (unsigned long long)self->started_at_unix_ms);
    text_add_string(text, ",\"hop\":\"");
    text_add_escaped(text, self->pinned->snapshot->name, TEXT_ESCAPE_JSON);
    text_add_string(text, self->is_tcp ? "\",\"protocol\":\"tcp\""
                                       : "\",\"protocol\":\"tls_passthrough\"");
    add_json_text(text, "reason", end_reason_info(reason)->name);
    add_json_text(text, "client_ip", addr_format_ip(&client->peer, addr, sizeof(addr)));
    text_addf(text, ",\"client_port\":%u", addr_port(&client->peer));
    add_json_client(text, client);
    if (!self->is_tcp) {
        add_json_text(text, "sni", self->names.server_name);
        add_json_text(text, "alpn", self->names.alpn);
    }
    add_json_text(text, "route", self->route ? self->route->name : NULL);
    add_json_text(text, "service", service ? service->name : NULL);
    if (self->target_use.target)
        add_json_text(text, "target",
                      addr_format(&self->target_use.target->address, addr, sizeof(addr)));
    text_addf(text, ",\"tries_count\":%u", self->tries_count);
    if (self->upstream_connection_id > 0)
        add_json_upstream(text, self);
    if (time_scale_of(self) > 1) /* times are real ones, as in lines of exchanges */
        text_addf(text, ",\"time_scale\":%u", time_scale_of(self));
    text_addf(text, ",\"bytes_received\":%llu", (unsigned long long)client->bytes_received);
    text_addf(text, ",\"bytes_sent\":%llu", (unsigned long long)client->bytes_sent);
    text_addf(text, ",\"session_ms\":%llu}\n",
              (unsigned long long)(loop_of(self)->now_ms - self->started_at_ms));
}

/* nginx's $status of a stream: 200 completed, 400 no valid ClientHello, 500 ours, 502 the target's. */
static unsigned session_status(enum end_reason reason)
{
    if (reason == END_OK)
        return 200;
    switch (end_reason_info(reason)->hop) {
    case END_HOP_CLIENT:
        return 400;
    case END_HOP_UPSTREAM:
        return 502;
    case END_HOP_SELF:
        break;
    }
    return 500;
}

/* Kong's "basic" format of stream logs: address, time, protocol, status, bytes, seconds. */
static void add_basic(struct text *text, const struct passthrough *self, enum end_reason reason)
{
    const struct stream_endpoint *client = self->client->endpoint;
    uint64_t session_ms = (loop_of(self)->now_ms - self->started_at_ms) * time_scale_of(self);
    time_t now = (time_t)((self->started_at_unix_ms + session_ms) / 1000);
    char ip[ADDR_IP_TEXT_MAX], at[64];
    struct tm tm;

    log_local_time(now, &tm);
    if (strftime(at, sizeof(at), "%d/%b/%Y:%H:%M:%S %z", &tm) == 0)
        at[0] = '\0';
    text_addf(text, "%s [%s] TCP ", addr_format_ip(&client->peer, ip, sizeof(ip)), at);
    text_addf(text, "%u %llu %llu ", session_status(reason), (unsigned long long)client->bytes_sent,
              (unsigned long long)client->bytes_received);
    text_addf(text, "%llu.%03llu\n", (unsigned long long)(session_ms / 1000),
              (unsigned long long)(session_ms % 1000));
}

void passthrough_log_end(const struct passthrough *self, enum end_reason reason)
{
    const struct hop *hop = self->listener->worker->hop;
    struct slice line;
    struct arena arena;
    struct text text;

    if (log_is_off(hop->access_log))
        return;
    arena_init(&arena, loop_of(self)->pool, 0);
    text_init(&text, &arena);
    if (self->pinned->snapshot->log_formats.proxy->is_json)
        add_json(&text, self, reason);
    else
        add_basic(&text, self, reason);
    line = text_take(&text);
    if (line.len > 0)
        log_write(hop->access_log, line);
    arena_done(&arena);
}
