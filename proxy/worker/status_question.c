#include "proxy/worker/status_question.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/exchange/exchange.h"
#include "proxy/worker/worker.h"

static void deliver(struct hop_question *base, struct exchange *exchange)
{
    struct status_question *question = (struct status_question *)base;

    exchange_on_answer(exchange, question->has_answer ? &question->answer : NULL);
}

static void free_question(struct hop_question *base)
{
    struct status_question *question = (struct status_question *)base;

    free(question->answer.content);
    free(question);
}

static const struct hop_question_kind kind = { .deliver = deliver, .free = free_question };

static struct slice copy(char *into, struct slice text)
{
    if (text.len > 0)
        memcpy(into, text.ptr, text.len);
    return (struct slice){ into, text.len };
}

bool status_question_ask(struct exchange *exchange, const struct status_request *request)
{
    struct status_question *question =
        malloc(sizeof(*question) + request->path.len + request->query.len);

    if (!question)
        return false;
    *question = (struct status_question){ .base.kind = &kind, .request.method = request->method };
    question->request.path = copy(question->texts, request->path);
    question->request.query = copy(question->texts + request->path.len, request->query);
    hop_question_ask(&question->base, exchange, &exchange->worker->hop->questions);
    return true;
}

void status_question_answer(struct status_question *question, const struct status_answer *answer)
{
    question->has_answer = answer != NULL;
    if (answer)
        question->answer = *answer;
    hop_question_answer(&question->base);
}
