#include "proxy/exchange/exchange.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/clock.h"
#include "proxy/exchange/response_store.h"
#include "proxy/exchange/stored_content.h"
#include "proxy/report/metrics.h"
#include "proxy/worker/hop_question.h"
#include "proxy/worker/worker.h"
#include "tls/client_verifier.h"

/* Bytes an exchange may take for rewritten fields, field arrays and pages. */
enum { ARENA_BYTES_MAX = 512 * 1024, SPARE_EXCHANGES_MAX = 256 };

static void on_front_timer(struct timer *timer);
static void on_back_timer(struct timer *timer);

/* ---- life ---------------------------------------------------------------------------------- */

static void free_memory(struct worker *worker, struct exchange *exchange)
{
    memory_account_add(chunk_pool_account(worker->loop->pool), MEMORY_EXCHANGES,
                       -(int64_t)sizeof(*exchange));
    free(exchange);
}

static void recycle(struct deferred *deferred)
{
    struct exchange *exchange =
        (struct exchange *)((char *)deferred - offsetof(struct exchange, deferred));
    struct worker *worker = exchange->worker;

    if (worker->spare_exchanges_count >= SPARE_EXCHANGES_MAX ||
        worker_memory_level(worker) != MEMORY_NORMAL) {
        free_memory(worker, exchange);
        return;
    }
    exchange->next_spare = worker->spare_exchanges;
    worker->spare_exchanges = exchange;
    worker->spare_exchanges_count++;
}

static struct exchange *take_memory(struct worker *worker)
{
    struct exchange *exchange = worker->spare_exchanges;

    if (exchange) {
        worker->spare_exchanges = exchange->next_spare;
        worker->spare_exchanges_count--;
    } else {
        exchange = malloc(sizeof(*exchange));
        if (exchange)
            memory_account_add(chunk_pool_account(worker->loop->pool), MEMORY_EXCHANGES,
                               sizeof(*exchange));
    }
    if (exchange)
        /* more than half of it are tries, and most exchanges have one: begin_try fills it */
        memset(exchange, 0, offsetof(struct exchange, record.tries));
    return exchange;
}

static void end_reading(struct exchange *exchange)
{
    if (exchange->reads_head)
        exchange->worker->reading_count--;
    exchange->reads_head = false;
}

/* Lets go of everything; the memory itself stays until the present task has returned. */
static void give_back(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;

    exchange->front = NULL;
    end_reading(exchange);
    if (exchange->question)
        hop_question_forget(TAKE(exchange->question));
    timer_cancel(&exchange->front_timer);
    timer_cancel(&exchange->back_timer);
    exchange_stop_waiting(exchange);
    target_use_end(&exchange->target_use);
    service_load_leave_all(&exchange->load_use);
    upstream_conn_abort(&exchange->back);
    buf_done(&exchange->pass);
    buf_done(&exchange->replay);
    buf_done(&exchange->flow.held);
    if (exchange->flow.store)
        response_store_done(exchange->flow.store);
    tls_judgement_release(exchange->judgement);
    if (exchange->stored)
        stored_content_done(exchange->stored);
    chunk_unref(exchange->response_chunk);
    arena_done(&exchange->arena);
    /* after what refers to targets */
    worker_upstream_release(TAKE(exchange->upstream), worker);
    pinned_snapshot_unpin(TAKE(exchange->pinned));
    worker->exchanges_count--;
    exchange->deferred.free = recycle;
    loop_free_later(worker->loop, &exchange->deferred);
}

void exchange_free_spares(struct worker *worker)
{
    while (worker->spare_exchanges) {
        struct exchange *exchange = worker->spare_exchanges;

        worker->spare_exchanges = exchange->next_spare;
        free_memory(worker, exchange);
    }
    worker->spare_exchanges_count = 0;
}

void exchange_discard(struct exchange *exchange)
{
    give_back(exchange);
}

