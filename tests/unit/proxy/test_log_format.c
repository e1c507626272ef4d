/*
 * test_log_format: nginx's log_format directive: what a variable says, how a value is escaped, and what a
 * wrong format is told.
 */
#include "proxy/report/log_format.h"

#include <time.h>

#include "core/proxy_protocol.h"
#include "proxy/report/log_directive.h"
#include "tests/unit/proxy/fixture.h"
#include "tls/client_certificate.h"
#include "tls/tls.h"

#define ID "0123456789abcdef0123456789abcdef"

static const char *expand(struct exchange_fixture *x, const char *source)
{
    char error[256];
    SCOPED(log_format) format = log_format_parse(slice_of(source), error, sizeof(error));
    struct text text;

    if (!format)
        fail_msg("%s: %s", source, error);
    text_init(&text, &x->arena);
    log_format_expand(format, &x->record, &text);
    return text_take(&text).ptr;
}

static void check_refusal(const char *source, const char *want)
{
    char error[256] = "";
    SCOPED(log_format) format = log_format_parse(slice_of(source), error, sizeof(error));

    CHECK(format == NULL);
    CHECK_STR(error, want);
}

/* A refused target, then an answer of another; 31.007 ms in all. */
static void finished(struct exchange_fixture *x)
{
    struct try_record *try = exchange_fixture_try(x, END_CONNECT_REFUSED);

    try->connected_at_us = try->sent_at_us = 0;
    try->ended_at_us = 1006000;
    try = exchange_fixture_try(x, END_OK);
    try->target = fixture_addr("[2001:db8::1]:443");
    try->picked_at_us = 1006000;
    try->status = 200;
    try->over_tls = true;
    try->tls_done_at_us = 1010000;
    try->head_at_us = 1025000;
    try->ended_at_us = 1030000;
    try->sent_bytes = 120;
    try->received_bytes = 1380;
    x->record.status = 200;
    x->record.from_upstream = true;
    x->record.request_bytes = 90;
    x->record.response_bytes = 1400;
    x->record.response_head_bytes = 166;
    x->record.response_head_at_us = 1025000;
    x->record.ended_at_us = 1031007;
}

TEST(a_variable_says_what_nginx_s_says)
{
    static const struct {
        const char *source, *want;
    } rows[] = {
        { "$remote_addr:$remote_port", "10.0.0.5:50000" },
        { "$realip_remote_addr:$realip_remote_port", "10.0.0.5:50000" },
        { "$server_addr:$server_port $server_name", "10.0.0.1:8000 kong" },
        { "$remote_user", "alice" },
        { "$time_local", "20/Nov/2026:21:15:07 +0000" },
        { "$time_iso8601", "2026-11-20T21:15:07+00:00" },
        { "$msec", "1795209307.031" },
        { "$request_time", "0.031" },
        { "$request", "GET /a?b=1 HTTP/1.1" },
        { "$request_method $request_uri $server_protocol", "GET /a?b=1 HTTP/1.1" },
        { "$uri$is_args$args", "/a?b=1" },
        { "$document_uri|$query_string", "/a|b=1" },
        { "$scheme|$https|$host", "http||api.test" },
        { "$status $bytes_sent $body_bytes_sent $request_length", "200 1400 1234 90" },
        { "$connection/$connection_requests$pipe", "3/2." },
        { "$request_id $kong_request_id", ID " " ID },
        { "$http_host|$http_user_agent|$http_x_forwarded_for",
          "API.test:8000|curl/8|1.1.1.1, 2.2.2.2" },
        { "$http_cookie|$cookie_b|$cookie_none", "a=1; b=2|2|-" },
        { "$arg_b|$arg_none", "1|-" },
        { "$sent_http_content_type|$sent_http_x_none", "text/html|-" },
        { "$content_length|$content_type", "-|-" },
        { "$upstream_addr", "192.0.2.1:8080, [2001:db8::1]:443" },
        { "$upstream_status", "502, 200" },
        { "$upstream_connect_time", "-, 0.004" },
        { "$upstream_header_time", "-, 0.019" },
        { "$upstream_response_time", "0.001, 0.024" },
        { "$upstream_bytes_sent|$upstream_bytes_received", "0, 120|0, 1380" },
        { "$upstream_cache_status", "-" },
        { "$upstream_scheme://$upstream_host$upstream_uri", "https://up.example/up/a?b=1" },
        { "$ssl_protocol|$ssl_cipher|$ssl_server_name|$ssl_client_verify", "-|-|-|-" },
        { "$proxy_protocol_addr|$proxy_protocol_port", "-|-" },
        { "$hopgate_name|$hopgate_reason|$hopgate_tries_count", "hop1|OK|2" },
        { "$hopgate_route|$hopgate_service", "-|-" },
        { "$request_completion", "OK" },
        { "${status}x $STATUS", "200x 200" },
    };
    struct exchange_fixture x;
    struct fields sent;

    exchange_fixture_init(&x, "kong",
                          "Host: API.test:8000|User-Agent: curl/8|X-Forwarded-For: 1.1.1.1|"
                          "x-forwarded-for: 2.2.2.2|Cookie: a=1|Cookie: b=2|"
                          "Authorization: Basic YWxpY2U6c2VjcmV0");
    fixture_fields(&sent, &x.arena, "Content-Type: text/html");
    finished(&x);
    x.record.response_fields = &sent;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CHECK_STR(expand(&x, rows[i].source), rows[i].want);
    exchange_fixture_done(&x);
}

