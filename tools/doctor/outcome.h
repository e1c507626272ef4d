/*
 * outcome: what becomes of one request when the origins fail, by the timers and retries of every hop.
 *
 * Role    plays a failure through the chain with the hops' own decisions (retry_decide, persona_answer)
 * Owns    nothing
 * Thread  one; pure: time is a number
 *
 * Each try is made on a new connection, all targets fail alike, health checks take nobody out.
 */
#ifndef TOOLS_DOCTOR_OUTCOME_H
#define TOOLS_DOCTOR_OUTCOME_H

#include "core/http/head.h"
#include "tools/doctor/model.h"

enum doctor_fault {
    DOCTOR_NO_ANSWER, /* of the origin: no_answer */
    DOCTOR_CLOSES,    /* close_after_request */
};

#define DOCTOR_NEVER UINT64_MAX

struct doctor_outcome {
    uint64_t at_ms;         /* when who asks has it; DOCTOR_NEVER: who asks gave up before */
    enum end_reason reason; /* what a hop that asks calls it; END_OK: an answer with `status` */
    unsigned status;        /* 0: the connection was ended without one */
    uint64_t hits;          /* the request came to origins so often */
    unsigned tries[CHAIN_ELEMENTS_MAX]; /* most that the hop made for one request of who asked it */
};

/* hop: who is asked; NULL: an origin. patience_ms: of who asks; DOCTOR_NEVER: no end. */
struct doctor_outcome doctor_play(const struct doctor_model *model, const struct doctor_hop *hop,
                                  enum http_method method, enum doctor_fault fault,
                                  uint64_t patience_ms);

/* How often that hop may try at most: 1 and the retries of its service. */
unsigned doctor_tries_max(const struct doctor_hop *hop);

/* After a try that ended so (request sent, nothing came back): is there another? */
bool doctor_tries_again(const struct doctor_hop *hop, enum http_method method,
                        enum end_reason reason, unsigned status);

/* The same failure, made at `hop`, as the client gets it: its status; 0: no answer. Hops in front that
 * would ask again get the same once more. */
unsigned doctor_status_for_client(const struct doctor_model *model, const struct doctor_hop *hop,
                                  enum end_reason reason, bool reused);

/* Stated, or DOCTOR_NEVER. */
uint64_t doctor_client_patience_ms(const struct doctor_model *model);

#endif
