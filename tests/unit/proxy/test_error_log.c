/*
 * test_error_log: lines that operators of the real product would recognise, one per failure.
 */
#include "proxy/report/error_log.h"

#include <time.h>
#include <unistd.h>

#include "tests/unit/proxy/fixture.h"

#define ID "0123456789abcdef0123456789abcdef"

/* The line without "YYYY/MM/DD HH:MM:SS [level] pid#tid: ", whose level is checked. */
static const char *without_prefix(const struct slice line, const char *level)
{
    char want[64];
    const char *rest;

    assert_non_null(line.ptr);
    CHECK(memchr(line.ptr, '\n', line.len) == line.ptr + line.len - 1);
    snprintf(want, sizeof(want), "2026/11/20 21:15:07 [%s] %d#", level, (int)getpid());
    CHECK(strncmp(line.ptr, want, strlen(want)) == 0);
    rest = strstr(line.ptr, ": ");
    assert_non_null(rest);
    return rest + 2;
}

TEST(a_failed_try_has_nginx_s_line)
{
    struct exchange_fixture x;
    struct try_record *try;

    exchange_fixture_init(&x, "kong", "Host: api.test:8000|Referer: http://r/");
    try = exchange_fixture_try(&x, END_CONNECT_REFUSED);
    try->detail = SLICE("111: Connection refused");
    CHECK_STR(without_prefix(error_log_line(&x.record, try, &x.arena), "error"),
              "*3 connect() failed (111: Connection refused) while connecting to upstream, "
              "client: 10.0.0.5, server: kong, request: \"GET /a?b=1 HTTP/1.1\", "
              "upstream: \"http://192.0.2.1:8080/up/a?b=1\", host: \"api.test:8000\", "
              "referrer: \"http://r/\", request_id: \"" ID "\"\n");
    exchange_fixture_done(&x);
}

TEST(an_https_target_shows_its_scheme_and_a_level_above_error)
{
    struct exchange_fixture x;
    struct try_record *try;

    exchange_fixture_init(&x, "edge", "Host: h");
    try = exchange_fixture_try(&x, END_UPSTREAM_HEAD_TLS_FAILED);
    try->over_tls = true;
    try->target = fixture_addr("[2001:db8::1]:443");
    try->detail = SLICE("SSL: error:0A00045C");
    CHECK_STR(without_prefix(error_log_line(&x.record, try, &x.arena), "crit"),
              "*3 SSL_read() failed (SSL: error:0A00045C) while reading response header from "
              "upstream, client: 10.0.0.5, server: edge, request: \"GET /a?b=1 HTTP/1.1\", "
              "upstream: \"https://[2001:db8::1]:443/up/a?b=1\", host: \"h\", "
              "request_id: \"" ID "\"\n");
    exchange_fixture_done(&x);
}

TEST(a_bad_request_line_has_no_id_and_cannot_break_the_line)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", "");
    x.record.request = NULL;
    x.record.bad_request_line = SLICE("GET \"\r\n\x1b[31m");
    x.record.reason = END_CLIENT_HEAD_INVALID;
    x.record.reason_detail = SLICE("client sent invalid header line: \"X\\x20\"\n");
    CHECK_STR(without_prefix(error_log_line(&x.record, NULL, &x.arena), "info"),
              "*3 client sent invalid header line: \"X\\x20\"\\x0A while reading client request "
              "headers, client: 10.0.0.5, server: kong, "
              "request: \"GET \\x22\\x0D\\x0A\\x1B[31m\"\n");
    exchange_fixture_done(&x);
}

TEST(a_failed_client_handshake_names_the_listener)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", "");
    x.record.request = NULL;
    x.record.client_ip = (struct slice){ NULL, 0 };
    x.record.reason = END_CLIENT_TLS_CLOSED;
    CHECK_STR(without_prefix(error_log_line(&x.record, NULL, &x.arena), "info"),
              "*3 peer closed connection in SSL handshake while SSL handshaking, "
              "client: 10.0.0.5, server: 10.0.0.1:8000\n");
    exchange_fixture_done(&x);
}

TEST(kong_has_its_own_words_where_nginx_has_others)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", "Host: h");
    x.record.reason = END_NO_TARGET;
    CHECK(strstr(error_log_line(&x.record, NULL, &x.arena).ptr,
                 "failure to get a peer from the ring-balancer while connecting to upstream") !=
          NULL);
    exchange_fixture_done(&x);
    exchange_fixture_init(&x, "edge", "Host: h");
    x.record.reason = END_NO_TARGET;
    CHECK(strstr(error_log_line(&x.record, NULL, &x.arena).ptr,
                 "no live upstreams while connecting to upstream") != NULL);
    exchange_fixture_done(&x);
}

