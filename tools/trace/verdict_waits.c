/* Timers, and the tries behind them. */
#include <stdio.h>
#include <string.h>

#include "tools/trace/verdict_priv.h"

int64_t verdict_limit_us(const struct trace_account *account, enum cause_setting setting)
{
    switch (setting) {
    case CAUSE_CONNECT_TIMEOUT:
        return account->limits.connect_us;
    case CAUSE_WRITE_TIMEOUT:
        return account->limits.write_us;
    case CAUSE_READ_TIMEOUT:
        return account->limits.read_us;
    case CAUSE_NO_SETTING:
    case CAUSE_KEEPALIVE:
    case CAUSE_HEAD_SIZE:
    case CAUSE_CLIENT_PATIENCE:
    case CAUSE_RETRIES:
    case CAUSE_RETRY_CONDITION:
    case CAUSE_SETTING_COUNT:
        break;
    }
    return 0;
}

/* ---- longer timers that did not help ------------------------------------------------------- */

/* "We raised it to 120": at the same hop it is the other timer ... */
static void tell_other_timer(struct verdict *ret, enum cause_setting setting, int64_t limit_us)
{
    enum cause_setting other =
        setting == CAUSE_READ_TIMEOUT ? CAUSE_WRITE_TIMEOUT : CAUSE_READ_TIMEOUT;
    int64_t other_us = verdict_limit_us(ret->culprit, other);
    char span[32];

    /* one that is as long as the third was not raised: all are as they come */
    if (setting == CAUSE_CONNECT_TIMEOUT || other_us <= limit_us ||
        other_us == ret->culprit->limits.connect_us)
        return;
    ADD(ret->text, "; the %s are its %s, which counts while %s",
        verdict_span(other_us, span, sizeof(span)),
        other == CAUSE_WRITE_TIMEOUT ? "write_timeout" : "read_timeout",
        other == CAUSE_WRITE_TIMEOUT ? "the request is sent" : "the answer is waited for");
}

/* Whose longer timer stands nearest: behind, where nobody waits for it, or else in front. */
static const struct trace_account *find_longer(const struct verdict *verdict, int64_t limit_us)
{
    const struct trace_account *found = NULL;
    bool is_behind = false;

    for (unsigned i = 0; i < verdict->chain_count; i++) {
        const struct trace_account *at = verdict->chain[i];

        if (at == verdict->culprit) {
            is_behind = true;
            continue;
        }
        if (at->limits.read_us <= limit_us)
            continue;
        if (is_behind)
            return at;
        found = at;
    }
    return found;
}

/* ... or it is another hop's. */
static void tell_elsewhere(struct verdict *ret, int64_t limit_us)
{
    const struct trace_account *at = find_longer(ret, limit_us);
    char span[32], name[128];

    if (at)
        ADD(ret->text, "; the %s stand at %s (read_timeout)",
            verdict_span(at->limits.read_us, span, sizeof(span)),
            verdict_hop_name(at, name, sizeof(name)));
}

/* ---- the wait ------------------------------------------------------------------------------ */

/* All that are known ended as the last one did. */
static bool all_tries_ended_alike(const struct trace_account *account)
{
    for (unsigned i = 0; i < account->tries_count; i++)
        if (account->tries[i].reason != account->reason)
            return false;
    return account->tries_count > 1;
}

void verdict_tell_wait(struct verdict *ret, const struct cause *cause)
{
    const struct trace_account *culprit = ret->culprit;
    const struct trace_try *try = ret->try;
    int64_t limit_us = cause->is_wait ? verdict_limit_us(culprit, cause->setting) : 0;
    char span[32];

    if (limit_us > 0)
        ADD(ret->text, " within %s (%s)", verdict_span(limit_us, span, sizeof(span)),
            cause_setting_name(cause->setting, culprit->format));
    else if (cause->is_wait && try && try->begin_us != TRACE_NEVER && try->end_us >= try->begin_us)
        ADD(ret->text, " within %lld ms", (long long)(try->end_us - try->begin_us + 500) / 1000);
    if (try && culprit->tries_made > 1)
        ADD(ret->text, ", the last of %u tries", culprit->tries_made);
    if (limit_us == 0)
        return;
    if (all_tries_ended_alike(culprit)) {
        ADD(ret->text, " of %s each", verdict_span(limit_us, span, sizeof(span)));
        return;
    }
    tell_other_timer(ret, cause->setting, limit_us);
    if (cause->setting == CAUSE_READ_TIMEOUT && !(try && try->flow && try->flow->fault.len > 0))
        tell_elsewhere(ret, limit_us);
}

