#include "proxy/worker/hop_question.h"

#include "proxy/exchange/exchange.h"
#include "proxy/worker/worker.h"

static void deliver(struct mail *mail, struct loop *loop)
{
    struct hop_question *question = (struct hop_question *)mail;
    struct exchange *exchange = question->exchange;

    (void)loop;
    if (exchange) {
        exchange->question = NULL;
        question->kind->deliver(question, exchange);
    }
    hop_question_free(question);
}

void hop_question_ask(struct hop_question *question, struct exchange *exchange,
                      struct mailbox *mailbox)
{
    question->mail.deliver = deliver;
    question->worker = exchange->worker;
    question->exchange = exchange;
    exchange->question = question;
    mailbox_send(mailbox, &question->mail);
}

void hop_question_forget(struct hop_question *question)
{
    question->exchange = NULL;
}

struct hop_question *hop_questions_take(struct mailbox *mailbox)
{
    return (struct hop_question *)mailbox_take(mailbox);
}

void hop_question_answer(struct hop_question *question)
{
    if (!worker_post(question->worker, &question->mail))
        hop_question_free(question);
}

void hop_questions_drop(struct mailbox *mailbox)
{
    struct hop_question *question = hop_questions_take(mailbox);

    while (question) {
        struct hop_question *next = hop_question_next(question);

        hop_question_free(question);
        question = next;
    }
}
