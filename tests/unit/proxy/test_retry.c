/* retry: the decision table of DESIGN-NOTES 10, row by row. */
#include "proxy/exchange/retry.h"
#include "tests/check.h"

/* What Kong does: nginx's error and timeout, no POST twice, a stale connection costs a try. */
static const struct persona_retry kong = {
    .policy = PERSONA_RETRY_NEXT,
    .conditions = PERSONA_RETRY_CONNECT | PERSONA_RETRY_CONNECT_TIMEOUT | PERSONA_RETRY_BROKEN |
                  PERSONA_RETRY_TIMEOUT,
    .replay = PERSONA_REPLAY_NOT_POST,
    .stale = PERSONA_STALE_COUNTS,
};

static const struct persona_retry edge = {
    .policy = PERSONA_RETRY_NEXT,
    .conditions = PERSONA_RETRY_CONNECT | PERSONA_RETRY_CONNECT_TIMEOUT | PERSONA_RETRY_BROKEN,
    .replay = PERSONA_REPLAY_IDEMPOTENT,
    .stale = PERSONA_STALE_FREE,
};

static const struct persona_retry never = { .policy = PERSONA_RETRY_NONE,
                                            .stale = PERSONA_STALE_COUNTS };

/* F5's reselectTries. */
static const struct persona_retry reselect = {
    .policy = PERSONA_RETRY_RESELECT,
    .conditions = PERSONA_RETRY_CONNECT | PERSONA_RETRY_CONNECT_TIMEOUT,
    .stale = PERSONA_STALE_COUNTS,
};

struct row {
    const struct persona_retry *policy;
    struct retry_facts facts;
    enum retry_verdict want;
};

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum retry_verdict got = retry_decide(rows[i].policy, &rows[i].facts);

        if (got != rows[i].want)
            fail_msg("row %zu: got %d, want %d", i, (int)got, (int)rows[i].want);
    }
}

#define CHECK_ROWS(...)                                      \
    do {                                                     \
        const struct row rows_[] = { __VA_ARGS__ };          \
        check_rows(rows_, sizeof(rows_) / sizeof(rows_[0])); \
    } while (0)

#define FACTS(reason_, method_, ...)                      \
    {                                                     \
        END_##reason_, HTTP_METHOD_##method_, __VA_ARGS__ \
    }

TEST(nothing_sent_goes_to_the_next_target_whatever_the_method)
{
    CHECK_ROWS({ &kong, FACTS(CONNECT_REFUSED, GET, .tries_left = 1), RETRY_YES },
               { &kong, FACTS(CONNECT_REFUSED, POST, .tries_left = 1), RETRY_YES },
               { &kong, FACTS(CONNECT_TIMEOUT, POST, .tries_left = 1), RETRY_YES },
               { &kong, FACTS(UPSTREAM_TLS_FAILED, POST, .tries_left = 1), RETRY_YES },
               { &edge, FACTS(CONNECT_FAILED, POST, .tries_left = 1), RETRY_YES },
               { &never, FACTS(CONNECT_REFUSED, GET, .tries_left = 1), RETRY_NO });
}

TEST(reselecting_ends_with_the_connection)
{
    CHECK_ROWS({ &reselect, FACTS(CONNECT_REFUSED, POST, .tries_left = 1), RETRY_YES },
               { &reselect, FACTS(CONNECT_TIMEOUT, GET, .tries_left = 1), RETRY_YES },
               { &reselect, FACTS(CONNECT_REFUSED, GET, .tries_left = 0), RETRY_NO },
               { &reselect, FACTS(UPSTREAM_TLS_FAILED, GET, .tries_left = 1), RETRY_NO },
               { &reselect, FACTS(UPSTREAM_HEAD_CLOSED, GET, .tries_left = 1), RETRY_NO });
}

TEST(the_last_try_is_the_last)
{
    CHECK_ROWS({ &kong, FACTS(CONNECT_REFUSED, GET, .tries_left = 0), RETRY_NO },
               { &edge, FACTS(UPSTREAM_HEAD_CLOSED, GET, .request_sent = true, .tries_left = 0),
                 RETRY_NO });
}

