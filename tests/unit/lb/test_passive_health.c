#include "lb/passive_health.h"

#include "core/log.h"
#include "tests/check.h"

static struct passive_health passive_of(bool last_by_status)
{
    struct passive_health passive = { .is_on = true, .last_by_status = last_by_status };

    for (unsigned i = 0; i < HEALTH_COUNTERS; i++)
        passive.rules.limits[i] = 9;
    health_statuses_add(&passive.rules.healthy, 200);
    health_statuses_add(&passive.rules.unhealthy, 500);
    return passive;
}

/* Which counter went up; HEALTH_SUCCESS: none of the failures. */
static enum health_counter counted(const struct passive_health *passive,
                                   const struct passive_outcome *outcome)
{
    struct target target = { .name = (char *)"a.test:80" };

    log_set_error_file(NULL, LOG_LEVEL_CRIT);
    passive_health_report(passive, &target, outcome);
    for (unsigned i = HEALTH_HTTP; i < HEALTH_COUNTERS; i++)
        if (health_word_counter(target.health, (enum health_counter)i) > 0)
            return (enum health_counter)i;
    return HEALTH_SUCCESS;
}

struct row {
    struct passive_outcome outcome;
    enum health_counter kong, cause;
};

/* The table of kong-proxy-behaviour 4.4, beside what the cause says. */
TEST(what_counts_and_as_what)
{
    static const struct row rows[] = {
        { { 0, END_CONNECT_REFUSED, true, false, false }, HEALTH_TCP, HEALTH_TCP },
        { { 0, END_CONNECT_REFUSED, false, false, false },
          HEALTH_SUCCESS,
          HEALTH_TCP }, /* a 502 of no list */
        { { 0, END_CONNECT_TIMEOUT, true, false, false }, HEALTH_TIMEOUT, HEALTH_TIMEOUT },
        { { 0, END_CONNECT_TIMEOUT, false, false, false }, HEALTH_TIMEOUT, HEALTH_TIMEOUT },
        { { 0, END_UPSTREAM_HEAD_CLOSED, true, false, false }, HEALTH_TCP, HEALTH_TCP },
        { { 0, END_UPSTREAM_HEAD_TOO_BIG, false, false, false }, HEALTH_SUCCESS, HEALTH_SUCCESS },
        { { 0, END_UPSTREAM_TLS_VERIFY, true, false, false }, HEALTH_TCP, HEALTH_TCP },
        { { 500, END_OK, false, false, false }, HEALTH_HTTP, HEALTH_HTTP },
        { { 404, END_OK, false, false, false }, HEALTH_SUCCESS, HEALTH_SUCCESS },
        { { 504, END_OK, false, false, false }, HEALTH_TIMEOUT, HEALTH_SUCCESS },
        { { 200, END_UPSTREAM_BODY_RESET, false, false, false }, HEALTH_SUCCESS, HEALTH_TCP },
        { { 200, END_UPSTREAM_BODY_RESET, false, true, false }, HEALTH_SUCCESS, HEALTH_TCP },
        { { 0, END_UPSTREAM_HEAD_CLOSED, true, true, false }, HEALTH_TCP, HEALTH_SUCCESS },
        { { 0, END_UPSTREAM_HEAD_TIMEOUT, true, true, false }, HEALTH_TIMEOUT, HEALTH_TIMEOUT },
        { { 0, END_CLIENT_ABORTED, false, false, false }, HEALTH_SUCCESS, HEALTH_SUCCESS },
        { { 0, END_OUT_OF_MEMORY, false, false, false }, HEALTH_SUCCESS, HEALTH_SUCCESS },
    };
    const struct passive_health kong = passive_of(true), cause = passive_of(false);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (counted(&kong, &rows[i].outcome) != rows[i].kong)
            fail_msg("row %zu by Kong's rules: %d", i, counted(&kong, &rows[i].outcome));
        if (counted(&cause, &rows[i].outcome) != rows[i].cause)
            fail_msg("row %zu by the cause: %d", i, counted(&cause, &rows[i].outcome));
    }
}

TEST(last_502_counts_for_kong_when_it_is_in_the_list)
{
    struct passive_health kong = passive_of(true);

    health_statuses_add(&kong.rules.unhealthy, 502);
    CHECK_INT(counted(&kong, &(struct passive_outcome){ .reason = END_CONNECT_REFUSED }),
              HEALTH_HTTP);
}

