#include "proxy/client/passthrough_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "core/clock.h"
#include "core/conn.h"
#include "core/proxy_protocol.h"
#include "proxy/exchange/http1_endpoint.h"
#include "proxy/exchange/persistence.h"
#include "proxy/exchange/upstream_conn.h"
#include "proxy/report/metrics.h"
#include "proxy/snapshot/tcp_relay.h"
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

enum { MATCH_OF_PORT = 10000 };

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
const struct config_route *passthrough_find_route(const struct config *config, const char *name,
                                                  uint16_t port)
{
    const struct config_route *best = NULL;
    size_t best_length = 0;

    for (size_t i = 0; i < config->routes_count; i++) {
        const struct config_route *route = &config->routes[i];

        if (route->protocols != CONFIG_PROTOCOL_TLS_PASSTHROUGH ||
            (route->service && !route->service->enabled) || !config_route_takes_port(route, port))
            continue;
        for (size_t k = 0; k < route->snis.count; k++) {
            size_t length = match_length(slice_of(route->snis.items[k]), slice_of(name));

            if (length > 0 && route->destination_ports_count > 0)
                length += MATCH_OF_PORT; /* who asks for more wins, as in Kong */
            if (length > best_length) {
                best = route;
                best_length = length;
            }
        }
    }
    return best;
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

    if (self->state != PASSTHROUGH_FORGOTTEN) /* that was told already */
        passthrough_log_end(self, reason);
    timer_cancel(&self->timer);
    target_use_end(&self->target_use);
    if (self->client)
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
    passthrough_log_failure(self, reason, detail);
    end(self, reason,
        self->state == PASSTHROUGH_TUNNEL || self->is_tcp ? STREAM_CLOSE_ABORT
                                                          : STREAM_CLOSE_FLUSH);
}

void passthrough_abort(struct passthrough *self)
{
    end(self, END_SHUTTING_DOWN, STREAM_CLOSE_ABORT);
}

void passthrough_cut(struct passthrough *self, const char *detail)
{
    if (self->state == PASSTHROUGH_FORGOTTEN)
        end(self, END_MEMORY_CUT, STREAM_CLOSE_ABORT);
    else
        fail(self, END_MEMORY_CUT, slice_of(detail));
}

/* ---- the tunnel ------------------------------------------------------------------------------ */

struct direction {
    struct stream *from, *to;
    bool *ended;
    enum end_reason read_failed, write_failed;
};

/* Neither side is to blame when it is this hop that has no memory. */
static enum end_reason reason_of(const struct passthrough *self, int error, enum end_reason reason)
{
    if (error != -ENOMEM)
        return reason;
    return worker_memory_level(worker_of(self)) == MEMORY_FULL ? END_MEMORY_FULL
                                                               : END_OUT_OF_MEMORY;
}

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
            fail(self, reason_of(self, (int)n, way->read_failed),
                 errno_detail((int)n, text, sizeof(text)));
            return false;
        }
        self->active_at_ms = loop_of(self)->now_ms;
        *way->ended = n == 0;
        if (n == 0)
            stream_shutdown_write(way->to);
        else
            r = stream_write(way->to, &self->pass);
        if (r < 0) {
            fail(self, reason_of(self, r, way->write_failed), errno_detail(r, text, sizeof(text)));
            return false;
        }
        if (n >= CHUNK_SMALL_BYTES)
            stream_set_read_size(way->from, STREAM_READ_BULK);
    }
    return true;
}

/* ---- flows of an NLB -------------------------------------------------------------------------- */

enum { HEALTH_LOOK_MS = 1000 };

/* Nothing is sent: both ends believe in the connection until one of them sends. */
static void forget(struct passthrough *self)
{
    passthrough_log_failure(self, END_TUNNEL_TIMEOUT, SLICE(""));
    passthrough_log_end(self, END_TUNNEL_TIMEOUT);
    self->state = PASSTHROUGH_FORGOTTEN;
    target_use_end(&self->target_use);
    loop_timer_set(loop_of(self), &self->timer, service_of(self)->read_timeout_ms);
}