/* 128 random bits, as Kong's request ids; a worker asks the kernel once per 256 requests. */
static void make_request_id(struct worker *worker, char into[33])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char *bytes = worker->random_bytes;

    if (worker->random_left < 16) {
        if (getrandom(bytes, sizeof(worker->random_bytes), 0) < 0)
            memset(bytes, 0, sizeof(worker->random_bytes)); /* ids repeat; nothing depends on it */
        worker->random_left = sizeof(worker->random_bytes);
    }
    worker->random_left -= 16;
    bytes += worker->random_left;
    for (unsigned i = 0; i < 16; i++) {
        into[i * 2] = digits[bytes[i] >> 4];
        into[i * 2 + 1] = digits[bytes[i] & 15];
    }
    into[32] = '\0';
}

static void begin_record(struct exchange *exchange, const struct exchange_client *client)
{
    struct exchange_record *record = &exchange->record;
    struct hop *hop = exchange->worker->hop;

    record->persona = client->virtual_server->persona;
    if (client->virtual_server->kind == VIRTUAL_SERVER_PROXY)
        record->field_plan = client->pinned->snapshot->field_plans.of_hop;
    record->hop_name = client->pinned->snapshot->name;
    record->number = atomic_fetch_add_explicit(&hop->exchanges_count, 1, memory_order_relaxed) + 1;
    make_request_id(exchange->worker, record->request_id);
    record->client_connection_id = client->connection_id;
    record->client_request_number = client->request_number;
    record->pipelined = client->pipelined;
    record->client_peer = *client->peer;
    record->client_local = *client->local;
    record->over_tls = client->over_tls;
    record->tls = client->tls;
    record->proxy_header = client->proxy_header;
    record->listener_port = client->virtual_server->port;
    record->started_at_unix_us = clock_unix_us();
    record->started_at_unix_ms = record->started_at_unix_us / 1000;
    record->started_at_us = exchange->worker->loop->now_us;
}

struct exchange *exchange_create(struct worker *worker, const struct exchange_client *client)
{
    struct exchange *exchange = take_memory(worker);

    if (!exchange)
        return NULL;
    exchange->worker = worker;
    exchange->kind = client->virtual_server->kind;
    exchange->pinned = client->pinned;
    pinned_snapshot_pin(exchange->pinned);
    exchange->front = client->stream;
    exchange->client_ops = client->ops;
    if (client->virtual_server->persona->upstream.pin == PERSONA_PIN_CLIENT)
        exchange->pin = client->pin;
    exchange->is_logged = true;
    upstream_conn_init(&exchange->back, worker);
    arena_init(&exchange->arena, client->memory, ARENA_BYTES_MAX);
    buf_init(&exchange->pass, client->memory);
    buf_init(&exchange->replay, client->memory);
    buf_init(&exchange->flow.held, client->memory);
    exchange->replay.owner = MEMORY_STORED;
    timer_init(&exchange->front_timer, on_front_timer);
    timer_init(&exchange->back_timer, on_back_timer);
    worker->exchanges_count++;
    exchange->reads_head = true;
    worker->reading_count++;
    begin_record(exchange, client);
    return exchange;
}

void exchange_end_try(struct exchange *exchange, struct try_record *attempt)
{
    const struct http_stream *back = &exchange->back.endpoint.http;

    attempt->ended_at_us = exchange->worker->loop->now_us;
    if (attempt->connection_id == 0)
        return; /* what the endpoint counted is of the try before */
    attempt->sent_bytes = back->sent_bytes;
    attempt->received_bytes = back->received_bytes;
}

void exchange_set_reason(struct exchange *exchange, enum end_reason reason, struct slice detail)
{
    struct try_record *last = exchange_record_last_try(&exchange->record);

    if (exchange->record.reason != END_OK)
        return;
    if (reason == END_OUT_OF_MEMORY && worker_memory_level(exchange->worker) == MEMORY_FULL)
        reason = END_MEMORY_FULL;
    if (exchange->last_try_reason != reason)
        exchange->reason_is_told = false;
    exchange->record.reason = reason;
    exchange->record.reason_detail = arena_copy(&exchange->arena, detail);
    if (last && last->ended_at_us == 0) { /* whatever ends the exchange ends its running try */
        last->reason = reason;
        last->detail = exchange->record.reason_detail;
        exchange_end_try(exchange, last);
    }
}

