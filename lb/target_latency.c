#include "lb/target_latency.h"

#include <math.h>

enum { FAILURE_MIN_US = 1000000 };

static const double decay_ms = 10000; /* Kong's DECAY_TIME */

/* What of a former average is left, 0..1. */
static double weight_left(uint64_t word, uint64_t now_us)
{
    uint32_t age_ms = (uint32_t)(now_us / 1000) - (uint32_t)(word >> 32);

    /* a worker's clock may be a little behind the one that wrote last */
    return age_ms > INT32_MAX ? 1 : exp(-(double)age_ms / decay_ms);
}

static double decayed(uint64_t word, uint64_t now_us)
{
    return (double)(word & UINT32_MAX) * weight_left(word, now_us);
}

static uint64_t average_with(uint64_t word, double sample, uint64_t now_us)
{
    double left = weight_left(word, now_us), average = (double)(word & UINT32_MAX);

    if (average == 0 || sample > average * left)
        return (uint64_t)sample;
    return (uint64_t)(average * left + sample * (1 - left));
}

static void add(struct target *target, uint64_t latency_us, uint64_t now_us, bool only_raises)
{
    double sample = latency_us > UINT32_MAX ? UINT32_MAX : (double)latency_us;
    uint64_t before = atomic_load_explicit(&target->latency, memory_order_relaxed), after;

    do {
        if (only_raises && sample <= decayed(before, now_us))
            return;
        after = average_with(before, sample, now_us);
        after = (after > 0 ? after : 1) | (uint64_t)(uint32_t)(now_us / 1000) << 32;
    } while (!atomic_compare_exchange_weak_explicit(&target->latency, &before, after,
                                                    memory_order_relaxed, memory_order_relaxed));
}

void target_latency_add(struct target *target, uint64_t latency_us, uint64_t now_us)
{
    add(target, latency_us, now_us, false);
}

void target_latency_add_failure(struct target *target, uint64_t latency_us, uint64_t now_us)
{
    add(target, latency_us > FAILURE_MIN_US ? latency_us : FAILURE_MIN_US, now_us, true);
}

uint64_t target_latency_us(const struct target *target, uint64_t now_us)
{
    uint64_t word = atomic_load_explicit(&target->latency, memory_order_relaxed);
    double average = decayed(word, now_us);

    if ((word & UINT32_MAX) == 0)
        return 0;
    return average > 1 ? (uint64_t)average : 1;
}
