#include "proxy/worker/admin_question.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/exchange/exchange.h"
#include "proxy/exchange/gathered_content.h"
#include "proxy/worker/worker.h"

static void deliver(struct hop_question *base, struct exchange *exchange)
{
    struct admin_question *question = (struct admin_question *)base;

    exchange->gathered->answer_bytes = question->answer_bytes; /* which go on counting */
    question->answer_bytes = 0;
    exchange_on_admin_answer(exchange, question->has_answer ? &question->answer : NULL);
}

static void free_question(struct hop_question *base)
{
    struct admin_question *question = (struct admin_question *)base;

    if (question->has_answer)
        admin_answer_done(&question->answer);
    (void)admin_content_count(question->hop, -(int64_t)question->content_room, 0);
    admin_answer_sent(question->hop, question->answer_bytes);
    atomic_fetch_sub(&question->hop->admin_questions_count, 1);
    free(question->content);
    free(question);
}

static const struct hop_question_kind kind = { .deliver = deliver, .free = free_question };

static struct slice copy(char **at, struct slice text)
{
    struct slice copied = { text.ptr ? *at : NULL, text.len };

    if (text.len > 0)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return copied;
}

static void copy_texts(struct admin_question *question)
{
    struct admin_request *request = &question->request;
    struct slice subject = slice_of(question->author.tls_subject);
    char *at = question->texts;

    if (subject.ptr)
        subject.len++;
    request->method = copy(&at, request->method);
    request->path = copy(&at, request->path);
    request->query = copy(&at, request->query);
    request->content_type = copy(&at, request->content_type);
    request->origin = copy(&at, request->origin);
    request->request_headers = copy(&at, request->request_headers);
    request->host = copy(&at, request->host);
    request->request_id = copy(&at, request->request_id);
    question->author.tls_subject = copy(&at, subject).ptr;
}

static size_t texts_length(const struct admin_request *request, const struct admin_author *author)
{
    return request->method.len + request->path.len + request->query.len +
           request->content_type.len + request->origin.len + request->request_headers.len +
           request->host.len + request->request_id.len + slice_of(author->tls_subject).len + 1;
}

int admin_question_ask(struct exchange *exchange, const struct admin_request *request,
                       const struct admin_author *author)
{
    struct hop *hop = exchange->worker->hop;
    struct gathered_content *gathered = exchange->gathered;
    struct admin_question *question;

    if (atomic_fetch_add(&hop->admin_questions_count, 1) >= ADMIN_QUESTIONS_MAX) {
        atomic_fetch_sub(&hop->admin_questions_count, 1);
        return -EBUSY;
    }
    question = malloc(sizeof(*question) + texts_length(request, author));
    if (!question) {
        atomic_fetch_sub(&hop->admin_questions_count, 1);
        return -ENOMEM;
    }
    *question = (struct admin_question){
        .base.kind = &kind, .hop = hop, .request = *request, .author = *author
    };
    copy_texts(question);
    question->content = TAKE(gathered->bytes);
    question->content_room = gathered->room;
    gathered->length = gathered->room = 0; /* it counts on, as the question's */
    question->request.content.ptr = question->content;
    hop_question_ask(&question->base, exchange, &hop->admin_questions);
    return 0;
}

/* A change is made already, and what it answers is not much larger than what it was told. */
static bool count_answer(struct admin_question *question, const struct admin_answer *answer)
{
    int64_t bytes = (int64_t)answer->content_length, before;

    if (bytes <= ADMIN_SMALL_BYTES)
        return true;
    before = atomic_fetch_add(&question->hop->admin_answer_bytes, bytes);
    if (before + bytes > ADMIN_ANSWER_BYTES_MAX && !answer->is_change) {
        atomic_fetch_sub(&question->hop->admin_answer_bytes, bytes);
        return false;
    }
    question->answer_bytes = (size_t)bytes;
    return true;
}

/* False: no memory. */
static bool refuse_for_now(struct admin_answer *answer)
{
    static const char page[] = "{\"message\":\"too many large answers of the Admin API are being "
                               "sent at this moment; try again, or ask for smaller pages (size)\"}";

    free(answer->content);
    answer->content = strdup(page);
    answer->content_length = sizeof(page) - 1;
    answer->content_type = "application/json; charset=utf-8";
    answer->status = 503;
    return answer->content != NULL;
}

void admin_question_answer(struct admin_question *question, struct admin_answer *answer)
{
    if (answer && !count_answer(question, answer) && !refuse_for_now(answer)) {
        admin_answer_done(answer);
        answer = NULL;
    }
    question->has_answer = answer != NULL;
    if (answer) {
        question->answer = *answer;
        *answer = (struct admin_answer){ 0 };
    }
    hop_question_answer(&question->base);
}

bool admin_content_count(struct hop *hop, int64_t bytes, size_t room)
{
    int64_t max =
        room > ADMIN_SMALL_BYTES ? ADMIN_CONTENT_BYTES_MAX / 8 * 7 : ADMIN_CONTENT_BYTES_MAX;
    int64_t before = atomic_fetch_add(&hop->admin_content_bytes, bytes);

    if (bytes <= 0 || before + bytes <= max)
        return true;
    atomic_fetch_sub(&hop->admin_content_bytes, bytes);
    return false;
}

void admin_answer_sent(struct hop *hop, size_t bytes)
{
    atomic_fetch_sub(&hop->admin_answer_bytes, (int64_t)bytes);
}