/* ---- the end ------------------------------------------------------------------------------- */

static void finish(struct exchange *exchange, bool keep_alive)
{
    const struct http_client_ops *ops = exchange->client_ops;
    struct http_stream *front = exchange->front;

    exchange_note_end(exchange);
    give_back(exchange);
    ops->done(front, keep_alive);
}

static bool is_drained(const struct exchange *exchange)
{
    return exchange->front->ops->queued(exchange->front) == 0;
}

void exchange_end_response(struct exchange *exchange)
{
    exchange_set_front_response(exchange, FRONT_RESPONSE_ENDED);
    relay_forget_content(exchange);
    if (exchange->front_request != FRONT_REQUEST_DONE)
        exchange->client_keep_alive = false;
    exchange_update_timers(exchange);
}

/* An end that adds no byte (a length that was reached before, content that ends with the
 * connection) may come when everything has left already: then no event will follow. */
void exchange_finish_if_drained(struct exchange *exchange)
{
    if (exchange->front_response == FRONT_RESPONSE_ENDED && is_drained(exchange))
        finish(exchange, exchange->client_keep_alive);
}

void exchange_hang_up(struct exchange *exchange, enum stream_close how)
{
    const struct http_client_ops *ops = exchange->client_ops;
    struct http_stream *front = exchange->front;

    exchange_note_end(exchange);
    give_back(exchange);
    ops->hang_up(front, how);
}

void exchange_abort(struct exchange *exchange, enum end_reason reason)
{
    exchange_set_reason(exchange, reason, (struct slice){ NULL, 0 });
    if (exchange->front_response != FRONT_RESPONSE_NONE)
        exchange->record.truncated = true;
    exchange_hang_up(exchange, STREAM_CLOSE_ABORT);
}

bool exchange_may_keep_client(const struct exchange *exchange)
{
    const struct exchange_record *record = &exchange->record;
    uint64_t limit = record->persona->client.keepalive_requests_count;

    return record->request && exchange->request.keep_alive && !exchange->client_has_ended &&
           exchange->client_ops->may_persist(exchange->front) &&
           record->persona->client.keepalive_timeout_ms > 0 &&
           (limit == 0 || record->client_request_number < limit);
}

/* ---- timers -------------------------------------------------------------------------------- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    if (a == 0 || b == 0)
        return a ? a : b;
    return a < b ? a : b;
}

static struct pace_rule front_pace_rule(const struct exchange *exchange)
{
    const struct persona_client *policy = &exchange->record.persona->client;

    return (struct pace_rule){ .idle_max_ms = policy->body_timeout_ms,
                               .min_bytes_per_s = policy->body_min_rate_bytes_per_s,
                               .grace_ms = policy->body_min_rate_grace_ms };
}

/* After the response the rest of a request is not waited for. */
static void look_at_front_pace(struct exchange *exchange)
{
    bool waits = exchange->front_request == FRONT_REQUEST_BODY && exchange->front_waits &&
                 exchange->front_response != FRONT_RESPONSE_ENDED;

    pace_look(&exchange->front_pace, waits, exchange->request_content_bytes,
              exchange->worker->loop->now_ms);
}

/* Deadlines are 0 while nothing is owed. */
static uint64_t front_read_deadline(const struct exchange *exchange)
{
    const struct pace_rule rule = front_pace_rule(exchange);

    return pace_deadline(&exchange->front_pace, &rule);
}

static uint64_t front_write_deadline(const struct exchange *exchange)
{
    if (exchange->flow.head_waits || exchange->front->ops->queued(exchange->front) == 0)
        return 0;
    return exchange->front->endpoint->send_progress_at_ms +
           exchange->record.persona->client.send_timeout_ms;
}

