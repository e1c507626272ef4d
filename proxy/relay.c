/*
 * relay: content in both directions, with back-pressure.
 *
 * A side is read only while the other side's queue is below STREAM_QUEUE_HIGH; whoever stopped
 * comes back when HTTP_STREAM_WRITABLE says that the queue is low. Content is never copied here.
 */
#include <errno.h>
#include <inttypes.h>

#include "proxy/exchange.h"
#include "proxy/retry.h"
#include "proxy/rewrite.h"
#include "proxy/worker.h"

/* Bytes of request content that are read only to be dropped. */
enum { REQUEST_DROP_MAX = 64 * 1024 };

static size_t room_of(const struct http_stream *stream)
{
    size_t queued = stream->ops->queued(stream);

    return queued < STREAM_QUEUE_HIGH ? STREAM_QUEUE_HIGH - queued : 0;
}

/*
 * Large receive buffers for a content that is worth them. Said before it is read: a read that finds
 * nothing has armed the next receive already.
 */
static void choose_read_size(struct http_stream *stream, const struct http_head *head)
{
    if (head->framing == HTTP_FRAMING_CHUNKED || head->framing == HTTP_FRAMING_CLOSE ||
        (head->framing == HTTP_FRAMING_LENGTH && head->content_length > CHUNK_SMALL_BYTES))
        stream->ops->expect_bulk(stream);
}

/* ---- request ------------------------------------------------------------------------------- */

static void request_is_complete(struct exchange *exchange)
{
    exchange_set_front_request(exchange, FRONT_REQUEST_DONE);
    exchange->front_waits = false;
    exchange->record.request_end_at_us = exchange->worker->loop->now_us;
}

void relay_finish_request(struct exchange *exchange)
{
    size_t dropped = 0;
    long n = -EAGAIN;

    while (exchange->front_request == FRONT_REQUEST_BODY && dropped < REQUEST_DROP_MAX) {
        n = exchange->front->ops->read_content(exchange->front, &exchange->pass,
                                               REQUEST_DROP_MAX - dropped);
        if (n <= 0)
            break;
        dropped += (size_t)n;
        buf_done(&exchange->pass);
    }
    if (n == 0)
        request_is_complete(exchange);
}

/* The limit for content whose length was not announced; what was announced is refused at the head. */
static bool is_too_much(const struct exchange *exchange)
{
    uint64_t limit = exchange->record.persona->client.content_max_bytes;

    return limit != 0 && exchange->request_content_bytes > limit;
}

static void refuse_content(struct exchange *exchange)
{
    exchange_answer(exchange, END_CLIENT_BODY_TOO_BIG,
                    arena_printf(&exchange->arena, "%" PRIu64, exchange->request_content_bytes));
}

static void wait_for_client(struct exchange *exchange)
{
    struct loop *loop = exchange->worker->loop;

    exchange->front_waits = true;
    exchange->front_wait_at_ms = loop->now_ms;
    /* RFC 9110 10.1.1: it waits for our word before it sends content */
    if (exchange->request.expects_continue && !exchange->continue_sent &&
        exchange->front_response == FRONT_RESPONSE_NONE) {
        struct fields none = { 0 };
        const struct http_outgoing outgoing = {
            .status = 100, .reason = SLICE("Continue"), .version_minor = 1, .fields = &none
        };

        exchange->continue_sent = true;
        if (exchange->front->ops->send_head(exchange->front, &outgoing) == 0)
            (void)exchange->front->ops->flush(exchange->front); /* a failure comes as an event */
    }
}

static void finish_request(struct exchange *exchange)
{
    struct http_stream *back = &exchange->back.endpoint.http;
    struct fields trailers;

    fields_init(&trailers, &exchange->arena);
    if (rewrite_trailers(&exchange->record, &exchange->front->trailers, true, &trailers) < 0 ||
        back->ops->send_end(back, &trailers) < 0) {
        exchange_answer(exchange, END_OUT_OF_MEMORY, (struct slice){ NULL, 0 });
        return;
    }
    exchange_set_back_request(exchange, BACK_REQUEST_SENT);
    exchange->back_step_at_ms = exchange->worker->loop->now_ms;
}

static int append_compact(struct buf *to, const struct buf *from)
{
    size_t room;
    char *at = buf_reserve(to, from->length, &room);

    if (!at)
        return -ENOMEM;
    buf_commit(to, buf_peek(from, at, from->length));
    return 0;
}

/*
 * A try that fails before an answer can be repeated as long as all content is still at hand. It is
 * copied: a client that sends in crumbs would have us hold a chunk for each.
 */
static void keep_for_replay(struct exchange *exchange)
{
    const struct persona_retry *policy = &exchange->record.persona->retry;
    struct buf *replay = &exchange->replay;

    if (exchange->content_lost)
        return;
    if (retry_may_replay(policy, exchange->request.method) &&
        replay->length + exchange->pass.length <= EXCHANGE_REPLAY_MAX &&
        append_compact(replay, &exchange->pass) == 0)
        return;
    exchange->content_lost = true;
    buf_done(replay);
}

