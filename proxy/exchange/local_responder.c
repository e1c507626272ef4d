/* Answers made here instead of by a target: error pages, refusals, what the status listener is asked
 * for; and the cut of a response. */
#include <stdlib.h>

#include "proxy/exchange/exchange.h"
#include "proxy/report/error_page.h"
#include "proxy/rewrite/rewrite.h"
#include "proxy/worker/status_question.h"
#include "proxy/worker/worker.h"

/*
 * The response head is out: what came before the fault goes out as well (how much that is must not
 * depend on how TCP cut it), and the loss is made visible. FIN does that where length or last chunk
 * is missing; content that ends with the connection needs a reset.
 */
void exchange_cut_response(struct exchange *exchange, bool with_unsent)
{
    const struct persona_response *policy = &exchange->record.persona->response;
    bool by_fin = (policy->cut == PERSONA_CUT_FIN && !exchange->ends_by_closing &&
                   exchange->request.version_minor > 0) ||
                  (policy->cut == PERSONA_CUT_FIN_ALWAYS && exchange->record.persona->lab_is_on);

    exchange->record.truncated = true;
    if (with_unsent)
        (void)exchange->front->ops->flush(exchange->front); /* what is lost is lost */
    exchange_hang_up(exchange, by_fin ? STREAM_CLOSE_FLUSH : STREAM_CLOSE_CUT);
}

static int send_page(struct exchange *exchange, const struct error_page *page)
{
    struct http_stream *front = exchange->front;
    bool head_only = exchange->request.method == HTTP_METHOD_HEAD;
    bool has_content = exchange->record.status != 204; /* RFC 9110 8.6: and no length either */
    const struct rewrite_framing framing = { .framing = has_content ? HTTP_FRAMING_LENGTH
                                                                    : HTTP_FRAMING_NONE,
                                             .content_length = page->content.len,
                                             .keep_alive = exchange->client_keep_alive };
    int r = rewrite_error_page(&exchange->record, page, &framing, &exchange->sent_response);

    exchange->response_out = (struct http_outgoing){ .status = exchange->record.status,
                                                     .reason = slice_of(page->answer.reason_phrase),
                                                     .version_minor = 1,
                                                     .fields = &exchange->sent_response };
    if (r == 0)
        r = front->ops->send_head(front, &exchange->response_out);
    if (r < 0 || head_only) /* HEAD: the length stays, the content does not (RFC 9110 9.3.2) */
        return r;
    buf_done(&exchange->pass);
    exchange->record.response_content_bytes = page->content.len;
    r = buf_append_slice(&exchange->pass, page->content);
    return r < 0 ? r : front->ops->send_content(front, &exchange->pass);
}

static void answer_with_page(struct exchange *exchange, const struct error_page *page)
{
    struct exchange_record *record = &exchange->record;

    record->status = (uint16_t)page->answer.status;
    exchange->client_keep_alive = page->answer.keep_alive &&
                                  exchange->front_request == FRONT_REQUEST_DONE &&
                                  exchange_may_keep_client(exchange);
    fields_init(&exchange->sent_response, &exchange->arena);
    record->response_fields = &exchange->sent_response;
    if (send_page(exchange, page) < 0) {
        exchange_hang_up(exchange, STREAM_CLOSE_ABORT);
        return;
    }
    exchange_set_front_response(exchange, FRONT_RESPONSE_LOCAL);
    exchange_end_response(exchange);
    (void)exchange->front->ops->flush(exchange->front); /* a failure comes as an event */
    exchange_update_timers(exchange);
}

