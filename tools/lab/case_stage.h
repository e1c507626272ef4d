/*
 * case_stage: makes room for every case in a chain that runs.
 *
 * Role    gives each case a service, a route and an upstream of its own in every hop, a listener of
 *         its own at each origin and a wire of its own, so that cases run side by side undisturbed
 * Owns    nothing; ports are written into the cases
 * Thread  the main thread
 *
 * Hops choose the case's route by the field X-Hopgate-Case; routes of the user stay and match nothing
 * then. What the user's first service and its upstream say (timeouts, retries, TLS, health) holds for
 * every case.
 */
#ifndef TOOLS_LAB_CASE_STAGE_H
#define TOOLS_LAB_CASE_STAGE_H

#include "tools/lab/case_plan.h"
#include "tools/lab/lab_run.h"

enum { CASE_WIRES_NUMBER = 250 }; /* wires of cases are at 127.0.N.250 */

/* A lab_run_hook: owner is the plan. */
void case_stage_amend(void *owner, const struct lab_run *run, size_t element, json_t *declarative);

/* Once the chain is up: what the cases need beside it. 0, or an exit code after the complaint. */
int case_stage_start(struct case_plan *plan, struct lab_run *run);

/* Where the client connects for this case. */
struct chain_place case_stage_front(const struct lab_case *one, const struct lab_run *run);

#endif