TEST(what_was_sent_is_repeated_only_for_methods_that_allow_it)
{
    CHECK_ROWS({ &kong, FACTS(UPSTREAM_HEAD_CLOSED, GET, .request_sent = true, .tries_left = 1),
                 RETRY_YES },
               { &kong, FACTS(UPSTREAM_HEAD_RESET, PUT, .request_sent = true, .tries_left = 1),
                 RETRY_YES },
               { &kong, FACTS(UPSTREAM_HEAD_CLOSED, POST, .request_sent = true, .tries_left = 1),
                 RETRY_NO },
               { &kong, FACTS(UPSTREAM_HEAD_CLOSED, PATCH, .request_sent = true, .tries_left = 1),
                 RETRY_NO },
               { &kong, FACTS(UPSTREAM_HEAD_CLOSED, LOCK, .request_sent = true, .tries_left = 1),
                 RETRY_NO },
               /* nginx knows three methods that must not be repeated, and repeats the unknown */
               { &kong, FACTS(UPSTREAM_HEAD_CLOSED, OTHER, .request_sent = true, .tries_left = 1),
                 RETRY_YES },
               { &edge, FACTS(UPSTREAM_HEAD_CLOSED, DELETE, .request_sent = true, .tries_left = 1),
                 RETRY_YES },
               { &edge, FACTS(UPSTREAM_HEAD_CLOSED, OTHER, .request_sent = true, .tries_left = 1),
                 RETRY_NO });
}

TEST(a_condition_that_is_not_listed_is_final)
{
    CHECK_ROWS({ &kong, FACTS(UPSTREAM_HEAD_TIMEOUT, GET, .request_sent = true, .tries_left = 1),
                 RETRY_YES },
               { &edge, FACTS(UPSTREAM_HEAD_TIMEOUT, GET, .request_sent = true, .tries_left = 1),
                 RETRY_NO },
               { &kong, FACTS(UPSTREAM_HEAD_INVALID, GET, .request_sent = true, .tries_left = 1),
                 RETRY_NO },
               { &kong, FACTS(NO_DESCRIPTORS, GET, .tries_left = 1), RETRY_NO },
               { &kong, FACTS(OUT_OF_MEMORY, GET, .tries_left = 1), RETRY_NO });
}

TEST(content_that_is_gone_cannot_be_sent_again)
{
    CHECK_ROWS({ &kong,
                 FACTS(UPSTREAM_HEAD_CLOSED, PUT, .request_sent = true, .content_lost = true,
                       .tries_left = 5),
                 RETRY_NO },
               { &edge,
                 FACTS(UPSTREAM_HEAD_RESET, GET, .request_sent = true, .content_lost = true,
                       .reused = true, .tries_left = 5),
                 RETRY_NO });
}

TEST(a_stale_connection_costs_what_the_persona_says)
{
    CHECK_ROWS(
        { &edge,
          FACTS(UPSTREAM_HEAD_CLOSED, GET, .request_sent = true, .reused = true, .tries_left = 0),
          RETRY_FREE },
        { &kong,
          FACTS(UPSTREAM_HEAD_CLOSED, GET, .request_sent = true, .reused = true, .tries_left = 0),
          RETRY_NO },
        { &kong,
          FACTS(UPSTREAM_HEAD_CLOSED, GET, .request_sent = true, .reused = true, .tries_left = 1),
          RETRY_YES },
        /* it had begun to answer: it was not stale */
        { &edge,
          FACTS(UPSTREAM_HEAD_CLOSED, GET, .request_sent = true, .reused = true,
                .response_begun = true, .tries_left = 0),
          RETRY_NO },
        /* a target may have acted on a POST before its connection went */
        { &edge,
          FACTS(UPSTREAM_HEAD_CLOSED, POST, .request_sent = true, .reused = true, .tries_left = 5),
          RETRY_NO });
}

