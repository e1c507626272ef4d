/*
 * relay: the content of requests, with back-pressure; that of responses is in relay_response.c.
 *
 * A side is read only while the other side's queue is below STREAM_QUEUE_HIGH; whoever stopped
 * comes back when HTTP_STREAM_WRITABLE says that the queue is low. Content is never copied here, but
 * for what is kept.
 *
 * Request content is streamed, or stored: then the client and the disk are one pair (store_request),
 * and once all is there the disk and the target are another (pump_stored), again for each try.
 */
#include <errno.h>
#include <inttypes.h>

#include "proxy/exchange/exchange.h"
#include "proxy/exchange/retry.h"
#include "proxy/exchange/stored_content.h"
#include "proxy/rewrite/rewrite.h"
#include "proxy/worker/worker.h"

/* Bytes of request content that are read only to be dropped. */
enum { REQUEST_DROP_MAX = 64 * 1024 };

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
    exchange->front_waits = true;
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

long relay_read_request(struct exchange *exchange, size_t max)
{
    struct http_stream *front = exchange->front;
    long n;

    http_stream_expect(front, &exchange->request);
    n = front->ops->read_content(front, &exchange->pass, max);
    if (n == 0) {
        request_is_complete(exchange);
        return 0;
    }
    if (n == -EAGAIN) {
        wait_for_client(exchange);
        return n;
    }
    if (n < 0) {
        exchange_on_front(exchange, HTTP_STREAM_FAILED);
        return -ECANCELED;
    }
    exchange->request_content_bytes += (uint64_t)n;
    if (is_too_much(exchange)) {
        refuse_content(exchange);
        return -ECANCELED;
    }
    return n;
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
    if (exchange->back_response != BACK_RESPONSE_WAIT)
        relay_forget_content(exchange);
}

void relay_forget_content(struct exchange *exchange)
{
    exchange->content_lost = true;
    buf_done(&exchange->replay);
    /* a target that answered early may still be taking it */
    if (exchange->stored && exchange->back_request != BACK_REQUEST_SENDING)
        stored_content_done(exchange->stored);
}

/* ---- request, streamed ---- */

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
        buf_append_packed(replay, &exchange->pass) == 0)
        return;
    exchange->content_lost = true;
    buf_done(replay);
}

/* A hop that stores content has nginx's request_body_no_buffering where a route takes that off it: what
 * did not come with the head is sent once (ngx_http_upstream_next). */
static void wait_for_more(struct exchange *exchange)
{
    const struct exchange_record *record = &exchange->record;

    if (exchange->back_request != BACK_REQUEST_SENDING || record->route->request_buffering ||
        record->persona->content.request != PERSONA_STORE)
        return;
    exchange->content_lost = true;
    buf_done(&exchange->replay);
}

/* Moves content until one side has to wait. False: the exchange was answered or ended. */
static bool pump_request(struct exchange *exchange)
{
    struct http_stream *back = &exchange->back.endpoint.http;

    while (exchange->front_request == FRONT_REQUEST_BODY) {
        size_t room = http_stream_room(back);
        long n;

        if (room == 0) {
            exchange->front_waits = false;
            wait_for_more(exchange);
            return true;
        }
        n = relay_read_request(exchange, room);
        if (n == -EAGAIN) {
            wait_for_more(exchange);
            return true;
        }
        if (n < 0)
            return false;
        if (n == 0)
            break;
        keep_for_replay(exchange);
        if (back->ops->send_content(back, &exchange->pass) < 0) {
            exchange_answer(exchange, END_OUT_OF_MEMORY, (struct slice){ NULL, 0 });
            return false;
        }
    }
    /* now, or before a further try */
    if (exchange->back_request == BACK_REQUEST_SENDING)
        finish_request(exchange);
    return !exchange_is_over(exchange) && exchange->back_request == BACK_REQUEST_SENT;
}

/* ---- request, stored ---- */

static void fail_store(struct exchange *exchange)
{
    char text[512];
    enum end_reason reason = stored_content_failure(exchange->stored, text, sizeof(text));

    upstream_conn_make_room(exchange->worker, stored_content_error(exchange->stored));
    exchange_answer(exchange, reason, slice_of(text));
}

static void on_stored(void *owner)
{
    struct exchange *exchange = owner;

    if (exchange->is_storing && stored_content_has_failed(exchange->stored))
        fail_store(exchange);
    else if (!exchange->is_storing || !exchange->front_waits) /* its next event is the client's */
        relay_request(exchange);
}

static bool store(struct exchange *exchange)
{
    struct stored_content *stored = exchange->stored;
    bool was_in_file = stored_content_is_in_file(stored);

    if (stored_content_append(stored, &exchange->pass) < 0) {
        fail_store(exchange);
        return false;
    }
    if (!was_in_file && stored_content_is_in_file(stored))
        exchange_log_spooled(exchange, spool_number(stored->spool));
    return true;
}

/* Takes in until the client or the disk has to be waited for. False: the exchange was answered or
 * ended. */
