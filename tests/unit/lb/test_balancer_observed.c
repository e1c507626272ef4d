/* How observed and predictive turn what is in flight into ratios. */
#include "tests/unit/lb/balancer_fixture.h"

static const uint32_t one[] = { 100 };
enum { SECOND_US = 1000000 };

/* Of 600 picks within the second that begins at now_us, how many each of three gets. */
static void shares(const struct many *many, struct balancer *balancer, uint64_t now_us,
                   unsigned hits[3])
{
    const struct balancer_request request = { .now_us = now_us };

    memset(hits, 0, 3 * sizeof(*hits));
    for (unsigned i = 0; i < 600; i++)
        hits[many_pick(many, balancer, &request)]++;
}

static void carry(struct many *many, unsigned a, unsigned b, unsigned c)
{
    atomic_store(&many->records[0].in_flight, a);
    atomic_store(&many->records[1].in_flight, b);
    atomic_store(&many->records[2].in_flight, c);
}

static void check(const unsigned hits[3], unsigned a, unsigned b, unsigned c)
{
    const unsigned want[] = { a, b, c };

    for (unsigned i = 0; i < 3; i++)
        CHECK(hits[i] + 12 >= want[i] * 600 / (a + b + c) &&
              hits[i] <= want[i] * 600 / (a + b + c) + 12);
}

TEST(observed_gives_three_to_two_to_who_has_less_than_the_average)
{
    struct many many = many_create(3, one, 1);
    SCOPED(balancer) balancer = many_balancer(&many, "observed", 1);
    unsigned hits[3];

    shares(&many, balancer, SECOND_US, hits);
    check(hits, 2, 2, 2);
    carry(&many, 0, 9, 9);
    shares(&many, balancer, SECOND_US + SECOND_US / 2, hits);
    check(hits, 2, 2, 2); /* the counts of this second are known */
    shares(&many, balancer, 2 * SECOND_US, hits);
    check(hits, 3, 2, 2);
    many_done(&many);
}

TEST(predictive_follows_the_trend)
{
    struct many many = many_create(3, one, 1);
    SCOPED(balancer) balancer = many_balancer(&many, "predictive", 1);
    unsigned hits[3];

    carry(&many, 0, 9, 9);
    shares(&many, balancer, SECOND_US, hits);
    check(hits, 4, 1, 1);
    carry(&many, 5, 9, 2); /* more, the same, fewer */
    shares(&many, balancer, 2 * SECOND_US, hits);
    check(hits, 3, 1, 2);
    carry(&many, 6, 9, 1);
    shares(&many, balancer, 3 * SECOND_US, hits);
    check(hits, 2, 1, 3);
    for (uint64_t second = 4; second < 20; second++) { /* never below 1, never above 4 */
        carry(&many, 6 + (unsigned)second, 100 - (unsigned)second, 1);
        shares(&many, balancer, second * SECOND_US, hits);
    }
    check(hits, 1, 4, 3);
    many_done(&many);
}

TESTS(TEST_CASE(observed_gives_three_to_two_to_who_has_less_than_the_average),
      TEST_CASE(predictive_follows_the_trend))
