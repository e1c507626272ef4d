/*
 * plan: what the faults of a wire mean for one flow.
 *
 * Role    picks the faults that hit this flow, turns them into a plan per direction, in real time
 * Owns    nothing; the plan borrows the fault set
 * Thread  one
 *
 * Of several faults of one kind and direction the last in the list counts.
 */
#ifndef TOOLS_WIRE_PLAN_H
#define TOOLS_WIRE_PLAN_H

#include "tools/wire/pipe.h"
#include "tools/wire/wire_fault.h"

/* Also the index of the side that a pipe reads from: the client's bytes go to the server. */
enum flow_side { FLOW_CLIENT, FLOW_SERVER, FLOW_SIDES };

struct flow_plan {
    struct pipe_plan pipes[FLOW_SIDES];
    const struct wire_fault *acts[FLOW_SIDES][PIPE_ACTS]; /* whose triggers they are, or NULL */
    const struct wire_fault *idle, *connect_delay, *accept_reset; /* or NULL */
    uint64_t idle_ms, connect_delay_ms, accept_reset_ms;
    bool reset_client, reset_server; /* of PIPE_ACT_RESET */
};

struct plan_context {
    const char *wire;
    uint64_t connection; /* of the wire, from 1 */
    uint64_t seed;       /* chance is the same for the same seed and connection */
    uint64_t time_scale; /* >= 1 */
    uint64_t since_ms;   /* what after_ms counts from */
};

void plan_make(struct flow_plan *plan, const struct wire_fault_set *set,
               const struct plan_context *context);

/* The fault of that kind that concerns the wire as a whole, or NULL. */
const struct wire_fault *plan_find(const struct wire_fault_set *set, const char *wire,
                                   enum wire_fault_kind kind);

#endif
