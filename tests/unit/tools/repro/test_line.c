#include "tests/check.h"

#include <stdlib.h>
#include <string.h>

#include "tools/repro/compare.h"

#define ERROR_LINE                                                                              \
    "2026/11/20 21:15:07 [error] 1#0: *7 upstream timed out (110: Connection timed out) while " \
    "reading response header from upstream, client: 10.0.0.5, server: kong, request: \"POST "   \
    "/orders?id=1 HTTP/1.1\", upstream: \"https://10.0.0.7:8080/v1\", host: \"shop\", "         \
    "request_id: \"4a1f\""
#define HTTPLOG                                                                              \
    "192.0.2.10:53012 [20/Nov/2026:21:15:06.120] front back/web1 0/0/1/-1/1001 504 194 - - " \
    "sH-- 1/1/0/0/+1 0/0 \"GET /slow HTTP/1.1\""
#define ALB_LINE                                                                                   \
    "https 2026-11-20T21:15:18.500000Z app/shop/5 192.0.2.10:53021 10.0.0.1:80 0.001 -1 -1 502 - " \
    "34 366 \"GET https://shop:443/dead HTTP/1.1\" \"curl\" - - arn \"Root=1-5\" \"shop\" \"-\" "  \
    "0 "                                                                                           \
    "2026-11-20T21:15:18.497000Z \"forward\" \"-\" \"-\" \"10.0.0.1:80\" \"-\" \"-\" \"-\""

static struct line line, other;

static void check_feature(const char *name, const char *value)
{
    const struct line_feature *feature = line_feature(&line, name);

    CHECK(feature != NULL);
    CHECK_STR(feature->value, value);
}

TEST(error_line_of_kong)
{
    CHECK(line_read(slice_of(ERROR_LINE), &line));
    CHECK_INT(line.kind, LINE_ERROR);
    CHECK_INT(line.product, LINE_KONG);
    CHECK_STR(line.method, "POST");
    CHECK_STR(line.request_id, "4a1f");
    check_feature("phrase", "upstream timed out");
    check_feature("detail", "(110)");
    check_feature("action", "while reading response header from upstream");
    check_feature("level", "error");
    check_feature("upstream", "https");
}

TEST(what_a_container_runtime_puts_in_front_is_skipped)
{
    CHECK(line_read(SLICE("kong_1  | " ERROR_LINE), &line));
    CHECK_INT(line.product, LINE_KONG);
    CHECK(line_read(SLICE("2026-11-20T21:15:07.123456789Z stderr F " ERROR_LINE "\r"), &line));
    check_feature("level", "error");
    CHECK(line_read(SLICE("Nov 20 21:15:06 lb haproxy[812]: " HTTPLOG), &line));
    CHECK_INT(line.kind, LINE_HAPROXY);
}

TEST(access_lines_of_nginx_kong_and_ingress)
{
    CHECK(line_read(SLICE("10.0.0.5 - - [20/Nov/2026:21:15:07 +0000] \"GET / HTTP/1.1\" 499 0 "
                          "\"-\" \"curl\""),
                    &line));
    CHECK_INT(line.product, LINE_NGINX);
    check_feature("status", "499");
    check_feature("bytes", "none");
    CHECK(!line.has_upstream_fields);
    CHECK(line_read(SLICE("10.0.0.5 - - [20/Nov/2026:21:15:07 +0000] \"\\x16\\x03\" 400 0 \"-\" "
                          "\"-\" kong_request_id: \"ab\""),
                    &line));
    CHECK_INT(line.product, LINE_KONG);
    check_feature("request", "garbage");
    CHECK_STR(line.method, "");
    CHECK(line_read(SLICE("10.0.0.5 - - [20/Nov/2026:21:15:07 +0000] \"PUT / HTTP/1.1\" 502 150 "
                          "\"-\" \"curl\" 512 0.004 [shop-80] [] 10.0.0.7:80, 10.0.0.8:80 0, 0 "
                          "0.000, 0.000 502, 502 1d2e"),
                    &line));
    CHECK(line.has_upstream_fields);
    check_feature("upstream_status", "502");
    CHECK(line_read(
        SLICE("10.0.0.5 - - [20/Nov/2026:21:15:07 +0000] \"PUT / HTTP/1.1\" 200 150 "
              "\"-\" \"curl\" rt=1.002 us=\"504, 200\" uaddr=\"10.0.0.7:80, 10.0.0.8:80\""),
        &line));
    check_feature("upstream_status", "504,200");
}

TEST(httplog_of_haproxy)
{
    CHECK(line_read(SLICE(HTTPLOG), &line));
    check_feature("state", "sH");
    check_feature("status", "504");
    check_feature("timers", "+++-+");
    check_feature("retries", "redispatched");
    check_feature("server", "yes");
    CHECK(line_read(SLICE("192.0.2.10:5 [20/Nov/2026:21:15:06.120] front front/<NOSRV> "
                          "-1/-1/-1/-1/0 400 0 - - PR-- 1/1/0/0/0 0/0 \"<BADREQ>\""),
                    &line));
    check_feature("server", "none");
    check_feature("request", "garbage");
    CHECK_STR(line.method, "");
}

