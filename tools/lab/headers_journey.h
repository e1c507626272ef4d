/*
 * headers_journey: the parts that both ways of headers_run share: the request, the origin's script, the
 * client, and what the origin saw.
 *
 * Role    see the functions
 * Owns    the request's and the answer's bytes, the script (a file in memory), the client
 * Thread  the main thread
 */
#ifndef TOOLS_LAB_HEADERS_JOURNEY_H
#define TOOLS_LAB_HEADERS_JOURNEY_H

#include "tools/lab/headers_client.h"
#include "tools/lab/headers_run.h"
#include "tools/lab/headers_samples.h"

struct headers_journey {
    struct slice request, answer; /* heap; as they are sent */
    char case_id[HEADERS_CASE_MAX];
    int script_fd; /* -1: none */
    char script[64];
    struct headers_client client;
    struct probe_options probe;
};

/* Makes the origin's answer and its script. An exit code; headers_journey_done is due in any case. */
int headers_journey_init(struct headers_journey *journey);
void headers_journey_done(struct headers_journey *journey);

/* Where the request goes; connect, ca, certificate, key: NULL: none. An exit code. */
struct headers_destination {
    const char *url, *connect, *ca, *certificate, *key;
};
int headers_journey_aim(struct headers_journey *journey, const struct headers_options *options,
                        const struct headers_destination *destination);

/* Sends it. A client that gets no answer is part of the report: only said. */
void headers_journey_go(struct headers_journey *journey);

/* The last request of that case that an origin saw, from its ready line; a new reference, or NULL. */
json_t *headers_journey_seen(const struct headers_journey *journey, const char *ready);

/* The whole way. seen: what the origin saw; NULL: nothing. 0 or -ENOMEM. */
int headers_journey_report(const struct headers_journey *journey, const json_t *seen,
                           struct headers_report *report);

#endif