TEST(nginx_gives_a_try_back_for_any_broken_connection_of_the_pool)
{
    struct persona_retry nginx = kong;

    nginx.stale = PERSONA_STALE_FREE_IF_BROKEN;
    CHECK_ROWS({ &nginx,
                 FACTS(UPSTREAM_HEAD_CLOSED, GET, .request_sent = true, .reused = true,
                       .response_begun = true),
                 RETRY_FREE },
               { &nginx, FACTS(UPSTREAM_HEAD_TIMEOUT, GET, .request_sent = true, .reused = true),
                 RETRY_NO },
               { &nginx, FACTS(UPSTREAM_HEAD_CLOSED, GET, .request_sent = true), RETRY_NO },
               { &nginx, FACTS(UPSTREAM_HEAD_CLOSED, POST, .request_sent = true, .reused = true),
                 RETRY_NO });
}

/* HAProxy: no connection is free of its rules, however it died. */
TEST(a_silent_persona_repeats_a_stale_one_only_if_its_conditions_say_so)
{
    struct persona_retry silent = kong, told = kong;

    silent.stale = told.stale = PERSONA_STALE_SILENT;
    silent.conditions = PERSONA_RETRY_CONNECT;
    CHECK_ROWS(
        { &silent,
          FACTS(UPSTREAM_HEAD_RESET, GET, .request_sent = true, .reused = true, .tries_left = 5),
          RETRY_NO },
        { &told,
          FACTS(UPSTREAM_HEAD_RESET, GET, .request_sent = true, .reused = true, .tries_left = 5),
          RETRY_YES });
}

TEST(non_idempotent_lifts_the_method_rule)
{
    struct persona_retry lenient = kong;

    lenient.conditions |= PERSONA_RETRY_NON_IDEMPOTENT;
    CHECK_ROWS({ &lenient, FACTS(UPSTREAM_HEAD_CLOSED, POST, .request_sent = true, .tries_left = 1),
                 RETRY_YES });
}

TEST(a_status_is_passed_over_only_when_it_is_listed)
{
    struct persona_retry listed = kong;

    listed.conditions |= PERSONA_RETRY_503 | PERSONA_RETRY_425;
    CHECK_ROWS({ &kong,
                 FACTS(UPSTREAM_STATUS, GET, .request_sent = true, .tries_left = 1, .status = 503),
                 RETRY_NO },
               { &listed,
                 FACTS(UPSTREAM_STATUS, GET, .request_sent = true, .tries_left = 1, .status = 503),
                 RETRY_YES },
               { &listed,
                 FACTS(UPSTREAM_STATUS, GET, .request_sent = true, .tries_left = 1, .status = 425),
                 RETRY_YES },
               { &listed,
                 FACTS(UPSTREAM_STATUS, GET, .request_sent = true, .tries_left = 1, .status = 500),
                 RETRY_NO },
               { &listed,
                 FACTS(UPSTREAM_STATUS, GET, .request_sent = true, .tries_left = 1, .status = 200),
                 RETRY_NO },
               { &listed,
                 FACTS(UPSTREAM_STATUS, GET, .request_sent = true, .tries_left = 0, .status = 503),
                 RETRY_NO },
               { &listed,
                 FACTS(UPSTREAM_STATUS, POST, .request_sent = true, .tries_left = 1, .status = 503),
                 RETRY_NO });
}

TESTS(TEST_CASE(nginx_gives_a_try_back_for_any_broken_connection_of_the_pool),
      TEST_CASE(nothing_sent_goes_to_the_next_target_whatever_the_method),
      TEST_CASE(reselecting_ends_with_the_connection), TEST_CASE(the_last_try_is_the_last),
      TEST_CASE(what_was_sent_is_repeated_only_for_methods_that_allow_it),
      TEST_CASE(a_condition_that_is_not_listed_is_final),
      TEST_CASE(content_that_is_gone_cannot_be_sent_again),
      TEST_CASE(a_stale_connection_costs_what_the_persona_says),
      TEST_CASE(a_silent_persona_repeats_a_stale_one_only_if_its_conditions_say_so),
      TEST_CASE(non_idempotent_lifts_the_method_rule),
      TEST_CASE(a_status_is_passed_over_only_when_it_is_listed))
