#include "proxy/exchange/retry.h"

bool retry_may_replay(const struct persona_retry *policy, enum http_method method)
{
    if (policy->conditions & PERSONA_RETRY_NON_IDEMPOTENT)
        return true;
    switch (policy->replay) {
    case PERSONA_REPLAY_ANY:
        return true;
    case PERSONA_REPLAY_IDEMPOTENT:
        return http_method_is_idempotent(method);
    case PERSONA_REPLAY_NOT_POST: /* nginx: POST, LOCK, PATCH */
        return method != HTTP_METHOD_POST && method != HTTP_METHOD_LOCK &&
               method != HTTP_METHOD_PATCH;
    }
    return false;
}

bool retry_is_stale_connection(const struct retry_facts *facts)
{
    return facts->reused && !facts->response_begun &&
           (facts->reason == END_UPSTREAM_HEAD_CLOSED || facts->reason == END_UPSTREAM_HEAD_RESET ||
            facts->reason == END_UPSTREAM_SEND_FAILED);
}

enum retry_verdict retry_decide(const struct persona_retry *policy, const struct retry_facts *facts)
{
    unsigned condition = facts->status ? persona_retry_condition_of_status(facts->status)
                                       : persona_retry_condition(facts->reason);
    bool stale = retry_is_stale_connection(facts);

    if (facts->content_lost)
        return RETRY_NO;
    if (facts->request_sent && !retry_may_replay(policy, facts->method))
        return RETRY_NO;
    if (stale && policy->stale == PERSONA_STALE_FREE)
        return RETRY_FREE;
    /* ngx_http_upstream_next: peer.cached and NGX_HTTP_UPSTREAM_FT_ERROR give a try back */
    if (facts->reused && policy->stale == PERSONA_STALE_FREE_IF_BROKEN &&
        (policy->conditions & condition & PERSONA_RETRY_BROKEN))
        return RETRY_FREE;
    if (policy->policy == PERSONA_RETRY_NONE || !(policy->conditions & condition))
        return RETRY_NO;
    if (policy->policy == PERSONA_RETRY_RESELECT &&
        end_reason_info(facts->reason)->phase != END_PHASE_CONNECTING)
        return RETRY_NO; /* TLS failed: there was a connection */
    return facts->tries_left > 0 ? RETRY_YES : RETRY_NO;
}
