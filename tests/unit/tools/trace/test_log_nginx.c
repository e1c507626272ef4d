#include "tests/check.h"

#include "tools/trace/log_formats.h"

#define COMBINED \
    "10.0.0.5 - - [20/Nov/2026:21:15:07 +0000] \"GET /a HTTP/1.1\" 502 150 \"-\" \"curl\""

static struct log_nginx_words words;

TEST(what_stands_behind_the_combined_format_is_read)
{
    CHECK(log_split_nginx_access(SLICE(COMBINED), &words));
    CHECK_INT(words.status, 502);
    CHECK_INT(words.bytes, 150);
    CHECK_SLICE(words.request, "GET /a HTTP/1.1");
    CHECK_INT(words.upstream_addr.len + words.upstream_status.len + words.request_id.len, 0);

    CHECK(log_split_nginx_access(SLICE(COMBINED " kong_request_id: \"4a1f\""), &words));
    CHECK_SLICE(words.request_id, "4a1f");

    CHECK(log_split_nginx_access(
        SLICE(COMBINED " 512 0.004 [shop-80] [] 10.0.0.7:80, 10.0.0.8:80 : 10.0.0.9:80 0, 0 : 2 "
                       "0.0, 0.1 : 0.2 502, 504 : 200 1d2e"),
        &words));
    CHECK_SLICE(words.upstream_addr, "10.0.0.7:80, 10.0.0.8:80 : 10.0.0.9:80");
    CHECK_SLICE(words.upstream_status, "502, 504 : 200");

    CHECK(log_split_nginx_access(SLICE(COMBINED " rt=1.0 uaddr=10.0.0.7:80, 10.0.0.8:80 "
                                                "us=\"502, 200\""),
                                 &words));
    CHECK_SLICE(words.upstream_addr, "10.0.0.7:80, 10.0.0.8:80");
    CHECK_SLICE(words.upstream_status, "502, 200");
}

TEST(a_tail_of_another_shape_means_nothing)
{
    CHECK(log_split_nginx_access(SLICE(COMBINED " 512 0.004 shop"), &words));
    CHECK_INT(words.upstream_status.len, 0);
    CHECK(log_split_nginx_access(SLICE(COMBINED " 512 0.004 [a] ["), &words));
    CHECK_INT(words.upstream_status.len, 0);
    CHECK(log_split_nginx_access(SLICE(COMBINED " us="), &words));
    CHECK_INT(words.upstream_status.len, 0);
}

TEST(error_line_has_its_level_and_server)
{
    struct log_error_line said;

    CHECK(log_read_nginx_error(
        SLICE("2026/11/20 21:15:07 [crit] 1#0: *7 out of memory, client: ::1, server: kong"),
        &said));
    CHECK_SLICE(said.level, "crit");
    CHECK_SLICE(said.server, "kong");
    CHECK_SLICE(said.text, "out of memory");
    CHECK_INT(said.reason, END_OUT_OF_MEMORY);
}

TEST(alb_line_of_a_connection_without_a_request_is_one)
{
    struct slice fields[LOG_ALB_FIELDS];

    CHECK(
        log_split_alb(SLICE("http 2026-11-20T21:15:18.500000Z app/x 192.0.2.1:5 - -1 -1 -1 - - 0 0 "
                            "\"- http://x:80- -\" \"-\" - - - \"-\" \"-\" \"-\" - "
                            "2026-11-20T21:15:18.497000Z \"-\" \"-\" \"-\""),
                      fields));
    CHECK_SLICE(fields[LOG_ALB_STATUS], "-");
    CHECK_SLICE(fields[LOG_ALB_ERROR_REASON], "-");
    CHECK(!log_split_alb(SLICE("http 2026-11-20T21:15:18.500000Z app/x 1 2 3 4 5 abc"), fields));
}

TESTS(TEST_CASE(what_stands_behind_the_combined_format_is_read),
      TEST_CASE(a_tail_of_another_shape_means_nothing),
      TEST_CASE(error_line_has_its_level_and_server),
      TEST_CASE(alb_line_of_a_connection_without_a_request_is_one))
