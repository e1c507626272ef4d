#include "proxy/exchange/keepalive_hint.h"

#include "tests/check.h"

static void check(const char *value, long timeout_ms, long requests)
{
    struct keepalive_hint hint = keepalive_hint_read(slice_of(value));

    CHECK_INT(hint.has_timeout ? (long)hint.idle_ms : -1, timeout_ms);
    CHECK_INT(hint.has_max ? (long)hint.requests_count : -1, requests);
}

TEST(both_parameters_in_any_order_and_case)
{
    check("timeout=5, max=100", 4000, 100);
    check("max=100,timeout=5", 4000, 100);
    check("Timeout = 5 , MAX = 1", 4000, 1);
    check("timeout=75", 74000, -1);
    check("max=0", -1, 0);
}

TEST(margin_leaves_half_of_a_short_time)
{
    check("timeout=3", 2000, -1);
    check("timeout=2", 1000, -1);
    check("timeout=1", 500, -1);
    check("timeout=0", 0, -1);
}

TEST(what_is_not_understood_says_nothing)
{
    check("", -1, -1);
    check("timeout", -1, -1);
    check("timeout=", -1, -1);
    check("timeout=-1", -1, -1);
    check("timeout=5s", -1, -1);
    check("timeouts=5, maximum=3", -1, -1);
    check("closed, ,=,max=7", -1, 7);
    check("timeout=99999999999999999999999", 24 * 3600 * 1000 - 1000, -1);
}

TESTS(TEST_CASE(both_parameters_in_any_order_and_case),
      TEST_CASE(margin_leaves_half_of_a_short_time), TEST_CASE(what_is_not_understood_says_nothing))
