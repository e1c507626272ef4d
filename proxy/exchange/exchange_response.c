/* The head of a response: interim ones, what frames its content towards the client, and its way there. */
#include <errno.h>

#include "lb/target_latency.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/persistence.h"
#include "proxy/rewrite/rewrite.h"
#include "proxy/route/hash_input.h"
#include "proxy/worker/worker.h"

enum { INTERIM_HEADS_MAX = 16, INTERIM_HEADS_LAB_MAX = 1024 };

static unsigned leniencies_of(const struct persona *persona)
{
    unsigned leniencies = persona->parse.response;

    if (!persona->lab_is_on)
        return 0;
    if (persona->response.interim == PERSONA_INTERIM_FINAL)
        leniencies |= HTTP1_LENIENT_INTERIM_CONTENT;
    return leniencies;
}

void exchange_begin_response_head(struct exchange *exchange, exchange_begin_head begin)
{
    memset(&exchange->response, 0, sizeof(exchange->response));
    begin(&exchange->back.endpoint, &exchange->record.persona->upstream.limits, &exchange->arena,
          &exchange->response);
    exchange->back.endpoint.parser.request_method = exchange->request.method;
    exchange->back.endpoint.parser.leniencies = leniencies_of(exchange->record.persona);
}

/* The client asked for it, sent its question on, and has no answer yet. */
static bool is_wanted_continue(const struct exchange *exchange)
{
    return exchange->response.status == 100 && exchange->request.expects_continue &&
           !exchange->continue_sent &&
           exchange->record.persona->request.expect == PERSONA_EXPECT_FORWARD;
}

static bool interim_passes(const struct exchange *exchange)
{
    if (exchange->response.status == 100)
        return is_wanted_continue(exchange);
    return exchange->request.version_minor > 0 &&
           exchange->record.persona->response.interim == PERSONA_INTERIM_FORWARD;
}

/* 103 and its like pass to clients that know them (RFC 9110 15.2); 100 only to who asked us for it. */
static void forward_interim(struct exchange *exchange)
{
    const struct rewrite_framing framing = { .framing = HTTP_FRAMING_NONE };
    struct http_stream *front = exchange->front;
    struct http_outgoing outgoing = { .status = exchange->response.status,
                                      .reason = exchange->response.reason,
                                      .version_minor = 1,
                                      .fields = &exchange->sent_response };

    if (!interim_passes(exchange))
        return;
    fields_init(&exchange->sent_response, &exchange->arena);
    if (rewrite_response(&exchange->record, &exchange->response, &framing,
                         &exchange->sent_response) == 0 &&
        front->ops->send_head(front, &outgoing) == 0)
        (void)front->ops->flush(front); /* a hint that is lost costs the client only time */
    if (exchange->response.status == 100)
        exchange->continue_sent = true;
}

static uint32_t interim_max(const struct exchange *exchange)
{
    const struct persona *persona = exchange->record.persona;

    return persona->lab_is_on && (persona->parse.response & PERSONA_LENIENT_MANY_INTERIMS)
               ? INTERIM_HEADS_LAB_MAX
               : INTERIM_HEADS_MAX;
}

/* An interim head (1xx) is taken off and the next head is awaited. False: the try failed. */
static bool take_interim(struct exchange *exchange)
{
    bool lets_content_go = exchange->response.status == 100 && exchange->hold_until_ms != 0;
    uint32_t this_try = exchange->record.tries_count;

    if (exchange->response.status == 101 || ++exchange->interim_count > interim_max(exchange)) {
        exchange_try_failed(exchange, END_UPSTREAM_HEAD_INVALID,
                            exchange->response.status == 101 ? SLICE("101 that was not asked for")
                                                             : SLICE("too many interim responses"));
        return false;
    }
    forward_interim(exchange);
    exchange_begin_response_head(exchange, http1_endpoint_begin_next_head);
    exchange->back_step_at_ms = exchange->worker->loop->now_ms; /* a sign of life */
    exchange_update_timers(exchange);
    if (lets_content_go)
        relay_release_request(exchange);
    return !exchange_is_over(exchange) && exchange->record.tries_count == this_try &&
           exchange->back_request != BACK_REQUEST_NONE;
}

/* Content without a length: chunked, or ended by the end of the connection. */
static enum http_framing open_framing(const struct exchange *exchange)
{
    const struct persona *persona = exchange->record.persona;

    if (exchange->response.framing == HTTP_FRAMING_CLOSE &&
        persona->content.until_close == PERSONA_UNTIL_CLOSE_CLOSE)
        return HTTP_FRAMING_CLOSE;
    if (exchange->request.version_minor == 0 &&
        !(persona->lab_is_on && persona->content.old_client == PERSONA_OLD_CHUNKED))
        return HTTP_FRAMING_CLOSE;
    return HTTP_FRAMING_CHUNKED;
}

