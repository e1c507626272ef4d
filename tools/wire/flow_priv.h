/*
 * flow_priv: a flow's inside, for the files that carry it on and that tell of it.
 *
 * Role    the struct, and what is said of it in the log and by the control API
 * Owns    see flow.h
 * Thread  the loop's
 */
#ifndef TOOLS_WIRE_FLOW_PRIV_H
#define TOOLS_WIRE_FLOW_PRIV_H

#include "tools/wire/flow.h"

/* How a side was seen to end; what its peer did, not what we did. */
enum side_end { SIDE_OPEN, SIDE_FIN, SIDE_RESET, SIDE_REFUSED };

struct side {
    struct flow *flow;
    struct stream *stream; /* NULL: not yet, or closed */
    bool is_open;
    bool fin_sent;
    enum side_end ended;
    struct sockaddr_storage peer, local;
};

struct note {
    const char *fault; /* kind */
    char id[32];
    int side; /* the pipe's; -1: the flow's */
    uint64_t at_ms, at_bytes;
};

struct flow {
    struct wire *wire;
    struct flow *next, *prev;
    uint64_t number;
    struct side sides[FLOW_SIDES];
    struct pipe pipes[FLOW_SIDES]; /* [n] is fed by sides[n] and feeds the other one */
    struct wire_fault_set *faults; /* that the plan is made of */
    struct flow_plan plan;
    uint64_t started_at_ms, started_unix_ms, last_bytes_at_ms, over_at_ms;
    bool forgotten; /* by an idle fault */
    bool forgets_by_reset;
    bool is_logged_open, is_over;
    const char *end; /* for the log */
    struct timer timer;
    struct note notes[FLOW_NOTES_MAX];
    unsigned notes_count;
    struct deferred deferred;
};

static inline uint64_t flow_now_ms(const struct flow *flow)
{
    return flow->wire->context->loop->now_ms;
}

/* A fault has acted: into the log, and into what is told of the flow. side: the pipe's; -1: the flow's. */
void flow_note(struct flow *flow, const struct wire_fault *fault, int side);

/* The line with both connections, once. */
void flow_log_open(struct flow *flow);
void flow_log_close(struct flow *flow);

#endif
