/*
 * timer: a hierarchical wheel, one per loop.
 *
 * Role    thousands of deadlines that are moved far more often than they expire
 * Owns    nothing; a timer is embedded in the object it belongs to and must be cancelled before
 * that object is freed Thread  one worker
 *
 * Moving a deadline later costs one store: the timer stays in its slot and is relinked when that
 * slot comes up. A timer never expires early, and late by at most one tick.
 */
#ifndef CORE_TIMER_H
#define CORE_TIMER_H

#include <stdbool.h>
#include <stdint.h>

enum { TIMER_LEVELS = 4, TIMER_SLOTS = 64 };

struct timer {
    struct timer *next, *prev; /* in its slot's ring; NULL: not armed */
    uint64_t deadline_ms;      /* 0: not armed */
    uint64_t slot_tick;        /* the tick at which its slot is looked at */
    void (*on_expire)(struct timer *timer);
};

struct timer_wheel {
    struct timer slots[TIMER_LEVELS][TIMER_SLOTS]; /* list heads */
    uint64_t occupied[TIMER_LEVELS];               /* a bit per slot that may hold timers */
    uint64_t tick;                                 /* last tick that was processed */
    uint32_t tick_ms;
};

/* tick_ms >= 1; now_ms is monotonic. */
void timer_wheel_init(struct timer_wheel *wheel, uint32_t tick_ms, uint64_t now_ms);

/* Runs on_expire of every timer whose deadline is <= now_ms, disarmed; it may set timers again. */
void timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_ms);

/* When advance has to be called next (ms), UINT64_MAX when no timer is armed. May be too early. */
uint64_t timer_wheel_next(const struct timer_wheel *wheel);

void timer_init(struct timer *timer, void (*on_expire)(struct timer *timer));

/* Arms or moves. A deadline in the past expires at the next advance. */
void timer_set(struct timer_wheel *wheel, struct timer *timer, uint64_t deadline_ms);

/* Nothing happens when it is not armed. */
void timer_cancel(struct timer *timer);

static inline bool timer_is_armed(const struct timer *timer)
{
    return timer->deadline_ms != 0;
}

#endif
