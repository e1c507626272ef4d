#include "tools/trace/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/trace/telling.h"
#include "tools/trace/verdict_priv.h"

/* Of what a log quotes: a field line may be long. */
enum { DETAIL_MAX = 120 };

/* ---- words ---- */

void verdict_add(char *into, size_t size, const char *format, ...)
{
    size_t length = strlen(into);
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(into + length, size - length, format, arguments);
    va_end(arguments);
}

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
                       strcmp(account->format, "origin") == 0 ? "origin" : "hop",
                       SLICE_ARG(account->hop));
    else
        (void)snprintf(into, size, "the %s of %s", account->format, account->file);
    make_printable(into);
    return into;
}

const char *verdict_span(int64_t us, char *into, size_t size)
{
    int64_t ms = (us + 500) / 1000;

    (void)snprintf(into, size, ms >= 1000 && ms % 1000 == 0 ? "%lld s" : "%lld ms",
                   (long long)(ms >= 1000 && ms % 1000 == 0 ? ms / 1000 : ms));
    return into;
}

static int64_t span_ms(int64_t from_us, int64_t to_us)
{
    return from_us == TRACE_NEVER || to_us == TRACE_NEVER || to_us < from_us
               ? -1
               : (to_us - from_us + 500) / 1000;
}

const char *verdict_target_name(const struct trace_try *try, char *into, size_t size)
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

/* By itself or by its target; not because its client went away. A redirect of its own is an answer. */
static bool failed_here(const struct trace_account *account)
{
    const struct end_reason_info *info = end_reason_info(account->reason);

    return account->reason != END_OK && info->hop != END_HOP_CLIENT &&
           (info->status == 0 || info->status >= 400);
}

/* It did not want what the hop in front sent. */
static bool refused_who_asked(const struct trace_account *account)
{
    const struct end_reason_info *info = end_reason_info(account->reason);

    return account->before && !client_left(account) && info->hop == END_HOP_CLIENT &&
           info->status >= 400;
}

/* Plain text came to a port that speaks TLS: that was the choice of who asked. */
static bool met_plain_text(const struct trace_account *account)
{
    return account->before && (account->wants_tls || account->reason == END_CLIENT_PLAIN_HTTP);
}

