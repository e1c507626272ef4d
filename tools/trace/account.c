#include "tools/trace/account.h"

#include <string.h>

bool trace_init(struct trace *trace)
{
    *trace = (struct trace){ .pool = chunk_pool_create(0) };
    if (!trace->pool)
        return false;
    arena_init(&trace->memory, trace->pool, 0);
    return true;
}

void trace_done(struct trace *trace)
{
    if (!trace->pool)
        return;
    arena_done(&trace->memory);
    chunk_pool_free(trace->pool);
    trace->pool = NULL;
}

struct trace_account *trace_account_new(struct trace *trace)
{
    struct trace_account *account = arena_alloc(&trace->memory, sizeof(*account));

    if (!account) {
        trace->out_of_memory = true;
        return NULL;
    }
    memset(account, 0, sizeof(*account));
    account->begin_us = account->head_us = account->end_us = TRACE_NEVER;
    return account;
}

void trace_account_add(struct trace *trace, struct trace_account *account)
{
    if (trace->last)
        trace->last->next_in_trace = account;
    else
        trace->first = account;
    trace->last = account;
    trace->accounts_count++;
}

/* Most lines have one try or none. */
static bool has_room_for_try(struct trace *trace, struct trace_account *account)
{
    unsigned capacity = account->tries_capacity > 0 ? account->tries_capacity * 4 : 1;
    struct trace_try *tries;

    if (account->tries_count < account->tries_capacity || account->tries_count == TRACE_TRIES_MAX)
        return true;
    tries = arena_alloc(&trace->memory, capacity * sizeof(*tries));
    if (!tries)
        return false;
    if (account->tries_count > 0)
        memcpy(tries, account->tries, account->tries_count * sizeof(*tries));
    account->tries = tries;
    account->tries_capacity = capacity;
    return true;
}

struct trace_try *trace_try_new(struct trace *trace, struct trace_account *account)
{
    static struct trace_try nowhere;
    struct trace_try *try = &nowhere;

    if (has_room_for_try(trace, account)) {
        if (account->tries_count < TRACE_TRIES_MAX)
            account->tries_count++;
        try = &account->tries[account->tries_count - 1];
    } else {
        trace->out_of_memory = true;
    }
    account->tries_made++;
    memset(try, 0, sizeof(*try));
    try->begin_us = try->sent_us = try->head_us = try->end_us = TRACE_NEVER;
    return try;
}

struct slice trace_copy(struct trace *trace, struct slice text)
{
    struct slice copy = { NULL, 0 };

    if (text.len == 0)
        return copy;
    copy = arena_copy(&trace->memory, text);
    if (!copy.ptr)
        trace->out_of_memory = true;
    return copy;
}