TEST(access_line_of_an_alb)
{
    CHECK(line_read(SLICE(ALB_LINE), &line));
    CHECK_INT(line.product, LINE_OF_ALB);
    check_feature("status", "502");
    check_feature("target_status", "-");
    check_feature("timers", "+--");
    check_feature("target", "yes");
}

static void check_complaint(const char *text, const char *words)
{
    char complaint[640];

    CHECK(!line_read(slice_of(text), &line));
    line_complaint(slice_of(text), complaint, sizeof(complaint));
    if (!strstr(complaint, words))
        fail_msg("\"%s\" does not say \"%s\"", complaint, words);
    CHECK(strstr(complaint, "known are nginx's and Kong's error log") != NULL);
}

TEST(what_is_not_read_is_told_by_what_it_resembles)
{
    check_complaint("", "the line is empty");
    check_complaint("hello world", "no date of a known log");
    check_complaint("1.2.3.4:5 [20/Nov/2026:21:15:06.120] f b/s 0/0/1/-1/5 504 217 - - s",
                    "this resembles HAProxy");
    check_complaint("1.2.3.4 - - [20/Nov/2026:21:15:06 +0000] x", "this resembles nginx's access");
    check_complaint("{\"status\": 502}", "this is JSON");
    check_complaint("[error] upstream timed out", "in front of the level must be a date");
    check_complaint("lb haproxy[8]: 192.0.2.10:5 [20/Nov/2026:21:15:06.120] f b/w 0/0/5 2 SD 1/1",
                    "`option tcplog` has three timers");
    check_complaint("10.0.0.5 - - [20/Nov/2026:21:15:07 +0000] \"GET / HTTP/1.1\" - -",
                    "resembles nginx's access log");
    check_complaint("https yesterday app/shop 1 2 3", "resembles ALB's access log");
    check_complaint("tmm[1]: 01230140:3: RST sent from 10.0.0.1:80 to 10.0.0.2:5", "an F5's line");
    check_complaint("haproxy[1]: Server b/w is DOWN, reason: Layer4", "of a health check");
}

TEST(lines_are_compared_by_what_they_say)
{
    char differs[LINE_VALUE_MAX];

    CHECK(line_read(slice_of(ERROR_LINE), &line));
    CHECK(line_read(SLICE("2027/01/02 03:04:05 [error] 99#7: *8 upstream timed out (110: x) while "
                          "reading response header from upstream, client: 1.1.1.1, server: y, "
                          "upstream: \"https://b/\""),
                    &other));
    CHECK_INT(compare_lines(&line, &other, differs, sizeof(differs)), COMPARE_SAME);
    CHECK(line_read(
        SLICE("2027/01/02 03:04:05 [warn] 99#7: *8 upstream timed out (111: x) while "
              "reading response header from upstream, client: ::1, upstream: \"https://b/\""),
        &other));
    CHECK_INT(compare_lines(&line, &other, differs, sizeof(differs)), COMPARE_PHRASE);
    CHECK_STR(differs, "detail, level");
    CHECK(line_read(SLICE("2027/01/02 03:04:05 [error] 99#7: *8 upstream timed out (110: x) while "
                          "connecting to upstream, client: ::1, upstream: \"https://b/\""),
                    &other));
    CHECK_INT(compare_lines(&line, &other, NULL, 0), COMPARE_OTHER);
    CHECK(line_read(SLICE(HTTPLOG), &other));
    CHECK_INT(compare_lines(&line, &other, NULL, 0), COMPARE_NONE);
}

TEST(a_megabyte_and_odd_bytes_are_no_trouble)
{
    enum { MEGABYTE = 1 << 20 };
    char *text = malloc(MEGABYTE);

    CHECK(text != NULL);
    memset(text, 'a', MEGABYTE);
    CHECK(!line_read((struct slice){ text, MEGABYTE }, &line));
    memset(text, 0xff, MEGABYTE);
    memcpy(text, ERROR_LINE, strlen(ERROR_LINE));
    CHECK(line_read((struct slice){ text, MEGABYTE }, &line));
    CHECK_INT(line.text[LINE_TEXT_MAX - 2], '?');
    CHECK_INT(line.text[LINE_TEXT_MAX - 1], '\0');
    memset(text, ' ', MEGABYTE);
    CHECK(!line_read((struct slice){ text, MEGABYTE }, &line));
    memset(text, '\0', MEGABYTE);
    CHECK(!line_read((struct slice){ text, MEGABYTE }, &line));
    free(text);
}

TESTS(TEST_CASE(error_line_of_kong), TEST_CASE(what_a_container_runtime_puts_in_front_is_skipped),
      TEST_CASE(access_lines_of_nginx_kong_and_ingress), TEST_CASE(httplog_of_haproxy),
      TEST_CASE(access_line_of_an_alb), TEST_CASE(what_is_not_read_is_told_by_what_it_resembles),
      TEST_CASE(lines_are_compared_by_what_they_say),
      TEST_CASE(a_megabyte_and_odd_bytes_are_no_trouble))