TEST(nothing_is_counted_when_it_is_off)
{
    struct passive_health off = passive_of(false);

    off.is_on = false;
    CHECK_INT(counted(&off, &(struct passive_outcome){ .reason = END_CONNECT_REFUSED }),
              HEALTH_SUCCESS);
}

TEST(requests_and_failures_are_counted_for_who_looks_for_outliers)
{
    struct passive_health passive = { .counts_requests = true };
    struct target target = { 0 };

    passive_health_report(&passive, &target, &(struct passive_outcome){ .status = 200 });
    passive_health_report(&passive, &target, &(struct passive_outcome){ .status = 503 });
    passive_health_report(&passive, &target,
                          &(struct passive_outcome){ .reason = END_CONNECT_TIMEOUT });
    passive_health_report(&passive, &target,
                          &(struct passive_outcome){ .reason = END_CLIENT_ABORTED });
    passive_health_report(
        &passive, &target,
        &(struct passive_outcome){ .reason = END_UPSTREAM_HEAD_CLOSED, .reused = true });
    CHECK_INT(target.requests, 3);
    CHECK_INT(target.failures, 2);
}

static unsigned told;

static void on_change(void *owner)
{
    (void)owner;
    told++;
}

TEST(who_makes_the_change_tells_the_board_once_and_says_why)
{
    struct health_board board = { .on_change = on_change };
    struct target target = { .name = (char *)"a.test:80", .board = &board };
    struct passive_health passive = passive_of(false);
    const struct passive_outcome refused = { .reason = END_CONNECT_REFUSED };
    char why[256];

    log_set_error_file(NULL, LOG_LEVEL_CRIT);
    passive.rules.limits[HEALTH_TCP] = 2;
    passive_health_report(&passive, &target, &refused);
    CHECK_INT(told, 0);
    passive_health_report(&passive, &target, &refused);
    passive_health_report(&passive, &target, &refused);
    CHECK_INT(told, 1);
    CHECK_INT(board.changes, 1);
    CHECK_INT(target.times_down, 1);
    CHECK(!target_is_usable(&target));
    CHECK(target.health_since_us > 0);
    CHECK_STR(target_health_why(&target, why, sizeof(why)),
              "2 requests failed with TCP or TLS (limit 2), the last: CONNECT_REFUSED");
    target_health_set(&target, &(struct health_verdict){ .is_healthy = true,
                                                         .source = HEALTH_BY_HAND,
                                                         .because = "set on the control socket" });
    CHECK_INT(told, 2);
    CHECK_INT(target.times_up, 1);
    CHECK_STR(target_health_why(&target, why, sizeof(why)), "set on the control socket");
}

TEST(connection_without_http_is_a_success_and_a_request)
{
    struct passive_health passive = passive_of(true);
    struct target target = { 0 };

    passive.counts_requests = true;
    passive_health_report(&passive, &target, &(struct passive_outcome){ .connected = true });
    passive_health_report(&passive, &target,
                          &(struct passive_outcome){ .reason = END_CONNECT_REFUSED });
    CHECK_INT(atomic_load(&target.requests), 2);
    CHECK_INT(atomic_load(&target.failures), 1);
}

TEST(time_for_the_whole_request_that_a_target_used_up_is_a_timeout)
{
    const struct passive_health kong = passive_of(true), cause = passive_of(false);
    const struct passive_outcome outcome = { .reason = END_REQUEST_TIMEOUT };

    CHECK_INT(counted(&kong, &outcome), HEALTH_TIMEOUT);
    CHECK_INT(counted(&cause, &outcome), HEALTH_TIMEOUT);
}

TESTS(TEST_CASE(what_counts_and_as_what),
      TEST_CASE(last_502_counts_for_kong_when_it_is_in_the_list),
      TEST_CASE(nothing_is_counted_when_it_is_off),
      TEST_CASE(requests_and_failures_are_counted_for_who_looks_for_outliers),
      TEST_CASE(who_makes_the_change_tells_the_board_once_and_says_why),
      TEST_CASE(connection_without_http_is_a_success_and_a_request),
      TEST_CASE(time_for_the_whole_request_that_a_target_used_up_is_a_timeout))
