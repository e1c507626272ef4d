#include "proxy/report/termination.h"

#include "proxy/persona/persona.h"

/* Measured with HAProxy 2.6 where it has the same case, else by its manual, 8.5. NULL: it depends. */
static const char *const states[END_REASON_COUNT] = {
    [END_OK] = "----",

    [END_CONNECT_REFUSED] = "SC--",
    [END_CONNECT_FAILED] = "SC--",
    [END_CONNECT_UNREACHABLE] = "SC--",
    [END_CONNECT_IMPOSSIBLE] = "SC--",
    [END_CONNECT_TIMEOUT] = "sC--",
    [END_UPSTREAM_TLS_FAILED] = "SC--",
    [END_UPSTREAM_TLS_CLOSED] = "SC--",
    [END_UPSTREAM_TLS_VERIFY] = "SC--",
    [END_UPSTREAM_TLS_NAME] = "SC--",
    [END_UPSTREAM_TLS_ALERT] = "SC--",
    [END_UPSTREAM_TLS_NOT_TLS] = "SC--",
    [END_UPSTREAM_TLS_MISMATCH] = "SC--",
    [END_UPSTREAM_TLS_CLIENT_CERT] = "SC--",
    [END_UPSTREAM_CERT_EXPIRED] = "SC--",
    [END_UPSTREAM_CERT_NOT_YET_VALID] = "SC--",
    [END_UPSTREAM_CERT_UNKNOWN_ISSUER] = "SC--",
    [END_UPSTREAM_CERT_SELF_SIGNED] = "SC--",
    [END_UPSTREAM_TLS_TIMEOUT] = "sC--",
    [END_UPSTREAM_RESOLVE_TIMEOUT] = "SC--",
    [END_UPSTREAM_RESOLVE_FAILED] = "SC--",
    [END_UPSTREAM_RESOLVE_SERVFAIL] = "SC--",
    [END_UPSTREAM_RESOLVE_REFUSED] = "SC--",
    [END_NO_TARGET] = "SC--",
    [END_NO_DESCRIPTORS] = "RC--",

    [END_UPSTREAM_SEND_FAILED] = "SD--",
    [END_UPSTREAM_SEND_TLS_FAILED] = "SD--",
    [END_UPSTREAM_SEND_TIMEOUT] = "sD--",

    [END_UPSTREAM_HEAD_CLOSED] = "SH--",
    [END_UPSTREAM_HEAD_RESET] = "SH--",
    [END_UPSTREAM_HEAD_TLS_FAILED] = "SH--",
    [END_UPSTREAM_HEAD_TLS_ALERT] = "SH--",
    [END_UPSTREAM_HEAD_CLIENT_CERT] = "SH--",
    [END_UPSTREAM_HEAD_TIMEOUT] = "sH--",
    [END_UPSTREAM_HEAD_INVALID] = "PH--",
    [END_UPSTREAM_STATUS_INVALID] = "PH--",
    [END_UPSTREAM_FRAMING_INVALID] = "PH--",
    [END_UPSTREAM_HEAD_TOO_BIG] = "PH--",
    [END_UPSTREAM_STATUS] = "----",

    [END_UPSTREAM_BODY_CLOSED] = "SD--",
    [END_UPSTREAM_BODY_RESET] = "SD--",
    [END_UPSTREAM_BODY_TLS_FAILED] = "SD--",
    [END_UPSTREAM_BODY_TIMEOUT] = "sD--",
    [END_UPSTREAM_BODY_INVALID] = "SD--",
    [END_UPSTREAM_BODY_SURPLUS] = "----",
    [END_TUNNEL_TIMEOUT] = "sD--",

    [END_LIMIT_REACHED] = "sQ--",
    [END_REQUEST_TIMEOUT] = "sH--",
};

/* When a client went away. */
static const char *aborted_state(const struct exchange_record *record)
{
    const struct try_record *last = exchange_record_peek_try(record);

    if (!record->request)
        return "CR--";
    if (record->response_head_at_us != 0 || record->request_end_at_us == 0)
        return "CD--";
    if (last && (last->connected_at_us != 0 || last->reused))
        return "CH--";
    return last ? "CC--" : "CQ--";
}

static const char *state_of_client(const struct exchange_record *record)
{
    const struct end_reason_info *info = end_reason_info(record->reason);

    if (record->reason == END_CLIENT_ABORTED)
        return aborted_state(record);
    if (record->reason == END_CLIENT_SEND_TIMEOUT)
        return "cD--";
    if (info->status == 408)
        return info->phase == END_PHASE_READING_REQUEST_BODY ? "cD--" : "cR--";
    return "PR--"; /* refused */
}

/* What this hop itself did not want or could not do. */
static const char *state_of_self(const struct exchange_record *record)
{
    switch (end_reason_info(record->reason)->status) {
    case 0:
        return "KD--";
    case 500:
        return "RR--";
    case 503:
        return record->reason == END_NO_SERVICE ? "SC--" : "RR--";
    default:
        return "PR--";
    }
}

const char *termination_of(const struct exchange_record *record)
{
    const struct try_record *telling = exchange_record_telling_try(record);
    const char *word = persona_answer(record->persona, record->reason, record->was_proxied,
                                      telling && telling->reused)
                           .termination;

    if (!word)
        word = states[record->reason];
    if (word)
        return word;
    return end_reason_info(record->reason)->hop == END_HOP_CLIENT ? state_of_client(record)
                                                                  : state_of_self(record);
}
