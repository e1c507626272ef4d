/*
 * test_access_log_lines: the lines of HAProxy and of an Application Load Balancer, field by field.
 */
#include "proxy/report/access_log.h"

#include <time.h>
#include <unistd.h>

#include "proxy/report/termination.h"
#include "tests/unit/proxy/fixture.h"
#include "tls/tls.h"

static const char *line_of(struct exchange_fixture *x, const char *spec)
{
    char error[256];
    SCOPED(access_log_format)
    format = access_log_format_create(spec, NULL, error, sizeof(error));
    struct slice line;

    if (!format)
        fail_msg("%s", error);
    line = access_log_line(format, &x->record, &x->arena);
    assert_non_null(line.ptr);
    CHECK(memchr(line.ptr, '\n', line.len) == line.ptr + line.len - 1);
    return line.ptr;
}

/* Answered by one target, 31.007 ms after its first byte. */
static struct try_record *answered(struct exchange_fixture *x)
{
    struct try_record *try = exchange_fixture_try(x, END_OK);

    try->status = 200;
    try->head_at_us = 1025000;
    try->ended_at_us = 1030000;
    x->record.request_head_at_us = 1001000;
    x->record.request_end_at_us = 1001000;
    x->record.response_head_at_us = 1025000;
    x->record.ended_at_us = 1031007;
    x->record.status = 200;
    x->record.from_upstream = true;
    x->record.request_bytes = 90;
    x->record.response_bytes = 1400;
    x->record.clients_count = 4;
    return try;
}

/* Behind "Nov 20 21:15:07 hop1 haproxy[<pid>]: ". */
static const char *haproxy_line(struct exchange_fixture *x)
{
    const char *line = line_of(x, "haproxy");
    char want[64];

    snprintf(want, sizeof(want), "Nov 20 21:15:07 hop1 haproxy[%d]: ", (int)getpid());
    CHECK(strncmp(line, want, strlen(want)) == 0);
    return line + strlen(want);
}

TEST(haproxy_s_line_has_httplog_s_fields_in_order)
{
    struct config_service service = { .name = "shop" };
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", "Host: h");
    x.record.service = &service;
    answered(&x);
    CHECK_STR(haproxy_line(&x),
              "10.0.0.5:50000 [20/Nov/2026:21:15:07.000] hop1 shop/origin.test:8080 "
              "1/0/1/18/31 200 1400 - - ---- 4/4/0/0/0 0/0 \"GET /a?b=1 HTTP/1.1\"\n");
    exchange_fixture_done(&x);
}

TEST(haproxy_counts_retries_and_marks_another_server)
{
    struct exchange_fixture x;
    struct try_record *try;

    exchange_fixture_init(&x, "kong", "Host: h");
    try = exchange_fixture_try(&x, END_CONNECT_REFUSED);
    try->target = fixture_addr("192.0.2.9:80");
    try->connected_at_us = 0;
    try = answered(&x);
    try->reused = true;
    try->queued_us = 2500;
    x.record.target_requests_count = 2;
    x.record.over_tls = true;
    CHECK_STR(haproxy_line(&x),
              "10.0.0.5:50000 [20/Nov/2026:21:15:07.000] hop1~ hop1/origin.test:8080 "
              "1/2/0/20/31 200 1400 - - ---- 4/4/2/2/+1 0/0 \"GET /a?b=1 HTTP/1.1\"\n");
    exchange_fixture_done(&x);
}

TEST(haproxy_has_no_status_where_nothing_was_sent_and_no_line_of_a_bad_request)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", "");
    x.record.request = NULL;
    x.record.reason = END_CLIENT_HEAD_TIMEOUT;
    x.record.status = 408;
    x.record.ended_at_us = 1500000;
    CHECK_STR(haproxy_line(&x), "10.0.0.5:50000 [20/Nov/2026:21:15:07.000] hop1 hop1/<NOSRV> "
                                "-1/-1/-1/-1/500 -1 0 - - cR-- 0/0/0/0/0 0/0 \"<BADREQ>\"\n");
    exchange_fixture_done(&x);
}

TEST(haproxy_encodes_what_could_forge_a_line)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", "Host: h");
    answered(&x);
    x.request.request_line = SLICE("GET /\"#\x1b\xff HTTP/1.1");
    CHECK(strstr(haproxy_line(&x), " \"GET /#22#23#1B#FF HTTP/1.1\"\n") != NULL);
    exchange_fixture_done(&x);
}

TEST(every_end_has_a_termination_state)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", "Host: h");
    for (unsigned i = 0; i < END_REASON_COUNT; i++) {
        const char *state;

        x.record.reason = (enum end_reason)i;
        state = termination_of(&x.record);
        CHECK_INT(strlen(state), 4);
        CHECK(strspn(state, "-CSPRKIcs") >= 1 && strcmp(state + 2, "--") == 0);
        CHECK((i == END_OK) <= (strcmp(state, "----") == 0));
    }
    exchange_fixture_done(&x);
}

