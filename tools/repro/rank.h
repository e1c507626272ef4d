/*
 * rank: the causes that pasted lines may have, the likeliest first.
 *
 * Role    collects the causes of every rule that holds; what all lines may have goes before what only one
 *         may have
 * Owns    nothing
 * Thread  any
 */
#ifndef TOOLS_REPRO_RANK_H
#define TOOLS_REPRO_RANK_H

#include "tools/repro/cause_table.h"

enum { RANK_MAX = 32 };

struct ranking {
    const struct repro_cause *causes[RANK_MAX];
    unsigned lines[RANK_MAX]; /* so many of the lines may have it */
    size_t count;
};

/* The lines are of one request. */
void rank_causes(const struct cause_table *table, const struct line *lines, size_t count,
                 struct ranking *ret);

#endif
