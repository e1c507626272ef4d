/*
 * passive_health: what real traffic says of a target's health.
 *
 * Role    turns the end of a try into a report, by Kong's rules or by the cause
 * Owns    nothing
 * Thread  any worker
 */
#ifndef LB_PASSIVE_HEALTH_H
#define LB_PASSIVE_HEALTH_H

#include "lb/target_health.h"

/* How a try ended. */
struct passive_outcome {
    unsigned status;        /* of the target's answer; 0: it gave none */
    enum end_reason reason; /* END_OK: nothing is wrong */
    bool another_follows;   /* another try of the same request */
    bool reused;            /* an idle connection was used, which may have been dead by then */
    bool connected;         /* a connection without HTTP was made: all that will be known of it */
};

struct passive_health {
    bool is_on; /* else nothing is counted */
    /*
     * Kong reports when it tries again, and at the end of the request by the status that its client
     * gets: the last failure to connect is a 502 there, which is in no list unless somebody puts it
     * in, and an answer of 504 is a timeout. Else each failure is what it is.
     */
    bool last_by_status;
    bool counts_requests; /* for who looks for outliers */
    struct health_rules rules;
};

/* Once for each try that picked the target, at its end. */
void passive_health_report(const struct passive_health *passive, struct target *target,
                           const struct passive_outcome *outcome);

#endif