TEST(what_does_not_exist_is_a_dash_or_nothing)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", "Host: h|Referer:");
    CHECK_STR(expand(&x, "$http_user_agent|$http_referer|$upstream_status"), "-||-");
    CHECK_STR(expand(&x, "escape=json $http_user_agent|$upstream_status|$remote_user"), "||");
    CHECK_STR(expand(&x, "escape=none $http_user_agent|$upstream_status|$remote_user"), "||");
    x.record.request = NULL;
    x.record.client_ip = (struct slice){ NULL, 0 };
    x.record.bad_request_line = SLICE("\x16\x03\x01");
    CHECK_STR(expand(&x, "$remote_addr \"$request\" $request_method $request_uri $uri $args $host"),
              "10.0.0.5 \"\\x16\\x03\\x01\" - - - - kong");
    exchange_fixture_done(&x);
}

TEST(three_ways_to_escape_and_none_lets_a_control_byte_through)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", "User-Agent: a\"b\\c\x01\x7f\xc3\xa9\xff");
    CHECK_STR(expand(&x, "$http_user_agent"), "a\\x22b\\x5Cc\\x01\\x7F\\xC3\\xA9\\xFF");
    CHECK_STR(expand(&x, "escape=json $http_user_agent"),
              "a\\\"b\\\\c\\u0001\\u007f\xc3\xa9\\ufffd");
    CHECK_STR(expand(&x, "escape=none $http_user_agent"), "a\"b\\c\\x01\\x7F\\xC3\\xA9\\xFF");
    exchange_fixture_done(&x);
}

TEST(the_path_is_shown_decoded_and_resolved)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", "Host: h");
    x.request.path = SLICE("/a//%62/../c%20d%2fe%zz");
    CHECK_STR(expand(&x, "$uri"), "/a/c d/e%zz");
    x.request.path = SLICE("/%0a%1b");
    CHECK_STR(expand(&x, "$uri"), "/\\x0A\\x1B");
    exchange_fixture_done(&x);
}

TEST(an_absolute_target_shows_what_follows_its_authority)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", "Host: h");
    x.request.target_form = HTTP_TARGET_ABSOLUTE;
    x.request.request_target = SLICE("http://h/a?b=1");
    CHECK_STR(expand(&x, "$request_uri"), "/a?b=1");
    exchange_fixture_done(&x);
}

