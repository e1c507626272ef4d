/*
 * status_question: a request to a status listener that needs the figures of the whole hop.
 *
 * Role    the kind of hop_question that the main thread answers
 * Owns    copies of what was asked, the answer's content
 * Thread  see hop_question.h
 */
#ifndef PROXY_STATUS_QUESTION_H
#define PROXY_STATUS_QUESTION_H

#include "proxy/report/status_api.h"
#include "proxy/worker/hop_question.h"

struct status_question {
    struct hop_question base; /* first */
    struct status_request request;
    bool has_answer; /* else there was no memory for one */
    struct status_answer answer;
    char texts[]; /* of the request */
};

/* False: no memory. */
bool status_question_ask(struct exchange *exchange, const struct status_request *request);

/* Takes the answer's content; answer NULL: no memory. */
void status_question_answer(struct status_question *question, const struct status_answer *answer);

#endif
