/*
 * case_judge: what became of each case, from what the client got and what hops and origins logged.
 *
 * Role    joins the hops' logs as `hopgate trace` does, stretches real times back to stated ones, and
 *         makes one JSON object per case, from which every report is written
 * Owns    nothing
 * Thread  the main thread, when the lab's processes have ended
 *
 * A case: case, fault, about, place, method, status, end, detail, elapsed_ms (stated), verdict, fix,
 * culprit, reason, lost (a field, or null), made_by, hops [{hop, status, reason, tries, log}], hits {origin: count}, hits_total,
 * duplicates, tie, picture, failed.
 */
#ifndef TOOLS_LAB_CASE_JUDGE_H
#define TOOLS_LAB_CASE_JUDGE_H

#include <jansson.h>

#include "tools/lab/case_play.h"

enum { CASE_TIE_MS = 50 };

/* A new reference, or NULL: no memory, or logs that cannot be read. With no plan: the one request that
 * was sent as `answers`, whatever it is. */
json_t *case_judge(const struct case_plan *plan, const struct lab_run *run,
                   const struct case_answer *answers);

#endif
