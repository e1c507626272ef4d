/*
 * relay_response: the content of responses, with back-pressure or with a store.
 *
 * Streamed: the target is read only while the client's queue is below STREAM_QUEUE_HIGH.
 *
 * Stored (nginx's proxy_buffering): the same as long as the client keeps up, without a further copy.
 * One that made the target wait for PATIENCE_MS in all is slow: from then on the target is read as fast
 * as it sends, and what the client has not taken waits in a response_store. The connection to the
 * target is let go as soon as the response is whole, while the client reads on.
 *
 * Under a persona that drops what stalls (nginx), content of a stored response goes on by fill_rule.
 */
#include <errno.h>

#include "core/time_scale.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/response_store.h"
#include "proxy/rewrite/rewrite.h"
#include "proxy/snapshot/service_plan.h"
#include "proxy/worker/worker.h"

enum {
    PATIENCE_MS = 100,          /* a client on a busy machine is not slow yet */
    FEED_BYTES = 64 * 1024,     /* of the file, in the client's queue */
    HEAD_WAITS_BYTES_MAX = 1460 /* nginx's postpone_output: a larger head goes out at once */
};

/* ---- how a response goes on ---------------------------------------------------------------- */

/* X-Accel-Buffering (nginx: ngx_http_upstream_process_buffering), for who obeys it. */
static enum persona_tristate wish_of_target(const struct exchange *exchange)
{
    const struct field *field = NULL;

    if (exchange->record.persona->response.accel == PERSONA_ACCEL_OBEY)
        field = fields_find_name(&exchange->response.fields, SLICE("X-Accel-Buffering"));
    if (field && slice_equal_nocase(field->value, SLICE("no")))
        return PERSONA_NO;
    if (field && slice_equal_nocase(field->value, SLICE("yes")))
        return PERSONA_YES;
    return PERSONA_UNSET;
}

static bool is_to_be_stored(const struct exchange *exchange)
{
    enum persona_tristate wish = wish_of_target(exchange);

    if (wish != PERSONA_UNSET)
        return wish == PERSONA_YES;
    return exchange->record.persona->content.response == PERSONA_STORE &&
           exchange->record.route->response_buffering;
}

/* A buffer of more than that is not waited for: it would be a long time for few clients' good. */
enum { HELD_MAX = 64 * 1024 };

static void begin_fill_rule(struct exchange *exchange)
{
    const struct persona_content *policy = &exchange->record.persona->content;
    const struct http1_endpoint *back = &exchange->back.endpoint;
    uint64_t first = policy->response_buffer_bytes, used = back->http.received_bytes;
    uint64_t each =
        policy->response_buffers_bytes < HELD_MAX ? policy->response_buffers_bytes : HELD_MAX;

    fill_rule_init(&exchange->flow.fill, each > 0 ? each : 1, first > used ? first - used : 0,
                   http1_body_least(&back->body));
}

void relay_begin_response(struct exchange *exchange, uint64_t head_bytes)
{
    const struct persona_response *policy = &exchange->record.persona->response;
    struct response_flow *flow = &exchange->flow;
    struct try_record *attempt = exchange_record_last_try(&exchange->record);

    flow->is_stored = is_to_be_stored(exchange);
    attempt->content_stored = flow->is_stored;
    attempt->content_with_head = !flow->is_stored;
    attempt->content_chunked = exchange->response.framing == HTTP_FRAMING_CHUNKED;
    if (!flow->is_stored)
        return;
    flow->head_waits =
        policy->head == PERSONA_HEAD_WITH_CONTENT && head_bytes < HEAD_WAITS_BYTES_MAX;
    if (policy->stalled == PERSONA_STALLED_DROP)
        begin_fill_rule(exchange);
}

/* ---- to the client, or to where it waits for that ------------------------------------------- */

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* What nginx would have in memory; the client's queue is a part of it. */
static uint64_t store_memory_max(const struct persona_content *policy)
{
    return less(policy->response_buffer_bytes +
                    policy->response_buffers_count * policy->response_buffers_bytes,
                STREAM_QUEUE_HIGH);
}

