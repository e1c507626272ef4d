/* timer: never early, late by at most a tick, at every distance the wheel can hold. */
#include <stdlib.h>

#include "core/timer.h"
#include "tests/check.h"

enum { COUNT = 2000 };

static struct timer_wheel wheel;
static struct timer timers[COUNT];
static uint64_t fired_at[COUNT];
static uint64_t now_ms;

static void on_expire(struct timer *timer)
{
    fired_at[timer - timers] = now_ms;
}

static void start(uint32_t tick_ms, uint64_t at_ms)
{
    now_ms = at_ms;
    timer_wheel_init(&wheel, tick_ms, at_ms);
    for (int i = 0; i < COUNT; i++) {
        timer_init(&timers[i], on_expire);
        fired_at[i] = 0;
    }
}

/* Goes from wake-up to wake-up as a loop would, until until_ms. */
static void run_until(uint64_t until_ms)
{
    while (now_ms < until_ms) {
        uint64_t next = timer_wheel_next(&wheel);

        now_ms = next < until_ms ? next : until_ms;
        timer_wheel_advance(&wheel, now_ms);
    }
}

TEST(random_deadlines_fire_once_and_on_time)
{
    const uint32_t ticks[] = { 1, 8 };

    for (unsigned t = 0; t < 2; t++) {
        uint64_t want[COUNT];
        unsigned seed = 11 + t;

        start(ticks[t], 123456789);
        for (int i = 0; i < COUNT; i++) {
            uint64_t span = 1ULL << (rand_r(&seed) % 27);

            want[i] = now_ms + 1 + (uint64_t)rand_r(&seed) % span;
            timer_set(&wheel, &timers[i], want[i]);
        }
        run_until(123456789 + (1ULL << 27) + 100);
        for (int i = 0; i < COUNT; i++) {
            CHECK(fired_at[i] >= want[i]);
            CHECK(fired_at[i] <= want[i] + ticks[t]);
            CHECK(!timer_is_armed(&timers[i]));
        }
        CHECK(timer_wheel_next(&wheel) == UINT64_MAX);
    }
}

TEST(a_deadline_moved_later_does_not_fire_at_the_old_time)
{
    start(8, 1000);
    timer_set(&wheel, &timers[0], 1100);
    for (uint64_t at = 1010; at < 5000; at += 50) {
        run_until(at);
        timer_set(&wheel, &timers[0], at + 100);
        CHECK_INT(fired_at[0], 0);
    }
    run_until(6000);
    CHECK(fired_at[0] >= 5060 && fired_at[0] <= 5070);
}

TEST(a_deadline_moved_earlier_fires_early)
{
    start(8, 1000);
    timer_set(&wheel, &timers[0], 1000 + 3600 * 1000);
    timer_set(&wheel, &timers[0], 1050);
    run_until(1100);
    CHECK(fired_at[0] >= 1050 && fired_at[0] <= 1058);
}

TEST(a_cancelled_timer_stays_silent)
{
    start(1, 1000);
    timer_set(&wheel, &timers[0], 1005);
    timer_set(&wheel, &timers[1], 1005);
    timer_cancel(&timers[0]);
    timer_cancel(&timers[0]);
    run_until(2000);
    CHECK_INT(fired_at[0], 0);
    CHECK(fired_at[1] != 0);
}

static void cancel_neighbours(struct timer *timer)
{
    for (struct timer *other = timers; other < timers + 10; other++)
        if (other != timer)
            timer_cancel(other);
    fired_at[timer - timers] = now_ms;
}

TEST(expiring_may_cancel_others_of_the_same_slot)
{
    int fired = 0;

    start(8, 1000);
    for (int i = 0; i < 10; i++) {
        timer_init(&timers[i], cancel_neighbours);
        timer_set(&wheel, &timers[i], 1050);
    }
    run_until(2000);
    for (int i = 0; i < 10; i++)
        fired += fired_at[i] != 0;
    CHECK_INT(fired, 1);
}

TEST(the_longest_kong_timeout_fires)
{
    const uint64_t longest = 2147483646; /* 24.8 days: beyond what the levels span at 1 ms */

    start(1, 5000);
    timer_set(&wheel, &timers[0], 5000 + longest);
    run_until(5000 + longest - 1);
    CHECK_INT(fired_at[0], 0);
    run_until(5000 + longest + 2);
    CHECK(fired_at[0] >= 5000 + longest);
}

TESTS(TEST_CASE(random_deadlines_fire_once_and_on_time),
      TEST_CASE(a_deadline_moved_later_does_not_fire_at_the_old_time),
      TEST_CASE(a_deadline_moved_earlier_fires_early), TEST_CASE(a_cancelled_timer_stays_silent),
      TEST_CASE(expiring_may_cancel_others_of_the_same_slot),
      TEST_CASE(the_longest_kong_timeout_fires))
