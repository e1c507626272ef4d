#include "tools/trace/relay.h"

#include "tools/trace/causes.h"

/* Instants of its log are whole milliseconds, and the end of a connection is seen by both sides at about the
 * same time. */
enum { PRECISION_US = 1000, SAME_END_US = 50000 };

/* Hops in a row; a log may lead in a circle. */
enum { DEPTH_MAX = 16 };

static bool is_own_failure(const struct trace_relay *relay)
{
    return relay->reason != END_OK && end_reason_info(relay->reason)->hop != END_HOP_CLIENT;
}

/* The end of a connection is passed on as it is. */
static bool is_passed_on(enum end_reason reason)
{
    return reason == END_UPSTREAM_HEAD_CLOSED || reason == END_UPSTREAM_HEAD_RESET ||
           reason == END_UPSTREAM_BODY_CLOSED || reason == END_UPSTREAM_BODY_RESET ||
           reason == END_UPSTREAM_SEND_FAILED;
}

/* By a wire in front of the relay: whoever is behind it has nothing to do with it. */
static bool was_ended_on_the_way(const struct trace_try *try)
{
    return is_passed_on(try->reason) && try->flow && cause_wire_ends(try->flow->fault);
}

/* What the try that went into it is for the relay. */
static enum end_reason reason_behind(const struct trace_relay *relay, const struct trace_try *try)
{
    bool is_over = try->end_us == TRACE_NEVER || relay->end_us <= try->end_us + SAME_END_US;

    if (try->reason == END_OK || try->reason == END_UPSTREAM_STATUS || was_ended_on_the_way(try))
        return END_OK;
    if (is_own_failure(relay) && is_over &&
        !(is_passed_on(relay->reason) && is_passed_on(try->reason)))
        return relay->reason; /* else who asked knows better how far its answer was */
    if (cause_of(try->reason, false)->is_wait || try->reason == END_CLIENT_ABORTED)
        return END_CLIENT_ABORTED;
    return is_passed_on(try->reason) ? try->reason : END_OK;
}

static struct trace_account *account_of(struct trace *trace, const struct trace_flow *flow)
{
    const struct trace_relay *relay = flow->relay;
    struct trace_account *account = trace_account_new(trace);

    if (!account)
        return NULL;
    flow->relay->is_told = true;
    account->format = "hopgate";
    account->file = relay->file;
    account->line = relay->line;
    account->hop = relay->hop;
    account->service = relay->service;
    account->peer = flow->client;
    account->local = flow->listen;
    account->precision_us = PRECISION_US;
    account->time_scale = relay->time_scale;
    account->begin_us = flow->begin_us;
    account->end_us = relay->end_us;
    return account;
}

static struct trace_try *try_of(struct trace *trace, struct trace_account *account,
                                const struct trace_flow *flow)
{
    struct trace_try *try = trace_try_new(trace, account);

    try->local = flow->local;
    try->target = flow->server;
    try->target_name = flow->relay->target_name;
    try->begin_us = account->begin_us;
    try->end_us = account->end_us;
    try->reason = account->reason;
    return try;
}

bool relay_is_new(const struct trace_account *account, const struct trace_flow *flow)
{
    unsigned depth = 0;

    for (const struct trace_account *at = account; at; at = at->before)
        if (++depth > DEPTH_MAX || (at->file == flow->relay->file && at->line == flow->relay->line))
            return false;
    return true;
}

struct trace_account *relay_behind(struct trace *trace, const struct trace_account *account,
                                   const struct trace_try *try, const struct trace_flow *flow)
{
    struct trace_account *made = account_of(trace, flow);
    struct trace_try *own;

    if (!made)
        return NULL;
    made->method = account->method;
    made->target = account->upstream_target.len > 0 ? account->upstream_target : account->target;
    made->request_number = try->request_number;
    made->reason = reason_behind(flow->relay, try);
    made->status = try->head_us != TRACE_NEVER || try->reason == END_OK ? try->status : 0;
    if (try->reused || try->request_number > 1)
        made->begin_us = try->begin_us; /* the connection is older than the request */
    if (!is_own_failure(flow->relay) || made->reason != flow->relay->reason)
        made->end_us = try->end_us;
    own = try_of(trace, made, flow);
    own->request_number = try->request_number;
    own->status = made->status;
    own->sent_us = try->sent_us;
    own->head_us = try->head_us;
    own->reused = try->reused;
    trace_account_add(trace, made);
    return made;
}

struct trace_account *relay_in_front(struct trace *trace, struct trace_account *account,
                                     const struct trace_flow *flow)
{
    struct trace_account *made = account_of(trace, flow);
    struct trace_try *own;

    if (!made)
        return NULL;
    made->method = account->method;
    made->target = account->target;
    made->request_number = account->request_number;
    made->status = account->status;
    if (account->request_number > 1)
        made->begin_us = account->begin_us;
    made->end_us = account->end_us;
    own = try_of(trace, made, flow);
    own->request_number = account->request_number;
    own->status = account->status;
    own->head_us = account->head_us;
    own->join = TRACE_JOIN_CONNECTION;
    own->next = account;
    account->before = made;
    trace_account_add(trace, made);
    return made;
}

void relay_add_unknown(struct trace *trace)
{
    for (struct trace_flow *flow = trace->last_flow; flow; flow = flow->before) {
        struct trace_account *made;

        if (!flow->relay || !is_own_failure(flow->relay) || flow->relay->is_told)
            continue;
        made = account_of(trace, flow);
        if (!made)
            return;
        made->method = SLICE("connection");
        made->target = flow->relay->service;
        made->reason = flow->relay->reason;
        (void)try_of(trace, made, flow);
        trace_account_add(trace, made);
    }
}
