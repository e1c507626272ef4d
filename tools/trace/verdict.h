/*
 * verdict: which hop broke a request, why, and the one setting or thing to change.
 *
 * Role    from the joined accounts of one request: the innermost hop that failed by itself or by its
 *         target is where it began; who was still waiting and who gave up first are named beside it
 * Owns    nothing
 * Thread  the main thread
 */
#ifndef TOOLS_TRACE_VERDICT_H
#define TOOLS_TRACE_VERDICT_H

#include "tools/trace/account.h"

enum { VERDICT_CHAIN_MAX = 16, VERDICT_TEXT_MAX = 800 };

struct verdict {
    /* from the hop in front inwards, by the last try of each */
    const struct trace_account *chain[VERDICT_CHAIN_MAX];
    unsigned chain_count;
    const struct trace_account *culprit;       /* where it began; NULL: nothing failed at any hop */
    const struct trace_try *try;               /* its telling try, or NULL */
    const struct trace_account *gave_up_first; /* or NULL */
    const struct trace_account *waiting; /* the innermost that was cut while it waited, or NULL */
    const char *lost;                    /* the field that explains it, or NULL */
    bool failed;
    char text[VERDICT_TEXT_MAX];     /* one or two sentences, printable ASCII */
    char fix[VERDICT_TEXT_MAX];      /* "" when there is nothing to do */
    char evidence[VERDICT_TEXT_MAX]; /* lines; may be "" */
};

/* root: an account with none before it. */
void verdict_find(const struct trace_account *root, struct verdict *ret);

/* A hop as texts call it: hop "inner"; one without a name by its log. */
const char *verdict_hop_name(const struct trace_account *account, char *into, size_t size);

#endif
