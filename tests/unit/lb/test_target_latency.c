#include "lb/target_latency.h"

#include <pthread.h>

#include "tests/check.h"

#define SECOND ((uint64_t)1000000)

TEST(first_sample_is_the_average)
{
    struct target target = { 0 };

    CHECK_INT(target_latency_us(&target, 5 * SECOND), 0);
    target_latency_add(&target, 2000, 5 * SECOND);
    CHECK_INT(target_latency_us(&target, 5 * SECOND), 2000);
}

/* After 10 s the old average counts 1/e, as in Kong. */
TEST(a_samples_weight_grows_with_the_time_since_the_last)
{
    struct target target = { 0 };

    target_latency_add(&target, 100000, 100 * SECOND);
    target_latency_add(&target, 1000, 110 * SECOND);
    CHECK_INT(target_latency_last_us(&target), 37420); /* 100000/e + 1000 (1 - 1/e) */
    target_latency_add(&target, 1000, 110 * SECOND);
    CHECK_INT(target_latency_last_us(&target), 37420);
}

TEST(a_rise_counts_at_once)
{
    struct target target = { 0 };

    target_latency_add(&target, 1000, SECOND);
    target_latency_add(&target, 90000, SECOND);
    CHECK_INT(target_latency_last_us(&target), 90000);
}

TEST(reading_forgets_without_ever_reaching_nothing)
{
    struct target target = { 0 };

    target_latency_add(&target, 100000, SECOND);
    CHECK_INT(target_latency_us(&target, 11 * SECOND), 36787);
    CHECK_INT(target_latency_us(&target, 3600 * SECOND), 1);
    CHECK_INT(target_latency_last_us(&target), 100000);
}

TEST(another_workers_older_clock_does_no_harm)
{
    struct target target = { 0 };

    target_latency_add(&target, 1000, 10 * SECOND);
    CHECK_INT(target_latency_us(&target, 10 * SECOND - 5000), 1000);
    target_latency_add(&target, 500, 10 * SECOND - 5000);
    CHECK_INT(target_latency_last_us(&target), 1000);
}

TEST(failures_only_make_it_slower)
{
    struct target target = { 0 };

    target_latency_add_failure(&target, 50, SECOND);
    CHECK_INT(target_latency_last_us(&target), SECOND);
    target_latency_add_failure(&target, 60 * SECOND, SECOND);
    CHECK_INT(target_latency_last_us(&target), 60 * SECOND);
    target_latency_add_failure(&target, 50, SECOND);
    CHECK_INT(target_latency_last_us(&target), 60 * SECOND);
}

TEST(what_is_too_long_is_the_longest)
{
    struct target target = { 0 };

    target_latency_add(&target, UINT64_MAX, SECOND);
    CHECK_INT(target_latency_last_us(&target), UINT32_MAX);
}

/* NULL: it was measured all the time. */
static void *add_many(void *target)
{
    void *wrong = NULL;

    for (uint64_t i = 0; i < 20000; i++) {
        target_latency_add(target, 1000 + i % 500, SECOND + i * 1000);
        if (target_latency_us(target, SECOND + i * 1000) == 0)
            wrong = target;
    }
    return wrong;
}

/* Run by TSan it would also tell of a race. */
TEST(threads_share_one_average)
{
    struct target target = { 0 };
    pthread_t threads[4];

    for (unsigned i = 0; i < 4; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, add_many, &target), 0);
    for (unsigned i = 0; i < 4; i++) {
        void *wrong = NULL;

        CHECK_INT(pthread_join(threads[i], &wrong), 0);
        CHECK(!wrong);
    }
    CHECK(target_latency_last_us(&target) >= 1000 && target_latency_last_us(&target) < 1500);
}

TESTS(TEST_CASE(first_sample_is_the_average),
      TEST_CASE(a_samples_weight_grows_with_the_time_since_the_last),
      TEST_CASE(a_rise_counts_at_once), TEST_CASE(reading_forgets_without_ever_reaching_nothing),
      TEST_CASE(another_workers_older_clock_does_no_harm), TEST_CASE(failures_only_make_it_slower),
      TEST_CASE(what_is_too_long_is_the_longest), TEST_CASE(threads_share_one_average))