/* Once each: that a file is used, and that it takes no more. */
static void log_store(struct exchange *exchange)
{
    struct response_store *store = exchange->flow.store;
    struct exchange_record *record = &exchange->record;

    if (response_store_is_in_file(store) && record->response_spooled_bytes == 0 &&
        response_store_spooled(store) > 0)
        exchange_log_response_spooled(exchange, spool_number(store->spool));
    record->response_spooled_bytes = response_store_spooled(store);
    if (response_store_refusal(store) != 0 && !exchange->flow.refusal_is_told) {
        exchange->flow.refusal_is_told = true;
        exchange_log_store_refused(exchange);
    }
}

static void on_store(void *owner)
{
    struct exchange *exchange = owner;

    if (response_store_look(exchange->flow.store) < 0) {
        exchange_abort(exchange, END_OUT_OF_MEMORY);
        return;
    }
    log_store(exchange);
    relay_response(exchange);
}

/* NULL: there is nothing to store in, or no memory. */
static struct response_store *make_store(struct exchange *exchange)
{
    const struct persona_content *policy = &exchange->record.persona->content;
    struct response_store *store = NULL;

    if (store_memory_max(policy) > 0 || policy->response_file_max_bytes > 0)
        store = arena_alloc(&exchange->arena, sizeof(*store));
    if (!store)
        return NULL;
    *store = (struct response_store){ .loop = exchange->worker->loop,
                                      .area = &exchange->worker->hop->spool,
                                      .memory_max_bytes = store_memory_max(policy),
                                      .file_max_bytes = policy->response_file_max_bytes,
                                      .owner = exchange,
                                      .on_event = on_store };
    response_store_init(store);
    return store;
}

void relay_client_is_slow(struct exchange *exchange)
{
    struct response_flow *flow = &exchange->flow;

    flow->held_up_since_ms = 0;
    flow->store = make_store(exchange);
    flow->is_stored = flow->store != NULL;
    if (flow->store)
        exchange->record.response_stored_at_us = exchange->worker->loop->now_us;
    relay_response(exchange);
}

uint64_t relay_patience_deadline(const struct exchange *exchange)
{
    const struct response_flow *flow = &exchange->flow;

    return flow->held_up_since_ms + less(PATIENCE_MS, flow->held_up_ms);
}

static void begin_held_up(struct exchange *exchange)
{
    struct response_flow *flow = &exchange->flow;

    exchange->back_waits = false;
    if (flow->is_stored && !flow->store && flow->held_up_since_ms == 0)
        flow->held_up_since_ms = exchange->worker->loop->now_ms;
}

static void end_held_up(struct exchange *exchange)
{
    struct response_flow *flow = &exchange->flow;

    if (flow->held_up_since_ms == 0)
        return;
    flow->held_up_ms += exchange->worker->loop->now_ms - flow->held_up_since_ms;
    flow->held_up_since_ms = 0;
}

static int send_to_client(struct exchange *exchange, struct buf *content)
{
    exchange->flow.head_waits = false;
    exchange->record.response_content_bytes += content->length;
    return exchange->front->ops->send_content(exchange->front, content);
}

/* A client that has caught up gets its bytes at once: only the rest waits. */
static int send_what_fits(struct exchange *exchange, struct buf *content)
{
    size_t room = http_stream_room(exchange->front);
    struct buf part;
    int r;

    if (room == 0 || response_store_length(exchange->flow.store) > 0)
        return 0;
    if (room >= content->length)
        return send_to_client(exchange, content);
    buf_init(&part, exchange->worker->loop->pool);
    r = buf_move(&part, content, room);
    if (r == 0)
        r = send_to_client(exchange, &part);
    buf_done(&part);
    return r;
}

static int put_in_store(struct exchange *exchange, struct buf *content)
{
    int r = send_what_fits(exchange, content);

    if (r == 0 && content->length > 0)
        r = response_store_append(exchange->flow.store, content);
    log_store(exchange);
    return r;
}

/* False: there is no memory, and the exchange has ended. */
static bool deliver(struct exchange *exchange, struct buf *content)
{
    int r = 0;

    if (content->length > 0)
        r = exchange->flow.store ? put_in_store(exchange, content)
                                 : send_to_client(exchange, content);
    if (r < 0)
        exchange_abort(exchange, END_OUT_OF_MEMORY);
    return r == 0;
}

