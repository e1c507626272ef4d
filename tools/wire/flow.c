#include "tools/wire/flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/conn.h"
#include "tools/wire/flow_priv.h"

static struct loop *loop_of(const struct flow *flow)
{
    return flow->wire->context->loop;
}

static int other(int side)
{
    return side == FLOW_CLIENT ? FLOW_SERVER : FLOW_CLIENT;
}

/* ---- the end ------------------------------------------------------------------------------- */

static void free_flow(struct deferred *deferred)
{
    struct flow *flow = (struct flow *)((char *)deferred - offsetof(struct flow, deferred));

    for (int side = 0; side < FLOW_SIDES; side++)
        pipe_done(&flow->pipes[side]);
    wire_fault_set_free(flow->faults);
    free(flow);
}

static void close_side(struct flow *flow, int side, enum stream_close how)
{
    struct stream *stream = flow->sides[side].stream;

    flow->sides[side].stream = NULL;
    flow->sides[side].is_open = false;
    if (stream)
        stream_close(stream, how);
}

static void leave(struct flow *flow)
{
    flow->is_over = true;
    flow_log_close(flow);
    timer_cancel(&flow->timer);
    if (flow->prev)
        flow->prev->next = flow->next;
    else
        flow->wire->flows = flow->next;
    if (flow->next)
        flow->next->prev = flow->prev;
    flow->wire->flows_count--;
    loop_free_later(loop_of(flow), &flow->deferred);
}

static void end_both(struct flow *flow, enum stream_close how, const char *why)
{
    if (!flow->end)
        flow->end = why;
    for (int side = 0; side < FLOW_SIDES; side++)
        close_side(flow, side, how);
}

/* The side has given and got all that it will. */
static bool is_done(const struct side *side)
{
    return !side->stream || (side->ended != SIDE_OPEN && side->fin_sent);
}

static bool both_pipes_are_over(const struct flow *flow)
{
    return pipe_is_over(&flow->pipes[FLOW_CLIENT]) && pipe_is_over(&flow->pipes[FLOW_SERVER]);
}

static bool has_nothing_to_give(const struct side *side)
{
    return !side->stream || side->ended != SIDE_OPEN;
}

static void finish_if_done(struct flow *flow)
{
    const struct side *client = &flow->sides[FLOW_CLIENT], *server = &flow->sides[FLOW_SERVER];

    if (flow->is_over)
        return;
    if (is_done(client) && is_done(server)) {
        end_both(flow, STREAM_CLOSE_FLUSH, "ended");
        leave(flow);
        return;
    }
    /* each believes that the other side will still answer; its kernel gives up after a minute */
    if (!both_pipes_are_over(flow) || !has_nothing_to_give(client) || !has_nothing_to_give(server))
        return;
    if (flow->over_at_ms == 0)
        flow->over_at_ms = flow_now_ms(flow) + FLOW_VANISHED_LINGER_MS;
    if (flow_now_ms(flow) >= flow->over_at_ms) {
        end_both(flow, STREAM_CLOSE_ABORT, "forgotten");
        leave(flow);
    }
}

/* ---- faults that are due ------------------------------------------------------------------- */

/* A side that is closed for good takes nothing and gives nothing. */
static void lose_side(struct flow *flow, int side, enum stream_close how)
{
    close_side(flow, side, how);
    if (!flow->pipes[side].vanishing)
        pipe_vanish(&flow->pipes[side]);
    if (!flow->pipes[other(side)].vanishing)
        pipe_vanish(&flow->pipes[other(side)]);
}

static void send_fin(struct flow *flow, int side)
{
    struct side *to = &flow->sides[side];

    if (!to->stream || to->fin_sent)
        return;
    to->fin_sent = true;
    stream_shutdown_write(to->stream);
}

