/*
 * trial: what the lab writes when a cause is played.
 *
 * Role    causes that can be played side by side share a lab (trial_group.c); each lab is run by a child
 *         process of its own, so that labs run side by side too (trial.c); trial_chain.c makes the chains
 * Owns    the lines that a trial brought, until trials_done
 * Thread  the main thread
 */
#ifndef TOOLS_REPRO_TRIAL_H
#define TOOLS_REPRO_TRIAL_H

#include "tools/repro/compare.h"
#include "tools/repro/pasted.h"
#include "tools/repro/rank.h"

struct trial {
    const struct repro_cause *cause;
    bool is_tried;          /* false: the lab cannot play it, or it failed */
    enum comparison result; /* the worst of the pasted lines */
    enum comparison of_line[PASTED_LINES_MAX];
    char differs[LINE_VALUE_MAX]; /* details, of the line that differs most */
    char *said[PASTED_LINES_MAX]; /* for each pasted line the nearest of the lab; NULL: none */
    char *beside; /* a line of the hop's other log, which tells causes apart; or NULL */
};

struct trials {
    struct trial list[RANK_MAX];
    size_t count;
    double seconds;
};

/* Plays the causes, labs side by side. Those that could not be played are not `is_tried`. */
void trials_run(const struct cause_table *table, const struct ranking *ranking,
                const struct pasted *pasted, struct trials *ret);
void trials_done(struct trials *trials);

/* A chain file for the cause, on one line; malloc'ed, NULL: no memory. format: of the hop's access log;
 * NULL: hopgate's own. */
char *trial_chain_text(const struct cause_table *table, const struct repro_cause *cause,
                       const struct pasted *pasted, const char *format);

/* Shell commands that play it by `hopgate lab run`, or `lab matrix`. */
char *trial_command(const struct cause_table *table, const struct repro_cause *cause,
                    const struct pasted *pasted);

/* "GET" */
const char *trial_method(const struct repro_cause *cause, const struct pasted *pasted);

#endif
