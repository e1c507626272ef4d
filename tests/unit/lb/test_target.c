#include "lb/balancer.h"

#include <pthread.h>

#include "tests/check.h"

TEST(usable_means_healthy_and_weighted)
{
    struct target target = { 0 };
    struct upstream_target item = { .target = &target, .weight = 100 };

    CHECK(upstream_target_is_usable(&item));
    CHECK(target_set_state(&target, TARGET_UNHEALTHY));
    CHECK(!upstream_target_is_usable(&item));
    CHECK(!target_set_state(&target, TARGET_UNHEALTHY)); /* nothing changed */
    CHECK(target_set_state(&target, TARGET_HEALTHY));
    CHECK(upstream_target_is_usable(&item));
    item.weight = 0;
    CHECK(!upstream_target_is_usable(&item));
}

TEST(change_of_state_clears_the_counters)
{
    struct target target = { 0 };

    atomic_store(&target.health, health_word_count(0, HEALTH_TCP, 3));
    CHECK(!target_set_state(&target, TARGET_HEALTHY));
    CHECK_INT(atomic_load(&target.health), 0);
    CHECK(target_set_state(&target, TARGET_UNHEALTHY));
    CHECK_INT(health_word_counter(atomic_load(&target.health), HEALTH_TCP), 0);
    CHECK_INT(health_word_state(atomic_load(&target.health)), HEALTH_UNHEALTHY);
}

TEST(use_is_counted_once_and_given_back_once)
{
    struct target a = { 0 }, b = { 0 };
    struct target_use use = { 0 };

    target_use_end(&use); /* holds nothing */
    target_use_begin(&use, &a);
    CHECK_INT(target_in_flight(&a), 1);
    target_use_begin(&use, &b); /* the next try */
    CHECK_INT(target_in_flight(&a), 0);
    CHECK_INT(target_in_flight(&b), 1);
    target_use_end(&use);
    target_use_end(&use);
    CHECK_INT(target_in_flight(&b), 0);
    CHECK(use.target == NULL);
}

TEST(records_of_two_targets_share_no_cache_line)
{
    CHECK_INT(sizeof(struct target) % TARGET_ALIGN, 0);
    CHECK_INT(offsetof(struct target, in_flight) % TARGET_ALIGN, 0);
    CHECK_INT(_Alignof(struct target), TARGET_ALIGN);
}

enum { THREADS = 4, USES = 20000 };

static void *use_many_times(void *arg)
{
    struct target *target = arg;

    for (unsigned i = 0; i < USES; i++) {
        struct target_use use = { 0 };

        target_use_begin(&use, target);
        target_set_state(target, i % 2 ? TARGET_UNHEALTHY : TARGET_HEALTHY);
        target_use_end(&use);
    }
    return NULL;
}

TEST(workers_count_together_without_losing_one)
{
    struct target target = { 0 };
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, use_many_times, &target), 0);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    CHECK_INT(target_in_flight(&target), 0);
}

TESTS(TEST_CASE(usable_means_healthy_and_weighted), TEST_CASE(change_of_state_clears_the_counters),
      TEST_CASE(use_is_counted_once_and_given_back_once),
      TEST_CASE(records_of_two_targets_share_no_cache_line),
      TEST_CASE(workers_count_together_without_losing_one))
