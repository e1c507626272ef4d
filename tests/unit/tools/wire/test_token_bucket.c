#include "tools/wire/token_bucket.h"

#include "tests/check.h"

static uint64_t take_all(struct token_bucket *bucket, uint64_t now_ms)
{
    uint64_t room = token_bucket_room(bucket, 1000000, now_ms);

    token_bucket_take(bucket, room);
    return room;
}

TEST(token_bucket_starts_full_and_refills_at_its_rate)
{
    struct token_bucket bucket;

    token_bucket_init(&bucket, 1000, 50, 5000);
    CHECK_INT(take_all(&bucket, 5000), 50);
    CHECK_INT(take_all(&bucket, 5000), 0);
    CHECK_INT(token_bucket_ready_at_ms(&bucket, 1), 5001);
    CHECK_INT(take_all(&bucket, 5007), 7);
    CHECK_INT(take_all(&bucket, 9000), 50); /* never more than the burst */
}

TEST(token_bucket_loses_nothing_to_rounding)
{
    struct token_bucket bucket;
    uint64_t sum = 0;

    token_bucket_init(&bucket, 3, 2, 0); /* a byte every 333 1/3 ms */
    for (uint64_t now_ms = 0; now_ms <= 10000; now_ms++)
        sum += take_all(&bucket, now_ms);
    CHECK_INT(sum, 2 + 30);
}

TEST(token_bucket_waits_as_long_as_it_says)
{
    struct token_bucket bucket;

    token_bucket_init(&bucket, 7, 10, 0);
    (void)take_all(&bucket, 0);
    for (uint64_t wanted = 1; wanted <= 20; wanted++) {
        uint64_t ready_at_ms = token_bucket_ready_at_ms(&bucket, wanted);
        struct token_bucket then = bucket, before = bucket;
        uint64_t reachable = wanted < 10 ? wanted : 10;

        CHECK(token_bucket_room(&then, wanted, ready_at_ms) >= reachable);
        CHECK(token_bucket_room(&before, wanted, ready_at_ms - 1) < reachable);
    }
}

TEST(token_bucket_without_a_rate_has_no_limit)
{
    struct token_bucket bucket;

    token_bucket_init(&bucket, 0, 0, 0);
    CHECK_INT(token_bucket_room(&bucket, 1 << 30, 0), 1 << 30);
    token_bucket_take(&bucket, 1 << 30);
    CHECK_INT(token_bucket_room(&bucket, 7, 0), 7);
}

TEST(token_bucket_takes_no_harm_from_large_numbers)
{
    struct token_bucket bucket;

    token_bucket_init(&bucket, UINT64_MAX, UINT64_MAX, 0);
    CHECK(token_bucket_room(&bucket, UINT64_MAX, UINT64_MAX / 2) > 1000000000);
    token_bucket_init(&bucket, UINT64_MAX, 0, 0);
    CHECK(token_bucket_room(&bucket, UINT64_MAX, UINT64_MAX / 2) > 1000000000);
}

TESTS(TEST_CASE(token_bucket_starts_full_and_refills_at_its_rate),
      TEST_CASE(token_bucket_loses_nothing_to_rounding),
      TEST_CASE(token_bucket_waits_as_long_as_it_says),
      TEST_CASE(token_bucket_without_a_rate_has_no_limit),
      TEST_CASE(token_bucket_takes_no_harm_from_large_numbers))
