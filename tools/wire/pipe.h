/*
 * pipe: one direction of a flow, as time and faults let it pass.
 *
 * Role    takes bytes and an end in, says which bytes, which end or which fault is due now: delay,
 *         jitter, bandwidth, slices, corruption, and what happens at a byte or at an instant. No
 *         socket, no clock of its own
 * Owns    the bytes it holds
 * Thread  one
 *
 * Order is never changed: what comes later is never due earlier. An end travels as the bytes do.
 */
#ifndef TOOLS_WIRE_PIPE_H
#define TOOLS_WIRE_PIPE_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/wire/byte_queue.h"
#include "tools/wire/dice.h"
#include "tools/wire/token_bucket.h"

enum {
    PIPE_HELD_MAX = 128 * 1024,          /* bytes; then the sender is not read any more */
    PIPE_HELD_DELAYED_MAX = 1024 * 1024, /* bytes; with latency: so much is on its way at once */
    PIPE_SEGMENTS_MAX = 4096,            /* instants; what does not fit shares the last one */
    PIPE_FLIPS_MAX = 16,                 /* places to corrupt */
};

#define PIPE_NEVER UINT64_MAX

/* What a fault does at a byte or at an instant; each at most once for a pipe. */
enum pipe_act {
    PIPE_ACT_STALL,      /* nothing passes, nothing is lost */
    PIPE_ACT_DROP,       /* bytes and ends vanish from here on */
    PIPE_ACT_HALF_CLOSE, /* the receiver gets a FIN, what still comes vanishes */
    PIPE_ACT_CUT,        /* FIN to both sides */
    PIPE_ACT_RESET,
    PIPE_ACTS,
};

struct pipe_trigger {
    uint64_t at_bytes; /* that have passed; PIPE_NEVER */
    uint64_t at_ms;    /* PIPE_NEVER */
};

struct pipe_plan {
    uint64_t latency_ms, jitter_ms;
    uint64_t bytes_per_second, burst_bytes; /* 0: no limit; 0: a default */
    uint64_t slice_bytes, slice_pause_ms;   /* 0: as it comes */
    struct pipe_trigger triggers[PIPE_ACTS];
    uint64_t flip_at[PIPE_FLIPS_MAX]; /* offsets in this direction, from 0 */
    unsigned flips;
    uint64_t flip_one_in; /* each byte with that chance; 0: none */
    uint8_t flip_mask;
};

/* No fault. */
void pipe_plan_init(struct pipe_plan *plan);

enum pipe_end { PIPE_OPEN, PIPE_FIN, PIPE_RST };

enum pipe_due {
    PIPE_NOTHING, /* until bytes come, or until wait_until_ms */
    PIPE_BYTES,   /* so many may pass now: pipe_front, pipe_pass */
    PIPE_END,     /* all bytes have passed and their end is due: pipe_pass_end */
    PIPE_ACT,     /* the fault in `act` is due; it is marked as done */
};

struct pipe_step {
    enum pipe_due due;
    size_t bytes;
    enum pipe_act act;
    uint64_t wait_until_ms; /* of PIPE_NOTHING */
};

struct pipe_segment {
    uint64_t end; /* bytes received up to here ... */
    uint64_t due_ms;
};

struct pipe {
    struct pipe_plan plan;
    struct token_bucket bucket;
    struct dice dice;
    struct byte_queue held;
    struct pipe_segment *segments; /* ring, due in order; NULL until something is delayed */
    unsigned segments_first, segments_count;
    uint64_t last_due_ms;
    uint64_t slice_due_ms;
    uint64_t received_bytes, passed_bytes, vanished_bytes;
    enum pipe_end end, end_passed;
    uint64_t end_due_ms;
    bool acts_done[PIPE_ACTS];
    bool stalled, vanishing;
};

void pipe_init(struct pipe *pipe, struct dice dice);
void pipe_done(struct pipe *pipe);

/* Faults from now on. What is held keeps its times; a stall that is no longer in the plan ends, what
 * has begun to vanish goes on vanishing. */
void pipe_set_plan(struct pipe *pipe, const struct pipe_plan *plan, uint64_t now_ms);

/* Bytes that may be pushed. */
size_t pipe_room(const struct pipe *pipe);

/* bytes.len <= pipe_room. 0 or -ENOMEM. */
int pipe_push(struct pipe *pipe, struct slice bytes, uint64_t now_ms);

/* The sender's end; PIPE_RST may follow PIPE_FIN. */
void pipe_finish(struct pipe *pipe, enum pipe_end end, uint64_t now_ms);

struct pipe_step pipe_next(struct pipe *pipe, uint64_t now_ms);

/* Of the bytes that pipe_next allowed, those that lie together; then pipe_pass as many. */
struct slice pipe_front(const struct pipe *pipe, size_t allowed);
void pipe_pass(struct pipe *pipe, size_t bytes, uint64_t now_ms);
void pipe_pass_end(struct pipe *pipe);

/* From now on all vanishes, the end as well. */
void pipe_vanish(struct pipe *pipe);

/* Nothing will pass any more: the end has, or all vanishes. */
bool pipe_is_over(const struct pipe *pipe);

#endif