TEST(credentials_are_read_as_nginx_reads_them)
{
    static const struct {
        const char *value, *want;
    } rows[] = {
        { "Basic YWxpY2U6c2VjcmV0", "alice" },
        { "basic   YTpi", "a" },
        { "Basic YTo=", "a" },
        { "Basic OmI=", "-" },
        { "Basic YWxpY2U=", "-" },
        { "Basic YTpi!", "-" },
        { "Basic YTpiY", "-" },
        { "Basic", "-" },
        { "Basic ", "-" },
        { "Bearer YTpi", "-" },
        { "Basic YQo6Yg==", "a\\x0A" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct exchange_fixture x;
        char line[64];

        snprintf(line, sizeof(line), "Authorization: %s", rows[i].value);
        exchange_fixture_init(&x, "kong", line);
        CHECK_STR(expand(&x, "$remote_user"), rows[i].want);
        exchange_fixture_done(&x);
    }
}

TEST(a_tls_client_and_its_certificate_are_known)
{
    const struct tls_client_certificate certificate = {
        .subject = "CN=alice", .issuer = "CN=CA", .serial = "0A", .sha1 = "ab12"
    };
    const struct tls_session_info tls = { .version = "TLSv1.3",
                                          .cipher = "TLS_AES_256_GCM_SHA384",
                                          .server_name = "api.test",
                                          .alpn = "",
                                          .client = { .verify = "SUCCESS",
                                                      .certificate = &certificate } };
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", "Host: h");
    x.record.over_tls = true;
    x.record.tls = &tls;
    CHECK_STR(expand(&x, "$scheme $https $ssl_protocol $ssl_cipher $ssl_server_name "
                         "$ssl_alpn_protocol $ssl_session_reused"),
              "https on TLSv1.3 TLS_AES_256_GCM_SHA384 api.test - .");
    CHECK_STR(expand(&x, "$ssl_client_verify $ssl_client_s_dn $ssl_client_i_dn "
                         "$ssl_client_serial $ssl_client_fingerprint"),
              "SUCCESS CN=alice CN=CA 0A ab12");
    exchange_fixture_done(&x);
}

TEST(a_wrong_format_is_told_what_to_write)
{
    check_refusal("$remote_adr",
                  "unknown variable \"$remote_adr\"; did you mean \"$remote_addr\"?");
    check_refusal("$zzzzzzzzzzzz", "unknown variable \"$zzzzzzzzzzzz\"");
    check_refusal("$http_", "unknown variable \"$http_\"; did you mean \"$https\"?");
    check_refusal("5 $", "\"$\" without the name of a variable behind it");
    check_refusal("$$", "\"$\" without the name of a variable behind it");
    check_refusal("${status", "the closing brace of \"${status\" is missing");
    check_refusal("escape=xml '$status'", "escape=xml: expected escape=default, json or none");
    check_refusal("'$status", "the closing quote of a log format is missing");
    check_refusal("'a\\n$status'", "a log format is one line of printable text");
    check_refusal("''", "a log format has 1 to 16384 bytes");
}

/* ---- the directive ---- */

static void check_definition(struct exchange_fixture *x, struct log_definitions *definitions,
                             const char *name, const char *want)
{
    SCOPED(log_format) format = log_definitions_take(definitions, name);
    struct text text;

    if (!format)
        fail_msg("no format %s", name);
    text_init(&text, &x->arena);
    log_format_expand(format, &x->record, &text);
    CHECK_SLICE(text_take(&text), want);
}

TEST(a_directive_defines_formats_by_name)
{
    struct log_definitions definitions = { 0 };
    struct exchange_fixture x;
    char error[256];

    exchange_fixture_init(&x, "kong", "Host: h|User-Agent: \"");
    x.record.status = 200;
    CHECK_INT(
        log_definitions_add(&definitions,
                            SLICE("one '$status ' \"$host\";log_format two escape=json "
                                  "'{\"ua\":\"$http_user_agent\"}' ; log_format three $status;"),
                            error, sizeof(error)),
        0);
    CHECK_INT(definitions.count, 3);
    check_definition(&x, &definitions, "one", "200 h");
    check_definition(&x, &definitions, "two", "{\"ua\":\"\\\"\"}");
    check_definition(&x, &definitions, "three", "200");
    CHECK(log_definitions_take(&definitions, "four") == NULL);
    log_definitions_done(&definitions);
    exchange_fixture_done(&x);
}

TEST(a_wrong_directive_is_told_what_to_write)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        { "", "write: name 'text with $variables', for example: short '$remote_addr $status'" },
        { "'$status'",
          "write: name 'text with $variables', for example: short '$remote_addr $status'" },
        { "$status '$status'",
          "the name of a log format comes first: up to 63 bytes without \"$\"" },
        { "a", "log format \"a\": a log format has 1 to 16384 bytes" },
        { "a '$stats'",
          "log format \"a\": unknown variable \"$stats\"; did you mean \"$status\"?" },
        { "a '$status'; log_format a '$status'", "log format \"a\" is defined twice" },
        { "a '$status'; access_log off",
          "behind \";\" only another log_format may follow, not \"access_log\"" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct log_definitions definitions = { 0 };
        char error[256] = "";

        CHECK(log_definitions_add(&definitions, slice_of(rows[i].text), error, sizeof(error)) < 0);
        CHECK_STR(error, rows[i].want);
        log_definitions_done(&definitions);
    }
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
        TEST_CASE(a_variable_says_what_nginx_s_says),
        TEST_CASE(what_does_not_exist_is_a_dash_or_nothing),
        TEST_CASE(three_ways_to_escape_and_none_lets_a_control_byte_through),
        TEST_CASE(the_path_is_shown_decoded_and_resolved),
        TEST_CASE(an_absolute_target_shows_what_follows_its_authority),
        TEST_CASE(credentials_are_read_as_nginx_reads_them),
        TEST_CASE(a_tls_client_and_its_certificate_are_known),
        TEST_CASE(a_wrong_format_is_told_what_to_write),
        TEST_CASE(a_directive_defines_formats_by_name),
        TEST_CASE(a_wrong_directive_is_told_what_to_write),
    };

    return cmocka_run_group_tests(tests, use_utc, NULL);
}
