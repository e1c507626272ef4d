/*
 * admin_question: a request to the Admin API, on its way to the config thread and back.
 *
 * Role    the kind of hop_question that the config thread answers
 * Owns    copies of the request, its content, the answer
 * Thread  see hop_question.h
 *
 * Bounded for the whole hop: requests that are asked (ADMIN_QUESTIONS_MAX), and bytes of content, those
 * still coming in included (ADMIN_CONTENT_BYTES_MAX).
 */
#ifndef PROXY_ADMIN_QUESTION_H
#define PROXY_ADMIN_QUESTION_H

#include "config/admin/admin.h"
#include "core/addr.h"
#include "proxy/worker/hop_question.h"

struct hop;

enum { ADMIN_QUESTIONS_MAX = 256, ADMIN_CONTENT_BYTES_MAX = 128 * 1024 * 1024 };

/* Whose word it is. */
struct admin_author {
    char address[ADDR_TEXT_MAX];
    const char *tls_subject; /* of a verified certificate; NULL: none */
    bool showed_token;
};

struct admin_question {
    struct hop_question base; /* first */
    struct hop *hop;
    struct admin_request request;
    struct admin_author author;
    char *content;           /* of the request; malloc'ed */
    uint64_t waits_since_ms; /* monotonic; the config thread's */
    bool has_answer;
    struct admin_answer answer;
    char texts[]; /* of request and author */
};

/* What is copied; the content is taken when 0 is returned. 0, -ENOMEM, or -EBUSY: too many wait. */
int admin_question_ask(struct exchange *exchange, const struct admin_request *request,
                       const struct admin_author *author, char **content);

/* Takes the answer; NULL: no memory for one. */
void admin_question_answer(struct admin_question *question, struct admin_answer *answer);

/* Bytes of content are there, or gone again (negative). False: there would be too many. */
bool admin_content_count(struct hop *hop, int64_t bytes);

#endif
