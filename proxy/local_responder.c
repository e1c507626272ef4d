/* Answers made here instead of by a target: error pages, refusals; and the cut of a response. */
#include "proxy/client_conn.h"
#include "proxy/error_log.h"
#include "proxy/error_page.h"
#include "proxy/exchange.h"
#include "proxy/rewrite.h"
#include "proxy/worker.h"

/* The response head is out: all that is left is to make the loss visible. */
static void cut(struct exchange *exchange)
{
    const struct persona_response *policy = &exchange->record.persona->response;

    exchange->record.truncated = true;
    exchange_hang_up(exchange, policy->cut == PERSONA_CUT_FIN ? STREAM_CLOSE_FLUSH
                                                              : STREAM_CLOSE_ABORT);
}

static int send_page(struct exchange *exchange, const struct error_page *page)
{
    struct http_stream *front = exchange->front;
    struct http_outgoing outgoing = { .status = exchange->record.status,
                                      .reason = page->reason_phrase,
                                      .version_minor = 1,
                                      .fields = &exchange->sent_response };
    int r = front->ops->send_head(front, &outgoing);

    if (r < 0)
        return r;
    /* HEAD: the length stays, the content does not (RFC 9110 9.3.2) */
    if (exchange->record.request && exchange->request.method == HTTP_METHOD_HEAD)
        return 0;
    r = buf_append_slice(&exchange->pass, page->content);
    if (r == 0)
        r = front->ops->send_content(front, &exchange->pass);
    exchange->record.response_content_bytes = page->content.len;
    return r;
}

static void answer_with_page(struct exchange *exchange, const struct persona_answer *answer)
{
    struct exchange_record *record = &exchange->record;
    struct error_page page;

    record->status = (uint16_t)answer->status;
    record->response_head_at_us = exchange->worker->loop->now_us;
    exchange->client_keep_alive = answer->keep_alive &&
                                  exchange->front_request == FRONT_REQUEST_DONE &&
                                  exchange_may_keep_client(exchange);
    fields_init(&exchange->sent_response, &exchange->arena);
    record->response_fields = &exchange->sent_response;
    if (error_page_make(record, answer, exchange->client_keep_alive, &exchange->arena, &page,
                        &exchange->sent_response) < 0 ||
        send_page(exchange, &page) < 0) {
        exchange_hang_up(exchange, STREAM_CLOSE_ABORT);
        return;
    }
    exchange->front_response = FRONT_RESPONSE_LOCAL;
    exchange_end_response(exchange);
    (void)exchange->front->ops->flush(exchange->front); /* a failure comes as an event */
    exchange_update_timers(exchange);
}

/* Content that has arrived in full with its head does not cost the client its connection. */
static void take_complete_request(struct exchange *exchange)
{
    if (exchange->front_request == FRONT_REQUEST_BODY &&
        exchange->request.framing == HTTP_FRAMING_NONE &&
        exchange->front->ops->read_content(exchange->front, &exchange->pass, 1) == 0)
        exchange->front_request = FRONT_REQUEST_DONE;
}

void exchange_answer(struct exchange *exchange, enum end_reason reason, struct slice detail)
{
    struct exchange_record *record = &exchange->record;
    const struct try_record *last = exchange_record_last_try(record);
    struct persona_answer answer;

    exchange_set_reason(exchange, reason, detail);
    error_log_write_end(exchange->worker->hop->error_log, record, &exchange->arena);
    answer = persona_answer(record->persona, record->reason, record->was_proxied,
                            last && last->reused);
    exchange_drop_back(exchange);
    if (exchange->front_response != FRONT_RESPONSE_NONE) {
        cut(exchange);
        return;
    }
    take_complete_request(exchange);
    switch (answer.action) {
    case PERSONA_ACTION_UNSET:
    case PERSONA_PAGE:
        answer_with_page(exchange, &answer);
        return;
    case PERSONA_RESET:
        exchange_hang_up(exchange, STREAM_CLOSE_ABORT);
        return;
    case PERSONA_CLOSE:
        exchange_hang_up(exchange, STREAM_CLOSE_LINGER);
        return;
    }
}
