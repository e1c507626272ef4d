/*
 * ledger: what an origin saw.
 *
 * Role    counts hits by fault, method, listener, case and request id; keeps the last requests; writes
 *         a line per request
 * Owns    the counts, the requests, the log file
 * Thread  the loop's
 *
 * A case (field X-Hopgate-Case) or a request id that comes more than once was tried again by some hop.
 */
#ifndef TOOLS_ORIGIN_LEDGER_H
#define TOOLS_ORIGIN_LEDGER_H

#include <jansson.h>

#include "core/cleanup.h"
#include "core/stream.h"
#include "tools/origin/request.h"

enum {
    LEDGER_REQUESTS_MAX = 10000,               /* kept; those before them are forgotten */
    LEDGER_HEADS_BYTES_MAX = 32 * 1024 * 1024, /* of all that are kept */
    LEDGER_KEYS_MAX = 100000,                  /* different cases, and different request ids */
};

struct ledger;

/* log: a file that is appended to, or NULL. NULL: error says why. */
struct ledger *ledger_create(const char *log, char *error, size_t error_size);
void ledger_free(struct ledger *ledger); /* accepts NULL */
DEFINE_SCOPED(ledger);

/* Forgets everything; the log stays. */
void ledger_reset(struct ledger *ledger);

void ledger_count_connection(struct ledger *ledger, const char *listener);

/* Returns how often it was hit before. */
uint64_t ledger_count_fault(struct ledger *ledger, const char *fault);

/* Where a request was read. */
struct ledger_place {
    const char *listener;
    const struct stream_endpoint *endpoint;
    const struct tls_session_info *tls; /* NULL: plain */
    uint64_t number;                    /* n-th request of its connection, from 1 */
    const char *fault;                  /* that is played; NULL: none */
};

/* Counts, keeps and returns it (a new reference; NULL: no memory): the facts that an echo shows. */
json_t *ledger_add_request(struct ledger *ledger, const struct ledger_place *place,
                           const struct request_head *head);

/* How it went; the line is written. */
struct ledger_outcome {
    uint64_t content_bytes, content_hash;
    bool content_broken, content_complete;
    unsigned status; /* sent by the good answer; 0: unknown, a fault's bytes */
    uint64_t bytes_sent, duration_ms;
    const char *end; /* "kept", "fin", "rst", "peer_fin", "peer_rst" ... */
};
void ledger_finish_request(struct ledger *ledger, json_t *request,
                           const struct ledger_outcome *outcome);

/* For the control API; new references, NULL: no memory. */
json_t *ledger_hits(const struct ledger *ledger);

/* Numbers above `since`, the first `limit` of them; of one case, if it is not empty. */
struct ledger_query {
    uint64_t since, limit;
    struct slice case_id;
};
json_t *ledger_requests(const struct ledger *ledger, const struct ledger_query *query);

#endif
