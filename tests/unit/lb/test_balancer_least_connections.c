#include "tests/unit/lb/balancer_fixture.h"

static const uint32_t one[] = { 100 };

TEST(load_counts_per_unit_of_weight)
{
    static const uint32_t weights[] = { 100, 300 };
    struct many many = many_create(2, weights, 2);
    SCOPED(balancer) balancer = many_balancer(&many, "least-connections", 0);

    many.records[0].in_flight = 4;
    many.records[1].in_flight = 9; /* 10/300 is less than 5/100 */
    CHECK_INT(many_pick(&many, balancer, NULL), 1);
    many.records[1].in_flight = 15; /* 16/300 is more */
    CHECK_INT(many_pick(&many, balancer, NULL), 0);
    many_done(&many);
}

TEST(ties_take_turns)
{
    struct many many = many_create(3, one, 1);
    SCOPED(balancer) balancer = many_balancer(&many, "least-connections", 1);

    for (int i = 0; i < 9; i++)
        CHECK_INT(many_pick(&many, balancer, NULL), (i + 1) % 3);
    many_done(&many);
}

/* Each worker picks, and all requests stay: nobody gets two while another has none. */
TEST(workers_see_each_others_load)
{
    struct many many = many_create(60, one, 1);
    struct balancer *workers[4];

    for (unsigned w = 0; w < 4; w++)
        workers[w] = many_balancer(&many, "least-connections", 17 * w);
    for (unsigned i = 0; i < 120; i++)
        many.records[many_pick(&many, workers[i % 4], NULL)].in_flight++;
    for (size_t i = 0; i < many.count; i++)
        CHECK_INT(many.records[i].in_flight, 2);
    for (unsigned w = 0; w < 4; w++)
        balancer_free(workers[w]);
    many_done(&many);
}

TEST(two_choices_among_many_keep_the_fullest_low)
{
    struct many many = many_create(1000, one, 1);
    SCOPED(balancer) balancer = many_balancer(&many, "least-connections", 5);
    uint32_t fullest = 0;

    for (unsigned i = 0; i < 10000; i++) {
        struct target *target = &many.records[many_pick(&many, balancer, NULL)];

        if (++target->in_flight > fullest)
            fullest = target->in_flight;
    }
    CHECK(fullest <= 14); /* 10 on average; one choice gives above 20 */
    many_done(&many);
}

TESTS(TEST_CASE(load_counts_per_unit_of_weight), TEST_CASE(ties_take_turns),
      TEST_CASE(workers_see_each_others_load),
      TEST_CASE(two_choices_among_many_keep_the_fullest_low))