TEST(a_client_that_leaves_is_told_apart_by_when)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", "Host: h");
    x.record.reason = END_CLIENT_ABORTED;
    CHECK_STR(termination_of(&x.record), "CD--"); /* its content was still coming */
    x.record.request_end_at_us = 1001000;
    CHECK_STR(termination_of(&x.record), "CQ--");
    exchange_fixture_try(&x, END_CLIENT_ABORTED)->connected_at_us = 0;
    CHECK_STR(termination_of(&x.record), "CC--");
    x.record.tries[0].connected_at_us = 1006000;
    CHECK_STR(termination_of(&x.record), "CH--");
    x.record.response_head_at_us = 1007000;
    CHECK_STR(termination_of(&x.record), "CD--");
    x.record.request = NULL;
    CHECK_STR(termination_of(&x.record), "CR--");
    exchange_fixture_done(&x);
}

TEST(a_persona_s_word_for_an_end_goes_before_the_table_s)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x,
                          "{\"extends\": \"edge\", \"error_page\": {\"answers\": [{\"reason\": "
                          "\"UPSTREAM_HEAD_TIMEOUT\", \"termination\": \"IH--\"}]}}",
                          "Host: h");
    x.record.reason = END_UPSTREAM_HEAD_TIMEOUT;
    CHECK_STR(termination_of(&x.record), "IH--");
    exchange_fixture_done(&x);
}

/* ---- ALB ---- */

TEST(an_alb_s_entry_has_its_fields_in_order)
{
    struct config_service service = { .name = "shop" };
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong",
                          "Host: Shop.test|User-Agent: curl/8|X-Amzn-Trace-Id: Root=1-5-a");
    x.record.service = &service;
    answered(&x);
    CHECK_STR(line_of(&x, "alb"),
              "http 2026-11-20T21:15:07.031007Z hop1 10.0.0.5:50000 192.0.2.1:8080 "
              "0.007 0.018 0.006 200 200 90 1400 \"GET http://shop.test:8000/a?b=1 HTTP/1.1\" "
              "\"curl/8\" - - - \"Root=1-5-a\" \"-\" \"-\" 0 2026-11-20T21:15:07.000000Z "
              "\"forward\" \"-\" \"-\" \"192.0.2.1:8080\" \"200\" \"-\" \"-\" "
              "TID_00000000000000000000000000000003\n");
    exchange_fixture_done(&x);
}

TEST(an_alb_s_entry_of_a_failed_target_and_of_a_client_that_left)
{
    const struct tls_session_info tls = { .version = "TLSv1.2",
                                          .cipher = "ECDHE-RSA-AES128-GCM-SHA256",
                                          .server_name = "shop.test",
                                          .resumed = true };
    struct exchange_fixture x;
    struct try_record *try;

    exchange_fixture_init(&x, "kong", "Host: shop.test");
    try = exchange_fixture_try(&x, END_CLIENT_ABORTED);
    try->sent_at_us = 0;
    x.record.over_tls = true;
    x.record.tls = &tls;
    x.record.status = 499;
    x.record.request_end_at_us = 1000300;
    x.record.ended_at_us = 1031007;
    CHECK_STR(line_of(&x, "alb"),
              "https 2026-11-20T21:15:07.031007Z hop1 10.0.0.5:50000 192.0.2.1:8080 -1 -1 -1 460 - "
              "0 0 \"GET https://shop.test:8000/a?b=1 HTTP/1.1\" \"-\" ECDHE-RSA-AES128-GCM-SHA256 "
              "TLSv1.2 - \"-\" \"shop.test\" \"session-reused\" 0 2026-11-20T21:15:07.000000Z "
              "\"fixed-response\" \"-\" \"-\" \"192.0.2.1:8080\" \"-\" \"-\" \"-\" "
              "TID_00000000000000000000000000000003\n");
    x.record.request_end_at_us = 0; /* inside its content */
    CHECK(strstr(line_of(&x, "alb"), " -1 -1 -1 400 - "));
    exchange_fixture_done(&x);
}

TEST(an_alb_s_entry_of_what_was_no_request)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", "");
    x.record.request = NULL;
    x.record.bad_request_line = SLICE("\x16\x03");
    x.record.status = 400;
    CHECK(strstr(line_of(&x, "alb"),
                 " -1 -1 -1 400 - 0 0 \"- http://10.0.0.1:8000- -\" \"-\" - - - "
                 "\"-\" \"-\" \"-\" - 2026-11-20T21:15:07.000000Z \"-\" ") != NULL);
    exchange_fixture_done(&x);
}

static int use_utc(void **unused)
{
    (void)unused;
    setenv("TZ", "UTC", 1);
    tzset();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_CASE(haproxy_s_line_has_httplog_s_fields_in_order),
        TEST_CASE(haproxy_counts_retries_and_marks_another_server),
        TEST_CASE(haproxy_has_no_status_where_nothing_was_sent_and_no_line_of_a_bad_request),
        TEST_CASE(haproxy_encodes_what_could_forge_a_line),
        TEST_CASE(every_end_has_a_termination_state),
        TEST_CASE(a_client_that_leaves_is_told_apart_by_when),
        TEST_CASE(a_persona_s_word_for_an_end_goes_before_the_table_s),
        TEST_CASE(an_alb_s_entry_has_its_fields_in_order),
        TEST_CASE(an_alb_s_entry_of_a_failed_target_and_of_a_client_that_left),
        TEST_CASE(an_alb_s_entry_of_what_was_no_request),
    };

    return cmocka_run_group_tests(tests, use_utc, NULL);
}