static struct rewrite_framing response_framing(const struct exchange *exchange)
{
    const struct http_head *response = &exchange->response;
    struct rewrite_framing framing = { .framing = response->framing,
                                       .content_length = response->content_length };

    if (response->status < 200) {
        framing.framing = HTTP_FRAMING_NONE; /* nginx frames no 1xx, whatever follows it */
        return framing;
    }
    if (response->framing == HTTP_FRAMING_CHUNKED || response->framing == HTTP_FRAMING_CLOSE)
        framing.framing = open_framing(exchange);
    return framing;
}

static unsigned response_version(const struct exchange *exchange)
{
    return exchange->record.persona->response.version == PERSONA_STATUS_LINE_UPSTREAM
               ? exchange->response.version_minor
               : 1;
}

/* RFC 9112 6.1: its framing is dubious; only the lab lets it in. Under a version of our own it is sound. */
static bool is_old_chunked(const struct exchange *exchange)
{
    return exchange->response.version_minor == 0 && response_version(exchange) == 0 &&
           exchange->response.framing == HTTP_FRAMING_CHUNKED;
}

static void forward_head(struct exchange *exchange)
{
    struct http_stream *front = exchange->front;
    struct exchange_record *record = &exchange->record;
    struct rewrite_framing framing = response_framing(exchange);
    uint64_t before = front->sent_bytes;
    int r;

    exchange->response_out =
        (struct http_outgoing){ .status = exchange->response.status,
                                .reason = exchange->response.reason,
                                .version_minor = response_version(exchange),
                                .fields = &exchange->sent_response,
                                .chunked = framing.framing == HTTP_FRAMING_CHUNKED };
    record->status = exchange->response.status;
    record->from_upstream = true;
    exchange->response_chunk = chunk_ref(exchange->back.endpoint.head_chunk);
    record->response_head_at_us = exchange->worker->loop->now_us;
    exchange->ends_by_closing = framing.framing == HTTP_FRAMING_CLOSE;
    exchange->client_keep_alive =
        exchange_may_keep_client(exchange) && framing.framing != HTTP_FRAMING_CLOSE &&
        !is_old_chunked(exchange) &&
        exchange->front_request == FRONT_REQUEST_DONE &&   /* else its rest would be in the way */
        (!exchange->pin || exchange->response.keep_alive); /* both go on, or neither */
    framing.keep_alive = exchange->client_keep_alive;
    fields_init(&exchange->sent_response, &exchange->arena);
    r = rewrite_response(record, &exchange->response, &framing, &exchange->sent_response);
    if (r == 0)
        r = hash_input_set_cookie(record, &exchange->sent_response);
    if (r == 0)
        r = persistence_on_response(record, upstream_targets_of(exchange->upstream->upstream),
                                    exchange->target_use.target, &exchange->sent_response);
    record->response_fields = &exchange->sent_response;
    if (r == 0)
        r = front->ops->send_head(front, &exchange->response_out);
    if (r < 0) {
        exchange_answer(exchange, r == -ENOMEM ? END_OUT_OF_MEMORY : END_INTERNAL,
                        SLICE("a field of the response cannot be sent"));
        return;
    }
    exchange_set_front_response(exchange, FRONT_RESPONSE_BODY);
    exchange_set_back_response(exchange, BACK_RESPONSE_BODY);
    if (exchange->response.status == 101 && exchange->response.framing == HTTP_FRAMING_NONE) {
        tunnel_open(exchange);
        return;
    }
    relay_begin_response(exchange, front->sent_bytes - before);
    relay_response(exchange);
}

/* A 101 is an answer only to who asked, only for what was asked, and only to a whole request: what
 * follows would else be content of the request and bytes of the tunnel at once. */
static bool is_expected_switch(const struct exchange *exchange)
{
    const struct field *upgrade = fields_find(&exchange->response.fields, FIELD_UPGRADE);

    return exchange->response.status == 101 && exchange->record.upgrade.len > 0 && upgrade &&
           exchange->front_request == FRONT_REQUEST_DONE &&
           exchange->back_request == BACK_REQUEST_SENT &&
           slice_equal_nocase(upgrade->value, exchange->record.upgrade);
}

void exchange_on_response_head(struct exchange *exchange)
{
    struct try_record *attempt = exchange_record_last_try(&exchange->record);

    if (exchange->response.status < 200 && !is_expected_switch(exchange) &&
        exchange->response.framing == HTTP_FRAMING_NONE) {
        if (take_interim(exchange))
            upstream_conn_read(&exchange->back);
        return;
    }
    attempt->head_at_us = exchange->worker->loop->now_us;
    attempt->status = exchange->response.status;
    target_latency_add(exchange->target_use.target, attempt->head_at_us - attempt->picked_at_us,
                       attempt->head_at_us);
    if (exchange_retry_on_status(exchange))
        return;
    if (!relay_check_content(exchange))
        return;
    relay_forget_content(exchange);
    forward_head(exchange);
}