static void find_who(struct verdict *ret)
{
    for (unsigned i = ret->chain_count; i-- > 0;) {
        const struct trace_account *at = ret->chain[i];

        if (!ret->culprit && met_plain_text(at))
            ret->culprit = at->before;
        if (!ret->culprit && (failed_here(at) || refused_who_asked(at)))
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
        verdict_add(into, size, "; it wrote no answer, and %s made a %u of that",
                    verdict_hop_name(maker, name, sizeof(name)), maker->status);
}

/* A wire between two hops has no log of requests, but it says what it did to the connection. */
static void tell_wire(const struct trace_try *try, char *into, size_t size)
{
    if (try && try->flow && try->flow->fault.len > 0)
        verdict_add(into, size, "; on the way, wire \"%.*s\": %.*s", SLICE_ARG(try->flow->wire),
                    SLICE_ARG(try->flow->fault));
}

static void tell_waiting(const struct verdict *verdict, char *into, size_t size)
{
    const struct trace_account *waiting = verdict->waiting;
    const struct trace_try *last = waiting ? trace_last_try(waiting) : NULL;
    char name[128], target[160];

    if (!last || waiting == verdict->culprit)
        return;
    verdict_add(into, size, "; %s was still waiting for %s",
                verdict_hop_name(waiting, name, sizeof(name)),
                verdict_target_name(last, target, sizeof(target)));
    if (waiting->tries_made > 1 && waiting->limits.tries_max >= waiting->tries_made)
        verdict_add(into, size, ", at try %u of %u", waiting->tries_made,
                    waiting->limits.tries_max);
}

static void tell_fix(struct verdict *ret, const struct cause *cause)
{
    enum cause_setting setting = cause->setting;
    const struct trace_flow *flow = ret->try ? ret->try->flow : NULL;
    const char *wires = flow ? cause_wire_fix(flow->fault, &setting) : NULL;
    const char *fix = wires ? wires : cause->fix;
    const char *hole = strstr(fix, "%s"); /* at most one, see causes.c */
    char name[128];

    if (!wires && verdict_fix_tries(ret, cause))
        return;
    if (!hole) {
        ADD(ret->fix, "%s", fix);
        return;
    }
    ADD(ret->fix, "%.*s%s at %s%s", (int)(hole - fix), fix,
        cause_setting_name(setting, ret->culprit->format),
        verdict_hop_name(ret->culprit, name, sizeof(name)), hole + 2);
}

/* What it met; its own choice to speak plain text stands behind no reason of its own. */
static const struct cause *cause_of_culprit(const struct verdict *verdict)
{
    if (verdict->try && verdict->try->next && met_plain_text(verdict->try->next))
        return cause_of(END_CLIENT_PLAIN_HTTP, false);
    return cause_of(verdict->culprit->reason, verdict->try && verdict->try->reused);
}

static void add_quote(struct verdict *ret, struct slice text)
{
    bool is_long = text.len > DETAIL_MAX;

    ADD(ret->text, "%.*s%s", (int)(is_long ? DETAIL_MAX : text.len), text.ptr,
        is_long ? "..." : "");
}

/* What its log says, the detail in its place. */
static void add_phrase(struct verdict *ret, const struct trace_account *account)
{
    const char *phrase = end_reason_info(account->reason)->phrase;
    const char *hole = strstr(phrase, "%s");

    ADD(ret->text, "%.*s", (int)(hole ? hole - phrase : (ptrdiff_t)strlen(phrase)), phrase);
    if (!hole)
        return;
    add_quote(ret, account->detail);
    ADD(ret->text, "%s", hole + 2);
}

/* The words of the hop itself, and what its TLS found out beyond them. */
static void tell_detail(struct verdict *ret)
{
    const struct trace_account *culprit = ret->culprit;
    struct slice explanation = ret->try ? ret->try->explanation : (struct slice){ NULL, 0 };
    const char *end;
    char name[128];

    if (refused_who_asked(culprit)) {
        ADD(ret->text, " (");
        add_phrase(ret, culprit);
        ADD(ret->text, ")");
    } else if (culprit->detail.len > 0) {
        ADD(ret->text, " (");
        add_quote(ret, culprit->detail);
        ADD(ret->text, ")");
    }
    if (explanation.len == 0 || ret->try->reused) /* what a used connection met is told already */
        return;
    end = memchr(explanation.ptr, ';', explanation.len);
    ADD(ret->text, ": %.*s", (int)(end ? end - explanation.ptr : (ptrdiff_t)explanation.len),
        explanation.ptr);
    if (end)
        ADD(ret->evidence, "%s says: %.*s\n", verdict_hop_name(culprit, name, sizeof(name)),
            SLICE_ARG(explanation));
}

static void tell_culprit(struct verdict *ret)
{
    const struct trace_account *culprit = ret->culprit;
    const struct cause *cause;
    char name[128], target[VERDICT_NAME_MAX], status[32];

    ret->try = refused_who_asked(culprit) ? NULL : trace_last_try(culprit);
    cause = cause_of_culprit(ret);
    ADD(ret->text, "%s: it began at %s: ", outcome(ret->chain[0], status, sizeof(status)),
        verdict_hop_name(culprit, name, sizeof(name)));
    if (ret->try)
        ADD(ret->text, "%s %s", verdict_target_name(ret->try, target, sizeof(target)), cause->what);
    else if (culprit->service.len > 0 && !refused_who_asked(culprit))
        ADD(ret->text, "service \"%.*s\" %s", SLICE_ARG(culprit->service), cause->what);
    else
        ADD(ret->text, "it %s", cause->what);
    if (!cause->is_wait)
        tell_detail(ret);
    verdict_tell_wait(ret, cause);
    tell_wire(ret->try, ret->text, sizeof(ret->text));
    tell_maker(ret, ret->text, sizeof(ret->text));
    tell_waiting(ret, ret->text, sizeof(ret->text));
    verdict_add_doubled(ret);
    verdict_remark_loss(ret);
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
            verdict_target_name(last, target, sizeof(target)));
    ADD(ret->fix, "make the answer come sooner, or let the client wait longer");
}

static void tell_answer(struct verdict *ret)
{
    const struct trace_account *front = ret->chain[0];
    const struct trace_account *inner = ret->chain[ret->chain_count - 1];
    const struct trace_try *last = trace_last_try(inner);
    bool is_origin = strcmp(inner->format, "origin") == 0;
    unsigned hops = ret->chain_count - (is_origin ? 1 : 0);
    char target[160], name[128], status[32];

    ADD(ret->text, "%s: ", outcome(front, status, sizeof(status)));
    if (is_origin && hops > 0)
        ADD(ret->text, "%s answered it; %s", verdict_hop_name(inner, name, sizeof(name)),
            hops == 1 ? "the hop passed it on" : "every hop passed it on");
    else if (last && (last->status != 0 || !inner->made_here))
        ADD(ret->text, "%s answered it; %s", verdict_target_name(last, target, sizeof(target)),
            hops == 1 ? "the hop passed it on" : "every hop passed it on");
    else
        ADD(ret->text, "%s answered it", verdict_hop_name(inner, name, sizeof(name)));
    if (inner->made_here && inner->reason != END_OK) {
        ADD(ret->text, ": ");
        add_phrase(ret, inner);
    }
    verdict_remark_loss(ret);
    if (telling_is_loop(front))
        ADD(ret->text, "; it sends the client to where it is already, a redirect loop");
    if (front->status >= 500)
        ADD(ret->fix, "look into the log of that server: no hop of these logs made the answer");
}

void verdict_find(const struct trace_account *root, struct verdict *ret)
{
    *ret = (struct verdict){ 0 };
    follow_chain(root, ret);
    find_who(ret);
    if (!verdict_tell_loss(ret)) {
        if (ret->culprit)
            tell_culprit(ret);
        else if (client_left(root))
            tell_client(ret);
        else if (!verdict_tell_doubled(root, ret))
            tell_answer(ret);
    }
    ret->failed = ret->culprit || client_left(root) || root->status >= 500 || telling_is_loop(root);
    verdict_tell_evidence(ret);
    make_printable(ret->text);
    make_printable(ret->fix);
    make_printable(ret->evidence);
}
