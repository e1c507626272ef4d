/*
 * clock: what time it is for who has no loop to ask.
 *
 * Role    milliseconds of CLOCK_MONOTONIC, and of the wall clock since 1970
 * Owns    nothing
 * Thread  any; on a worker loop->now_ms costs nothing
 */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Since 1970. They may jump: for what people read, never for how long something took. */
static inline uint64_t clock_unix_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static inline uint64_t clock_unix_ms(void)
{
    return clock_unix_us() / 1000;
}

#endif
