#include "core/timer.h"

#include <stddef.h>

enum { SLOT_BITS = 6, SLOT_MASK = TIMER_SLOTS - 1 };

static void list_init(struct timer *head)
{
    head->next = head;
    head->prev = head;
}

static void list_unlink(struct timer *timer)
{
    timer->prev->next = timer->next;
    timer->next->prev = timer->prev;
    timer->next = NULL;
    timer->prev = NULL;
}

static void list_append(struct timer *head, struct timer *timer)
{
    timer->next = head;
    timer->prev = head->prev;
    head->prev->next = timer;
    head->prev = timer;
}

void timer_wheel_init(struct timer_wheel *wheel, uint32_t tick_ms, uint64_t now_ms)
{
    wheel->tick_ms = tick_ms;
    wheel->tick = now_ms / tick_ms;
    for (unsigned level = 0; level < TIMER_LEVELS; level++) {
        wheel->occupied[level] = 0;
        for (unsigned slot = 0; slot < TIMER_SLOTS; slot++)
            list_init(&wheel->slots[level][slot]);
    }
}

void timer_init(struct timer *timer, void (*on_expire)(struct timer *timer))
{
    *timer = (struct timer){ .on_expire = on_expire };
}

/* The first tick at which deadline_ms has passed, and always a future one. */
static uint64_t due_tick(const struct timer_wheel *wheel, uint64_t deadline_ms)
{
    uint64_t tick = (deadline_ms + wheel->tick_ms - 1) / wheel->tick_ms;

    return tick > wheel->tick ? tick : wheel->tick + 1;
}

/* Level n holds ticks whose distance fits in n + 1 groups of 6 bits; beyond the last level the
 * timer waits in the farthest slot and is linked again from there. */
static void link_timer(struct timer_wheel *wheel, struct timer *timer)
{
    uint64_t tick = due_tick(wheel, timer->deadline_ms);
    uint64_t distance = tick - wheel->tick;
    const uint64_t farthest = (1ULL << (SLOT_BITS * TIMER_LEVELS)) - 1;
    unsigned level = 0, slot;

    if (distance > farthest) {
        tick = wheel->tick + farthest;
        distance = farthest;
    }
    while (distance >> (SLOT_BITS * (level + 1)))
        level++;
    /* an upper slot is looked at when the tick reaches its start */
    timer->slot_tick = tick >> (SLOT_BITS * level) << (SLOT_BITS * level);
    slot = (unsigned)(tick >> (SLOT_BITS * level)) & SLOT_MASK;
    list_append(&wheel->slots[level][slot], timer);
    wheel->occupied[level] |= 1ULL << slot;
}

void timer_set(struct timer_wheel *wheel, struct timer *timer, uint64_t deadline_ms)
{
    timer->deadline_ms = deadline_ms ? deadline_ms : 1;
    if (timer->next) {
        /* lazy: a slot that comes up no later than the deadline will relink it */
        if (timer->slot_tick <= due_tick(wheel, timer->deadline_ms))
            return;
        list_unlink(timer);
    }
    link_timer(wheel, timer);
}

void timer_cancel(struct timer *timer)
{
    if (timer->next)
        list_unlink(timer);
    timer->deadline_ms = 0;
}

/* Empties a slot: what is due expires, the rest goes to where it belongs now. */
static void process_slot(struct timer_wheel *wheel, unsigned level, unsigned slot, uint64_t now_ms)
{
    struct timer *head = &wheel->slots[level][slot];
    struct timer pending;

    wheel->occupied[level] &= ~(1ULL << slot);
    if (head->next == head)
        return;
    /* on_expire may arm or cancel any timer, so work on a list of our own */
    pending.next = head->next;
    pending.prev = head->prev;
    pending.next->prev = &pending;
    pending.prev->next = &pending;
    list_init(head);
    while (pending.next != &pending) {
        struct timer *timer = pending.next;

        list_unlink(timer);
        if (timer->deadline_ms > now_ms) {
            link_timer(wheel, timer);
            continue;
        }
        timer->deadline_ms = 0;
        timer->on_expire(timer);
    }
}

/* The next tick (> wheel->tick) at which some slot must be looked at; UINT64_MAX: none. */
static uint64_t next_busy_tick(const struct timer_wheel *wheel)
{
    uint64_t best = UINT64_MAX;

    for (unsigned level = 0; level < TIMER_LEVELS; level++) {
        unsigned shift = SLOT_BITS * level;
        uint64_t group = wheel->tick >> shift; /* current slot number, not reduced */
        unsigned here = (unsigned)group & SLOT_MASK;
        uint64_t bits = wheel->occupied[level];
        unsigned first = (here + 1) & SLOT_MASK;
        uint64_t rotated, tick;

        if (bits == 0)
            continue;
        rotated = first ? bits >> first | bits << (TIMER_SLOTS - first) : bits;
        tick = (group + 1 + (unsigned)__builtin_ctzll(rotated)) << shift;
        if (tick < best)
            best = tick;
    }
    return best;
}

void timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_ms)
{
    uint64_t now_tick = now_ms / wheel->tick_ms;

    while (wheel->tick < now_tick) {
        uint64_t tick = next_busy_tick(wheel);

        if (tick > now_tick) {
            wheel->tick = now_tick;
            return;
        }
        wheel->tick = tick;
        /* upper levels first: what they hold for this tick moves down before level 0 is emptied */
        for (unsigned level = TIMER_LEVELS; level-- > 0;) {
            unsigned shift = SLOT_BITS * level;

            if ((tick & ((1ULL << shift) - 1)) == 0)
                process_slot(wheel, level, (unsigned)(tick >> shift) & SLOT_MASK, now_ms);
        }
    }
}

uint64_t timer_wheel_next(const struct timer_wheel *wheel)
{
    uint64_t tick = next_busy_tick(wheel);

    return tick == UINT64_MAX ? UINT64_MAX : tick * wheel->tick_ms;
}
