/*
 * An answer without a head, for the lab: what does not begin with "HTTP/" is HTTP/0.9 to nginx
 * (ngx_http_proxy_process_status_line). It logs that there was no valid head, takes the answer for a 200 and
 * passes its bytes on as they are, without a status line; its own log then says status 009. The client
 * cannot tell where it ends but by the end of the connection.
 */
#include "core/http/head.h"
#include "proxy/exchange/exchange.h"
#include "proxy/worker/worker.h"

bool relay_raw_is_wanted(const struct exchange *exchange, enum end_reason reason)
{
    const struct persona *persona = exchange->record.persona;

    return reason == END_UPSTREAM_STATUS_INVALID && persona->lab_is_on &&
           exchange->front_response == FRONT_RESPONSE_NONE &&
           persona_answer(persona, reason, true, exchange->back.reused).action == PERSONA_RELAY;
}

/* The line that nginx writes; the try did not fail for all that. */
static void tell(struct exchange *exchange)
{
    struct try_record *attempt = exchange_record_last_try(&exchange->record);

    attempt->reason = END_UPSTREAM_STATUS_INVALID;
    attempt->detail = arena_copy(&exchange->arena, exchange->back.endpoint.http.failure.detail);
    exchange_log_try(exchange);
    attempt->reason = END_OK;
    attempt->head_at_us = exchange->worker->loop->now_us;
    attempt->status = 200;
}

static void pretend_head(struct exchange *exchange)
{
    struct exchange_record *record = &exchange->record;
    const struct persona_answer answer =
        persona_answer(record->persona, END_UPSTREAM_STATUS_INVALID, true, exchange->back.reused);

    exchange->response =
        (struct http_head){ .version_minor = 0, .status = 200, .framing = HTTP_FRAMING_CLOSE };
    record->status = (uint16_t)answer.status;
    record->from_upstream = true;
    record->response_head_at_us = exchange->worker->loop->now_us;
    /* a client that waits for the end of such an answer waits for long where it stays (nginx) */
    exchange->client_keep_alive = answer.keep_alive && exchange_may_keep_client(exchange);
}

void relay_raw_begin(struct exchange *exchange)
{
    tell(exchange);
    if (http1_endpoint_take_as_content(&exchange->back.endpoint, &exchange->arena) < 0) {
        exchange_answer(exchange, END_OUT_OF_MEMORY, (struct slice){ NULL, 0 });
        return;
    }
    pretend_head(exchange);
    relay_forget_content(exchange);
    if (exchange->request.method == HTTP_METHOD_HEAD) { /* nginx: header_only, and no header */
        exchange_hang_up(exchange, STREAM_CLOSE_LINGER);
        return;
    }
    exchange_set_front_response(exchange, FRONT_RESPONSE_BODY);
    exchange_set_back_response(exchange, BACK_RESPONSE_BODY);
    relay_begin_response(exchange, 0);
    relay_response(exchange);
}