static void do_act(struct flow *flow, int from, enum pipe_act act)
{
    const struct wire_fault *fault = flow->plan.acts[from][act];

    if (fault)
        flow_note(flow, fault, from);
    switch (act) {
    case PIPE_ACT_STALL:
        return;
    case PIPE_ACT_DROP:
        pipe_vanish(&flow->pipes[from]);
        return;
    case PIPE_ACT_HALF_CLOSE:
        send_fin(flow, other(from));
        pipe_vanish(&flow->pipes[from]);
        return;
    case PIPE_ACT_CUT:
        lose_side(flow, FLOW_CLIENT, STREAM_CLOSE_LINGER);
        lose_side(flow, FLOW_SERVER, STREAM_CLOSE_LINGER);
        flow->end = "cut";
        return;
    case PIPE_ACT_RESET:
        if (flow->plan.reset_client)
            lose_side(flow, FLOW_CLIENT, STREAM_CLOSE_CUT);
        if (flow->plan.reset_server)
            lose_side(flow, FLOW_SERVER, STREAM_CLOSE_CUT);
        flow->end = "reset";
        return;
    case PIPE_ACTS:
        return;
    }
}

static void forget(struct flow *flow)
{
    const struct wire_fault *fault = flow->plan.idle;

    flow->forgotten = true;
    flow->forgets_by_reset = fault->then && strcmp(fault->then, "reset") == 0;
    for (int side = 0; side < FLOW_SIDES; side++)
        if (!flow->pipes[side].vanishing)
            pipe_vanish(&flow->pipes[side]);
    flow_note(flow, fault, -1);
}

static bool idle_is_watched(const struct flow *flow)
{
    return flow->plan.idle && !flow->forgotten && flow->sides[FLOW_SERVER].is_open;
}

/* ---- reading ------------------------------------------------------------------------------- */

/* A firewall that knows nothing of this flow answers a packet of it with a reset; the other side does
 * not learn of it. */
static bool is_refused_as_stranger(struct flow *flow, int side)
{
    if (!flow->forgets_by_reset)
        return false;
    lose_side(flow, side, STREAM_CLOSE_ABORT);
    return true;
}

static void on_end(struct flow *flow, int side, long result)
{
    struct side *from = &flow->sides[side];

    from->ended = result == 0 ? SIDE_FIN : SIDE_RESET;
    pipe_finish(&flow->pipes[side], result == 0 ? PIPE_FIN : PIPE_RST, flow_now_ms(flow));
    if (result < 0) {
        /* the way back leads nowhere */
        close_side(flow, side, STREAM_CLOSE_ABORT);
        if (!flow->pipes[other(side)].vanishing)
            pipe_vanish(&flow->pipes[other(side)]);
    }
}

static int push(struct flow *flow, int side, struct buf *bytes)
{
    int r = 0;

    flow->last_bytes_at_ms = flow_now_ms(flow);
    while (r == 0 && !buf_is_empty(bytes)) {
        struct slice front = buf_front(bytes);

        r = pipe_push(&flow->pipes[side], front, flow_now_ms(flow));
        buf_consume(bytes, front.len);
    }
    return r;
}

static void feed(struct flow *flow, int side)
{
    struct side *from = &flow->sides[side];
    struct buf bytes;

    buf_init(&bytes, loop_of(flow)->pool);
    while (from->stream && from->is_open && from->ended == SIDE_OPEN &&
           pipe_room(&flow->pipes[side]) > 0) {
        long n = stream_read(from->stream, &bytes, pipe_room(&flow->pipes[side]));

        if (n == -EAGAIN || (n >= 0 && is_refused_as_stranger(flow, side)))
            break;
        if (n <= 0) {
            on_end(flow, side, n);
            break;
        }
        if (push(flow, side, &bytes) < 0) {
            end_both(flow, STREAM_CLOSE_ABORT, "out of memory");
            break;
        }
    }
    buf_done(&bytes);
}

/* ---- writing ------------------------------------------------------------------------------- */

static bool may_write(const struct flow *flow, int from)
{
    const struct side *to = &flow->sides[other(from)];
    size_t max = flow->plan.pipes[from].slice_bytes > 0 ? 1 : FLOW_QUEUED_MAX;

    return to->stream && to->is_open && stream_queued(to->stream) < max;
}