/* Few bytes that stay long: crumbs must not hold a receive buffer each. */
static int hold(struct buf *held, struct buf *content)
{
    int r;

    if (held->count + content->count <= BUF_INLINE_SPANS)
        return buf_move(held, content, content->length);
    r = buf_append_packed(held, content);
    buf_done(content);
    return r;
}

/* What was received goes on, but for what the persona keeps back. False: as deliver. */
static bool take_in(struct exchange *exchange, uint64_t received)
{
    struct response_flow *flow = &exchange->flow;
    struct buf *pass = &exchange->pass, *held = &flow->held;
    size_t all = held->length + pass->length, keeps = 0;
    int r = 0;

    if (received == 0 && pass->length == 0)
        return true;
    if (flow->fill.buffer_bytes > 0)
        keeps = fill_rule_keeps(&flow->fill, received,
                                http1_body_least(&exchange->back.endpoint.body), all);
    if (keeps == 0 && held->length == 0)
        return deliver(exchange, pass);
    if (keeps < all) {
        keeps = keeps < pass->length ? keeps : pass->length;
        r = buf_move(held, pass, pass->length - keeps);
        if (r == 0 && !deliver(exchange, held))
            return false;
    }
    if (r == 0)
        r = hold(held, pass);
    if (r < 0)
        exchange_abort(exchange, END_OUT_OF_MEMORY);
    return r == 0;
}

/* ---- from the target ------------------------------------------------------------------------ */

static void wait_for_target(struct exchange *exchange)
{
    exchange_record_last_try(&exchange->record)->content_with_head = false;
    exchange->back_waits = true;
    exchange->back_wait_at_ms = exchange->worker->loop->now_ms;
}

/* What the target says of its idle connections, under a persona that listens. */
static struct keepalive_hint hint_of(const struct exchange *exchange)
{
    const struct persona *persona = exchange->record.persona;
    const struct field *field = NULL;
    struct keepalive_hint hint = { 0 };

    if (persona->upstream.keepalive_hint == PERSONA_HINT_OBEY)
        field = fields_find(&exchange->response.fields, FIELD_KEEP_ALIVE);
    if (field)
        hint = keepalive_hint_read(field->value);
    hint.idle_ms = time_scale_divide(hint.idle_ms, persona->time_scale);
    return hint;
}

/* The target did its part: its connection may serve the next exchange while our client reads on. */
static void response_is_complete(struct exchange *exchange)
{
    bool reusable = exchange->back_request == BACK_REQUEST_SENT && exchange->response.keep_alive &&
                    exchange->response.framing != HTTP_FRAMING_CLOSE &&
                    exchange->back.endpoint.body.forbidden_trailer_count == 0; /* up to no good */
    struct try_record *attempt = exchange_record_last_try(&exchange->record);
    const struct keepalive_hint hint = hint_of(exchange);

    exchange_end_try(exchange, attempt);
    if (upstream_conn_has_surplus(&exchange->back))
        exchange_log_surplus(exchange);
    exchange_set_back_response(exchange, BACK_RESPONSE_DONE);
    exchange->back_waits = false;
    exchange->front_waits = false; /* of its content nothing is wanted any more */
    exchange_set_back_request(exchange, BACK_REQUEST_NONE);
    upstream_conn_release(&exchange->back, reusable ? &hint : NULL);
    target_use_end(&exchange->target_use);
    exchange_report_health(exchange, false);
    service_load_leave_all(&exchange->load_use);
}

/* All of it has been received: what follows it is made now, from the target's own. */
static bool finish_reading(struct exchange *exchange)
{
    int r;

    fields_init(&exchange->flow.trailers, &exchange->arena);
    r = rewrite_trailers(&exchange->record, &exchange->back.endpoint.http.trailers, false,
                         &exchange->flow.trailers);
    response_is_complete(exchange);
    if (r < 0) {
        exchange_abort(exchange, END_OUT_OF_MEMORY);
        return false;
    }
    return deliver(exchange, &exchange->flow.held);
}