static uint64_t front_deadline(const struct exchange *exchange)
{
    return earlier(front_read_deadline(exchange), front_write_deadline(exchange));
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* It takes no bytes. A target that answers already may want us to read first, and may not want the
 * rest: as long as its content comes, or we do not read it, that is in order. */
static uint64_t back_write_deadline(const struct exchange *exchange)
{
    uint64_t since_ms = exchange->back.endpoint.stream->endpoint->send_progress_at_ms;

    if (exchange->back_response == BACK_RESPONSE_BODY && !exchange->back_waits)
        return 0;
    if (exchange->back_response == BACK_RESPONSE_BODY)
        since_ms = later(since_ms, exchange->back_wait_at_ms);
    return since_ms + exchange->record.service->write_timeout_ms;
}

/* One deadline for the whole head, or for each gap in it. */
static uint64_t head_wait_since_ms(const struct exchange *exchange)
{
    if (exchange->record.persona->upstream.head_timer == PERSONA_HEAD_TOTAL)
        return exchange->back_step_at_ms;
    return later(exchange->back_step_at_ms, exchange->back.received_at_ms);
}

/* The same for the target. Back-pressure is not its fault: no clock runs while we do not read. */
static uint64_t back_deadline(const struct exchange *exchange)
{
    const struct config_service *service = exchange->record.service;
    const struct http_stream *back = &exchange->back.endpoint.http;

    if (exchange->tunnel.is_open)
        return tunnel_deadline_ms(exchange);
    if (exchange->flow.held_up_since_ms != 0)
        return relay_patience_deadline(exchange);
    switch (exchange->back_request) {
    case BACK_REQUEST_NONE:
        return earlier(exchange->pause_until_ms, exchange->queue_until_ms);
    case BACK_REQUEST_HANDSHAKE: /* Kong: the connect timeout again */
        if (service->tls_timeout_ms > 0)
            return exchange->back_step_at_ms + service->tls_timeout_ms;
        return exchange->back_step_at_ms + service->connect_timeout_ms;
    case BACK_REQUEST_CONNECT:
        return exchange->back_step_at_ms + service->connect_timeout_ms;
    case BACK_REQUEST_SENDING:
    case BACK_REQUEST_SENT:
        if (back->ops->queued(back) > 0)
            return back_write_deadline(exchange);
        if (exchange->back_request == BACK_REQUEST_SENT)
            break;
        if (exchange->back_response == BACK_RESPONSE_WAIT)
            return exchange->hold_until_ms;
        if (exchange->hold_until_ms == 0)
            return 0;
        break; /* answered before it let the content go: nothing else comes from us */
    case BACK_REQUEST_STOPPED:
        break;
    }
    if (exchange->back_response == BACK_RESPONSE_WAIT)
        return head_wait_since_ms(exchange) + service->read_timeout_ms;
    if (exchange->back_response == BACK_RESPONSE_BODY && exchange->back_waits)
        return exchange->back_wait_at_ms + service->read_timeout_ms;
    return 0;
}

/* Over all tries. The time that the client takes for its request is not counted. */
static uint64_t request_deadline(const struct exchange *exchange)
{
    uint64_t timeout_ms = exchange->record.persona->upstream.request_timeout_ms;

    if (timeout_ms == 0 || !exchange->upstream || exchange->record.request_end_at_us == 0 ||
        exchange->front_response != FRONT_RESPONSE_NONE)
        return 0;
    return exchange->record.request_end_at_us / 1000 + timeout_ms;
}

void exchange_update_timers(struct exchange *exchange)
{
    struct timer_wheel *wheel = &exchange->worker->loop->timers;
    uint64_t front, back;

    look_at_front_pace(exchange);
    front = front_deadline(exchange);
    back = earlier(back_deadline(exchange), request_deadline(exchange));
    /* a deadline that is gone is noticed when the timer fires: cheaper than disarming each time */
    if (front)
        timer_set(wheel, &exchange->front_timer, front);
    if (back)
        timer_set(wheel, &exchange->back_timer, back);
}

static void give_up_on_content(struct exchange *exchange)
{
    const struct pace_rule rule = front_pace_rule(exchange);
    const struct pace *pace = &exchange->front_pace;

    if (!pace_is_too_slow(pace, &rule)) {
        exchange_answer(exchange, END_CLIENT_BODY_TIMEOUT, (struct slice){ NULL, 0 });
        return;
    }
    look_at_front_pace(exchange);
    exchange_answer(exchange, END_CLIENT_BODY_SLOW,
                    arena_printf(&exchange->arena,
                                 "%" PRIu64 " bytes in %" PRIu64 " ms, at least %" PRIu64
                                 " per second are due",
                                 pace->bytes, pace->waited_ms, rule.min_bytes_per_s));
}

static void on_front_timer(struct timer *timer)
{
    struct exchange *exchange =
        (struct exchange *)((char *)timer - offsetof(struct exchange, front_timer));
    uint64_t deadline = front_deadline(exchange);

    if (deadline == 0)
        return;
    if (exchange->worker->loop->now_ms < deadline) {
        timer_set(&exchange->worker->loop->timers, timer, deadline);
        return;
    }
    if (deadline == front_write_deadline(exchange))
        exchange_abort(exchange, END_CLIENT_SEND_TIMEOUT);
    else
        give_up_on_content(exchange);
}

static void on_back_timer(struct timer *timer)
{
    struct exchange *exchange =
        (struct exchange *)((char *)timer - offsetof(struct exchange, back_timer));
    uint64_t whole = request_deadline(exchange);
    uint64_t deadline = earlier(back_deadline(exchange), whole);

    if (deadline == 0)
        return;
    if (exchange->worker->loop->now_ms < deadline)
        timer_set(&exchange->worker->loop->timers, timer, deadline);
    else if (deadline == whole)
        exchange_give_up(exchange);
    else if (exchange->tunnel.is_open)
        tunnel_on_timeout(exchange);
    else
        exchange_on_back_timeout(exchange);
}

/* ---- the client's events ------------------------------------------------------------------- */

static void on_front_failed(struct exchange *exchange)
{
    struct http_failure failure = exchange->front->failure;
    bool half_closed = failure.reason == END_CLIENT_ABORTED && failure.detail.len == 0;
    bool goes_on = exchange->record.persona->client.half_close == PERSONA_ABORT_CONTINUE &&
                   exchange->front_request == FRONT_REQUEST_DONE;

    /* FIN after a complete request: the client may still read */
    if (half_closed && (goes_on || exchange->front_response == FRONT_RESPONSE_ENDED)) {
        exchange->client_has_ended = true;
        exchange->client_keep_alive = false;
        return;
    }
    if (failure.reason == END_CLIENT_ABORTED) {
        exchange_set_reason(exchange, failure.reason, failure.detail);
        if (half_closed && exchange->front_response == FRONT_RESPONSE_NONE)
            exchange_hang_up(exchange, STREAM_CLOSE_FLUSH); /* its FIN is answered with ours */
        else
            exchange_abort(exchange, failure.reason);
        return;
    }
    if (!exchange->record.request)
        exchange->record.known_fields = &exchange->request.fields;
    exchange_answer(exchange, failure.reason, failure.detail);
}

void exchange_on_front(struct exchange *exchange, unsigned events)
{
    if (exchange->reads_head) {
        end_reading(exchange);
        metrics_count_one(exchange->worker->metrics, METRICS_REQUESTS);
    }
    if (exchange->tunnel.is_open) {
        tunnel_on_front(exchange, events);
    } else if (events & HTTP_STREAM_FAILED) {
        on_front_failed(exchange);
    } else if (events & HTTP_STREAM_SEND_FAILED) {
        exchange_abort(exchange, exchange->front->failure.reason == END_OUT_OF_MEMORY
                                     ? END_OUT_OF_MEMORY
                                     : END_CLIENT_ABORTED);
    } else if (events & HTTP_STREAM_HEAD) {
        exchange_start(exchange);
    } else if (exchange->front_response == FRONT_RESPONSE_ENDED) {
        exchange_finish_if_drained(exchange);
    } else {
        if (events & HTTP_STREAM_CONTENT)
            relay_request(exchange);
        if (!exchange_is_over(exchange) && events & (HTTP_STREAM_WRITABLE | HTTP_STREAM_DRAINED))
            relay_response(exchange);
    }
}
