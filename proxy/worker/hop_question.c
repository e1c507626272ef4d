#include "proxy/worker/hop_question.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/exchange/exchange.h"
#include "proxy/worker/worker.h"

static void deliver_answer(struct mail *mail, struct loop *loop)
{
    struct hop_question *question = (struct hop_question *)mail;
    struct exchange *exchange = question->exchange;

    (void)loop;
    if (exchange) {
        exchange->question = NULL;
        exchange_on_answer(exchange, question->has_answer ? &question->answer : NULL);
    }
    hop_question_free(question);
}

static struct slice copy(char *into, struct slice text)
{
    if (text.len > 0)
        memcpy(into, text.ptr, text.len);
    return (struct slice){ into, text.len };
}

struct hop_question *hop_question_ask(struct exchange *exchange,
                                      const struct status_request *request)
{
    struct hop_question *question =
        malloc(sizeof(*question) + request->path.len + request->query.len);

    if (!question)
        return NULL;
    *question = (struct hop_question){ .mail.deliver = deliver_answer,
                                       .worker = exchange->worker,
                                       .exchange = exchange,
                                       .request.method = request->method };
    question->request.path = copy(question->texts, request->path);
    question->request.query = copy(question->texts + request->path.len, request->query);
    mailbox_send(&exchange->worker->hop->questions, &question->mail);
    return question;
}

void hop_question_forget(struct hop_question *question)
{
    question->exchange = NULL;
}

struct hop_question *hop_questions_take(struct hop *hop)
{
    return (struct hop_question *)mailbox_take(&hop->questions);
}

void hop_question_answer(struct hop_question *question, const struct status_answer *answer)
{
    question->has_answer = answer != NULL;
    if (answer)
        question->answer = *answer;
    if (!worker_post(question->worker, &question->mail))
        hop_question_free(question);
}

void hop_question_free(struct hop_question *question)
{
    free(question->answer.content);
    free(question);
}
