/* Tries: pick a target, connect, send the request; and try again. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/addr.h"
#include "lb/target_latency.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/persistence.h"
#include "proxy/exchange/proxy_preface.h"
#include "proxy/exchange/upstream_host.h"
#include "proxy/report/metrics.h"
#include "proxy/report/request_debug.h"
#include "proxy/rewrite/rewrite.h"
#include "proxy/route/hash_input.h"
#include "proxy/snapshot/service_plan.h"
#include "proxy/worker/worker.h"

static const struct slice nothing = { NULL, 0 };

static void on_back(void *owner, unsigned events);
static void start_sending(struct exchange *exchange);

/* ---- a try fails --------------------------------------------------------------------------- */

void exchange_drop_back(struct exchange *exchange)
{
    exchange_set_back_request(exchange, BACK_REQUEST_NONE);
    exchange->back_waits = false;
    exchange->flow.held_up_since_ms = 0;
    exchange->front_waits = false; /* nobody takes the client's content now */
    exchange->hold_until_ms = 0;
    exchange->pause_until_ms = 0;
    exchange_stop_waiting(exchange);
    upstream_conn_abort(&exchange->back);
    service_load_leave(&exchange->load_use, SERVICE_LOAD_PENDING);
    target_use_end(&exchange->target_use);
}

/* A reset while sending is only the cause when no answer can be read any more, and an alert is one. */
static void back_failed(struct exchange *exchange)
{
    struct http_failure failure = exchange->back.endpoint.http.failure;

    if (exchange->back_response == BACK_RESPONSE_BODY) {
        relay_response(exchange); /* what came before the fault, then the cut */
        return;
    }
    if (exchange->send_failure.reason != END_OK && failure.tls_alert == 0 &&
        !http1_parser_has_started(&exchange->back.endpoint.parser))
        failure = exchange->send_failure;
    if (relay_raw_is_wanted(exchange, failure.reason)) {
        relay_raw_begin(exchange);
        return;
    }
    exchange_try_failed(exchange, failure.reason, failure.detail);
}

void exchange_on_back_timeout(struct exchange *exchange)
{
    const struct http_stream *back = &exchange->back.endpoint.http;
    enum end_reason reason = exchange->back_response == BACK_RESPONSE_WAIT
                                 ? END_UPSTREAM_HEAD_TIMEOUT
                                 : END_UPSTREAM_BODY_TIMEOUT;

    if (exchange->flow.held_up_since_ms != 0) {
        relay_client_is_slow(exchange);
        return;
    }
    if (exchange->hold_until_ms != 0 && exchange->back_request == BACK_REQUEST_SENDING &&
        exchange->back_response == BACK_RESPONSE_WAIT && back->ops->queued(back) == 0) {
        relay_release_request(exchange);
        return;
    }
    switch (exchange->back_request) {
    case BACK_REQUEST_NONE: /* no other clock runs without a connection */
        if (waiter_waits(&exchange->waiter))
            exchange_on_queue_timeout(exchange);
        else
            exchange_end_pause(exchange);
        return;
    case BACK_REQUEST_CONNECT:
        exchange_try_failed(exchange, END_CONNECT_TIMEOUT, nothing);
        return;
    case BACK_REQUEST_HANDSHAKE:
        upstream_conn_fail_handshake_timeout(&exchange->back);
        exchange_try_failed(exchange, END_UPSTREAM_TLS_TIMEOUT, nothing);
        return;
    case BACK_REQUEST_SENDING:
    case BACK_REQUEST_SENT:
        if (back->ops->queued(back) > 0)
            reason = END_UPSTREAM_SEND_TIMEOUT;
        break;
    case BACK_REQUEST_STOPPED:
        break;
    }
    if (exchange->back_response == BACK_RESPONSE_WAIT)
        exchange_try_failed(exchange, reason, nothing);
    else
        exchange_answer(exchange, reason, nothing);
}

/* ---- a try begins -------------------------------------------------------------------------- */