static void answer(struct exchange *exchange)
{
    struct exchange_record *record = &exchange->record;
    struct error_page page;

    exchange_drop_back(exchange);
    service_load_leave_all(&exchange->load_use);
    if (exchange->front_response != FRONT_RESPONSE_NONE) {
        relay_cut_response(exchange);
        return;
    }
    relay_finish_request(exchange);
    record->response_head_at_us = exchange->worker->loop->now_us;
    if (error_page_make(record, &exchange->arena, &page) < 0) {
        exchange_hang_up(exchange, STREAM_CLOSE_ABORT);
        return;
    }
    exchange->is_logged = page.answer.logged;
    switch (page.answer.action) {
    case PERSONA_ACTION_UNSET:
    case PERSONA_PAGE:
    case PERSONA_RELAY: /* of an answer that cannot be relayed any more: the page is the safe answer */
        answer_with_page(exchange, &page);
        return;
    case PERSONA_RESET:
        exchange_hang_up(exchange, STREAM_CLOSE_ABORT);
        return;
    case PERSONA_CLOSE:
        exchange_hang_up(exchange, STREAM_CLOSE_LINGER);
        return;
    }
}

void exchange_answer(struct exchange *exchange, enum end_reason reason, struct slice detail)
{
    struct chunk_pool *pool = exchange->worker->loop->pool;
    bool was_privileged = chunk_pool_privilege(pool, true);

    exchange_set_reason(exchange, reason, detail);
    answer(exchange);
    (void)chunk_pool_privilege(pool, was_privileged);
}

/* ---- requests to the hop itself ------------------------------------------------------------ */

/* In the shape of a page, so that it goes the way of all answers made here. */
static struct error_page page_of(const struct exchange *exchange, const struct local_answer *answer)
{
    struct error_page page = {
        .answer = persona_answer(exchange->record.persona, END_OK, false, false),
        .content_type = slice_of(answer->content_type),
        .allow = slice_of(answer->allow),
        .content = answer->content,
        .added = answer->added,
    };

    page.answer.status = answer->status;
    page.answer.reason_phrase = http_status_reason(answer->status);
    page.answer.keep_alive = true;
    return page;
}

void exchange_send_local(struct exchange *exchange, const struct local_answer *answer)
{
    struct error_page page;

    if (!answer) {
        exchange_answer(exchange, END_OUT_OF_MEMORY, (struct slice){ NULL, 0 });
        return;
    }
    exchange->record.response_head_at_us = exchange->worker->loop->now_us;
    page = page_of(exchange, answer);
    answer_with_page(exchange, &page);
}

void exchange_on_answer(struct exchange *exchange, const struct status_answer *answer)
{
    struct local_answer local = { 0 };

    if (answer)
        local = (struct local_answer){ .status = answer->status,
                                       .content_type = answer->content_type,
                                       .allow = answer->allow,
                                       .content = { answer->content, answer->content_length } };
    exchange_send_local(exchange, answer ? &local : NULL);
}

/* What every worker knows at any time. */
static struct status_facts facts_of(const struct exchange *exchange)
{
    const struct config *config = exchange->pinned->snapshot->config;
    const char *not_ready = NULL;

    if (atomic_load_explicit(&exchange->worker->hop->draining, memory_order_relaxed))
        not_ready = "shutting down";
    else if (!config->source)
        not_ready = "no configuration available (empty configuration present)"; /* Kong's words */
    return (struct status_facts){ .not_ready = not_ready };
}

void exchange_answer_locally(struct exchange *exchange)
{
    const struct status_request request = { .method = exchange->request.method,
                                            .path = exchange->request.path,
                                            .query = exchange->request.query };
    const struct status_facts facts = facts_of(exchange);
    struct status_answer answer = { 0 };

    relay_finish_request(exchange); /* nobody wants its content */
    switch (status_api_answer(&request, &facts, &answer)) {
    case STATUS_ANSWERED:
        exchange_on_answer(exchange, &answer);
        break;
    case STATUS_NO_MEMORY:
        exchange_on_answer(exchange, NULL);
        break;
    case STATUS_NEEDS_FIGURES:
        if (!status_question_ask(exchange, &request))
            exchange_on_answer(exchange, NULL);
        else if (exchange->front_request == FRONT_REQUEST_DONE)
            exchange->client_ops->watch(exchange->front); /* it may leave meanwhile: last touch */
        break;
    }
    free(answer.content);
}
