/*
 * case_play: the client of an experiment: sends the request of each case, many at a time.
 *
 * Role    one request with probe's means; a few threads that take one case after the other
 * Owns    answers, until case_answers_done
 * Thread  called on the main thread; its own threads end before it returns
 */
#ifndef TOOLS_LAB_CASE_PLAY_H
#define TOOLS_LAB_CASE_PLAY_H

#include <stddef.h>

#include "tools/lab/case_plan.h"
#include "tools/lab/lab_run.h"

enum {
    CASE_PATIENCE_S = 600, /* stated: then the client gives up */
    CASE_JOBS = 12,
    CASE_FIELDS_MAX = 32,
    CASE_PATH_MAX = 32 * 1024, /* longer than any hop takes */
    CASE_BEFORE_MAX = 1000,    /* requests that go before */
};

struct case_request {
    const char *method, *path;
    const char *fields[CASE_FIELDS_MAX]; /* "Name: value" */
    size_t fields_count;
    const char *content; /* NULL: none */
    size_t content_length;
    /* so many requests of the same kind go before, on the same connection while the first hop leaves it
     * open; between two of them, and before this one, so much (stated) time passes */
    unsigned before_count;
    int64_t pause_ms;
};

/* What the client got. */
struct case_answer {
    unsigned status;  /* 0: none */
    char end[24];     /* "complete", "cut", "reset", "closed", "timeout", "refused" ... */
    char detail[400]; /* what probe says of it; "" when it is complete */
    double ms;        /* real ones */
    char *heads, *content;
    size_t heads_length, content_length;
    uint64_t content_bytes;
};

/* one: NULL: the front of the chain as it is. */
void case_send(const struct lab_run *run, const struct lab_case *one,
               const struct case_request *request, struct case_answer *ret);

/* The same; false: a signal asked for the end meanwhile, and the processes of the run are gone. */
bool case_send_unless_told_to_end(struct lab_run *run, const struct lab_case *one,
                                  const struct case_request *request, struct case_answer *ret);
void case_answer_done(struct case_answer *answer);

/* answers: as many as cases, zeroed. on_progress (main thread) may be NULL. False: told to end. */
bool case_play_all(const struct case_plan *plan, struct lab_run *run, struct case_answer *answers,
                   void (*on_progress)(size_t done, size_t all));

#endif
