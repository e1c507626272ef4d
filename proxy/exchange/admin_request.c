/* A request to the Admin API: who asks, all of its content, then the config thread (WAIT_LOCAL: the
 * exchange has a question out), which answers when the change is in force. */
#include <errno.h>
#include <stdlib.h>

#include "core/addr.h"
#include "proxy/exchange/admin_guard.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/gathered_content.h"
#include "proxy/worker/admin_question.h"
#include "proxy/worker/worker.h"
#include "tls/client_certificate.h"

#define JSON_CONTENT_TYPE "application/json; charset=utf-8"

/* ---- refusals ------------------------------------------------------------------------------ */

static void refuse(struct exchange *exchange, unsigned status, const char *message)
{
    struct slice content = arena_printf(&exchange->arena, "{\"message\":\"%s\"}", message);
    const struct local_answer answer = { .status = status,
                                         .content_type = JSON_CONTENT_TYPE,
                                         .content = content };

    relay_finish_request(exchange); /* nobody wants its content */
    exchange_send_local(exchange, content.ptr ? &answer : NULL);
}

/* More than this hop wants to hold at a time. */
static void refuse_for_now(struct exchange *exchange)
{
    refuse(exchange, 503, "too many requests to the Admin API at this moment; try again");
}

/* ---- the question -------------------------------------------------------------------------- */

static struct slice value_of(const struct exchange *exchange, struct slice name)
{
    const struct field *field = fields_find_name(&exchange->request.fields, name);

    return field ? field->value : (struct slice){ NULL, 0 };
}

static unsigned content_types_of(const struct exchange *exchange)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < exchange->request.fields.count; i++)
        count += exchange->request.fields.items[i].id == FIELD_CONTENT_TYPE;
    return count;
}

static struct admin_request request_of(const struct exchange *exchange)
{
    const struct http_head *head = &exchange->request;

    return (struct admin_request){
        .method = head->method_name,
        .path = head->path,
        .query = head->query,
        .content_type = value_of(exchange, SLICE("Content-Type")),
        .content_types = content_types_of(exchange),
        .has_content = head->framing == HTTP_FRAMING_CHUNKED ||
                       (head->framing == HTTP_FRAMING_LENGTH && head->content_length > 0),
        .content.len = exchange->gathered->length,
        .origin = admin_guard_origin(&exchange->pinned->snapshot->settings->admin_gui_url,
                                     value_of(exchange, SLICE("Origin"))),
        .request_headers = value_of(exchange, SLICE("Access-Control-Request-Headers")),
        .host = head->authority,
        .request_id = slice_of(exchange->record.request_id),
    };
}

static struct admin_author author_of(const struct exchange *exchange)
{
    const struct exchange_record *record = &exchange->record;
    const struct tls_client_identity *identity = &record->client_identity;
    struct admin_author author = { .showed_token = exchange->gathered->showed_token };

    (void)addr_format(&record->client_peer, author.address, sizeof(author.address));
    /* optional_no_ca: a certificate that nobody has vouched for names nobody */
    if (identity->certificate && strcmp(identity->verify, "SUCCESS") == 0)
        author.tls_subject = identity->certificate->subject;
    return author;
}

static void ask(struct exchange *exchange)
{
    const struct admin_request request = request_of(exchange);
    const struct admin_author author = author_of(exchange);
    int r = admin_question_ask(exchange, &request, &author);

    if (r == 0)
        exchange->client_ops->watch(exchange->front); /* it may leave meanwhile: last touch */
    else if (r == -EBUSY)
        refuse_for_now(exchange);
    else
        exchange_send_local(exchange, NULL);
}

/* ---- its content --------------------------------------------------------------------------- */

enum { GATHER_AT_ONCE_BYTES = 64 * 1024 };

static bool add(struct exchange *exchange)
{
    int r = gathered_content_add(exchange->gathered, &exchange->pass);

    if (r == 0)
        return true;
    buf_done(&exchange->pass);
    if (r == -EBUSY)
        refuse_for_now(exchange);
    else
        exchange_send_local(exchange, NULL);
    return false;
}

void exchange_gather(struct exchange *exchange)
{
    if (exchange->question || exchange->front_response != FRONT_RESPONSE_NONE)
        return;
    while (exchange->front_request == FRONT_REQUEST_BODY) {
        long n = relay_read_request(exchange, GATHER_AT_ONCE_BYTES);

        if (n == -EAGAIN) {
            exchange_update_timers(exchange);
            return;
        }
        if (n < 0 || (n > 0 && !add(exchange)))
            return; /* it was answered or has ended */
    }
    exchange_update_timers(exchange); /* its content is not waited for any more */
    ask(exchange);
}

/* ---- the beginning ------------------------------------------------------------------------- */

static struct admin_verdict judge(const struct exchange *exchange)
{
    const struct settings *settings = exchange->pinned->snapshot->settings;
    const struct admin_guard guard = {
        .token = settings->hopgate_admin_token,
        .hosts = &settings->hopgate_admin_hosts,
        .pages = &settings->admin_gui_url,
        .host_name = exchange->worker->hop->host_name,
        .is_loopback = addr_is_loopback(&exchange->record.client_local),
    };

    return admin_guard_judge(&guard, &exchange->request);
}

void exchange_start_admin(struct exchange *exchange)
{
    const struct admin_verdict verdict = judge(exchange);

    if (verdict.status != 0) {
        refuse(exchange, verdict.status, verdict.message);
        return;
    }
    exchange->gathered = arena_alloc(&exchange->arena, sizeof(*exchange->gathered));
    if (!exchange->gathered) {
        exchange_send_local(exchange, NULL);
        return;
    }
    *exchange->gathered = (struct gathered_content){ .hop = exchange->worker->hop,
                                                     .showed_token = verdict.showed_token };
    exchange_gather(exchange);
}

/* ---- the answer ---------------------------------------------------------------------------- */

void exchange_on_admin_answer(struct exchange *exchange, const struct admin_answer *answer)
{
    struct local_answer local = { 0 };
    struct fields added;

    if (answer) {
        fields_init(&added, &exchange->arena);
        for (size_t i = 0; i < answer->fields_count; i++) {
            struct slice value = arena_copy(&exchange->arena, slice_of(answer->fields[i].value));

            if ((!value.ptr && *answer->fields[i].value) ||
                fields_add(&added, slice_of(answer->fields[i].name), value) < 0)
                answer = NULL;
            if (!answer)
                break;
        }
    }
    if (!answer) {
        exchange_send_local(exchange, NULL);
        return;
    }
    local = (struct local_answer){ .status = answer->status,
                                   .content_type = answer->content_type,
                                   .content = { answer->content, answer->content_length },
                                   .added = &added };
    exchange_send_local(exchange, &local);
}