static size_t room_for_content(const struct exchange *exchange)
{
    return exchange->flow.store ? response_store_room(exchange->flow.store)
                                : http_stream_room(exchange->front);
}

/* Into exchange->pass, until one of both has no more: what read_content said last; 1: there is no room. */
static long read_target(struct exchange *exchange)
{
    struct http_stream *back = &exchange->back.endpoint.http;
    size_t room = room_for_content(exchange);
    long n;

    http_stream_expect(back, &exchange->response);
    while (room > 0) {
        n = back->ops->read_content(back, &exchange->pass, room);
        if (n <= 0)
            return n;
        room -= (size_t)n;
    }
    if (http1_body_least(&exchange->back.endpoint.body) > 0)
        return 1;
    return back->ops->read_content(back, &exchange->pass, 1); /* it was all: that adds nothing */
}

static void fail_response(struct exchange *exchange)
{
    struct http_failure failure = exchange->back.endpoint.http.failure;

    exchange_answer(exchange, failure.reason, failure.detail);
}

/* nginx gives up on all that it has not sent yet (NGX_ABORT of its pipe). */
static bool is_to_be_thrown_away(const struct exchange *exchange, enum end_reason reason)
{
    return reason == END_UPSTREAM_BODY_INVALID &&
           exchange->record.persona->response.head == PERSONA_HEAD_WITH_CONTENT;
}

/* Reads what there is. 1: there is no room for more. 0: it is over for now. -1: the exchange was answered
 * or has ended. */
static int receive(struct exchange *exchange)
{
    struct http_stream *back = &exchange->back.endpoint.http;
    uint64_t before = back->received_bytes;
    long n;

    end_held_up(exchange);
    n = read_target(exchange);
    if (n < 0 && n != -EAGAIN && is_to_be_thrown_away(exchange, back->failure.reason))
        buf_done(&exchange->pass);
    if (!take_in(exchange, back->received_bytes - before))
        return -1;
    if (n == -EAGAIN) {
        wait_for_target(exchange);
        return 0;
    }
    if (n < 0) {
        /* what arrived before the fault still goes out, then the cut */
        fail_response(exchange);
        return -1;
    }
    if (n == 0)
        return finish_reading(exchange) ? 0 : -1;
    begin_held_up(exchange);
    return 1;
}

bool relay_check_content(struct exchange *exchange)
{
    struct http_stream *back = &exchange->back.endpoint.http;

    if (exchange->record.persona->response.head != PERSONA_HEAD_CHECKED ||
        exchange->response.framing != HTTP_FRAMING_CHUNKED || read_target(exchange) >= 0 ||
        back->failure.reason != END_UPSTREAM_BODY_INVALID)
        return true;
    buf_done(&exchange->pass);
    exchange_try_failed(exchange, END_UPSTREAM_FRAMING_INVALID, back->failure.detail);
    return false;
}

/* ---- from the store to the client ----------------------------------------------------------- */

static size_t room_for_stored(const struct exchange *exchange)
{
    size_t queued = exchange->front->ops->queued(exchange->front);

    if (response_store_reads_file(exchange->flow.store))
        return queued < FEED_BYTES ? FEED_BYTES - queued : 0;
    return http_stream_room(exchange->front);
}

static void fail_store(struct exchange *exchange, int error)
{
    char text[512];

    if (error == -ENOMEM) {
        exchange_abort(exchange, END_OUT_OF_MEMORY);
        return;
    }
    exchange_answer(exchange, END_RESPONSE_SPOOL_READ_FAILED,
                    response_store_describe(exchange->flow.store, error, text, sizeof(text)));
}

/* It has neither a file nor memory for more: back-pressure takes over. */
static void leave_store_if_spent(struct exchange *exchange)
{
    struct response_flow *flow = &exchange->flow;

    if (response_store_length(flow->store) > 0 || response_store_room(flow->store) > 0)
        return;
    response_store_done(TAKE(flow->store));
    flow->is_stored = false;
}