static bool store_what_is_there(struct exchange *exchange)
{
    while (exchange->front_request == FRONT_REQUEST_BODY) {
        size_t room = stored_content_room(exchange->stored);
        long n;

        if (room == 0) {
            exchange->front_waits = false;
            return true;
        }
        n = relay_read_request(exchange, room);
        if (n == -EAGAIN)
            return true;
        if (n < 0 || (n > 0 && !store(exchange)))
            return false;
        if (n == 0) {
            exchange->client_ops->watch(exchange->front); /* it may leave while we go on */
            return !exchange_is_over(exchange) && exchange->front_response == FRONT_RESPONSE_NONE;
        }
    }
    return true;
}

static void store_request(struct exchange *exchange)
{
    if (!store_what_is_there(exchange))
        return;
    if (exchange->front_request == FRONT_REQUEST_BODY ||
        !stored_content_is_settled(exchange->stored)) {
        exchange_update_timers(exchange);
        return;
    }
    exchange->is_storing = false;
    exchange_try(exchange);
}

void relay_store_request(struct exchange *exchange)
{
    struct stored_content *stored = arena_alloc(&exchange->arena, sizeof(*stored));

    if (!stored) {
        exchange_answer(exchange, END_OUT_OF_MEMORY, (struct slice){ NULL, 0 });
        return;
    }
    *stored = (struct stored_content){
        .loop = exchange->worker->loop,
        .area = &exchange->worker->hop->spool,
        .memory_max_bytes = exchange->record.persona->content.buffer_bytes,
        .owner = exchange,
        .on_event = on_stored,
    };
    stored_content_init(stored);
    exchange->stored = stored;
    exchange->is_storing = true;
    store_request(exchange);
}

/* As pump_request, from the store. */
static bool pump_stored(struct exchange *exchange)
{
    struct http_stream *back = &exchange->back.endpoint.http;

    for (;;) {
        size_t room = http_stream_room(back);
        long n = room > 0 ? stored_content_read(exchange->stored, &exchange->pass, room) : -EAGAIN;

        if (n == -EAGAIN)
            return true;
        if (n == 0)
            break;
        if (n < 0 && exchange->front_response != FRONT_RESPONSE_NONE) {
            /* an answer that is on its way is worth more than a target that waits for us */
            exchange_set_back_request(exchange, BACK_REQUEST_STOPPED);
            relay_forget_content(exchange);
            return true;
        }
        if (n < 0) {
            fail_store(exchange);
            return false;
        }
        if (back->ops->send_content(back, &exchange->pass) < 0) {
            exchange_answer(exchange, END_OUT_OF_MEMORY, (struct slice){ NULL, 0 });
            return false;
        }
    }
    finish_request(exchange);
    return !exchange_is_over(exchange) && exchange->back_request == BACK_REQUEST_SENT;
}

/* ---- request ---- */

/* Content that is stored has a length, whatever its framing was. */
struct rewrite_framing relay_request_framing(const struct exchange *exchange)
{
    struct rewrite_framing framing = { .framing = exchange->request.framing,
                                       .content_length = exchange->request.content_length };

    if (exchange->stored && framing.framing == HTTP_FRAMING_CHUNKED &&
        exchange->record.persona->content.request_framing == PERSONA_FRAMING_LENGTH) {
        framing.framing = HTTP_FRAMING_LENGTH;
        framing.content_length = exchange->request_content_bytes;
    }
    return framing;
}

int relay_replay(struct exchange *exchange)
{
    struct http_stream *back = &exchange->back.endpoint.http;
    int r;

    if (exchange->stored)
        return stored_content_rewind(exchange->stored);
    r = buf_append_copy(&exchange->pass, &exchange->replay);
    return r < 0 ? r : back->ops->send_content(back, &exchange->pass);
}

/* A client that was told to go on, or did without being told, has no question left. */
void relay_hold_request(struct exchange *exchange)
{
    const struct persona_request *policy = &exchange->record.persona->request;

    if (policy->expect == PERSONA_EXPECT_FORWARD && exchange->request.expects_continue &&
        !exchange->continue_sent && exchange->request_content_bytes == 0 &&
        exchange->front_request == FRONT_REQUEST_BODY)
        exchange->hold_until_ms = exchange->worker->loop->now_ms + policy->expect_timeout_ms;
}

void relay_release_request(struct exchange *exchange)
{
    exchange->hold_until_ms = 0;
    relay_request(exchange);
}

static bool pump(struct exchange *exchange)
{
    if (exchange->hold_until_ms != 0)
        return true;
    return exchange->stored ? pump_stored(exchange) : pump_request(exchange);
}

void relay_request(struct exchange *exchange)
{
    struct http_stream *back = &exchange->back.endpoint.http;
    bool was_complete = exchange->front_request == FRONT_REQUEST_DONE;

    if (exchange->gathered) {
        exchange_gather(exchange);
        return;
    }
    if (exchange->is_storing) {
        store_request(exchange);
        return;
    }
    if (exchange->back_request != BACK_REQUEST_SENDING)
        return;
    if (!pump(exchange))
        return;
    (void)back->ops->flush(back); /* a failure comes as an event */
    exchange_update_timers(exchange);
    if (!was_complete && exchange->front_request == FRONT_REQUEST_DONE)
        exchange->client_ops->watch(exchange->front); /* may end the exchange: last touch */
}
