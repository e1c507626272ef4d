#include "tools/wire/pipe.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

void pipe_plan_init(struct pipe_plan *plan)
{
    *plan = (struct pipe_plan){ 0 };
    for (int i = 0; i < PIPE_ACTS; i++)
        plan->triggers[i] = (struct pipe_trigger){ .at_bytes = PIPE_NEVER, .at_ms = PIPE_NEVER };
}

void pipe_init(struct pipe *pipe, struct dice dice)
{
    *pipe = (struct pipe){ .dice = dice };
    pipe_plan_init(&pipe->plan);
}

void pipe_done(struct pipe *pipe)
{
    byte_queue_done(&pipe->held);
    free(pipe->segments);
    pipe->segments = NULL;
    pipe->segments_count = 0;
}

static bool is_armed(const struct pipe_trigger *trigger)
{
    return trigger->at_bytes != PIPE_NEVER || trigger->at_ms != PIPE_NEVER;
}

static bool differs(const struct pipe_trigger *a, const struct pipe_trigger *b)
{
    return a->at_bytes != b->at_bytes || a->at_ms != b->at_ms;
}

void pipe_set_plan(struct pipe *pipe, const struct pipe_plan *plan, uint64_t now_ms)
{
    if (plan->bytes_per_second != pipe->plan.bytes_per_second ||
        plan->burst_bytes != pipe->plan.burst_bytes)
        token_bucket_init(&pipe->bucket, plan->bytes_per_second, plan->burst_bytes, now_ms);
    for (int i = 0; i < PIPE_ACTS; i++)
        if (differs(&plan->triggers[i], &pipe->plan.triggers[i]))
            pipe->acts_done[i] = false;
    if (!is_armed(&plan->triggers[PIPE_ACT_STALL]))
        pipe->stalled = false;
    pipe->plan = *plan;
}

/* ---- in ------------------------------------------------------------------------------------ */

size_t pipe_room(const struct pipe *pipe)
{
    size_t max = pipe->plan.latency_ms > 0 ? PIPE_HELD_DELAYED_MAX : PIPE_HELD_MAX;

    if (pipe->vanishing)
        return max;
    return pipe->held.length < max ? max - pipe->held.length : 0;
}

/* Never earlier than what came before. */
static uint64_t due_at(struct pipe *pipe, uint64_t now_ms)
{
    uint64_t delay_ms = pipe->plan.latency_ms, jitter_ms = pipe->plan.jitter_ms;

    if (jitter_ms > 0) {
        delay_ms += dice_below(&pipe->dice, 2 * jitter_ms + 1);
        delay_ms = delay_ms > jitter_ms ? delay_ms - jitter_ms : 0;
    }
    if (pipe->last_due_ms < now_ms + delay_ms)
        pipe->last_due_ms = now_ms + delay_ms;
    return pipe->last_due_ms;
}

static struct pipe_segment *segment_at(struct pipe *pipe, unsigned place)
{
    return &pipe->segments[(pipe->segments_first + place) % PIPE_SEGMENTS_MAX];
}

static int delay_until(struct pipe *pipe, uint64_t due_ms)
{
    struct pipe_segment *last;

    if (!pipe->segments) {
        pipe->segments = calloc(PIPE_SEGMENTS_MAX, sizeof(*pipe->segments));
        if (!pipe->segments)
            return -ENOMEM;
    }
    last = pipe->segments_count > 0 ? segment_at(pipe, pipe->segments_count - 1) : NULL;
    if (!last || (last->due_ms != due_ms && pipe->segments_count < PIPE_SEGMENTS_MAX))
        last = segment_at(pipe, pipe->segments_count++);
    last->end = pipe->received_bytes;
    last->due_ms = due_ms;
    return 0;
}

static void flip(struct pipe *pipe, size_t count)
{
    size_t first_place = pipe->held.length - count;
    uint64_t first = pipe->received_bytes - count;

    for (unsigned i = 0; i < pipe->plan.flips; i++)
        if (pipe->plan.flip_at[i] >= first && pipe->plan.flip_at[i] < pipe->received_bytes)
            *byte_queue_at(&pipe->held, first_place + (size_t)(pipe->plan.flip_at[i] - first)) ^=
                (char)pipe->plan.flip_mask;
    if (pipe->plan.flip_one_in == 0)
        return;
    for (size_t i = 0; i < count; i++)
        if (dice_below(&pipe->dice, pipe->plan.flip_one_in) == 0)
            *byte_queue_at(&pipe->held, first_place + i) ^= (char)pipe->plan.flip_mask;
}

int pipe_push(struct pipe *pipe, struct slice bytes, uint64_t now_ms)
{
    uint64_t due_ms;
    int r;

    pipe->received_bytes += bytes.len;
    if (pipe->vanishing) {
        pipe->vanished_bytes += bytes.len;
        return 0;
    }
    r = byte_queue_push(&pipe->held, bytes);
    if (r < 0)
        return r;
    flip(pipe, bytes.len);
    due_ms = due_at(pipe, now_ms);
    return due_ms > now_ms || pipe->segments_count > 0 ? delay_until(pipe, due_ms) : 0;
}

void pipe_finish(struct pipe *pipe, enum pipe_end end, uint64_t now_ms)
{
    if (end <= pipe->end)
        return;
    pipe->end = end;
    pipe->end_due_ms = due_at(pipe, now_ms);
}

/* ---- out ----------------------------------------------------------------------------------- */

