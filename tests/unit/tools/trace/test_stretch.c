#include "tests/check.h"

#include "core/time_scale.h"
#include "tools/trace/stretch.h"

static struct trace_account account_of(int64_t begin_us, int64_t end_us)
{
    return (struct trace_account){ .format = "hopgate",
                                   .begin_us = begin_us,
                                   .head_us = TRACE_NEVER,
                                   .end_us = end_us,
                                   .time_scale = 10 };
}

TEST(spans_pass_as_they_are_stated)
{
    struct trace_account account = account_of(1000, 1600);

    CHECK_INT(stretch_scale_of(&account), 10);
    stretch_accounts(&account, 10);
    CHECK_INT(account.begin_us, 1000);
    CHECK_INT(account.end_us, 7000);
    CHECK(account.head_us == TRACE_NEVER);
}

/* What a log may say at most, see NUMBER_MAX of its reader. */
TEST(a_span_of_thousands_of_years_does_not_overflow)
{
    struct trace_account late = account_of(0, 1ll << 58), early = account_of(1ll << 58, 0);

    stretch_accounts(&late, TIME_SCALE_MAX);
    CHECK(late.end_us > 1ll << 60);
    stretch_accounts(&early, TIME_SCALE_MAX);
    CHECK(early.end_us < 0);
}

TESTS(TEST_CASE(spans_pass_as_they_are_stated),
      TEST_CASE(a_span_of_thousands_of_years_does_not_overflow))