bool verdict_fix_tries(struct verdict *ret, const struct cause *cause)
{
    const struct trace_account *many =
        ret->waiting && ret->waiting->tries_made > 1 ? ret->waiting : ret->culprit;
    unsigned tries = many->limits.tries_max;
    int64_t each_us = cause->is_wait ? verdict_limit_us(many, cause->setting) : 0;
    char each[32], all[32], name[128], front[128];

    if (!cause->is_wait || many->tries_made < 2 || each_us == 0 || tries < 2)
        return false;
    ADD(ret->fix, "lower %s at %s: %u tries of %s may take %s",
        cause_setting_name(CAUSE_RETRIES, many->format), verdict_hop_name(many, name, sizeof(name)),
        tries, verdict_span(each_us, each, sizeof(each)),
        verdict_span(each_us * (int64_t)tries, all, sizeof(all)));
    if (many != ret->culprit)
        ADD(ret->fix, ", longer than %s waits; or raise %s there",
            verdict_hop_name(ret->culprit, front, sizeof(front)),
            cause_setting_name(cause->setting, ret->culprit->format));
    else
        ADD(ret->fix, "; and find out why nobody answers in time");
    return true;
}

/* ---- twice --------------------------------------------------------------------------------- */

/* RFC 9110 9.2.2: those that may be made again. */
static bool is_idempotent(struct slice method)
{
    static const char *const names[] = { "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (slice_equal(method, slice_of(names[i])))
            return true;
    return method.len == 0;
}

static bool was_sent(const struct trace_try *try)
{
    return try->sent_us != TRACE_NEVER || (try->next && !try->next->wants_tls);
}

static unsigned sent_count(const struct trace_account *account)
{
    unsigned count = 0;

    for (unsigned i = 0; i < account->tries_count; i++)
        count += was_sent(&account->tries[i]) ? 1 : 0;
    return count;
}

/* The innermost hop of the chain that sent it more than once. */
static const struct trace_account *find_doubling(const struct verdict *verdict)
{
    for (unsigned i = verdict->chain_count; i-- > 0;)
        if (!is_idempotent(verdict->chain[i]->method) && sent_count(verdict->chain[i]) > 1)
            return verdict->chain[i];
    return NULL;
}

void verdict_add_doubled(struct verdict *ret)
{
    const struct trace_account *at = find_doubling(ret);
    char name[128];

    if (at)
        ADD(ret->text, "; %s sent the %.*s %u times", verdict_hop_name(at, name, sizeof(name)),
            SLICE_ARG(at->method), sent_count(at));
}

bool verdict_tell_doubled(const struct trace_account *root, struct verdict *ret)
{
    const struct trace_account *at = find_doubling(ret);
    const struct trace_try *first = NULL, *last;
    char name[128], one[VERDICT_NAME_MAX], other[VERDICT_NAME_MAX];

    if (!at)
        return false;
    last = trace_last_try(at);
    for (unsigned i = 0; i < at->tries_count && !first; i++)
        first = was_sent(&at->tries[i]) ? &at->tries[i] : NULL;
    ret->culprit = at;
    ret->try = first;
    ADD(ret->text,
        "%u, but the %.*s was sent %u times: it began at %s: %s %s, and the hop asked %s again",
        root->status, SLICE_ARG(at->method), sent_count(at),
        verdict_hop_name(at, name, sizeof(name)), verdict_target_name(first, one, sizeof(one)),
        cause_of(first->reason, first->reused)->what,
        verdict_target_name(last, other, sizeof(other)));
    ADD(ret->fix,
        "try again only what may be made twice (%s at %s), or let the application know a second "
        "one by an id",
        cause_setting_name(CAUSE_RETRY_CONDITION, at->format), name);
    return true;
}
