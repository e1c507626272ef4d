#include "lb/outlier.h"

#include <string.h>

#include "core/log.h"
#include "lb/target_health.h"
#include "lb/target_latency.h"
#include "tests/check.h"

enum { COUNT = 10 };

static struct target records[COUNT];

static struct target *record_at(const void *owner, size_t index)
{
    (void)owner;
    return &records[index];
}

static const struct outlier_options by_failures = { .failure_percent = 50,
                                                    .requests_min = 10,
                                                    .interval_ms = 1000,
                                                    .ejection_ms = 5000,
                                                    .ejected_max_percent = 20 };
static const struct outlier_options by_latency = { .latency_factor = 3,
                                                   .latency_min_ms = 20,
                                                   .requests_min = 10,
                                                   .interval_ms = 1000,
                                                   .ejection_ms = 5000,
                                                   .ejected_max_percent = 20 };

static void reset(void)
{
    log_set_error_file(NULL, LOG_LEVEL_CRIT);
    memset(records, 0, sizeof(records));
    for (size_t i = 0; i < COUNT; i++)
        records[i].name = (char *)"a.test:80";
}

static void serve(struct target *target, uint32_t requests, uint32_t failures)
{
    target->requests = requests;
    target->failures = failures;
}

static void look(const struct outlier_options *options, size_t count, uint64_t now_ms)
{
    outlier_look(options, &(struct outlier_targets){ record_at, NULL, count }, now_ms);
}

static unsigned ejected_count(void)
{
    unsigned count = 0;

    for (size_t i = 0; i < COUNT; i++)
        count += (records[i].health & HEALTH_EJECTED) != 0;
    return count;
}

TEST(who_fails_too_often_is_left_out_for_a_while)
{
    char why[256];

    reset();
    serve(&records[0], 20, 10);
    serve(&records[1], 20, 9);
    serve(&records[2], 9, 9); /* too few to be judged */
    look(&by_failures, COUNT, 1000);
    CHECK(!target_is_usable(&records[0]));
    CHECK_INT(ejected_count(), 1);
    CHECK_STR(target_health_why(&records[0], why, sizeof(why)),
              "ejected: 50% of its requests failed");
    CHECK_INT(records[1].requests, 0); /* each look begins anew */
    look(&by_failures, COUNT, 5999);
    CHECK(!target_is_usable(&records[0]));
    look(&by_failures, COUNT, 6000);
    CHECK(target_is_usable(&records[0]));
}

TEST(never_more_than_the_share_but_one_of_two)
{
    reset();
    for (size_t i = 0; i < COUNT; i++)
        serve(&records[i], 20, 20);
    look(&by_failures, COUNT, 1000);
    CHECK_INT(ejected_count(), 2);
    reset();
    for (size_t i = 0; i < COUNT; i++)
        serve(&records[i], 20, 20);
    look(&by_failures, 2, 1000);
    CHECK_INT(ejected_count(), 1);
    reset();
    serve(&records[0], 20, 20);
    look(&by_failures, 1, 1000);
    CHECK_INT(ejected_count(), 0);
}

TEST(each_ejection_is_longer_until_it_is_lived_down)
{
    reset();
    serve(&records[0], 20, 20);
    look(&by_failures, COUNT, 0);
    look(&by_failures, COUNT, 5000);
    serve(&records[0], 20, 20);
    records[0].ejections = 1; /* as if it had failed again at once */
    look(&by_failures, COUNT, 6000);
    CHECK(!target_is_usable(&records[0]));
    look(&by_failures, COUNT, 15999);
    CHECK(!target_is_usable(&records[0]));
    look(&by_failures, COUNT, 16000);
    CHECK(target_is_usable(&records[0]));
    for (unsigned i = 0; i < 4; i++)
        look(&by_failures, COUNT, 17000 + i * 1000);
    CHECK_INT(records[0].ejections, 0);
}

TEST(who_is_much_slower_than_the_others_is_left_out)
{
    reset();
    for (size_t i = 0; i < COUNT; i++) {
        serve(&records[i], 20, 0);
        target_latency_add(&records[i], i == 3 ? 31000 : 10000, 1000000);
    }
    look(&by_latency, COUNT, 1000);
    CHECK_INT(ejected_count(), 1);
    CHECK(!target_is_usable(&records[3]));
    reset();
    for (size_t i = 0; i < COUNT; i++) {
        serve(&records[i], 20, 0);
        target_latency_add(&records[i], i == 3 ? 19000 : 1000, 1000000);
    }
    look(&by_latency, COUNT, 1000);
    CHECK_INT(ejected_count(), 0); /* much slower, but not slow */
}

TEST(who_is_down_or_withdrawn_is_not_ejected_as_well)
{
    reset();
    serve(&records[0], 20, 20);
    serve(&records[1], 20, 20);
    target_set_state(&records[0], TARGET_UNHEALTHY);
    records[1].health = health_word_force(0, HEALTH_FORCED_DRAIN);
    look(&by_failures, COUNT, 1000);
    CHECK_INT(ejected_count(), 0);
}

TESTS(TEST_CASE(who_fails_too_often_is_left_out_for_a_while),
      TEST_CASE(never_more_than_the_share_but_one_of_two),
      TEST_CASE(each_ejection_is_longer_until_it_is_lived_down),
      TEST_CASE(who_is_much_slower_than_the_others_is_left_out),
      TEST_CASE(who_is_down_or_withdrawn_is_not_ejected_as_well))
