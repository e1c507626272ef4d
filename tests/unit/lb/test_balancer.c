/* What holds for every policy. */
#include "tests/unit/lb/balancer_fixture.h"

static const char *const policies[] = {
    "round-robin", "least-connections", "consistent-hashing", "latency",
    "random",      "fastest",           "observed",           "predictive"
};
enum { POLICIES = sizeof(policies) / sizeof(policies[0]) };

enum { DRAWN_MAX = 4 }; /* with nothing in flight */
static const uint32_t one[] = { 100 };

static struct slice number_as_text(void *number)
{
    static char text[16];
    int length = snprintf(text, sizeof(text), "%u", (*(unsigned *)number)++);

    return (struct slice){ text, (size_t)length };
}

TEST(policies_are_found_by_kongs_names)
{
    for (unsigned i = 0; i < POLICIES; i++)
        CHECK_STR(balancer_find(policies[i])->name, policies[i]);
    CHECK(!balancer_find("least-conn"));
}

static void check_shares(const char *policy, size_t count)
{
    static const uint32_t weights[] = { 100, 50, 0, 250 };
    struct many many = many_create(count, weights, 4);
    SCOPED(balancer) balancer = many_balancer(&many, policy, 42);
    const unsigned picks = 100000;
    unsigned *hits = many_hits(&many, balancer, picks);
    unsigned kinds[4] = { 0 };

    for (size_t i = 0; i < count; i++)
        kinds[i % 4] += hits[i];
    for (unsigned i = 0; i < 4; i++) {
        unsigned want = picks / 400 * weights[i];

        CHECK(kinds[i] >= want - want / 40 && kinds[i] <= want + want / 40);
    }
    for (size_t i = 0; i < count; i++)
        CHECK((hits[i] == 0) == (weights[i % 4] == 0));
    free(hits);
    many_done(&many);
}

TEST(shares_follow_the_weights_also_among_many)
{
    check_shares("round-robin", 8);
    check_shares("round-robin", 1000);
    check_shares("latency", 8);
    check_shares("latency", 1000);
    check_shares("least-connections", 1000);
    check_shares("random", 8);
    check_shares("random", 1000);
    check_shares("observed", 8);
    check_shares("observed", 1000);
    check_shares("predictive", 8);
}

TEST(round_robin_among_many_spreads_evenly)
{
    struct many many = many_create(1000, one, 1);
    SCOPED(balancer) balancer = many_balancer(&many, "round-robin", 7);
    unsigned *hits = many_hits(&many, balancer, 20000);

    for (size_t i = 0; i < many.count; i++)
        CHECK(hits[i] >= 17 && hits[i] <= 23); /* at random 6 would be below 10 */
    free(hits);
    many_done(&many);
}

TEST(workers_together_are_fair)
{
    for (unsigned p = 0; p < POLICIES; p++) {
        struct many many = many_create(10, one, 1);
        struct balancer *workers[8];
        /* a ring of 160 points each is not exact */
        unsigned tolerance = strcmp(policies[p], "consistent-hashing") == 0 ? 280 : 100;
        unsigned hits[10] = { 0 }, number = 0;
        const struct balancer_request request = { .hash_input = number_as_text, .asker = &number };

        for (unsigned w = 0; w < 8; w++)
            workers[w] = many_balancer(&many, policies[p], w);
        for (unsigned i = 0; i < 8000; i++)
            hits[many_pick(&many, workers[i % 8], &request)]++;
        for (unsigned i = 0; i < 10; i++)
            CHECK(hits[i] > 800 - tolerance && hits[i] < 800 + tolerance);
        for (unsigned w = 0; w < 8; w++)
            balancer_free(workers[w]);
        many_done(&many);
    }
}

/* Looks at targets, the worst pick of many. */
static uint64_t dearest_pick(const char *policy, const struct many *many)
{
    SCOPED(balancer) balancer = many_balancer(many, policy, 3);
    unsigned number = 0;
    const struct balancer_request request = { .hash_input = number_as_text, .asker = &number };
    uint64_t dearest = 0;

    for (unsigned i = 0; i < 5000; i++) {
        uint64_t before = balancer->looked_at_count;

        CHECK(many_pick(many, balancer, &request) >= 0);
        if (balancer->looked_at_count - before > dearest)
            dearest = balancer->looked_at_count - before;
    }
    return dearest;
}

/* All policies share the targets, whose ring takes long to build. */
static uint64_t dearest_pick_of_any(size_t count)
{
    struct many many = many_create(count, one, 1);
    uint64_t dearest = 0;

    for (unsigned i = 0; i < POLICIES; i++) {
        uint64_t its_dearest = dearest_pick(policies[i], &many);

        if (its_dearest > dearest)
            dearest = its_dearest;
    }
    many_done(&many);
    return dearest;
}

TEST(a_pick_does_not_cost_more_with_more_than_64_targets)
{
    CHECK(dearest_pick_of_any(64) <= 128);
    CHECK(dearest_pick_of_any(1000) <= DRAWN_MAX);
    CHECK(dearest_pick_of_any(10000) <= DRAWN_MAX);
}

TEST(a_pick_by_ratio_is_cheap_when_hardly_anybody_has_the_best)
{
    struct many many = many_create(1000, one, 1);
    SCOPED(balancer) balancer = many_balancer(&many, "predictive", 3);

    for (size_t i = 1; i < many.count; i++)
        many.records[i].in_flight = 100; /* one has 4, the others 1 */
    for (unsigned i = 0; i < 5000; i++) {
        uint64_t before = balancer->looked_at_count;

        CHECK(many_pick(&many, balancer, NULL) >= 0);
        CHECK(balancer->looked_at_count - before <= 16);
    }
    many_done(&many);
}