static void begin_try(struct exchange *exchange)
{
    struct exchange_record *record = &exchange->record;
    const struct target *target = exchange->target_use.target;
    struct try_record *attempt;

    if (record->tries_count > 0)
        metrics_on_try(exchange->worker->metrics, exchange_record_last_try(record));
    record->tries_count++;
    record->was_proxied = true;
    attempt = exchange_record_last_try(record);
    *attempt =
        (struct try_record){ .target = target->address,
                             .target_name = slice_of(target->name),
                             .algorithm = upstream_algorithm(exchange->upstream->upstream),
                             .over_tls = exchange->destination->plan->tls != NULL,
                             .tls_verified = exchange->destination->plan->tls_verified,
                             .persistence = exchange->persisted ? persistence_name(record) : NULL,
                             .pinned = exchange->is_pinned,
                             .queued_us = exchange->queued_us,
                             .picked_at_us = exchange->worker->loop->now_us };
    exchange->queued_us = 0;
    persistence_note_try(record, upstream_targets_of(exchange->upstream->upstream), target);
    exchange->unjudged = exchange->target_use.target;
    if (exchange->tried_count < EXCHANGE_TRIES_KEPT)
        exchange->tried[exchange->tried_count++] = target;
}

/* What the configuration calls the target; empty: it has an address only. */
static struct slice configured_name(const struct exchange *exchange)
{
    const struct config_upstream *upstream = exchange->destination->plan->service->upstream;
    struct slice name = slice_of(exchange->target_use.target->name), host, port;
    struct sockaddr_storage addr;

    if (upstream && upstream->host_header)
        return slice_of(upstream->host_header);
    if (addr_split_host_port(name, &host, &port) == 0)
        name = host;
    return addr_parse_ip(name, 0, &addr) == 0 ? nothing : name;
}

/* Name for SNI and verification, without a port: the Host sent upstream (Kong: proxy_ssl_name), or one
 * that no client can choose. */
static const char *server_name(struct exchange *exchange)
{
    struct slice host = exchange->record.upstream_host, name, port;

    if (exchange->record.persona->upstream.tls_name == PERSONA_TLS_NAME_TARGET &&
        configured_name(exchange).len > 0)
        host = configured_name(exchange);
    if (addr_split_host_port(host, &name, &port) < 0)
        name = host;
    return arena_copy(&exchange->arena, name).ptr;
}

static void note_connection(struct exchange *exchange)
{
    struct try_record *attempt = exchange_record_last_try(&exchange->record);

    attempt->reused = exchange->back.reused;
    attempt->connection_id = exchange->back.connection_id;
    attempt->local = exchange->back.local;
    attempt->request_number = exchange->back.requests_count;
}

static struct slice take_hash_input(void *asker)
{
    struct exchange *exchange = asker;

    return hash_input(&exchange->record, &exchange->arena);
}

/* Kong's least-connections begins a new list once all were tried. */
static void forget_tried(struct exchange *exchange)
{
    for (size_t i = 0; i < exchange->tried_count; i++)
        if (exchange->tried[i] == exchange->target_use.target) {
            exchange->tried_count = 0;
            return;
        }
}

/* -ENOENT, -EBUSY: as upstream_pick. */
static int pick_anew(struct exchange *exchange)
{
    bool policy_decides = exchange->record.persona->retry.pick == PERSONA_PICK_ALGORITHM;
    const struct balancer_request request = { .tried = exchange->tried,
                                              .tried_count = exchange->tried_count,
                                              .policy_decides = policy_decides,
                                              .now_us = exchange->worker->loop->now_us,
                                              .hash_input = take_hash_input,
                                              .asker = exchange };

    int r = upstream_pick(exchange->upstream->upstream, &request, &exchange->target_use);

    if (r == 0 && policy_decides)
        forget_tried(exchange);
    return r;
}

static bool leaves_when_down(const struct config_service *service)
{
    return service->upstream && service->upstream->balancing.service_down_action &&
           strcmp(service->upstream->balancing.service_down_action, "reselect") == 0;
}

/* Where the client is at home; NULL: the balancer is asked. */
static struct target *find_home(struct exchange *exchange)
{
    const struct upstream *upstream = exchange->upstream->upstream;
    struct target *target = NULL;

    if (exchange->tried_count > 0)
        return NULL;
    if (exchange->pin)
        target = upstream_pin_target(exchange->pin, exchange->upstream,
                                     leaves_when_down(exchange->record.service));
    exchange->is_pinned = target != NULL;
    if (!target)
        target = persistence_find(&exchange->record, upstream_targets_of(upstream));
    exchange->persisted = target && !exchange->is_pinned;
    return target;
}