/* The row "no-route" of tests/data/kong-log-phrases.json: no network here answers like that. */
TEST(a_target_without_a_route_has_nginx_s_line)
{
    struct exchange_fixture x;
    struct try_record *try;

    exchange_fixture_init(&x, "kong", "Host: h");
    try = exchange_fixture_try(&x, END_CONNECT_FAILED);
    try->detail = SLICE("113: No route to host");
    CHECK_STR(without_prefix(error_log_line(&x.record, try, &x.arena), "error"),
              "*3 connect() failed (113: No route to host) while connecting to upstream, "
              "client: 10.0.0.5, server: kong, request: \"GET /a?b=1 HTTP/1.1\", "
              "upstream: \"http://192.0.2.1:8080/up/a?b=1\", host: \"h\", request_id: \"" ID
              "\"\n");
    exchange_fixture_done(&x);
}

#define TOO                                                                         \
    "epoll_wait() reported that client prematurely closed connection, so upstream " \
    "connection is closed too"

/* Behind "*3 ", up to the client. */
static void check_abort(struct exchange_fixture *x, const char *want)
{
    const char *line = without_prefix(error_log_line(&x->record, NULL, &x->arena), "info");

    CHECK(strncmp(line, "*3 ", 3) == 0);
    CHECK_SLICE(((struct slice){ line + 3, (size_t)(strstr(line, ", client:") - line) - 3 }), want);
}

TEST(a_client_that_leaves_is_told_with_what_was_going_on)
{
    struct exchange_fixture x;
    struct try_record *try;

    exchange_fixture_init(&x, "kong", "Host: h");
    x.record.reason = END_CLIENT_ABORTED;
    x.record.request_end_at_us = 0; /* its content is not whole */
    check_abort(&x, "client prematurely closed connection");
    try = exchange_fixture_try(&x, END_CLIENT_ABORTED);
    check_abort(&x, "client prematurely closed connection while sending request to upstream");
    x.record.tries_count = 0;
    x.record.request_end_at_us = 1001000;
    try = exchange_fixture_try(&x, END_CLIENT_ABORTED);
    try->over_tls = true;
    try->connected_at_us = 0;
    check_abort(&x, TOO " while connecting to upstream");
    try->connected_at_us = 1006000;
    check_abort(&x, TOO " while SSL handshaking to upstream");
    try->tls_done_at_us = 1007000;
    x.record.reason_detail = SLICE("104: Connection reset by peer");
    check_abort(&x, TOO " (104: Connection reset by peer) while sending request to upstream");
    try->head_at_us = 1008000;
    check_abort(&x, TOO " (104: Connection reset by peer) while reading upstream");
    try->reason = END_OK; /* it had all of its answer by then */
    check_abort(&x, "client prematurely closed connection (104: Connection reset by peer) while "
                    "sending to client");
    x.record.request = NULL;
    x.record.request_end_at_us = 0;
    x.record.tries_count = 0;
    x.record.reason_detail = SLICE("");
    check_abort(&x, "client prematurely closed connection while reading client request headers");
    exchange_fixture_done(&x);
}

TEST(a_head_that_is_refused_has_no_id_yet)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", "Host: h");
    x.record.reason = END_CLIENT_METHOD_REFUSED;
    x.record.reason_detail = SLICE("TRACE");
    CHECK_STR(without_prefix(error_log_line(&x.record, NULL, &x.arena), "info"),
              "*3 client sent TRACE method while reading client request headers, client: 10.0.0.5, "
              "server: kong, request: \"GET /a?b=1 HTTP/1.1\", host: \"h\"\n");
    exchange_fixture_done(&x);
}

TEST(f5_writes_one_reset_line_for_the_end_and_none_for_a_try)
{
    struct exchange_fixture x;
    struct try_record *try;
    struct slice line;
    char want[256];

    exchange_fixture_init(&x, "f5", "Host: h");
    try = exchange_fixture_try(&x, END_CONNECT_REFUSED);
    CHECK_INT(error_log_line(&x.record, try, &x.arena).len, 0);
    x.record.reason = END_CONNECT_REFUSED;
    line = error_log_line(&x.record, NULL, &x.arena);
    snprintf(want, sizeof(want),
             "Nov 20 21:15:07 hop1 err tmm[%d]: 01230140:3: RST sent from 10.0.0.1:8000 to "
             "10.0.0.5:50000, [0x0:0] {peer} TCP RST from remote system\n",
             (int)getpid());
    CHECK_SLICE(line, want);
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
        TEST_CASE(a_failed_try_has_nginx_s_line),
        TEST_CASE(an_https_target_shows_its_scheme_and_a_level_above_error),
        TEST_CASE(a_bad_request_line_has_no_id_and_cannot_break_the_line),
        TEST_CASE(a_failed_client_handshake_names_the_listener),
        TEST_CASE(kong_has_its_own_words_where_nginx_has_others),
        TEST_CASE(a_target_without_a_route_has_nginx_s_line),
        TEST_CASE(a_client_that_leaves_is_told_with_what_was_going_on),
        TEST_CASE(a_head_that_is_refused_has_no_id_yet),
        TEST_CASE(f5_writes_one_reset_line_for_the_end_and_none_for_a_try),
    };

    return cmocka_run_group_tests(tests, use_utc, NULL);
}
