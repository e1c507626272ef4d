/*
 * logbook: what an origin saw.
 *
 * Role    counts hits by fault, method, listener, case and request id; keeps the last requests; writes
 *         a line per request, with the fields that came but for secrets
 * Owns    the counts, the requests, the log file
 * Thread  the loop's
 *
 * A case (field X-Hopgate-Case) or a request id that comes more than once was tried again by some hop.
 */
#ifndef TOOLS_ORIGIN_LOGBOOK_H
#define TOOLS_ORIGIN_LOGBOOK_H

#include <jansson.h>

#include "core/cleanup.h"
#include "core/stream.h"
#include "tools/origin/request.h"

enum {
    LOGBOOK_REQUESTS_MAX = 10000,          /* kept; those before them are forgotten */
    LOGBOOK_BYTES_MAX = 128 * 1024 * 1024, /* of all that are kept, about */
    LOGBOOK_KEYS_MAX = 100000,             /* different cases, and different request ids */
};

struct logbook;

/* log: a file that is appended to, or NULL. NULL: error says why. */
struct logbook *logbook_create(const char *log, char *error, size_t error_size);
void logbook_free(struct logbook *logbook); /* accepts NULL */
DEFINE_SCOPED(logbook);

/* Forgets everything; the log stays. */
void logbook_reset(struct logbook *logbook);

void logbook_count_connection(struct logbook *logbook, const char *listener);

/* Returns how often it was hit before. */
uint64_t logbook_count_fault(struct logbook *logbook, const char *fault);

/* The same; returns how often it was hit before at that listener: those of two listeners do not
 * disturb each other. */
uint64_t logbook_count_played(struct logbook *logbook, const char *listener, const char *fault);

/* Where a request was read. */
struct logbook_place {
    const char *listener;
    const struct stream_endpoint *endpoint;
    const struct tls_session_info *tls; /* NULL: plain */
    uint64_t number;                    /* n-th request of its connection, from 1 */
    const char *fault;                  /* that is played; NULL: none */
};

/* Counts, keeps and returns it (a new reference; NULL: no memory): the facts that an echo shows. */
json_t *logbook_add_request(struct logbook *logbook, const struct logbook_place *place,
                            const struct request_head *head);

/* A connection that ended before a request was read: its line, as that of a request number 0. */
void logbook_add_silent(struct logbook *logbook, const struct logbook_place *place,
                        const char *end);

/* How it went; the line is written. */
struct logbook_outcome {
    uint64_t content_bytes, content_hash;
    bool content_broken, content_complete;
    unsigned status; /* sent by the good answer; 0: unknown, a fault's bytes */
    uint64_t bytes_sent, duration_ms;
    const char *end; /* "kept", "fin", "rst", "peer_fin", "peer_rst" ... */
};
void logbook_finish_request(struct logbook *logbook, json_t *request,
                            const struct logbook_outcome *outcome);

/* For the control API; new references, NULL: no memory. */
json_t *logbook_hits(const struct logbook *logbook);

/* Numbers above `since`, the first `limit` of them; of one case, if it is not empty. */
struct logbook_query {
    uint64_t since, limit;
    struct slice case_id;
};
json_t *logbook_requests(const struct logbook *logbook, const struct logbook_query *query);

#endif