static int pick(struct exchange *exchange)
{
    struct target *chosen = TAKE(exchange->next_target);

    exchange->is_pinned = exchange->persisted = false;
    if (chosen && !target_is_usable(chosen))
        chosen = NULL; /* it went down during the pause */
    if (!chosen)
        chosen = find_home(exchange);
    if (chosen && upstream_take(exchange->upstream->upstream, chosen, &exchange->target_use) == 0)
        return 0;
    exchange->is_pinned = exchange->persisted = false;
    return pick_anew(exchange); /* nobody waits for one target while others have places */
}

int exchange_pick(struct exchange *exchange)
{
    struct request_debug *debug = &exchange->record.debug;
    int picked;

    if (debug->is_wanted)
        debug->lap_us = request_debug_now_us();
    picked = pick(exchange);
    if (debug->is_wanted)
        request_debug_lap(&debug->lap_us, &debug->balancer_us);
    return picked;
}

void exchange_try(struct exchange *exchange)
{
    int picked;

    if (exchange->upstream->set->failure != END_OK) {
        exchange_answer(exchange, exchange->upstream->set->failure,
                        slice_of(exchange->destination->plan->service->host));
        return;
    }
    if (exchange_take_place(exchange, &picked))
        exchange_begin_try(exchange, picked);
}

void exchange_begin_try(struct exchange *exchange, int picked)
{
    const struct destination *destination = exchange->destination;
    struct upstream_goal goal = { .tls = destination->plan->tls,
                                  .bind = snapshot_upstream_bind(exchange->pinned->snapshot),
                                  .may_reuse = true };

    if (picked < 0) {
        exchange_answer(exchange, END_NO_TARGET, slice_of(destination->plan->service->host));
        return;
    }
    if (exchange_pause_before(exchange, exchange->target_use.target))
        return;
    begin_try(exchange);
    goal.target = exchange->target_use.target;
    goal.pin = exchange->pin;
    if (exchange->pin)
        upstream_pin_choose(exchange->pin, exchange->upstream, goal.target);
    exchange->record.upstream_host =
        upstream_host(&exchange->record, goal.target, &exchange->arena);
    if (goal.tls)
        goal.server_name = server_name(exchange);
    goal.preface = proxy_preface(&exchange->record, &exchange->arena);
    goal.may_reuse = goal.preface.len == 0;
    if (!goal.preface.ptr || !exchange->record.upstream_host.ptr ||
        (goal.tls && !goal.server_name)) {
        exchange_answer(exchange, END_OUT_OF_MEMORY, nothing);
        return;
    }
    exchange->back.endpoint.http.owner = exchange;
    exchange->back.endpoint.http.on_event = on_back;
    exchange->send_failure.reason = END_OK;
    exchange_set_back_response(exchange, BACK_RESPONSE_WAIT);
    goal.may_connect = exchange_enter_pending(exchange);
    if (!upstream_conn_open(&exchange->back, &goal)) {
        if (!goal.may_connect) {
            exchange_refuse_pending(exchange);
            return;
        }
        exchange_try_failed(exchange, exchange->back.endpoint.http.failure.reason,
                            exchange->back.endpoint.http.failure.detail);
        return;
    }
    exchange->back_step_at_ms = exchange->worker->loop->now_ms;
    exchange_set_back_request(exchange, BACK_REQUEST_CONNECT);
    if (exchange->back.state == UPSTREAM_CONN_OPEN)
        start_sending(exchange);
    else
        exchange_update_timers(exchange);
}

/* ---- the request goes out ------------------------------------------------------------------ */

static unsigned request_version(const struct exchange *exchange)
{
    switch (exchange->record.persona->request.version) {
    case PERSONA_VERSION_1_0:
        return 0;
    case PERSONA_VERSION_CLIENT:
        return exchange->request.version_minor;
    case PERSONA_VERSION_1_1:
        break;
    }
    return 1;
}

static int send_request_head(struct exchange *exchange)
{
    struct http_stream *back = &exchange->back.endpoint.http;
    const struct rewrite_framing framing = relay_request_framing(exchange);
    int r;

    exchange->request_out = (struct http_outgoing){
        .method = exchange->request.method_name,
        .target = exchange->record.upstream_uri,
        .version_minor = request_version(exchange),
        .fields = &exchange->sent_request,
        .chunked = framing.framing == HTTP_FRAMING_CHUNKED,
    };
    fields_init(&exchange->sent_request, &exchange->arena);
    r = rewrite_request(&exchange->record, &framing, &exchange->sent_request);
    return r < 0 ? r : back->ops->send_head(back, &exchange->request_out);
}

