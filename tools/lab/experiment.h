/*
 * experiment: brings a chain up, sends requests through it, ends it, and tells what became of them.
 *
 * Role    what `hopgate lab matrix` and `hopgate lab run` have in common
 * Owns    the chain that runs, for the length of a call
 * Thread  the main thread
 */
#ifndef TOOLS_LAB_EXPERIMENT_H
#define TOOLS_LAB_EXPERIMENT_H

#include <jansson.h>

#include "tools/lab/case_play.h"

enum { EXPERIMENT_TIME_SCALE = 100, EXPERIMENT_TIME_SCALE_MAX = 100000 };

struct experiment {
    struct case_plan *plan; /* NULL: one request to the chain as it is */
    const struct case_request
        *request; /* for the plan's only case, or without one; NULL: usual ones */
    void (*on_progress)(size_t done, size_t all); /* may be NULL */
    struct case_answer *answers;                  /* as many as cases, at least one; zeroed */
    /* all answers are there: asked again and again until hops have seen what clients left behind, at most a
     * few seconds; may be NULL */
    bool (*is_settled)(void *owner, const struct lab_run *run);
    /* when every process has ended: the logs are whole, and still there; may be NULL */
    void (*on_end)(void *owner, const struct lab_run *run);
    void *owner;
};

/* The document of matrix_report.h without expectations (a new reference); NULL: *ret_code is an exit
 * code, after the complaint. */
json_t *experiment_run(const struct chain *chain, const struct experiment *experiment,
                       int *ret_code);

/* Reads a whole chain file with its complaints. 0 or an exit code. */
int experiment_load_chain(const char *name, struct chain **ret);

/* A number after --time-scale, or 0. */
int64_t experiment_time_scale(const char *text);

#endif
