#include "tools/trace/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/trace/causes.h"

/* Less is said to be no difference of clocks. */
enum { CLOCKS_DIFFER_US = 50000 };

/* ---- words ---- */

__attribute__((format(printf, 3, 4))) static void add(char *into, size_t size, const char *format,
                                                      ...)
{
    size_t length = strlen(into);
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(into + length, size - length, format, arguments);
    va_end(arguments);
}

#define ADD(member, ...) add((member), sizeof(member), __VA_ARGS__)

/* What logs say is anybody's bytes. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7f)
            *text = *text == '\n' ? '\n' : '?';
}

const char *verdict_hop_name(const struct trace_account *account, char *into, size_t size)
{
    if (account->hop.len > 0)
        (void)snprintf(into, size, "%s \"%.*s\"",
                       strcmp(account->format, "origin") == 0 ? "server" : "hop",
                       SLICE_ARG(account->hop));
    else
        (void)snprintf(into, size, "the %s of %s", account->format, account->file);
    make_printable(into);
    return into;
}

static int64_t span_ms(int64_t from_us, int64_t to_us)
{
    return from_us == TRACE_NEVER || to_us == TRACE_NEVER || to_us < from_us
               ? -1
               : (to_us - from_us + 500) / 1000;
}

static const char *target_name(const struct trace_try *try, char *into, size_t size)
{
    char address[ADDR_TEXT_MAX];
    char hop[128];

    if (!try)
        (void)snprintf(into, size, "it");
    else if (try->next)
        (void)snprintf(into, size, "%s", verdict_hop_name(try->next, hop, sizeof(hop)));
    else if (trace_is_known(&try->target))
        (void)snprintf(into, size, "%s", addr_format(&try->target, address, sizeof(address)));
    else
        (void)snprintf(into, size, "%.*s", SLICE_ARG(try->target_name));
    return into;
}

/* ---- who ---- */

static void follow_chain(const struct trace_account *root, struct verdict *ret)
{
    const struct trace_account *at = root;

    while (at && ret->chain_count < VERDICT_CHAIN_MAX) {
        const struct trace_try *last = trace_last_try(at);

        ret->chain[ret->chain_count++] = at;
        at = last ? last->next : NULL;
    }
}

static bool client_left(const struct trace_account *account)
{
    return account->reason == END_CLIENT_ABORTED;
}

/* By itself or by its target; not because its client went away. */
static bool failed_here(const struct trace_account *account)
{
    return account->reason != END_OK && end_reason_info(account->reason)->hop != END_HOP_CLIENT;
}

static void find_who(struct verdict *ret)
{
    for (unsigned i = ret->chain_count; i-- > 0;) {
        const struct trace_account *at = ret->chain[i];

        if (!ret->culprit && failed_here(at))
            ret->culprit = at;
        if (client_left(at) && !ret->waiting)
            ret->waiting = at;
    }
    for (unsigned i = 0; i < ret->chain_count; i++) {
        const struct trace_account *at = ret->chain[i];
        const struct trace_try *last = trace_last_try(at);
        bool timed_out = failed_here(at) && cause_of(at->reason, false)->is_wait;

        if (timed_out && last &&
            (!ret->gave_up_first ||
             trace_at(at, at->end_us) < trace_at(ret->gave_up_first, ret->gave_up_first->end_us)))
            ret->gave_up_first = at;
    }
}

/* ---- sentences ---- */

static const char *outcome(const struct trace_account *root, char *into, size_t size)
{
    if (root->status != 0)
        (void)snprintf(into, size, "%u", root->status);
    else
        (void)snprintf(into, size, "no answer");
    return into;
}

static void tell_maker(const struct verdict *verdict, char *into, size_t size)
{
    const struct trace_account *maker = NULL;
    char name[128];

    if (verdict->culprit->status != 0)
        return;
    for (unsigned i = 0; i < verdict->chain_count && verdict->chain[i] != verdict->culprit; i++)
        if (verdict->chain[i]->status != 0)
            maker = verdict->chain[i];
    if (maker)
        add(into, size, "; it wrote no answer, and %s made a %u of that",
            verdict_hop_name(maker, name, sizeof(name)), maker->status);
}

/* A wire between two hops has no log of requests, but it says what it did to the connection. */
static void tell_wire(const struct trace_try *try, char *into, size_t size)
{
    if (try && try->flow && try->flow->fault.len > 0)
        add(into, size, "; on the way, wire \"%.*s\": %.*s", SLICE_ARG(try->flow->wire),
            SLICE_ARG(try->flow->fault));
}

static void tell_waiting(const struct verdict *verdict, char *into, size_t size)
{
    const struct trace_account *waiting = verdict->waiting;
    const struct trace_try *last = waiting ? trace_last_try(waiting) : NULL;
    char name[128], target[160];

    if (!last || waiting == verdict->culprit)
        return;
    add(into, size, "; %s was still waiting for %s", verdict_hop_name(waiting, name, sizeof(name)),
        target_name(last, target, sizeof(target)));
}

