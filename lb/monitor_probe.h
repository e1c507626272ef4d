/*
 * monitor_probe: one probe of one target, on a connection of its own.
 *
 * Role    connects, makes TLS, sends, reads until the answer can be judged, closes
 * Owns    its stream and what came so far
 * Thread  the monitors'
 *
 *   CONNECT -> HANDSHAKE -> ANSWER -> done     [TLS only with settings->options.tls]
 *   any -> done on failure or time-out; done is reported once, after it the probe is gone
 */
#ifndef LB_MONITOR_PROBE_H
#define LB_MONITOR_PROBE_H

#include <assert.h>

#include "core/end_reason.h"
#include "core/loop.h"
#include "lb/monitor_settings.h"
#include "lb/target.h"

enum monitor_result {
    MONITOR_SUCCESS,
    MONITOR_HTTP_FAILURE, /* its status counts as a failure */
    MONITOR_TCP_FAILURE,  /* refused, reset, closed, no TLS */
    MONITOR_TIMEOUT,
    MONITOR_NO_MATCH, /* an answer that is neither: a status in no list, a pattern that is not there */
    MONITOR_RESULTS
};
static_assert((int)MONITOR_RESULTS == (int)TARGET_PROBE_RESULTS, "target counts them");

struct monitor_outcome {
    enum monitor_result result;
    uint16_t status;        /* of the answer; 0: none, or none that could be read */
    enum end_reason reason; /* of a failure */
    bool is_refused;        /* reset, at connect or later: F5 waits no longer then */
    bool is_disabled;       /* receive_disable was found */
    bool is_reversed;       /* the pattern of a reversed monitor was found */
    bool is_ours;           /* this hop could not even begin: it says nothing of the target */
};

/* "success", "http_failure", "tcp_failure", "timeout", "no_match" */
const char *monitor_result_text(enum monitor_result result);

/* What is asked of which target. Borrowed until the end of the probe, or monitor_probe_move. */
struct monitor_question {
    const struct monitor_settings *settings;
    const struct sockaddr_storage *address;
    const struct sockaddr_storage *bind; /* source address, or NULL */
    const char *request;                 /* bytes; NULL: nothing is sent */
    const char *server_name;             /* with TLS */
};

struct monitor_probe;

/*
 * timeout_ms is that of each step, or of the whole when `is_deadline`. NULL: no memory, or the system
 * gave no socket. on_done comes in a later task, when the probe is gone.
 */
struct monitor_probe *monitor_probe_start(struct loop *loop,
                                          const struct monitor_question *question,
                                          uint64_t timeout_ms, bool is_deadline);

/* Right after the start, and when the owner has moved. */
void monitor_probe_set_owner(struct monitor_probe *probe, const struct monitor_question *question,
                             void (*on_done)(void *owner, const struct monitor_outcome *outcome),
                             void *owner);

/* Without a result. Accepts NULL. */
void monitor_probe_abort(struct monitor_probe *probe);

#endif