static void write_bytes(struct flow *flow, int from, size_t allowed)
{
    struct pipe *pipe = &flow->pipes[from];
    struct slice bytes = pipe_front(pipe, allowed < FLOW_QUEUED_MAX ? allowed : FLOW_QUEUED_MAX);
    struct buf out;

    buf_init(&out, loop_of(flow)->pool);
    /* a stream that fails says so by an event */
    if (buf_append_slice(&out, bytes) < 0)
        end_both(flow, STREAM_CLOSE_ABORT, "out of memory");
    else
        (void)stream_write(flow->sides[other(from)].stream, &out);
    buf_done(&out);
    pipe_pass(pipe, bytes.len, flow_now_ms(flow));
}

/* A reset comes behind the bytes before it, as on a network, unless nobody takes those. Returns when
 * to look again; 0: done. */
static uint64_t pass_reset(struct flow *flow, int from)
{
    struct side *to = &flow->sides[other(from)];
    uint64_t patience_ends_ms;

    if (!to->stream)
        return 0;
    patience_ends_ms = to->stream->endpoint->send_progress_at_ms + FLOW_RESET_PATIENCE_MS;
    if (stream_queued(to->stream) > 0 && flow_now_ms(flow) < patience_ends_ms)
        return patience_ends_ms;
    if (!flow->end)
        flow->end = "reset by a side";
    lose_side(flow, other(from), STREAM_CLOSE_ABORT);
    return 0;
}

static uint64_t pass_end(struct flow *flow, int from)
{
    struct pipe *pipe = &flow->pipes[from];
    uint64_t again_ms = pipe->end == PIPE_RST ? pass_reset(flow, from) : 0;

    if (again_ms > 0)
        return again_ms;
    if (pipe->vanishing)
        return 0; /* lose_side has done it */
    send_fin(flow, other(from));
    pipe_pass_end(pipe);
    return 0;
}

/* Bytes behind which a reset waits, and that nobody takes. */
static uint64_t reset_overtakes(struct flow *flow, int from)
{
    if (flow->pipes[from].end != PIPE_RST || flow->pipes[from].vanishing ||
        flow->pipes[from].stalled || flow->sides[other(from)].stream == NULL ||
        !flow->sides[other(from)].is_open)
        return PIPE_NEVER;
    return pass_reset(flow, from);
}

/* Returns when to come again by itself. */
static uint64_t drain(struct flow *flow, int from)
{
    struct pipe *pipe = &flow->pipes[from];

    while (may_write(flow, from) || pipe->stalled) {
        struct pipe_step step = pipe_next(pipe, flow_now_ms(flow));
        uint64_t again_ms;

        switch (step.due) {
        case PIPE_NOTHING:
            return step.wait_until_ms;
        case PIPE_BYTES:
            write_bytes(flow, from, step.bytes);
            break;
        case PIPE_END:
            again_ms = pass_end(flow, from);
            if (again_ms > 0)
                return again_ms;
            break;
        case PIPE_ACT:
            do_act(flow, from, step.act);
            break;
        }
    }
    return reset_overtakes(flow, from);
}

/* Faults act at their instant even while a side takes nothing. */
static uint64_t next_instant(const struct flow *flow, int from)
{
    uint64_t at_ms = PIPE_NEVER;

    if (flow->pipes[from].vanishing)
        return at_ms;
    for (int act = 0; act < PIPE_ACTS; act++)
        if (!flow->pipes[from].acts_done[act] && flow->plan.pipes[from].triggers[act].at_ms < at_ms)
            at_ms = flow->plan.pipes[from].triggers[act].at_ms;
    return at_ms;
}

static void act_on_time(struct flow *flow, int from)
{
    while (!may_write(flow, from) && next_instant(flow, from) <= flow_now_ms(flow)) {
        struct pipe_step step = pipe_next(&flow->pipes[from], flow_now_ms(flow));

        if (step.due != PIPE_ACT)
            return;
        do_act(flow, from, step.act);
    }
}

/* ---- all of it ----------------------------------------------------------------------------- */

