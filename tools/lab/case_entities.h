/*
 * case_entities: a service, a route and an upstream for every case in every hop.
 *
 * Role    adds them to what the hop is configured with anyway
 * Owns    nothing
 * Thread  the main thread
 *
 * Hops choose the case's route by the field X-Hopgate-Case, those that see no requests (persona of layer tcp,
 * TLS led on by its name) by the port of the case. Routes of the user stay and match nothing then. What the
 * user's first service and its upstream say (timeouts, retries, TLS, health) holds for every case.
 */
#ifndef TOOLS_LAB_CASE_ENTITIES_H
#define TOOLS_LAB_CASE_ENTITIES_H

#include "tools/lab/case_plan.h"
#include "tools/lab/lab_run.h"

/* A lab_run_hook: owner is the plan. */
void case_entities_amend(void *owner, const struct lab_run *run, size_t element,
                         json_t *declarative, json_t *ports);

#endif