/* Bytes that went to the client; -1: the exchange was answered or has ended. */
static long feed_client(struct exchange *exchange)
{
    long fed = 0;
    size_t room;

    while (exchange->flow.store && (room = room_for_stored(exchange)) > 0) {
        long n = response_store_read(exchange->flow.store, &exchange->pass, room);

        if (n == -EAGAIN || n == 0)
            break;
        if (n < 0) {
            fail_store(exchange, (int)n);
            return -1;
        }
        if (send_to_client(exchange, &exchange->pass) < 0) {
            exchange_abort(exchange, END_OUT_OF_MEMORY);
            return -1;
        }
        fed += n;
    }
    if (exchange->flow.store)
        leave_store_if_spent(exchange);
    return fed;
}

/* ---- both ----------------------------------------------------------------------------------- */

/* Moves content until one side has to wait. False: the exchange was answered or has ended. */
static bool move_response(struct exchange *exchange)
{
    int stopped = 0;
    bool had_store, moves;
    long fed;

    do {
        had_store = exchange->flow.store != NULL;
        if (exchange->back_response == BACK_RESPONSE_BODY)
            stopped = receive(exchange);
        if (stopped < 0)
            return false;
        fed = feed_client(exchange);
        if (fed < 0)
            return false;
        moves = fed > 0 || (had_store && !exchange->flow.store); /* that one was in the way */
    } while (stopped > 0 && moves && exchange->back_response == BACK_RESPONSE_BODY);
    return true;
}

/* The client has been given all that there is. False: as move_response. */
static bool end_if_all_is_given(struct exchange *exchange)
{
    struct response_flow *flow = &exchange->flow;

    if (exchange->back_response != BACK_RESPONSE_DONE ||
        (flow->store && response_store_length(flow->store) > 0))
        return true;
    if (flow->is_cut) {
        exchange_cut_response(exchange, true);
        return false;
    }
    flow->head_waits = false;
    if (flow->store)
        response_store_done(TAKE(flow->store)); /* others may need its place on the disk */
    if (exchange->front->ops->send_end(exchange->front, &flow->trailers) < 0) {
        exchange_abort(exchange, END_OUT_OF_MEMORY);
        return false;
    }
    exchange_end_response(exchange);
    return true;
}

void relay_response(struct exchange *exchange)
{
    bool sent = false;

    if (exchange->front_response != FRONT_RESPONSE_BODY)
        return;
    if (!move_response(exchange) || !end_if_all_is_given(exchange))
        return;
    if (!exchange->flow.head_waits)
        sent = exchange->front->ops->flush(exchange->front) == 0;
    exchange_update_timers(exchange);
    /* what could not be sent has left the queue too: that failure comes as an event and is the end */
    if (sent)
        exchange_finish_if_drained(exchange); /* last touch */
}

/* ---- the target fails ----------------------------------------------------------------------- */

/*
 * What nginx still gives its client: on FIN all of it; on a reset (ngx_event_pipe_read_upstream returns
 * before it looks at the last buffer) and when time is over (it is not called) what filled buffers.
 * Over TLS it cannot tell a reset from FIN (ngx_ssl_handle_recv).
 */
static bool is_held_dropped(const struct exchange *exchange, enum end_reason reason)
{
    bool over_tls = exchange->destination->plan->tls != NULL;

    if (exchange->record.persona->response.stalled == PERSONA_STALLED_SEND)
        return false;
    return reason != END_UPSTREAM_BODY_CLOSED && !(reason == END_UPSTREAM_BODY_RESET && over_tls);
}

void relay_cut_response(struct exchange *exchange)
{
    struct response_flow *flow = &exchange->flow;
    enum end_reason reason = exchange->record.reason;

    if (is_to_be_thrown_away(exchange, reason)) {
        exchange_cut_response(exchange, false);
        return;
    }
    if ((flow->fill.buffer_bytes == 0 && !flow->store) || flow->is_cut ||
        end_reason_info(reason)->hop != END_HOP_UPSTREAM) {
        exchange_cut_response(exchange, true);
        return;
    }
    flow->is_cut = true;
    flow->held_up_since_ms = 0;
    exchange_set_back_response(exchange, BACK_RESPONSE_DONE);
    exchange_report_health(exchange, false);
    exchange_log_try(exchange); /* its client may read on for long */
    if (is_held_dropped(exchange, reason))
        buf_done(&flow->held);
    if (deliver(exchange, &flow->held))
        relay_response(exchange);
}
