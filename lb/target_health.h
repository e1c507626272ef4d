/*
 * target_health: reports and orders about a target's health, from any thread.
 *
 * Role    puts the next health word in force by compare-and-swap; whoever makes a target usable or
 *         unusable notes since when and why, tells it in the error log once, and tells the board
 * Owns    nothing
 * Thread  any; nothing here waits
 *
 * The words in the log are those of Kong's healthchecker where it has some.
 */
#ifndef LB_TARGET_HEALTH_H
#define LB_TARGET_HEALTH_H

#include <stddef.h>

#include "core/end_reason.h"
#include "lb/target.h"

/* Whom to tell that some target became usable or unusable. One for all targets of a hop. */
struct health_board {
    _Atomic uint64_t changes; /* how often */
    /* On the thread that made the change, which may be any; must not wait. Set before the first
     * target is judged, by who owns the registry. NULL: nobody listens. */
    void (*on_change)(void *owner);
    void *owner;
};

enum health_source {
    HEALTH_BY_NOBODY, /* it was so from the beginning */
    HEALTH_BY_TRAFFIC,
    HEALTH_BY_MONITOR,
    HEALTH_BY_OUTLIER,
    HEALTH_BY_HAND,
};

/* What was seen. */
struct health_report {
    const struct health_rules *rules;
    enum health_source source;
    enum health_counter counter;
    uint16_t status;        /* of the answer; 0: there was none */
    enum end_reason reason; /* of the failure; END_OK: it is said by the rest */
};

/* Counts it against its limit. */
void target_health_report(struct target *target, const struct health_report *report);

/* A verdict without counting: of a monitor that counts itself, or Kong's PUT .../healthy. Later
 * reports may change it. */
struct health_verdict {
    bool is_healthy;
    bool is_disabled; /* by its monitor: it is there, but wants no requests */
    enum health_source source;
    const char *because; /* static text */
};
void target_health_set(struct target *target, const struct health_verdict *verdict);

/* An operator's word, which holds until HEALTH_AUTO. */
void target_health_force(struct target *target, enum health_forced forced);

/* `percent`: of its requests have failed; else `latency_ms` is why; both 0: it is let in again. */
struct health_ejection {
    bool is_ejected;
    uint32_t percent, latency_ms;
};
void target_health_eject(struct target *target, const struct health_ejection *ejection);

/* Why it is as it is, as a sentence without a full stop; returns `into`. */
char *target_health_why(const struct target *target, char *into, size_t size);

/* Who had the last word. */
enum health_source target_health_source(const struct target *target);

#endif
