/*
 * hop_question: a request that another thread of the hop answers.
 *
 * Role    carries the question from an exchange to that thread's mailbox, and the answer back
 * Owns    what its kind says (status_question.h, admin_question.h)
 * Thread  the worker asks, forgets and gets the answer; in between the question is the other thread's,
 *         except for `exchange`, which stays the worker's
 *
 *   hop_question_ask -> hop_questions_take -> hop_question_answer -> deliver
 *
 * The exchange may end first, and so may the worker: then the answer is dropped.
 */
#ifndef PROXY_HOP_QUESTION_H
#define PROXY_HOP_QUESTION_H

#include <stdbool.h>

#include "core/mailbox.h"

struct exchange;
struct worker;
struct hop_question;

struct hop_question_kind {
    /* On the worker's thread; the exchange still waits. */
    void (*deliver)(struct hop_question *question, struct exchange *exchange);
    void (*free)(struct hop_question *question); /* on any thread */
};

struct hop_question {
    struct mail mail; /* first */
    const struct hop_question_kind *kind;
    struct worker *worker;
    struct exchange *exchange; /* NULL: nobody waits any more */
};

/* From now on exchange->question is this one, until it is delivered or forgotten. */
void hop_question_ask(struct hop_question *question, struct exchange *exchange,
                      struct mailbox *mailbox);

/* The exchange ends. */
void hop_question_forget(struct hop_question *question);

/* ---- of the thread that answers ---- */

/* Oldest first, linked by mail.next; NULL: none. */
struct hop_question *hop_questions_take(struct mailbox *mailbox);

static inline struct hop_question *hop_question_next(const struct hop_question *question)
{
    return (struct hop_question *)question->mail.next;
}

/* What the kind needs for it is in place. */
void hop_question_answer(struct hop_question *question);

static inline void hop_question_free(struct hop_question *question)
{
    question->kind->free(question);
}

/* Nobody waits for an answer any more. */
void hop_questions_drop(struct mailbox *mailbox);

#endif
