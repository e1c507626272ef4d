/*
 * retry: may a failed try be followed by another?
 *
 * Role    one decision from plain facts: what failed, what had been sent, what the persona says
 * Owns    nothing
 * Thread  any
 *
 * Nothing sent: any method may go to another target. Something sent and no byte of an answer: only
 * methods that the persona replays, and only while all request content is at hand.
 * Once an answer's head was forwarded: never (the exchange does not ask then). DESIGN-NOTES 10.
 */
#ifndef PROXY_RETRY_H
#define PROXY_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/end_reason.h"
#include "core/http/head.h"
#include "proxy/persona/persona.h"

struct retry_facts {
    enum end_reason reason;
    enum http_method method;
    bool request_sent;   /* a byte of the request was handed to the target's connection */
    bool content_lost;   /* request content was consumed and is not kept */
    bool response_begun; /* a byte of an answer came */
    bool reused;         /* over a pooled connection */
    uint32_t tries_left;
    unsigned status; /* of an answer that may be passed over; 0: there was none */
};

enum retry_verdict {
    RETRY_NO,
    RETRY_YES,
    RETRY_FREE, /* yes, and it does not use up a try: a stale pooled connection */
};

/* May a request be sent again after bytes of it have left? Else there is no use in keeping content. */
bool retry_may_replay(const struct persona_retry *policy, enum http_method method);

/* A pooled connection that died before any byte of an answer: the target closed it while the request
 * was on its way, so the failure says nothing of the target. */
bool retry_is_stale_connection(const struct retry_facts *facts);

enum retry_verdict retry_decide(const struct persona_retry *policy,
                                const struct retry_facts *facts);

#endif