static void start_sending(struct exchange *exchange)
{
    struct try_record *attempt = exchange_record_last_try(&exchange->record);
    int r;

    service_load_leave(&exchange->load_use, SERVICE_LOAD_PENDING);
    note_connection(exchange);
    if (!attempt->reused)
        *(attempt->over_tls ? &attempt->tls_done_at_us : &attempt->connected_at_us) =
            exchange->worker->loop->now_us;
    exchange_begin_response_head(exchange, http1_endpoint_begin);
    r = send_request_head(exchange);
    if (r == 0)
        r = relay_replay(exchange);
    if (r < 0) {
        exchange_answer(exchange, r == -ENOMEM ? END_OUT_OF_MEMORY : END_INTERNAL,
                        SLICE("a field of the request cannot be sent"));
        return;
    }
    exchange_set_back_request(exchange, BACK_REQUEST_SENDING);
    relay_hold_request(exchange);
    relay_request(exchange);
    /* ask for the answer at once: a target may refuse before it has read everything */
    if (!exchange_is_over(exchange) && exchange->back.endpoint.state == ENDPOINT_HEAD)
        upstream_conn_read(&exchange->back);
}

/* ---- the target's events ------------------------------------------------------------------- */

/* The target takes no more of the request; what it has answered can still be read (P15). */
static void on_send_failed(struct exchange *exchange)
{
    struct stream_failure failure = stream_failure(exchange->back.endpoint.stream);
    char text[128];

    if (exchange->back_request != BACK_REQUEST_SENDING &&
        exchange->back_request != BACK_REQUEST_SENT)
        return;
    exchange->send_failure = (struct http_failure){
        .reason = END_UPSTREAM_SEND_FAILED,
        .detail = arena_copy(&exchange->arena, errno_detail(failure.error, text, sizeof(text))),
    };
    exchange_set_back_request(exchange, BACK_REQUEST_STOPPED);
    exchange->back_step_at_ms = exchange->worker->loop->now_ms;
    exchange->front_waits = false;
    exchange->hold_until_ms = 0; /* there is nothing to let go any more */
    exchange_update_timers(exchange);
}

static void on_sent(struct exchange *exchange)
{
    struct try_record *attempt = exchange_record_last_try(&exchange->record);

    if (exchange->back_request != BACK_REQUEST_SENT || attempt->sent_at_us)
        return;
    attempt->sent_at_us = exchange->worker->loop->now_us;
    if (exchange->back_response == BACK_RESPONSE_WAIT)
        exchange->back_step_at_ms = exchange->worker->loop->now_ms; /* the read timeout begins */
    exchange_update_timers(exchange);
}

static void on_back(void *owner, unsigned events)
{
    struct exchange *exchange = owner;
    uint32_t this_try = exchange->record.tries_count;

    if (exchange->tunnel.is_open) {
        tunnel_on_back(exchange, events);
        return;
    }

    if (events & HTTP_STREAM_OPEN) {
        start_sending(exchange);
        return;
    }
    if (events & HTTP_STREAM_HANDSHAKE) {
        exchange_record_last_try(&exchange->record)->connected_at_us =
            exchange->worker->loop->now_us;
        exchange_set_back_request(exchange, BACK_REQUEST_HANDSHAKE);
        exchange->back_step_at_ms = exchange->worker->loop->now_ms;
        exchange_update_timers(exchange);
        return;
    }
    if (events & HTTP_STREAM_DRAINED)
        on_sent(exchange);
    if (events & HTTP_STREAM_SEND_FAILED)
        on_send_failed(exchange);
    if (events & (HTTP_STREAM_WRITABLE | HTTP_STREAM_DRAINED))
        relay_request(exchange);
    /* each step may have ended the exchange, answered it, or begun another try */
    if (exchange_is_over(exchange) || exchange->record.tries_count != this_try ||
        exchange->back_request == BACK_REQUEST_NONE)
        return;
    if (events & HTTP_STREAM_FAILED)
        back_failed(exchange);
    else if (events & HTTP_STREAM_HEAD)
        exchange_on_response_head(exchange);
    else if (events & HTTP_STREAM_CONTENT)
        relay_response(exchange);
}
