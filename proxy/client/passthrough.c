#include "proxy/client/passthrough.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/addr.h"
#include "core/clock.h"
#include "core/conn.h"
#include "core/log.h"
#include "proxy/exchange/http1_endpoint.h"
#include "proxy/exchange/persistence.h"
#include "proxy/exchange/upstream_conn.h"
#include "proxy/report/access_log.h"
#include "proxy/report/metrics.h"
#include "proxy/report/text.h"
#include "proxy/worker/worker.h"

static void on_client(void *owner, unsigned events);
static void on_target(void *owner, unsigned events);
static void try_target(struct passthrough *self);

static struct worker *worker_of(const struct passthrough *self)
{
    return self->listener->worker;
}

static struct loop *loop_of(const struct passthrough *self)
{
    return worker_of(self)->loop;
}

static const struct config_service *service_of(const struct passthrough *self)
{
    return self->route ? self->route->service : NULL;
}

/* ---- routes ---------------------------------------------------------------------------------- */

/* 0: no match; longer matches are greater, an exact one is the greatest. */
static size_t match_length(struct slice pattern, struct slice name)
{
    if (pattern.len > 0 && pattern.ptr[0] == '*') {
        struct slice tail = slice_from(pattern, 1);

        return name.len > tail.len &&
                       slice_equal_nocase(slice_from(name, name.len - tail.len), tail)
                   ? 1000 + tail.len
                   : 0;
    }
    if (pattern.len > 0 && pattern.ptr[pattern.len - 1] == '*') {
        struct slice head = { pattern.ptr, pattern.len - 1 };

        return name.len > head.len && slice_equal_nocase((struct slice){ name.ptr, head.len }, head)
                   ? head.len
                   : 0;
    }
    return slice_equal_nocase(pattern, name) ? 2000 : 0;
}

/* A plain scan: it runs once per connection, beside a TLS handshake of others. */
const struct config_route *passthrough_find_route(const struct config *config, const char *name)
{
    const struct config_route *best = NULL;
    size_t best_length = 0;

    for (size_t i = 0; i < config->routes_count; i++) {
        const struct config_route *route = &config->routes[i];

        if (route->protocols != CONFIG_PROTOCOL_TLS_PASSTHROUGH ||
            (route->service && !route->service->enabled))
            continue;
        for (size_t k = 0; k < route->snis.count; k++) {
            size_t length = match_length(slice_of(route->snis.items[k]), slice_of(name));

            if (length > best_length) {
                best = route;
                best_length = length;
            }
        }
    }
    return best;
}

/* ---- logs ------------------------------------------------------------------------------------ */

/* nginx's line of its stream module. */
static void log_failure(const struct passthrough *self, enum end_reason reason, struct slice detail)
{
    const struct end_reason_info *info = end_reason_info(reason);
    const struct stream_endpoint *client = self->client->endpoint;
    char phrase[512], ip[ADDR_IP_TEXT_MAX], server[ADDR_TEXT_MAX], target[ADDR_TEXT_MAX] = "";

    (void)end_reason_format(reason, detail.ptr, phrase, sizeof(phrase)); /* a cut text will do */
    if (self->target_use.target)
        addr_format(&self->target_use.target->address, target, sizeof(target));
    log_error((enum log_level)info->level, "*%llu %s%s, client: %s, server: %s%s%s%s, sni: \"%s\"",
              (unsigned long long)client->connection_id, phrase,
              end_phase_text(info->phase, info->hop), addr_format_ip(&client->peer, ip, sizeof(ip)),
              addr_format(&self->listener->virtual_server->address, server, sizeof(server)),
              *target ? ", upstream: \"" : "", target, *target ? "\"" : "",
              self->names.server_name);
}

static void add_json_text(struct text *text, const char *key, const char *value)
{
    if (!value)
        return;
    text_addf(text, ",\"%s\":\"", key);
    text_add_escaped(text, slice_of(value), TEXT_ESCAPE_JSON);
    text_add_string(text, "\"");
}

