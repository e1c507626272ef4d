/*
 * wall_clock: what people call the time.
 *
 * Role    milliseconds since 1970 for logs and records; spans are measured by the loop's clock, this
 *         one may jump
 * Owns    nothing
 * Thread  any
 */
#ifndef CORE_WALL_CLOCK_H
#define CORE_WALL_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t wall_clock_unix_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#endif
