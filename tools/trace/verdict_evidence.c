/* What does not decide, and is worth knowing. */
#include <stdlib.h>
#include <string.h>

#include "tools/trace/verdict_priv.h"

/* Less is said to be no difference of clocks. */
enum { CLOCKS_DIFFER_US = 50000 };

/* How often a hop was asked for what came in once. */
static void tell_amplification(struct verdict *ret)
{
    char name[128], target[160];

    for (unsigned i = 0; i < ret->chain_count; i++) {
        const struct trace_account *at = ret->chain[i];

        if (at->tries_made > 1)
            ADD(ret->evidence, "%s asked %u times for one request, the last time %s\n",
                verdict_hop_name(at, name, sizeof(name)), at->tries_made,
                verdict_target_name(trace_last_try(at), target, sizeof(target)));
    }
}

/* What the lab's wires and servers did on purpose. */
static void tell_faults(struct verdict *ret)
{
    char name[128];

    for (unsigned i = 0; i < ret->chain_count; i++) {
        const struct trace_account *at = ret->chain[i];
        const struct trace_try *last = trace_last_try(at);
        const struct trace_flow *flow = last ? last->flow : NULL;

        if (flow && flow->fault.len > 0)
            ADD(ret->evidence, "wire \"%.*s\" behind %s: fault \"%.*s\" acted on this connection\n",
                SLICE_ARG(flow->wire), verdict_hop_name(at, name, sizeof(name)),
                SLICE_ARG(flow->fault));
        if (strcmp(at->format, "origin") == 0 && at->detail.len > 0)
            ADD(ret->evidence, "%s did what the fault \"%.*s\" says\n",
                verdict_hop_name(at, name, sizeof(name)), SLICE_ARG(at->detail));
    }
}

static void tell_clocks(struct verdict *ret)
{
    char name[128];

    for (unsigned i = 1; i < ret->chain_count; i++)
        if (llabs(ret->chain[i]->shift_us - ret->chain[i - 1]->shift_us) >= CLOCKS_DIFFER_US)
            ADD(ret->evidence, "the clock of %s differs by about %lld ms; its times are moved\n",
                verdict_hop_name(ret->chain[i], name, sizeof(name)),
                (long long)(-ret->chain[i]->shift_us / 1000));
}

static void tell_joins(struct verdict *ret)
{
    char name[128];

    for (unsigned i = 0; i + 1 < ret->chain_count; i++) {
        const struct trace_try *last = trace_last_try(ret->chain[i]);

        if (last->join == TRACE_JOIN_TIME)
            ADD(ret->evidence,
                "%s was found by time and path alone: the logs share no connection and no id\n",
                verdict_hop_name(ret->chain[i + 1], name, sizeof(name)));
    }
}

void verdict_tell_evidence(struct verdict *ret)
{
    tell_amplification(ret);
    tell_faults(ret);
    tell_clocks(ret);
    tell_joins(ret);
}
