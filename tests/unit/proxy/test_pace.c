/* pace: only time in which the sender is waited for counts, and enough bytes buy more of it. */
#include "proxy/client/pace.h"
#include "tests/check.h"

static const struct pace_rule idle_only = { .idle_max_ms = 30000 };
static const struct pace_rule edge = { .idle_max_ms = 30000,
                                       .min_bytes_per_s = 240,
                                       .grace_ms = 10000 };

TEST(who_is_not_waited_for_has_no_deadline)
{
    struct pace pace = { 0 };

    CHECK_INT(pace_deadline(&pace, &edge), 0);
    pace_look(&pace, false, 0, 5000);
    CHECK_INT(pace_deadline(&pace, &edge), 0);
}

TEST(silence_ends_at_the_idle_time_and_a_byte_begins_it_anew)
{
    struct pace pace = { 0 };

    pace_look(&pace, true, 0, 1000);
    CHECK_INT(pace_deadline(&pace, &idle_only), 31000);
    pace_look(&pace, true, 0, 20000); /* looked at for another reason */
    CHECK_INT(pace_deadline(&pace, &idle_only), 31000);
    pace_look(&pace, true, 1, 25000);
    CHECK_INT(pace_deadline(&pace, &idle_only), 55000);
    CHECK(!pace_is_too_slow(&pace, &idle_only));
}

TEST(back_pressure_stops_both_clocks)
{
    struct pace pace = { 0 };

    pace_look(&pace, true, 0, 0);
    pace_look(&pace, false, 0, 4000);
    CHECK_INT(pace_deadline(&pace, &edge), 0);
    pace_look(&pace, true, 0, 1000000);
    CHECK_INT(pace.waited_ms, 4000);
    CHECK_INT(pace_deadline(&pace, &idle_only), 1026000);
    CHECK_INT(pace_deadline(&pace, &edge), 1006000);
}

TEST(the_average_is_asked_for_after_the_grace_time)
{
    struct pace pace = { 0 };

    pace_look(&pace, true, 0, 0);
    CHECK_INT(pace_deadline(&pace, &edge), 10000);
    CHECK(pace_is_too_slow(&pace, &edge));
    pace_look(&pace, true, 2400, 9000); /* ten seconds' worth: no more than the grace */
    CHECK_INT(pace_deadline(&pace, &edge), 10000);
    pace_look(&pace, true, 2640, 9500);
    CHECK_INT(pace_deadline(&pace, &edge), 11000);
    pace_look(&pace, true, 1u << 20, 10500); /* then only silence ends it */
    CHECK_INT(pace_deadline(&pace, &edge), 40500);
    CHECK(!pace_is_too_slow(&pace, &edge));
}

TEST(a_client_exactly_at_the_rate_goes_on_for_ever)
{
    struct pace pace = { 0 };
    uint64_t bytes = 240, now_ms = 0; /* a second's worth at the beginning of each */

    pace_look(&pace, true, bytes, now_ms);
    for (int second = 0; second < 1000; second++) {
        now_ms += 1000;
        bytes += 240;
        CHECK(pace_deadline(&pace, &edge) >= now_ms);
        pace_look(&pace, true, bytes, now_ms);
    }
    pace_look(&pace, true, bytes, now_ms + 500); /* and now nothing comes any more */
    CHECK_INT(pace_deadline(&pace, &edge), now_ms + 1000);
}

TEST(the_largest_counts_do_not_overflow)
{
    struct pace pace = { 0 };

    pace_look(&pace, true, UINT64_MAX, 7);
    CHECK_INT(pace_deadline(&pace, &edge), 30007);
    CHECK(!pace_is_too_slow(&pace, &edge));
}

TESTS(TEST_CASE(who_is_not_waited_for_has_no_deadline),
      TEST_CASE(silence_ends_at_the_idle_time_and_a_byte_begins_it_anew),
      TEST_CASE(back_pressure_stops_both_clocks),
      TEST_CASE(the_average_is_asked_for_after_the_grace_time),
      TEST_CASE(a_client_exactly_at_the_rate_goes_on_for_ever),
      TEST_CASE(the_largest_counts_do_not_overflow))
