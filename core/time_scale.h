/*
 * time_scale: a lab in which time passes N times as fast.
 *
 * Role    the one rule by which stated times become those that a hop lives by, and back
 * Owns    nothing
 * Thread  any
 *
 * 1 is real time. A time never becomes 0 unless it was: 0 means "none" or "off" of most timers.
 */
#ifndef CORE_TIME_SCALE_H
#define CORE_TIME_SCALE_H

#include <stdint.h>

enum {
    TIME_SCALE_MAX = 100000,
    TIME_SCALE_WORK_MS = 2000 /* real: for what processors have to do, whose time does not scale */
};

/* Of a time in any unit; UINT64_MAX (no end) stays. */
static inline uint64_t time_scale_divide(uint64_t stated, uint32_t scale)
{
    if (scale <= 1 || stated == UINT64_MAX)
        return stated;
    return stated / scale + (stated % scale != 0);
}

/* Of a timer, in ms, that waits for work of the other side: a handshake, a head. */
static inline uint64_t time_scale_divide_work(uint64_t stated_ms, uint32_t scale)
{
    uint64_t least_ms = stated_ms < TIME_SCALE_WORK_MS ? stated_ms : TIME_SCALE_WORK_MS;
    uint64_t ms = time_scale_divide(stated_ms, scale);

    return ms > least_ms ? ms : least_ms;
}

/* An instant that is the further from begin the faster time passes; 0 (it did not happen) stays. */
static inline uint64_t time_scale_stretch(uint64_t begin, uint64_t at, uint32_t scale)
{
    return scale > 1 && at > begin ? begin + (at - begin) * scale : at;
}

#endif