static void add_json(struct text *text, const struct passthrough *self, enum end_reason reason)
{
    const struct stream_endpoint *client = self->client->endpoint;
    const struct config_service *service = service_of(self);
    char addr[ADDR_TEXT_MAX];

    text_addf(text, "{\"started_at\":%llu", (unsigned long long)self->started_at_unix_ms);
    text_add_string(text, ",\"hop\":\"");
    text_add_escaped(text, self->pinned->snapshot->name, TEXT_ESCAPE_JSON);
    text_add_string(text, "\",\"protocol\":\"tls_passthrough\"");
    add_json_text(text, "reason", end_reason_info(reason)->name);
    add_json_text(text, "client_ip", addr_format_ip(&client->peer, addr, sizeof(addr)));
    text_addf(text, ",\"client_port\":%u", addr_port(&client->peer));
    add_json_text(text, "sni", self->names.server_name);
    add_json_text(text, "alpn", self->names.alpn);
    add_json_text(text, "route", self->route ? self->route->name : NULL);
    add_json_text(text, "service", service ? service->name : NULL);
    if (self->target_use.target)
        add_json_text(text, "target",
                      addr_format(&self->target_use.target->address, addr, sizeof(addr)));
    text_addf(text, ",\"tries_count\":%u", self->tries_count);
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
    uint64_t session_ms = loop_of(self)->now_ms - self->started_at_ms;
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

static void log_end(const struct passthrough *self, enum end_reason reason)
{
    const struct hop *hop = worker_of(self)->hop;
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

/* ---- the end --------------------------------------------------------------------------------- */

static void free_passthrough(struct deferred *deferred)
{
    free((char *)deferred - offsetof(struct passthrough, deferred));
}

/* The access log line, then both sides. */
static void end(struct passthrough *self, enum end_reason reason, enum stream_close how)
{
    struct loop *loop = loop_of(self);

    log_end(self, reason);
    timer_cancel(&self->timer);
    target_use_end(&self->target_use);
    stream_close(self->client, how);
    if (self->target)
        stream_close(self->target, how);
    buf_done(&self->hello);
    buf_done(&self->pass);
    memory_account_add(chunk_pool_account(loop->pool), MEMORY_CONNECTIONS, -(int64_t)sizeof(*self));
    worker_remove_passthrough(worker_of(self), self);
    worker_upstream_release(self->upstream, worker_of(self));
    pinned_snapshot_unpin(self->pinned);
    worker_listener_release(self->listener);
    loop_free_later(loop, &self->deferred);
}

static void fail(struct passthrough *self, enum end_reason reason, struct slice detail)
{
    log_failure(self, reason, detail);
    end(self, reason, self->state == PASSTHROUGH_TUNNEL ? STREAM_CLOSE_ABORT : STREAM_CLOSE_FLUSH);
}

void passthrough_abort(struct passthrough *self)
{
    end(self, END_SHUTTING_DOWN, STREAM_CLOSE_ABORT);
}

void passthrough_cut(struct passthrough *self, const char *detail)
{
    fail(self, END_MEMORY_CUT, slice_of(detail));
}

/* ---- the tunnel ------------------------------------------------------------------------------ */

struct direction {
    struct stream *from, *to;
    bool *ended;
    enum end_reason read_failed, write_failed;
};

/* Moves what can be moved. Not reading is the back-pressure. False: it failed, and `self` is gone. */
static bool move(struct passthrough *self, const struct direction *way)
{
    char text[128];
    long n = 1;

    while (!*way->ended && n > 0) {
        size_t queued = stream_queued(way->to);
        int r = 0;

        if (queued >= STREAM_QUEUE_HIGH)
            return true;
        n = stream_read(way->from, &self->pass, STREAM_QUEUE_HIGH - queued);
        if (n == -EAGAIN)
            return true;
        if (n < 0) {
            fail(self, way->read_failed, errno_detail((int)n, text, sizeof(text)));
            return false;
        }
        self->active_at_ms = loop_of(self)->now_ms;
        *way->ended = n == 0;
        if (n == 0)
            stream_shutdown_write(way->to);
        else
            r = stream_write(way->to, &self->pass);
        if (r < 0) {
            fail(self, way->write_failed, errno_detail(r, text, sizeof(text)));
            return false;
        }
        if (n >= CHUNK_SMALL_BYTES)
            stream_set_read_size(way->from, STREAM_READ_BULK);
    }
    return true;
}

static void run_tunnel(struct passthrough *self)
{
    const struct direction up = { self->client, self->target, &self->client_ended,
                                  END_CLIENT_ABORTED, END_UPSTREAM_SEND_FAILED };
    const struct direction down = { self->target, self->client, &self->target_ended,
                                    END_UPSTREAM_BODY_RESET, END_CLIENT_ABORTED };

    if (move(self, &up) && move(self, &down) && self->client_ended && self->target_ended &&
        stream_queued(self->client) == 0 && stream_queued(self->target) == 0)
        end(self, END_OK, STREAM_CLOSE_FLUSH);
}

/* ---- the target ------------------------------------------------------------------------------ */

static void connect_failed(struct passthrough *self, enum end_reason reason, int error)
{
    char text[128];
    struct slice detail = errno_detail(error, text, sizeof(text));

    if (self->target)
        stream_close(TAKE(self->target), STREAM_CLOSE_ABORT);
    /* there is no HTTP status that the last try could be reported by */
    passive_health_report(&self->destination->plan->health.passive, self->target_use.target,
                          &(struct passive_outcome){ .reason = reason, .another_follows = true });
    if (self->tries_count > service_of(self)->retries) {
        fail(self, reason, detail);
        return;
    }
    log_failure(self, reason, detail);
    try_target(self);
}

/* Of a connection nothing else is known that a hash could be taken of. */
struct client_ip {
    const struct sockaddr_storage *addr;
    char text[ADDR_IP_TEXT_MAX];
};

static struct slice take_client_ip(void *asker)
{
    struct client_ip *ip = asker;

    return slice_of(addr_format_ip(ip->addr, ip->text, sizeof(ip->text)));
}

/* As upstream_pick; a client goes first where it was sent before. */
static int pick(struct passthrough *self, const struct balancer_request *request)
{
    struct upstream *upstream = self->upstream->upstream;
    const struct upstream_targets *targets = upstream_targets_of(upstream);
    const struct config_upstream *config = service_of(self)->upstream;
    const struct sockaddr_storage *client = &self->client->endpoint->peer;
    const struct target *home =
        self->tried_count == 0 ? persistence_find_address(config, targets, client) : NULL;
    int r = home ? upstream_take(upstream, home, &self->target_use) : -ENOENT;

    if (r < 0)
        r = upstream_pick(upstream, request, &self->target_use);
    if (r == 0)
        persistence_note_address(config, targets, self->target_use.target, client);
    return r;
}

static void try_target(struct passthrough *self)
{
    struct client_ip client_ip = { .addr = &self->client->endpoint->peer };
    const struct balancer_request request = { .tried = self->tried,
                                              .tried_count = self->tried_count,
                                              .now_us = loop_of(self)->now_us,
                                              .hash_input = take_client_ip,
                                              .asker = &client_ip };
    const struct snapshot *snapshot = self->pinned->snapshot;
    int error = 0, picked = pick(self, &request);

    if (picked == -EBUSY) { /* connections do not wait: their clients may give up without a word */
        fail(self, END_LIMIT_REACHED, SLICE("max_requests of every usable target"));
        return;
    }
    if (picked < 0) {
        fail(self, END_NO_TARGET, SLICE(""));
        return;
    }
    self->tries_count++;
    if (self->tried_count < PASSTHROUGH_TRIED_MAX)
        self->tried[self->tried_count++] = self->target_use.target;
    self->state = PASSTHROUGH_CONNECT;
    self->target = conn_connect(loop_of(self), &self->target_use.target->address,
                                snapshot_upstream_bind(snapshot), &error);
    if (!self->target) {
        char text[128];

        upstream_conn_make_room(worker_of(self), error);
        fail(self, END_NO_DESCRIPTORS, errno_detail(error, text, sizeof(text)));
        return;
    }
    stream_set_owner(self->target, self, on_target);
    loop_timer_set(loop_of(self), &self->timer, service_of(self)->connect_timeout_ms);
}

static void on_connected(struct passthrough *self)
{
    char text[128];
    int r = stream_write(self->target, &self->hello);

    self->state = PASSTHROUGH_TUNNEL;
    if (r < 0) {
        fail(self, END_UPSTREAM_SEND_FAILED, errno_detail(r, text, sizeof(text)));
        return;
    }
    passive_health_report(&self->destination->plan->health.passive, self->target_use.target,
                          &(struct passive_outcome){ .connected = true });
    self->active_at_ms = loop_of(self)->now_ms;
    loop_timer_set(loop_of(self), &self->timer, service_of(self)->read_timeout_ms);
    run_tunnel(self);
}

static void on_target(void *owner, unsigned events)
{
    struct passthrough *self = owner;

    if (events & STREAM_OPEN_FAILED) {
        int error = stream_failure(self->target).error;

        connect_failed(self, error == -ECONNREFUSED ? END_CONNECT_REFUSED : END_CONNECT_FAILED,
                       error);
    } else if (events & STREAM_OPEN) {
        on_connected(self);
    } else if (self->state == PASSTHROUGH_TUNNEL && (events & STREAM_WRITE_FAILED)) {
        char text[128];

        fail(self, END_UPSTREAM_SEND_FAILED,
             errno_detail(stream_failure(self->target).error, text, sizeof(text)));
    } else if (self->state == PASSTHROUGH_TUNNEL) {
        run_tunnel(self);
    }
}

/* ---- the client ------------------------------------------------------------------------------ */

static void on_hello(struct passthrough *self)
{
    const struct config *config = self->pinned->snapshot->config;
    const struct config_service *service;

    self->route = passthrough_find_route(config, self->names.server_name);
    service = service_of(self);
    if (!service) {
        fail(self, self->route ? END_NO_SERVICE : END_NO_STREAM_ROUTE, SLICE(""));
        return;
    }
    self->destination = &self->pinned->destinations[service - config->services];
    self->upstream = worker_upstream_hold(self->destination->present);
    if (self->upstream->set->failure != END_OK) {
        fail(self, self->upstream->set->failure, slice_of(service->host));
        return;
    }
    try_target(self);
}

static void read_hello(struct passthrough *self)
{
    char bytes[CLIENT_HELLO_WIRE_MAX];
    struct slice got;
    int r = -EAGAIN;

    while (r == -EAGAIN) {
        long n =
            stream_read(self->client, &self->hello, CLIENT_HELLO_WIRE_MAX - self->hello.length);

        if (n == -EAGAIN)
            return;
        if (n <= 0) { /* a health check, mostly */
            end(self, END_CLIENT_TLS_CLOSED, STREAM_CLOSE_FLUSH);
            return;
        }
        got = (struct slice){ bytes, buf_peek(&self->hello, bytes, sizeof(bytes)) };
        r = client_hello_parse(got, &self->names);
    }
    if (r < 0)
        fail(self, END_CLIENT_TLS_FAILED, SLICE("no ClientHello"));
    else
        on_hello(self);
}

static void on_client(void *owner, unsigned events)
{
    struct passthrough *self = owner;

    if (self->state == PASSTHROUGH_HELLO)
        read_hello(self);
    else if (self->state == PASSTHROUGH_TUNNEL && (events & STREAM_WRITE_FAILED))
        fail(self, END_CLIENT_ABORTED, SLICE(""));
    else if (self->state == PASSTHROUGH_TUNNEL)
        run_tunnel(self);
}

/* Who takes bytes, however slowly, is not idle. */
static void on_tunnel_timer(struct passthrough *self)
{
    uint64_t active_at_ms = self->active_at_ms;

    if (self->client->endpoint->send_progress_at_ms > active_at_ms)
        active_at_ms = self->client->endpoint->send_progress_at_ms;
    if (self->target->endpoint->send_progress_at_ms > active_at_ms)
        active_at_ms = self->target->endpoint->send_progress_at_ms;
    active_at_ms += service_of(self)->read_timeout_ms;
    if (loop_of(self)->now_ms < active_at_ms)
        timer_set(&loop_of(self)->timers, &self->timer, active_at_ms);
    else
        fail(self, END_TUNNEL_TIMEOUT, SLICE(""));
}

static void on_timer(struct timer *timer)
{
    struct passthrough *self =
        (struct passthrough *)((char *)timer - offsetof(struct passthrough, timer));

    switch (self->state) {
    case PASSTHROUGH_HELLO:
        fail(self, END_CLIENT_TLS_TIMEOUT, SLICE(""));
        return;
    case PASSTHROUGH_CONNECT:
        connect_failed(self, END_CONNECT_TIMEOUT, -ETIMEDOUT);
        return;
    case PASSTHROUGH_TUNNEL:
        on_tunnel_timer(self);
        return;
    }
}

static void wait_for_hello(struct passthrough *self)
{
    const struct persona_client *policy = &self->listener->virtual_server->persona->client;

    loop_timer_set(loop_of(self), &self->timer,
                   client_conn_first_bytes_timeout_ms(worker_of(self), policy, true));
}

void passthrough_start(struct worker_listener *listener, struct stream *stream)
{
    struct passthrough *self = calloc(1, sizeof(*self));
    struct worker *worker = listener->worker;

    if (!self) {
        metrics_count_one(worker->metrics, METRICS_CONNECTIONS_REFUSED);
        stream_close(stream, STREAM_CLOSE_ABORT);
        return;
    }
    self->listener = listener;
    listener->holders++;
    self->pinned = listener->pinned;
    pinned_snapshot_pin(self->pinned);
    self->client = stream;
    memory_account_add(chunk_pool_account(worker->loop->pool), MEMORY_CONNECTIONS, sizeof(*self));
    buf_init(&self->hello, worker->loop->pool);
    buf_init(&self->pass, worker->loop->pool);
    self->started_at_ms = worker->loop->now_ms;
    self->started_at_unix_ms = clock_unix_ms();
    timer_init(&self->timer, on_timer);
    self->deferred.free = free_passthrough;
    worker_add_passthrough(worker, self);
    stream_set_owner(stream, self, on_client);
    wait_for_hello(self);
    read_hello(self);
}

void passthrough_drain(struct passthrough *self)
{
    if (self->state == PASSTHROUGH_HELLO)
        wait_for_hello(self);
}
