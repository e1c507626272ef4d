/*
 * target_latency: how long a target takes to answer, as an average that forgets.
 *
 * Role    exponentially weighted moving average as Kong's (a sample's weight grows with the time since
 *         the one before, 10 s), but a rise counts at once, as in Finagle's PeakEwma
 * Owns    nothing: one atomic word of the target
 * Thread  any; workers add to the same average
 *
 * The word: bits 0-31 the average in µs, 0 when it was never measured; bits 32-63 the time of the
 * last sample in ms (its low 32 bits).
 */
#ifndef LB_TARGET_LATENCY_H
#define LB_TARGET_LATENCY_H

#include "lb/target.h"

/* From the pick of the target to its response head. */
void target_latency_add(struct target *target, uint64_t latency_us, uint64_t now_us);

/* It failed after so long. That counts as a second at least and never makes it look quicker: a target
 * that refuses at once would else get all requests. */
void target_latency_add_failure(struct target *target, uint64_t latency_us, uint64_t now_us);

/* At that time: what is old counts less, so that a slow target is asked again some day. At least 1;
 * 0: never measured. */
uint64_t target_latency_us(const struct target *target, uint64_t now_us);

/* As the last sample left it; 0: never measured. */
static inline uint64_t target_latency_last_us(const struct target *target)
{
    return atomic_load_explicit(&target->latency, memory_order_relaxed) & UINT32_MAX;
}

#endif