/* How many bytes at the front have been delayed enough; *ret_due_ms: when more will have been. */
static size_t arrived(struct pipe *pipe, uint64_t now_ms, uint64_t *ret_due_ms)
{
    while (pipe->segments_count > 0 && segment_at(pipe, 0)->due_ms <= now_ms) {
        if (pipe->segments_count == 1) {
            pipe->segments_count = 0;
            break;
        }
        /* what stands before the next segment is free to go, however much of it has gone */
        if (segment_at(pipe, 1)->due_ms > now_ms) {
            *ret_due_ms = segment_at(pipe, 1)->due_ms;
            return (size_t)(segment_at(pipe, 0)->end + pipe->held.length - pipe->received_bytes);
        }
        pipe->segments_first = (pipe->segments_first + 1) % PIPE_SEGMENTS_MAX;
        pipe->segments_count--;
    }
    if (pipe->segments_count == 0)
        return pipe->held.length;
    *ret_due_ms = segment_at(pipe, 0)->due_ms;
    return 0;
}

static bool is_due(const struct pipe *pipe, int act, uint64_t now_ms)
{
    const struct pipe_trigger *trigger = &pipe->plan.triggers[act];

    return !pipe->acts_done[act] &&
           (trigger->at_ms <= now_ms || trigger->at_bytes <= pipe->passed_bytes) &&
           is_armed(trigger);
}

static uint64_t sooner(uint64_t a_ms, uint64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

/* When a fault comes by itself. */
static uint64_t next_instant(const struct pipe *pipe)
{
    uint64_t at_ms = PIPE_NEVER;

    for (int i = 0; i < PIPE_ACTS; i++)
        if (!pipe->acts_done[i])
            at_ms = sooner(at_ms, pipe->plan.triggers[i].at_ms);
    return at_ms;
}

/* No byte passes beyond one at which something happens. */
static size_t up_to_next_act(const struct pipe *pipe, size_t bytes)
{
    for (int i = 0; i < PIPE_ACTS; i++) {
        uint64_t at = pipe->plan.triggers[i].at_bytes;

        if (!pipe->acts_done[i] && at > pipe->passed_bytes && at - pipe->passed_bytes < bytes)
            bytes = (size_t)(at - pipe->passed_bytes);
    }
    return bytes;
}

static struct pipe_step wait_until(const struct pipe *pipe, uint64_t at_ms)
{
    return (struct pipe_step){ .due = PIPE_NOTHING,
                               .wait_until_ms = sooner(at_ms, next_instant(pipe)) };
}

static struct pipe_step next_bytes(struct pipe *pipe, uint64_t now_ms)
{
    uint64_t due_ms = PIPE_NEVER;
    size_t bytes = arrived(pipe, now_ms, &due_ms);

    if (bytes == 0)
        return wait_until(pipe, due_ms);
    if (pipe->plan.slice_bytes > 0) {
        if (pipe->slice_due_ms > now_ms)
            return wait_until(pipe, pipe->slice_due_ms);
        if (bytes > pipe->plan.slice_bytes)
            bytes = (size_t)pipe->plan.slice_bytes;
    }
    bytes = up_to_next_act(pipe, bytes);
    if (token_bucket_room(&pipe->bucket, bytes, now_ms) == 0)
        return wait_until(pipe, token_bucket_ready_at_ms(&pipe->bucket, 1));
    return (struct pipe_step){ .due = PIPE_BYTES,
                               .bytes = (size_t)token_bucket_room(&pipe->bucket, bytes, now_ms) };
}

struct pipe_step pipe_next(struct pipe *pipe, uint64_t now_ms)
{
    if (!pipe->vanishing)
        for (int i = 0; i < PIPE_ACTS; i++)
            if (is_due(pipe, i, now_ms)) {
                pipe->acts_done[i] = true;
                if (i == PIPE_ACT_STALL)
                    pipe->stalled = true;
                return (struct pipe_step){ .due = PIPE_ACT, .act = (enum pipe_act)i };
            }
    if (pipe->vanishing)
        return (struct pipe_step){ .due = PIPE_NOTHING, .wait_until_ms = PIPE_NEVER };
    if (pipe->stalled)
        return wait_until(pipe, PIPE_NEVER);
    if (pipe->held.length > 0)
        return next_bytes(pipe, now_ms);
    if (pipe->end <= pipe->end_passed)
        return wait_until(pipe, PIPE_NEVER);
    if (pipe->end_due_ms > now_ms)
        return wait_until(pipe, pipe->end_due_ms);
    return (struct pipe_step){ .due = PIPE_END };
}

struct slice pipe_front(const struct pipe *pipe, size_t allowed)
{
    return byte_queue_front(&pipe->held, allowed);
}

void pipe_pass(struct pipe *pipe, size_t bytes, uint64_t now_ms)
{
    token_bucket_take(&pipe->bucket, bytes);
    byte_queue_drop(&pipe->held, bytes);
    pipe->passed_bytes += bytes;
    if (pipe->plan.slice_bytes > 0)
        pipe->slice_due_ms = now_ms + pipe->plan.slice_pause_ms;
}

void pipe_pass_end(struct pipe *pipe)
{
    assert(pipe->end > pipe->end_passed && pipe->held.length == 0);
    pipe->end_passed = pipe->end;
}

void pipe_vanish(struct pipe *pipe)
{
    pipe->vanishing = true;
    pipe->vanished_bytes += pipe->held.length;
    pipe_done(pipe);
}

bool pipe_is_over(const struct pipe *pipe)
{
    return pipe->vanishing || (pipe->end != PIPE_OPEN && pipe->end_passed == pipe->end);
}
