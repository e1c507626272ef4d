/* A field that a hop lost, and the answer that came of it. */
#include <stdio.h>
#include <string.h>

#include "core/addr.h"
#include "tools/trace/telling.h"
#include "tools/trace/verdict_priv.h"

/* who: the hop, or "it". */
static void tell_what(const struct telling_loss *loss, const char *who, struct verdict *ret)
{
    char name[128];

    ADD(ret->text, "%s ", who);
    switch (loss->how) {
    case TELLING_REMOVED:
        ADD(ret->text, "removed %s", loss->field);
        return;
    case TELLING_CHANGED:
        ADD(ret->text, "changed %s from \"%.*s\" to \"%.*s\"", loss->field, SLICE_ARG(loss->before),
            SLICE_ARG(loss->after));
        return;
    case TELLING_NOT_SAID:
        ADD(ret->text, "takes TLS and did not tell %s so (%s: https)",
            verdict_hop_name(loss->next, name, sizeof(name)), loss->field);
        return;
    case TELLING_NOT_BELIEVED:
        ADD(ret->text, "does not believe %s: https", loss->field);
        if (loss->hop->before)
            ADD(ret->text, " of %s", verdict_hop_name(loss->hop->before, name, sizeof(name)));
        return;
    }
}

/* Who is in front has to be trusted before its fields are. */
static void tell_trust(const struct trace_account *hop, struct verdict *ret)
{
    char peer[ADDR_TEXT_MAX], name[128], front[128];

    (void)addr_format_ip(&hop->peer, peer, sizeof(peer));
    ADD(ret->fix, "add %s (%s) to trusted_ips at %s, so that it believes what it is told",
        hop->before ? verdict_hop_name(hop->before, front, sizeof(front)) : "who is in front", peer,
        verdict_hop_name(hop, name, sizeof(name)));
}

static void tell_loss_fix(const struct telling_loss *loss, struct verdict *ret)
{
    bool is_origin = strcmp(loss->hop->format, "origin") == 0;
    bool is_host = strcmp(loss->field, "Host") == 0;
    char name[128];

    verdict_hop_name(loss->hop, name, sizeof(name));
    if (loss->how == TELLING_NOT_BELIEVED && is_origin)
        ADD(ret->fix, "let %s go by %s", name, loss->field);
    else if (loss->how == TELLING_NOT_BELIEVED ||
             (loss->how == TELLING_CHANGED && !loss->hop->is_trusted && !is_host))
        tell_trust(loss->hop, ret);
    else if (loss->how == TELLING_NOT_SAID)
        ADD(ret->fix,
            "let %s set %s (forwarded: {%s: replace} in hopgate.fields), and every hop behind "
            "believe it (trusted_ips)",
            name, loss->field, loss->field);
    else if (is_host)
        ADD(ret->fix, "let %s pass Host on as it came (preserve_host of the route)", name);
    else
        ADD(ret->fix,
            "let %s pass %s on: take out the rule that removes it, or (in hopgate.fields) "
            "forwarded: {%s: preserve}",
            name, loss->field, loss->field);
}

/* Who answered so: the innermost of all. */
static void tell_answering(const struct telling_loss *loss, struct verdict *ret)
{
    const struct trace_account *inner = ret->chain[ret->chain_count - 1];
    const struct trace_try *last = trace_last_try(inner);
    const struct trace_account *front = ret->chain[0];
    char name[VERDICT_NAME_MAX];

    if (loss->how == TELLING_NOT_BELIEVED)
        ADD(ret->text, ", and answered %u", front->status);
    else
        ADD(ret->text, "; %s answered %u",
            last && !inner->made_here ? verdict_target_name(last, name, sizeof(name))
                                      : verdict_hop_name(inner, name, sizeof(name)),
            front->status);
    if (telling_is_loop(front))
        ADD(ret->text, ", which leads the client to where it is already (%.*s): a redirect loop",
            SLICE_ARG(front->location));
}

/* Only an answer that all passed on, or that a hop made for want of it. */
static bool may_be_a_loss(const struct verdict *verdict)
{
    const struct trace_account *front = verdict->chain[0];
    const struct trace_account *inner = verdict->chain[verdict->chain_count - 1];

    if (verdict->culprit && verdict->culprit->reason != END_HTTPS_REQUIRED)
        return false;
    if (inner->status != front->status && !(trace_last_try(inner) && !inner->made_here))
        return false;
    return front->status >= 400 || telling_is_loop(front);
}

bool verdict_tell_loss(struct verdict *ret)
{
    struct telling_loss loss;
    char name[128];

    if (!may_be_a_loss(ret) ||
        !telling_find(ret->chain, ret->chain_count, ret->chain[0]->status, &loss) ||
        !loss.is_likely)
        return false;
    ret->culprit = loss.hop;
    ret->lost = loss.field;
    ADD(ret->text, "%u: it began at %s: ", ret->chain[0]->status,
        verdict_hop_name(loss.hop, name, sizeof(name)));
    tell_what(&loss, "it", ret);
    tell_answering(&loss, ret);
    tell_loss_fix(&loss, ret);
    return true;
}

void verdict_remark_loss(struct verdict *ret)
{
    struct telling_loss loss;
    char name[128];

    if (ret->chain[0]->status < 400 ||
        !telling_find(ret->chain, ret->chain_count, ret->chain[0]->status, &loss) || loss.is_likely)
        return;
    ret->lost = loss.field;
    ADD(ret->text, "; on the way ");
    tell_what(&loss, verdict_hop_name(loss.hop, name, sizeof(name)), ret);
}