/* Moves content until one side has to wait. False: the exchange was answered or ended. */
static bool pump_request(struct exchange *exchange)
{
    struct http_stream *front = exchange->front, *back = &exchange->back.endpoint.http;

    while (exchange->front_request == FRONT_REQUEST_BODY) {
        size_t room = room_of(back);
        long n;

        if (room == 0) {
            exchange->front_waits = false;
            return true;
        }
        choose_read_size(front, &exchange->request);
        n = front->ops->read_content(front, &exchange->pass, room);
        if (n == -EAGAIN) {
            wait_for_client(exchange);
            return true;
        }
        if (n < 0) {
            (void)exchange_on_front(exchange, HTTP_STREAM_FAILED);
            return false;
        }
        if (n == 0) {
            request_is_complete(exchange);
            finish_request(exchange);
            return !exchange_is_over(exchange) && exchange->back_request == BACK_REQUEST_SENT;
        }
        exchange->request_content_bytes += (uint64_t)n;
        if (is_too_much(exchange)) {
            refuse_content(exchange);
            return false;
        }
        keep_for_replay(exchange);
        if (back->ops->send_content(back, &exchange->pass) < 0) {
            exchange_answer(exchange, END_OUT_OF_MEMORY, (struct slice){ NULL, 0 });
            return false;
        }
    }
    /* a further try: the request had been read completely before */
    if (exchange->back_request == BACK_REQUEST_SENDING)
        finish_request(exchange);
    return !exchange_is_over(exchange) && exchange->back_request == BACK_REQUEST_SENT;
}

int relay_replay(struct exchange *exchange)
{
    struct http_stream *back = &exchange->back.endpoint.http;
    int r = buf_append_copy(&exchange->pass, &exchange->replay);

    return r < 0 ? r : back->ops->send_content(back, &exchange->pass);
}

void relay_request(struct exchange *exchange)
{
    struct http_stream *back = &exchange->back.endpoint.http;
    bool was_complete = exchange->front_request == FRONT_REQUEST_DONE;

    if (exchange->back_request != BACK_REQUEST_SENDING)
        return;
    if (!pump_request(exchange))
        return;
    (void)back->ops->flush(back); /* a failure comes as an event */
    exchange_update_timers(exchange);
    if (!was_complete && exchange->front_request == FRONT_REQUEST_DONE)
        exchange->client_ops->watch(exchange->front); /* may end the exchange: last touch */
}

/* ---- response ------------------------------------------------------------------------------ */

static void wait_for_target(struct exchange *exchange)
{
    exchange->back_waits = true;
    exchange->back_wait_at_ms = exchange->worker->loop->now_ms;
}

/* The target did its part: its connection may serve the next exchange while our client reads on. */
static void response_is_complete(struct exchange *exchange)
{
    bool reusable = exchange->back_request == BACK_REQUEST_SENT && exchange->response.keep_alive &&
                    exchange->response.framing != HTTP_FRAMING_CLOSE &&
                    exchange->back.endpoint.body.forbidden_trailer_count == 0; /* up to no good */
    struct try_record *attempt = exchange_record_last_try(&exchange->record);

    attempt->ended_at_us = exchange->worker->loop->now_us;
    if (upstream_conn_has_surplus(&exchange->back))
        exchange_log_surplus(exchange);
    exchange_set_back_response(exchange, BACK_RESPONSE_DONE);
    exchange->back_waits = false;
    exchange_set_back_request(exchange, BACK_REQUEST_NONE);
    upstream_conn_release(&exchange->back, reusable);
    target_use_end(&exchange->target_use);
}

static bool finish_response(struct exchange *exchange)
{
    struct fields trailers;
    int r;

    fields_init(&trailers, &exchange->arena);
    r = rewrite_trailers(&exchange->record, &exchange->back.endpoint.http.trailers, false,
                         &trailers);
    response_is_complete(exchange);
    if (r == 0)
        r = exchange->front->ops->send_end(exchange->front, &trailers);
    if (r < 0) {
        exchange_abort(exchange, END_OUT_OF_MEMORY);
        return false;
    }
    exchange_end_response(exchange);
    return true;
}

/* Moves content until one side has to wait. False: the exchange was cut. */
static bool pump_response(struct exchange *exchange)
{
    struct http_stream *front = exchange->front, *back = &exchange->back.endpoint.http;

    while (exchange->back_response == BACK_RESPONSE_BODY) {
        size_t room = room_of(front);
        long n;

        if (room == 0) {
            exchange->back_waits = false;
            return true;
        }
        choose_read_size(back, &exchange->response);
        n = back->ops->read_content(back, &exchange->pass, room);
        if (n == -EAGAIN) {
            wait_for_target(exchange);
            return true;
        }
        if (n < 0) {
            /* what arrived before the fault still goes out, then the cut */
            struct http_failure failure = back->failure;

            exchange_answer(exchange, failure.reason, failure.detail);
            return false;
        }
        if (n == 0) {
            return finish_response(exchange);
        }
        exchange->record.response_content_bytes += (uint64_t)n;
        if (front->ops->send_content(front, &exchange->pass) < 0) {
            exchange_abort(exchange, END_OUT_OF_MEMORY);
            return false;
        }
    }
    return true;
}

void relay_response(struct exchange *exchange)
{
    if (exchange->front_response != FRONT_RESPONSE_BODY)
        return;
    if (!pump_response(exchange))
        return;
    (void)exchange->front->ops->flush(exchange->front); /* a failure comes as an event */
    exchange_update_timers(exchange);
    exchange_finish_if_drained(exchange); /* last touch */
}
