/*
 * admin_question: a request to the Admin API, on its way to the config thread and back.
 *
 * Role    the kind of hop_question that the config thread answers
 * Owns    copies of the request, its content, the answer
 * Thread  see hop_question.h
 *
 * Bounded for the whole hop: requests that are asked (ADMIN_QUESTIONS_MAX); room for content, that which is
 * still coming in included (ADMIN_CONTENT_BYTES_MAX, of which an eighth is for small requests, so that who
 * sends much and slowly does not lock others out); large answers, until they are sent
 * (ADMIN_ANSWER_BYTES_MAX). What is above gets 503, but for changes that are made already.
 */
#ifndef PROXY_ADMIN_QUESTION_H
#define PROXY_ADMIN_QUESTION_H

#include "config/admin/admin.h"
#include "core/addr.h"
#include "proxy/worker/hop_question.h"

struct hop;

enum {
    ADMIN_QUESTIONS_MAX = 256,
    ADMIN_CONTENT_BYTES_MAX = 128 * 1024 * 1024,
    ADMIN_ANSWER_BYTES_MAX = 128 * 1024 * 1024,
    ADMIN_SMALL_BYTES = 64 * 1024, /* a request or an answer up to here is small */
};

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
    char *content; /* of the request; malloc'ed */
    size_t content_room;
    uint64_t waits_since_ms; /* monotonic; the config thread's */
    bool has_answer;
    struct admin_answer answer;
    size_t answer_bytes; /* counted; 0: it is small */
    char texts[];        /* of request and author */
};

/* What is copied; exchange->gathered's bytes are taken when 0 is returned. 0, -ENOMEM, or -EBUSY: too
 * many wait. */
int admin_question_ask(struct exchange *exchange, const struct admin_request *request,
                       const struct admin_author *author);

/* Takes the answer; NULL: no memory for one. A large one becomes a 503 when there are too many. */
void admin_question_answer(struct admin_question *question, struct admin_answer *answer);

/* Room for content is there, or gone again (negative). room: of the whole request. False: there would be
 * too much. */
bool admin_content_count(struct hop *hop, int64_t bytes, size_t room);

/* Bytes of a large answer are gone. */
void admin_answer_sent(struct hop *hop, size_t bytes);

#endif
