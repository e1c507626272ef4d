#include "lb/target.h"

#include <assert.h>
#include <stddef.h>
#include <time.h>

#include "lb/waiting_line.h"

void target_note_up(struct target *target)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    atomic_store_explicit(&target->up_since_us,
                          (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000,
                          memory_order_relaxed);
}

bool target_set_state(struct target *target, enum target_state state)
{
    uint64_t before = target_health_word(target), after;

    do {
        after = health_word_set(before, state == TARGET_HEALTHY);
    } while (!atomic_compare_exchange_weak_explicit(&target->health, &before, after,
                                                    memory_order_relaxed, memory_order_relaxed));
    if (health_word_changes(before) == health_word_changes(after))
        return false;
    if (health_word_is_usable(after))
        target_note_up(target);
    return true;
}

void target_use_begin(struct target_use *use, struct target *target)
{
    target_use_end(use);
    atomic_fetch_add_explicit(&target->in_flight, 1, memory_order_relaxed);
    use->target = target;
}

bool target_use_try(struct target_use *use, struct target *target, uint32_t max)
{
    uint32_t now;

    target_use_end(use);
    if (max == 0) {
        target_use_begin(use, target);
        return true;
    }
    now = atomic_load(&target->in_flight);
    do {
        if (now >= max)
            return false;
    } while (!atomic_compare_exchange_weak(&target->in_flight, &now, now + 1));
    use->target = target;
    return true;
}

void target_use_end(struct target_use *use)
{
    struct target *target = use->target;
    struct waiting_line *line;
    uint32_t before;

    if (!target)
        return;
    use->target = NULL;
    line = atomic_load_explicit(&target->line, memory_order_acquire);
    before = atomic_fetch_sub(&target->in_flight, 1);
    assert(before > 0);
    (void)before;
    if (line) /* which outlives the target */
        waiting_line_call(line);
}