static void tell_fix(struct verdict *ret, const struct cause *cause)
{
    enum cause_setting setting = cause->setting;
    const struct trace_flow *flow = ret->try ? ret->try->flow : NULL;
    const char *wires = flow ? cause_wire_fix(flow->fault, &setting) : NULL;
    const char *fix = wires ? wires : cause->fix;
    const char *hole = strstr(fix, "%s"); /* at most one, see causes.c */
    char name[128];

    if (!hole) {
        ADD(ret->fix, "%s", fix);
        return;
    }
    ADD(ret->fix, "%.*s%s at %s%s", (int)(hole - fix), fix,
        cause_setting_name(setting, ret->culprit->format),
        verdict_hop_name(ret->culprit, name, sizeof(name)), hole + 2);
}

static void tell_culprit(struct verdict *ret)
{
    const struct trace_account *culprit = ret->culprit;
    const struct cause *cause;
    char name[128], target[160], status[32];
    int64_t ms;

    ret->try = trace_last_try(culprit);
    cause = cause_of(culprit->reason, ret->try && ret->try->reused);
    ms = ret->try ? span_ms(ret->try->begin_us, ret->try->end_us) : -1;
    ADD(ret->text, "%s: it began at %s: ", outcome(ret->chain[0], status, sizeof(status)),
        verdict_hop_name(culprit, name, sizeof(name)));
    if (ret->try)
        ADD(ret->text, "%s %s", target_name(ret->try, target, sizeof(target)), cause->what);
    else if (culprit->service.len > 0)
        ADD(ret->text, "service \"%.*s\" %s", SLICE_ARG(culprit->service), cause->what);
    else
        ADD(ret->text, "it %s", cause->what);
    if (cause->is_wait && ms >= 0)
        ADD(ret->text, " within %lld ms", (long long)ms);
    else if (culprit->detail.len > 0)
        ADD(ret->text, " (%.*s)", SLICE_ARG(culprit->detail));
    if (culprit->tries_made > 1)
        ADD(ret->text, ", the last of %u tries", culprit->tries_made);
    tell_wire(ret->try, ret->text, sizeof(ret->text));
    tell_maker(ret, ret->text, sizeof(ret->text));
    tell_waiting(ret, ret->text, sizeof(ret->text));
    tell_fix(ret, cause);
}

static void tell_client(struct verdict *ret)
{
    const struct trace_account *front = ret->chain[0];
    const struct trace_account *inner = ret->chain[ret->chain_count - 1];
    const struct trace_try *last = trace_last_try(inner);
    int64_t ms = span_ms(front->begin_us, front->end_us);
    char name[128], target[160];

    ADD(ret->text, "the client gave up");
    if (ms >= 0)
        ADD(ret->text, " after %lld ms", (long long)ms);
    if (last)
        ADD(ret->text, " while %s was waiting for %s", verdict_hop_name(inner, name, sizeof(name)),
            target_name(last, target, sizeof(target)));
    ADD(ret->fix, "make the answer come sooner, or let the client wait longer");
}

static void tell_answer(struct verdict *ret)
{
    const struct trace_account *front = ret->chain[0];
    const struct trace_account *inner = ret->chain[ret->chain_count - 1];
    const struct trace_try *last = trace_last_try(inner);
    char target[160], name[128], status[32];

    ADD(ret->text, "%s: ", outcome(front, status, sizeof(status)));
    if (last && (last->status != 0 || !inner->made_here))
        ADD(ret->text, "%s answered it; %s", target_name(last, target, sizeof(target)),
            ret->chain_count == 1 ? "the hop passed it on" : "every hop passed it on");
    else
        ADD(ret->text, "%s answered it", verdict_hop_name(inner, name, sizeof(name)));
    if (front->status >= 500)
        ADD(ret->fix, "look into the log of that server: no hop of these logs made the answer");
}

/* ---- evidence ---- */

/* How often a hop was asked for what came in once. */
static void tell_amplification(struct verdict *ret)
{
    char name[128], target[160];

    for (unsigned i = 0; i < ret->chain_count; i++) {
        const struct trace_account *at = ret->chain[i];

        if (at->tries_made > 1)
            ADD(ret->evidence, "%s asked %u times for one request, the last time %s\n",
                verdict_hop_name(at, name, sizeof(name)), at->tries_made,
                target_name(trace_last_try(at), target, sizeof(target)));
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

void verdict_find(const struct trace_account *root, struct verdict *ret)
{
    *ret = (struct verdict){ 0 };
    follow_chain(root, ret);
    find_who(ret);
    if (ret->culprit)
        tell_culprit(ret);
    else if (client_left(root))
        tell_client(ret);
    else
        tell_answer(ret);
    ret->failed = ret->culprit || client_left(root) || root->status >= 500;
    tell_amplification(ret);
    tell_faults(ret);
    tell_clocks(ret);
    tell_joins(ret);
    make_printable(ret->text);
    make_printable(ret->fix);
    make_printable(ret->evidence);
}