TEST(no_policy_picks_what_it_must_not)
{
    static const size_t counts[] = { 5, 200 };

    for (unsigned c = 0; c < 2; c++)
        for (unsigned p = 0; p < POLICIES; p++) {
            struct many many = many_create(counts[c], one, 1);
            SCOPED(balancer) balancer = many_balancer(&many, policies[p], 1);
            const struct target *tried[] = { &many.records[1] };
            unsigned number = 0;
            struct balancer_request request = {
                .tried = tried, .tried_count = 1, .hash_input = number_as_text, .asker = &number
            };

            for (size_t i = 3; i < many.count; i++)
                target_set_state(&many.records[i], TARGET_UNHEALTHY);
            many.items[2].weight = 0;
            for (unsigned i = 0; i < 100; i++)
                CHECK_INT(many_pick(&many, balancer, &request), 0);
            target_set_state(&many.records[0], TARGET_UNHEALTHY);
            CHECK_INT(many_pick(&many, balancer, &request), 1); /* tried, but there is no other */
            target_set_state(&many.records[1], TARGET_UNHEALTHY);
            CHECK_INT(many_pick(&many, balancer, &request), -ENOENT);
            many_done(&many);
        }
}

static void check_ramp(const char *policy, size_t count)
{
    struct many many = many_create(count, one, 1);
    struct balancer_options options = { .targets = many.items,
                                        .count = count,
                                        .draw = many.draw,
                                        .slow_start_us = 1000000,
                                        .seed = 9 };
    SCOPED(balancer) balancer = balancer_find(policy)->create(&options);
    const uint64_t up_at = 100000000;
    unsigned hits[3] = { 0 };

    /* even ones came up at 100 s, odd ones long ago */
    for (size_t i = 0; i < count; i += 2)
        many.records[i].up_since_us = up_at;
    for (unsigned quarter = 0; quarter < 3; quarter++) {
        const struct balancer_request request = { .now_us = up_at + quarter * 500000 };

        for (unsigned i = 0; i < 20000; i++)
            hits[quarter] += many_pick(&many, balancer, &request) % 2 == 0;
    }
    CHECK(hits[0] < 400);
    CHECK(hits[1] > 6300 && hits[1] < 7000); /* 1/2 of 1 + 1/2: a third */
    CHECK(hits[2] > 9800 && hits[2] < 10200);
    many_done(&many);
}

TEST(slow_start_lets_the_share_grow)
{
    check_ramp("round-robin", 2);
    check_ramp("round-robin", 100);
    check_ramp("latency", 100);
}

TEST(a_target_that_comes_back_starts_slowly_again)
{
    struct target record = { 0 };

    target_set_state(&record, TARGET_UNHEALTHY);
    CHECK_INT(target_up_since_us(&record), 0);
    target_set_state(&record, TARGET_HEALTHY);
    CHECK(target_up_since_us(&record) > 0);
}

static struct slice same_text(void *asker)
{
    (void)asker;
    return SLICE("always the same");
}

/* How many of some picks are the target that was tried; -1: none was picked. */
static int picked_again(const char *policy, size_t count, size_t tried_count)
{
    struct many many = many_create(count, one, 1);
    SCOPED(balancer) balancer = many_balancer(&many, policy, 1);
    const struct target *tried[8];
    struct balancer_request request = {
        .tried = tried, .tried_count = tried_count, .policy_decides = true, .hash_input = same_text
    };
    struct balancer_request first = { .hash_input = same_text };
    int first_index = many_pick(&many, balancer, &first), again = 0;

    CHECK(first_index >= 0);
    for (size_t i = 0; i < tried_count; i++)
        tried[i] = &many.records[((size_t)first_index + i) % count];
    for (unsigned i = 0; i < 12; i++) {
        int index = many_pick(&many, balancer, &request);

        again = index < 0 ? index : again + (index == first_index);
    }
    many_done(&many);
    return again;
}

TEST(a_retry_of_kong_s_picks_as_its_algorithm_does)
{
    CHECK_INT(picked_again("round-robin", 3, 1), 4);
    CHECK_INT(picked_again("round-robin", 1, 1), 12);
    CHECK_INT(picked_again("consistent-hashing", 3, 1), 12);
    CHECK_INT(picked_again("least-connections", 3, 1), 0);
    CHECK_INT(picked_again("least-connections", 3, 3), 4);
    CHECK_INT(picked_again("latency", 3, 1), 0);
    CHECK_INT(picked_again("latency", 3, 3), -ENOENT);
    CHECK_INT(picked_again("latency", 1, 1), 12);
}

TESTS(TEST_CASE(a_retry_of_kong_s_picks_as_its_algorithm_does),
      TEST_CASE(a_pick_by_ratio_is_cheap_when_hardly_anybody_has_the_best),
      TEST_CASE(policies_are_found_by_kongs_names),
      TEST_CASE(shares_follow_the_weights_also_among_many),
      TEST_CASE(round_robin_among_many_spreads_evenly), TEST_CASE(workers_together_are_fair),
      TEST_CASE(a_pick_does_not_cost_more_with_more_than_64_targets),
      TEST_CASE(no_policy_picks_what_it_must_not), TEST_CASE(slow_start_lets_the_share_grow),
      TEST_CASE(a_target_that_comes_back_starts_slowly_again))
