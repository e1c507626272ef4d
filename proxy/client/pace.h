/*
 * pace: how long a sender kept us waiting, and how much it gave meanwhile.
 *
 * Role    decides when content comes too slowly: nothing for a while, or too little on average
 * Owns    nothing; embedded in the exchange
 * Thread  one worker
 *
 * Only time in which we really wait counts: while the other side takes no more, not reading is our
 * doing and not the sender's fault.
 */
#ifndef PROXY_PACE_H
#define PROXY_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
    bool waiting;
    uint64_t looked_at_ms;
    uint64_t bytes;     /* received, at that time */
    uint64_t waited_ms; /* in all, until then */
    uint64_t idle_ms;   /* of it, since the last byte came */
};

struct pace_rule {
    uint64_t idle_max_ms;
    uint64_t min_bytes_per_s; /* on average over the time waited; 0: none */
    uint64_t grace_ms;        /* time waited before the average is asked for */
};

/* Now, and whenever what it says may have changed: is the sender waited for, how much did it send in
 * all. What is true from now on was not necessarily true before. */
void pace_look(struct pace *pace, bool waiting, uint64_t bytes, uint64_t now_ms);

/* When the rule will be broken if nothing comes; 0 while the sender is not waited for. */
uint64_t pace_deadline(const struct pace *pace, const struct pace_rule *rule);

/* Whether, at that time, it is the average that is broken, and not the idle time. */
bool pace_is_too_slow(const struct pace *pace, const struct pace_rule *rule);

#endif