static uint64_t sooner(uint64_t a_ms, uint64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

static uint64_t forget_in_time(struct flow *flow)
{
    if (!idle_is_watched(flow))
        return PIPE_NEVER;
    if (flow->last_bytes_at_ms + flow->plan.idle_ms > flow_now_ms(flow))
        return flow->last_bytes_at_ms + flow->plan.idle_ms;
    forget(flow);
    return PIPE_NEVER;
}

static void on_no_server(struct flow *flow, int error)
{
    flow->sides[FLOW_SERVER].ended = SIDE_REFUSED;
    flow->end = strerror(-error);
    flow_log_open(flow);
    lose_side(flow, FLOW_SERVER, STREAM_CLOSE_ABORT);
    lose_side(flow, FLOW_CLIENT, STREAM_CLOSE_ABORT);
}

/* Calls the server, or resets the client instead. Returns when, or PIPE_NEVER once it is done. */
static uint64_t call_server(struct flow *flow)
{
    struct side *server = &flow->sides[FLOW_SERVER];
    const struct wire_options *options = &flow->wire->options;
    uint64_t at_ms = flow->started_at_ms + (flow->plan.accept_reset ? flow->plan.accept_reset_ms
                                                                    : flow->plan.connect_delay_ms);
    int error = 0;

    if (server->stream || server->ended != SIDE_OPEN || !flow->sides[FLOW_CLIENT].stream)
        return PIPE_NEVER;
    if (at_ms > flow_now_ms(flow))
        return at_ms;
    if (flow->plan.accept_reset) {
        flow_note(flow, flow->plan.accept_reset, -1);
        flow_log_open(flow);
        lose_side(flow, FLOW_CLIENT, STREAM_CLOSE_ABORT);
        flow->end = "reset";
        return PIPE_NEVER;
    }
    if (flow->plan.connect_delay)
        flow_note(flow, flow->plan.connect_delay, -1);
    server->peer = options->to;
    server->stream =
        conn_connect(loop_of(flow), &options->to,
                     options->bind.ss_family == AF_UNSPEC ? NULL : &options->bind, &error);
    if (!server->stream) {
        server->ended = SIDE_REFUSED;
        flow->end = strerror(-error);
        flow_log_open(flow);
        lose_side(flow, FLOW_CLIENT, STREAM_CLOSE_ABORT);
        return PIPE_NEVER;
    }
    return PIPE_NEVER;
}

static void on_server_event(void *owner, unsigned events);

static void own_server(struct flow *flow)
{
    struct side *server = &flow->sides[FLOW_SERVER];

    if (server->stream && !server->stream->owner) {
        stream_set_owner(server->stream, flow, on_server_event);
        stream_set_read_size(server->stream, STREAM_READ_BULK);
    }
}

static void pump(struct flow *flow)
{
    uint64_t wake_ms = call_server(flow);

    own_server(flow);
    wake_ms = sooner(wake_ms, forget_in_time(flow));
    for (int from = 0; from < FLOW_SIDES; from++) {
        uint64_t room_ms = PIPE_NEVER;

        uint64_t received;

        do { /* what was full has room again, and no event will say so */
            received = flow->pipes[from].received_bytes;
            feed(flow, from);
            room_ms = drain(flow, from);
        } while (flow->pipes[from].received_bytes != received);
        act_on_time(flow, from);
        wake_ms = sooner(wake_ms, sooner(room_ms, next_instant(flow, from)));
    }
    if (flow->sides[FLOW_CLIENT].stream == NULL && !flow->sides[FLOW_SERVER].is_open)
        lose_side(flow, FLOW_SERVER, STREAM_CLOSE_ABORT); /* nobody waits for that connect */
    finish_if_done(flow);
    if (flow->is_over)
        return;
    if (flow->over_at_ms > 0)
        wake_ms = sooner(wake_ms, flow->over_at_ms);
    if (idle_is_watched(flow))
        wake_ms = sooner(wake_ms, flow->last_bytes_at_ms + flow->plan.idle_ms);
    if (wake_ms == PIPE_NEVER)
        timer_cancel(&flow->timer);
    else
        timer_set(&loop_of(flow)->timers, &flow->timer, wake_ms);
}

static void on_timer(struct timer *timer)
{
    pump((struct flow *)((char *)timer - offsetof(struct flow, timer)));
}

/* ---- events -------------------------------------------------------------------------------- */

static void on_write_failed(struct flow *flow, int side)
{
    struct side *failed = &flow->sides[side];

    if (!failed->stream)
        return;
    failed->ended = SIDE_RESET;
    pipe_finish(&flow->pipes[side], PIPE_RST, flow_now_ms(flow));
    close_side(flow, side, STREAM_CLOSE_ABORT);
    if (!flow->pipes[other(side)].vanishing)
        pipe_vanish(&flow->pipes[other(side)]);
}

static void on_side_event(struct flow *flow, int side, unsigned events)
{
    if (events & STREAM_WRITE_FAILED) {
        feed(flow, side); /* what it said before */
        on_write_failed(flow, side);
    }
    pump(flow);
}

static void on_client_event(void *owner, unsigned events)
{
    on_side_event(owner, FLOW_CLIENT, events);
}

static void on_server_open(struct flow *flow)
{
    struct side *server = &flow->sides[FLOW_SERVER];

    server->is_open = true;
    server->local = server->stream->endpoint->local;
    flow->last_bytes_at_ms = flow_now_ms(flow);
    flow_log_open(flow);
}

static void on_server_event(void *owner, unsigned events)
{
    struct flow *flow = owner;

    if (events & STREAM_OPEN)
        on_server_open(flow);
    if (events & STREAM_OPEN_FAILED)
        on_no_server(flow, stream_failure(flow->sides[FLOW_SERVER].stream).error);
    on_side_event(flow, FLOW_SERVER, events & ~(unsigned)STREAM_OPEN_FAILED);
}

/* ---- public -------------------------------------------------------------------------------- */

static void make_plan(struct flow *flow)
{
    struct wire *wire = flow->wire;
    struct plan_context context = {
        .wire = wire->options.name,
        .connection = flow->number,
        .seed = wire->context->seed,
        .time_scale = wire->context->time_scale,
        .since_ms = flow->started_at_ms > wire->faults_since_ms ? flow->started_at_ms
                                                                : wire->faults_since_ms,
    };

    wire_fault_set_free(flow->faults);
    flow->faults = wire_fault_set_ref(wire->faults);
    plan_make(&flow->plan, flow->faults, &context);
    for (int side = 0; side < FLOW_SIDES; side++)
        pipe_set_plan(&flow->pipes[side], &flow->plan.pipes[side], flow_now_ms(flow));
}

void flow_take_faults(struct flow *flow)
{
    make_plan(flow);
    pump(flow);
}

void flow_start(struct wire *wire, struct stream *client)
{
    struct flow *flow = calloc(1, sizeof(*flow));
    struct side *side;

    if (!flow) {
        stream_close(client, STREAM_CLOSE_ABORT);
        return;
    }
    flow->wire = wire;
    flow->number = ++wire->flows_total;
    flow->started_at_ms = flow->last_bytes_at_ms = wire->context->loop->now_ms;
    flow->deferred.free = free_flow;
    timer_init(&flow->timer, on_timer);
    for (int i = 0; i < FLOW_SIDES; i++)
        pipe_init(&flow->pipes[i],
                  dice_for(wire->context->seed, flow->number * FLOW_SIDES + (uint64_t)i));
    side = &flow->sides[FLOW_CLIENT];
    side->stream = client;
    side->is_open = true;
    side->peer = client->endpoint->peer;
    side->local = client->endpoint->local;
    stream_set_owner(client, flow, on_client_event);
    stream_set_read_size(client, STREAM_READ_BULK);
    flow->next = wire->flows;
    if (flow->next)
        flow->next->prev = flow;
    wire->flows = flow;
    wire->flows_count++;
    make_plan(flow);
    pump(flow);
}

void flow_kill(struct flow *flow, enum flow_kill how, unsigned sides)
{
    flow->end = "killed";
    for (int side = 0; side < FLOW_SIDES; side++)
        if (sides & 1u << side)
            lose_side(flow, side,
                      how == FLOW_KILL_RESET ? STREAM_CLOSE_ABORT : STREAM_CLOSE_LINGER);
    pump(flow);
}

struct flow *flow_next(const struct flow *flow)
{
    return flow->next;
}

uint64_t flow_number(const struct flow *flow)
{
    return flow->number;
}
