/*
 * case_stage: makes room for every case in a chain that runs.
 *
 * Role    starts a listener of its own for each case at each origin and a wire of its own, beside what the
 *         hops have for it (case_entities.h), so that cases run side by side undisturbed
 * Owns    nothing
 * Thread  the main thread
 */
#ifndef TOOLS_LAB_CASE_STAGE_H
#define TOOLS_LAB_CASE_STAGE_H

#include "tools/lab/case_plan.h"
#include "tools/lab/lab_run.h"

/* Once the chain is up: what the cases need beside it. 0, or an exit code after the complaint. */
int case_stage_start(struct case_plan *plan, struct lab_run *run);

#endif
