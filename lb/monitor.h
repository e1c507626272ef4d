/*
 * monitor: when a target is probed next, and what the outcome of a probe means for it.
 *
 * Role    schedule and verdict; probes themselves are monitor_probe, the thread is monitors
 * Owns    nothing; the target is held by the plan
 * Thread  the monitors'
 *
 * Counted (Kong): an outcome is a report like those of traffic, against the limits of active checks.
 * By receive (F5): the target is down when no probe succeeded for timeout_ms, at once when it refuses
 * or a reversed monitor finds its pattern; up after a success, or after successes for
 * time_until_up_ms. Time is given by the caller.
 */
#ifndef LB_MONITOR_H
#define LB_MONITOR_H

#include "lb/monitor_probe.h"

struct monitor {
    struct target *target;
    const struct monitor_settings *settings;
    uint64_t first_at_ms;        /* not probed before: that spreads the probes of many targets */
    uint64_t started_at_ms;      /* the last probe; 0: there was none */
    uint64_t last_success_at_ms; /* or when it was first looked at */
    uint64_t success_since_ms;   /* 0: the last probe failed */
};

#define MONITOR_NEVER UINT64_MAX

/* The first probe comes `spread` of an interval later, spread from 0 to 1. */
void monitor_begin(struct monitor *monitor, uint64_t now_ms, double spread);

/* When the next probe is due; it may be over. MONITOR_NEVER: its interval is 0. */
uint64_t monitor_probe_at(const struct monitor *monitor);

/* When monitor_look has something to say though no probe ends; MONITOR_NEVER: never. */
uint64_t monitor_look_at(const struct monitor *monitor);
void monitor_look(struct monitor *monitor, uint64_t now_ms);

/* How long a probe that begins now may take; *ret_is_deadline: as a whole, else each step. */
uint64_t monitor_probe_timeout(const struct monitor *monitor, uint64_t now_ms,
                               bool *ret_is_deadline);

void monitor_on_outcome(struct monitor *monitor, const struct monitor_outcome *outcome,
                        uint64_t now_ms);

#endif
