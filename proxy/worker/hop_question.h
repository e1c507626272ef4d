/*
 * hop_question: a request that the main thread answers.
 *
 * Role    carries the question from an exchange to the main thread, and the answer back
 * Owns    copies of what was asked, the answer's content
 * Thread  the worker asks, forgets and gets the answer; in between the question is the main thread's,
 *         except for `exchange`, which stays the worker's
 *
 *   hop_question_ask -> hop_questions_take -> hop_question_answer -> exchange_on_answer
 *
 * The exchange may end first, and so may the worker: then the answer is dropped.
 */
#ifndef PROXY_HOP_QUESTION_H
#define PROXY_HOP_QUESTION_H

#include <stdbool.h>

#include "core/mailbox.h"
#include "proxy/report/status_api.h"

struct exchange;
struct hop;
struct worker;

struct hop_question {
    struct mail mail; /* first */
    struct worker *worker;
    struct exchange *exchange; /* NULL: nobody waits any more */
    struct status_request request;
    bool has_answer; /* else there was no memory for one */
    struct status_answer answer;
    char texts[]; /* of the request */
};

/* NULL: no memory. */
struct hop_question *hop_question_ask(struct exchange *exchange,
                                      const struct status_request *request);

/* The exchange ends. */
void hop_question_forget(struct hop_question *question);

/* ---- the main thread's ---- */

/* Oldest first, linked by mail.next; NULL: none. */
struct hop_question *hop_questions_take(struct hop *hop);

/* Takes the answer's content; answer NULL: no memory. */
void hop_question_answer(struct hop_question *question, const struct status_answer *answer);

void hop_question_free(struct hop_question *question);

#endif