/* Whoever sends learns of it, and the other side when it sends; what comes in one go is one reset. */
static void refuse_late(struct passthrough *self, struct stream **side)
{
    char byte[1];
    struct stream *other = side == &self->client ? self->target : self->client;
    long n = stream_read(*side, &self->pass, sizeof(byte));

    if (n == -EAGAIN)
        return;
    if (other)
        stream_close(TAKE(*side), STREAM_CLOSE_ABORT);
    else
        end(self, END_TUNNEL_TIMEOUT, STREAM_CLOSE_ABORT);
}

static bool lost_its_target(const struct passthrough *self)
{
    return self->is_tcp && self->was_usable && !target_is_usable(self->target_use.target);
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
    if (self->is_tcp || self->tries_count > service_of(self)->retries) {
        fail(self, reason, detail);
        return;
    }
    passthrough_log_failure(self, reason, detail);
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
    self->was_usable = target_is_usable(self->target_use.target);
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

/* A flow of an NLB looks after its target as well. */
static uint64_t tunnel_timer_ms(const struct passthrough *self)
{
    uint64_t idle_ms = service_of(self)->read_timeout_ms;

    return self->is_tcp && idle_ms > HEALTH_LOOK_MS ? HEALTH_LOOK_MS : idle_ms;
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
    self->active_at_ms = self->connected_at_ms = loop_of(self)->now_ms;
    self->upstream_connection_id = self->target->endpoint->connection_id;
    self->upstream_local = self->target->endpoint->local;
    loop_timer_set(loop_of(self), &self->timer, tunnel_timer_ms(self));
    run_tunnel(self);
}

static void on_target(void *owner, unsigned events)
{
    struct passthrough *self = owner;

    if (self->state == PASSTHROUGH_FORGOTTEN) {
        refuse_late(self, &self->target);
    } else if (events & STREAM_OPEN_FAILED) {
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

/* Where it goes is known: to a target of that route's service. */
static void lead(struct passthrough *self, const struct config_route *route)
{
    const struct config *config = self->pinned->snapshot->config;
    const struct config_service *service;

    self->route = route;
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

static void on_hello(struct passthrough *self)
{
    lead(self, passthrough_find_route(self->pinned->snapshot->config, self->names.server_name,
                                      addr_port(&self->client->endpoint->local)));
}

/* No byte of the client is needed for it: servers that speak first are led to as well. */
static void lead_blindly(struct passthrough *self)
{
    const struct stream_endpoint *client = self->client->endpoint;
    const struct config_route *route =
        tcp_relay_route(self->pinned->snapshot->config, addr_port(&client->local));
    struct proxy_protocol header = { .source = client->peer, .destination = client->local };
    char bytes[PROXY_PROTOCOL_HEADER_MAX];
    long length = 0;

    header.version = route ? route->service->proxy_protocol.version : 0;
    if (header.version > 0)
        length = proxy_protocol_write(&header, bytes, sizeof(bytes));
    if (length < 0 || buf_append_slice(&self->hello, (struct slice){ bytes, (size_t)length }) < 0)
        fail(self, END_OUT_OF_MEMORY, SLICE(""));
    else
        lead(self, route);
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

    if (self->state == PASSTHROUGH_FORGOTTEN)
        refuse_late(self, &self->client);
    else if (self->state == PASSTHROUGH_HELLO)
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
    if (lost_its_target(self)) {
        fail(self, END_UPSTREAM_BODY_RESET, SLICE("its target is unhealthy"));
    } else if (loop_of(self)->now_ms < active_at_ms) {
        uint64_t look_at_ms = loop_of(self)->now_ms + tunnel_timer_ms(self);

        timer_set(&loop_of(self)->timers, &self->timer,
                  active_at_ms < look_at_ms ? active_at_ms : look_at_ms);
    } else if (self->is_tcp) {
        forget(self);
    } else {
        fail(self, END_TUNNEL_TIMEOUT, SLICE(""));
    }
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
    case PASSTHROUGH_FORGOTTEN:
        end(self, END_TUNNEL_TIMEOUT, STREAM_CLOSE_ABORT);
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
    self->is_tcp = listener->virtual_server->kind == VIRTUAL_SERVER_TCP;
    if (self->is_tcp) {
        lead_blindly(self);
        return;
    }
    wait_for_hello(self);
    read_hello(self);
}

void passthrough_drain(struct passthrough *self)
{
    if (self->state == PASSTHROUGH_HELLO)
        wait_for_hello(self);
    else if (self->state == PASSTHROUGH_FORGOTTEN)
        passthrough_abort(self);
}
