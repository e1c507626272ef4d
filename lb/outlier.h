/*
 * outlier: leaves targets out for a while that do worse than the others.
 *
 * Role    looks at what traffic did since the last look: who failed too often, who is much slower
 * Owns    nothing
 * Thread  the monitors'; workers only count (target->requests, failures, latency)
 *
 * Never more than ejected_max_percent of the targets at a time, but one of two or more. A target
 * comes back by itself after its ejection time, each time it is ejected again after a longer one.
 * Time is given by the caller.
 */
#ifndef LB_OUTLIER_H
#define LB_OUTLIER_H

#include <stddef.h>
#include <stdint.h>

struct target;

struct outlier_options {
    uint32_t failure_percent; /* 0: failures eject nobody */
    uint32_t requests_min;    /* since the last look */
    double latency_factor;    /* over the mean of the others; 0: latency ejects nobody */
    uint64_t latency_min_ms;  /* nobody is slow below */
    uint64_t interval_ms;     /* between two looks */
    uint64_t ejection_ms;     /* the first; the n-th is n times as long, up to OUTLIER_TIMES_MAX */
    uint32_t ejected_max_percent;
};

enum { OUTLIER_TIMES_MAX = 10 };

struct outlier_group {
    struct outlier_options options; /* interval_ms 0: outliers are not looked for */
};

/* `targets` through a function, so that they may be part of something larger. */
struct outlier_targets {
    struct target *(*at)(const void *owner, size_t index);
    const void *owner;
    size_t count;
};

/* Ejects and lets in again. */
void outlier_look(const struct outlier_options *options, const struct outlier_targets *targets,
                  uint64_t now_ms);

#endif
