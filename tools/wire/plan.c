#include "tools/wire/plan.h"

#include <string.h>

#include "core/fnv1a.h"

static bool is_for_wire(const struct wire_fault *fault, const char *wire)
{
    return !fault->wire || strcmp(fault->wire, wire) == 0;
}

/* The same answer each time it is asked for one connection, whatever else changes in the set. */
static bool hits(const struct wire_fault *fault, const struct plan_context *context)
{
    struct dice dice = dice_for(
        context->seed ^ fnv1a_add(FNV1A_START, fault->id, strlen(fault->id)), context->connection);

    if (!is_for_wire(fault, context->wire) ||
        (fault->connection > 0 && (uint64_t)fault->connection != context->connection))
        return false;
    return dice_below(&dice, 1000) < fault->chance;
}

static uint64_t scaled(int64_t ms, const struct plan_context *context)
{
    return ms > 0 ? ((uint64_t)ms + context->time_scale - 1) / context->time_scale : 0;
}

/* Without a byte or an instant: at once. */
static struct pipe_trigger trigger_of(const struct wire_fault *fault,
                                      const struct plan_context *context)
{
    struct pipe_trigger trigger = { .at_bytes = PIPE_NEVER, .at_ms = PIPE_NEVER };

    if (fault->after_bytes >= 0)
        trigger.at_bytes = (uint64_t)fault->after_bytes;
    if (fault->after_ms >= 0 || fault->after_bytes < 0)
        trigger.at_ms = context->since_ms + scaled(fault->after_ms, context);
    return trigger;
}

static void add_corruption(struct pipe_plan *pipe, const struct wire_fault *fault)
{
    pipe->flip_mask = fault->mask > 0 ? (uint8_t)fault->mask : 1;
    if (fault->one_in > 0)
        pipe->flip_one_in = (uint64_t)fault->one_in;
    if (fault->offset >= 0 && pipe->flips < PIPE_FLIPS_MAX)
        pipe->flip_at[pipe->flips++] = (uint64_t)fault->offset;
}

static int act_of(enum wire_fault_kind kind)
{
    switch (kind) {
    case FAULT_STALL:
        return PIPE_ACT_STALL;
    case FAULT_DROP:
        return PIPE_ACT_DROP;
    case FAULT_HALF_CLOSE:
        return PIPE_ACT_HALF_CLOSE;
    case FAULT_CUT:
        return PIPE_ACT_CUT;
    case FAULT_RESET:
        return PIPE_ACT_RESET;
    case FAULT_LATENCY:
    case FAULT_BANDWIDTH:
    case FAULT_SLICE:
    case FAULT_CORRUPT:
    case FAULT_IDLE:
    case FAULT_CONNECT_DELAY:
    case FAULT_MAX_CONNECTIONS:
    case FAULT_ACCEPT_RESET:
    case FAULT_REFUSE:
    case FAULT_BLACK_HOLE:
    case FAULT_KINDS:
        break;
    }
    return -1;
}

static void add_to_pipe(struct flow_plan *plan, enum flow_side from, const struct wire_fault *fault,
                        const struct plan_context *context)
{
    struct pipe_plan *pipe = &plan->pipes[from];
    int act = act_of(fault->kind);

    if (act >= 0) {
        pipe->triggers[act] = trigger_of(fault, context);
        plan->acts[from][act] = fault;
    } else if (fault->kind == FAULT_LATENCY) {
        pipe->latency_ms = scaled(fault->ms, context);
        pipe->jitter_ms = scaled(fault->jitter_ms, context);
    } else if (fault->kind == FAULT_BANDWIDTH) {
        pipe->bytes_per_second = (uint64_t)fault->bytes_per_second * context->time_scale;
        pipe->burst_bytes = fault->burst_bytes > 0 ? (uint64_t)fault->burst_bytes : 0;
    } else if (fault->kind == FAULT_SLICE) {
        pipe->slice_bytes = (uint64_t)fault->bytes;
        pipe->slice_pause_ms = scaled(fault->pause_ms, context);
    } else if (fault->kind == FAULT_CORRUPT) {
        add_corruption(pipe, fault);
    }
}

static void add_to_flow(struct flow_plan *plan, const struct wire_fault *fault,
                        const struct plan_context *context)
{
    if (fault->kind == FAULT_IDLE) {
        plan->idle = fault;
        plan->idle_ms = scaled(fault->ms, context);
    } else if (fault->kind == FAULT_CONNECT_DELAY) {
        plan->connect_delay = fault;
        plan->connect_delay_ms = scaled(fault->ms, context);
    } else if (fault->kind == FAULT_ACCEPT_RESET) {
        plan->accept_reset = fault;
        plan->accept_reset_ms = scaled(fault->after_ms, context);
    } else if (fault->kind == FAULT_RESET) {
        plan->reset_client = !fault->to || strcmp(fault->to, "server") != 0;
        plan->reset_server = !fault->to || strcmp(fault->to, "client") != 0;
    }
}

void plan_make(struct flow_plan *plan, const struct wire_fault_set *set,
               const struct plan_context *context)
{
    *plan = (struct flow_plan){ 0 };
    for (int side = 0; side < FLOW_SIDES; side++)
        pipe_plan_init(&plan->pipes[side]);
    for (size_t i = 0; i < set->count; i++) {
        const struct wire_fault *fault = &set->faults[i];

        if (!hits(fault, context))
            continue;
        add_to_flow(plan, fault, context);
        if (fault->directions & FAULT_TO_SERVER)
            add_to_pipe(plan, FLOW_CLIENT, fault, context);
        if (fault->directions & FAULT_TO_CLIENT)
            add_to_pipe(plan, FLOW_SERVER, fault, context);
    }
}

const struct wire_fault *plan_find(const struct wire_fault_set *set, const char *wire,
                                   enum wire_fault_kind kind)
{
    const struct wire_fault *found = NULL;

    for (size_t i = 0; i < set->count; i++)
        if (set->faults[i].kind == kind && is_for_wire(&set->faults[i], wire))
            found = &set->faults[i];
    return found;
}
