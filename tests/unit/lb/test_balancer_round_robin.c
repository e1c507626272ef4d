#include "lb/balancer.h"

#include <errno.h>

#include "tests/check.h"

static const struct balancer_request first_try;

static struct balancer *round_robin(const struct upstream_target *targets, size_t count,
                                    uint64_t seed)
{
    return balancer_find("round-robin")
        ->create(&(struct balancer_options){ .targets = targets, .count = count, .seed = seed });
}

/* The picks as letters, "a" for targets[0]. */
static const char *picks(struct balancer *balancer, const struct upstream_target *targets,
                         size_t count, unsigned how_many)
{
    static char letters[256];

    CHECK(how_many < sizeof(letters));
    for (unsigned i = 0; i < how_many; i++)
        letters[i] = (char)('a' + balancer_pick(balancer, targets, count, &first_try));
    letters[how_many] = '\0';
    return letters;
}

TEST(equal_weights_take_turns)
{
    struct target records[3] = { 0 };
    struct upstream_target targets[] = { { .target = &records[0], .weight = 100 },
                                         { .target = &records[1], .weight = 100 },
                                         { .target = &records[2], .weight = 100 } };
    SCOPED(balancer) balancer = round_robin(targets, 3, 0);

    CHECK_STR(balancer->ops->name, "round-robin");
    CHECK_STR(picks(balancer, targets, 3, 7), "abcabca");
}

TEST(weights_are_spread_smoothly)
{
    struct target records[3] = { 0 };
    struct upstream_target targets[] = { { .target = &records[0], .weight = 5 },
                                         { .target = &records[1], .weight = 1 },
                                         { .target = &records[2], .weight = 1 } };
    SCOPED(balancer) balancer = round_robin(targets, 3, 0);

    CHECK_STR(picks(balancer, targets, 3, 14), "aabacaaaabacaa");
}

TEST(shares_are_exact_over_a_cycle_from_any_start)
{
    struct target records[3] = { 0 };
    struct upstream_target targets[] = { { .target = &records[0], .weight = 7 },
                                         { .target = &records[1], .weight = 3 },
                                         { .target = &records[2], .weight = 2 } };

    for (uint64_t seed = 0; seed < 300; seed++) {
        SCOPED(balancer) balancer = round_robin(targets, 3, seed);
        unsigned hits[3] = { 0 };

        for (unsigned i = 0; i < 12; i++)
            hits[balancer_pick(balancer, targets, 3, &first_try)]++;
        CHECK_INT(hits[0], 7);
        CHECK_INT(hits[1], 3);
        CHECK_INT(hits[2], 2);
    }
}

TEST(seed_moves_the_start)
{
    struct target equal_records[4] = { 0 };
    struct upstream_target equal[] = { { .target = &equal_records[0], .weight = 1 },
                                       { .target = &equal_records[1], .weight = 1 },
                                       { .target = &equal_records[2], .weight = 1 },
                                       { .target = &equal_records[3], .weight = 1 } };
    struct target heavy_records[2] = { 0 };
    struct upstream_target heavy[] = { { .target = &heavy_records[0], .weight = 3 },
                                       { .target = &heavy_records[1], .weight = 1 } };
    unsigned firsts[4] = { 0 }, firsts_heavy[2] = { 0 };

    for (uint64_t seed = 0; seed < 400; seed++) {
        SCOPED(balancer) a = round_robin(equal, 4, seed);
        SCOPED(balancer) b = round_robin(heavy, 2, seed);

        firsts[balancer_pick(a, equal, 4, &first_try)]++;
        firsts_heavy[balancer_pick(b, heavy, 2, &first_try)]++;
    }
    for (unsigned i = 0; i < 4; i++)
        CHECK_INT(firsts[i], 100);
    CHECK(firsts_heavy[0] > 200 && firsts_heavy[1] > 50);
}

TEST(unusable_targets_get_nothing_and_come_back)
{
    struct target records[3] = { 0 };
    struct upstream_target targets[] = { { .target = &records[0], .weight = 1 },
                                         { .target = &records[1], .weight = 1 },
                                         { .target = &records[2], .weight = 0 } };
    SCOPED(balancer) balancer = round_robin(targets, 3, 0);

    target_set_state(&records[0], TARGET_UNHEALTHY);
    CHECK_STR(picks(balancer, targets, 3, 4), "bbbb");
    target_set_state(&records[0], TARGET_HEALTHY);
    CHECK_STR(picks(balancer, targets, 3, 4), "abab");
}

TEST(tried_targets_are_avoided_while_another_is_usable)
{
    struct target records[2] = { 0 };
    struct upstream_target targets[] = { { .target = &records[0], .weight = 9 },
                                         { .target = &records[1], .weight = 1 } };
    const struct target *tried[] = { &records[0], &records[1] };
    SCOPED(balancer) balancer = round_robin(targets, 2, 0);

    for (unsigned i = 0; i < 5; i++) {
        CHECK_INT(balancer_pick(balancer, targets, 2,
                                &(struct balancer_request){ .tried = tried, .tried_count = 1 }),
                  1);
        CHECK_INT(balancer_pick(balancer, targets, 2,
                                &(struct balancer_request){ .tried = tried + 1, .tried_count = 1 }),
                  0);
    }
    CHECK(balancer_pick(balancer, targets, 2,
                        &(struct balancer_request){ .tried = tried, .tried_count = 2 }) >= 0);
    target_set_state(&records[1], TARGET_UNHEALTHY);
    CHECK_INT(balancer_pick(balancer, targets, 2,
                            &(struct balancer_request){ .tried = tried, .tried_count = 1 }),
              0);
}

TEST(no_usable_target_is_enoent)
{
    struct target records[2] = { 0 };
    struct upstream_target targets[] = { { .target = &records[0], .weight = 0 },
                                         { .target = &records[1], .weight = 1 } };
    const struct target *tried[] = { &records[1] };
    SCOPED(balancer) none = round_robin(targets, 0, 7);
    SCOPED(balancer) balancer = round_robin(targets, 2, 7);

    target_set_state(&records[1], TARGET_UNHEALTHY);
    CHECK_INT(balancer_pick(none, targets, 0, &first_try), -ENOENT);
    CHECK_INT(balancer_pick(balancer, targets, 2, &first_try), -ENOENT);
    CHECK_INT(balancer_pick(balancer, targets, 2,
                            &(struct balancer_request){ .tried = tried, .tried_count = 1 }),
              -ENOENT);
}

TESTS(TEST_CASE(equal_weights_take_turns), TEST_CASE(weights_are_spread_smoothly),
      TEST_CASE(shares_are_exact_over_a_cycle_from_any_start), TEST_CASE(seed_moves_the_start),
      TEST_CASE(unusable_targets_get_nothing_and_come_back),
      TEST_CASE(tried_targets_are_avoided_while_another_is_usable),
      TEST_CASE(no_usable_target_is_enoent))
