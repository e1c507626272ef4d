/*
 * test_access_log: one line per exchange that tools can read back and no client can forge.
 */
#include "proxy/report/access_log.h"

#include <jansson.h>
#include <time.h>

#include "tests/unit/proxy/fixture.h"
#include "tls/tls.h"

#define ID "0123456789abcdef0123456789abcdef"

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
    CHECK_INT(line.ptr[line.len - 1], '\n');
    CHECK(memchr(line.ptr, '\n', line.len) == line.ptr + line.len - 1);
    return line.ptr;
}

static void finished(struct exchange_fixture *x)
{
    x->record.status = 200;
    x->record.response_content_bytes = 1234;
    x->record.response_bytes = 1400;
    x->record.response_head_bytes = 166;
    x->record.request_head_at_us = 1000125;
    x->record.response_head_at_us = 1025000;
    x->record.ended_at_us = 1031007;
}

TEST(kong_s_line_is_nginx_s_combined_with_an_id)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong",
                          "Host: h|Referer: http://r/|User-Agent: curl/8|"
                          "Authorization: basic YWxpY2U6c2VjcmV0");
    finished(&x);
    CHECK_STR(line_of(&x, "kong"),
              "10.0.0.5 - alice [20/Nov/2026:21:15:07 +0000] \"GET /a?b=1 HTTP/1.1\" 200 1234 "
              "\"http://r/\" \"curl/8\" kong_request_id: \"" ID "\"\n");
    exchange_fixture_done(&x);
}

TEST(what_is_absent_is_a_dash)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", "Host: h|Authorization: Bearer YWxpY2U6c2VjcmV0");
    finished(&x);
    x.record.status = 9;
    CHECK_STR(line_of(&x, "kong"),
              "10.0.0.5 - - [20/Nov/2026:21:15:07 +0000] \"GET /a?b=1 HTTP/1.1\" 009 1234 "
              "\"-\" \"-\" kong_request_id: \"" ID "\"\n");
    exchange_fixture_done(&x);
}

TEST(a_client_cannot_forge_a_line)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", "User-Agent: a\"b\\c\x01\x7f\xc3\xa9");
    finished(&x);
    x.record.request = NULL;
    x.record.bad_request_line = SLICE("\x16\x03\x01\r\n\"");
    CHECK(strstr(line_of(&x, "kong"), "] \"\\x16\\x03\\x01\\x0D\\x0A\\x22\" 200") != NULL);
    x.record.request = &x.request;
    CHECK(strstr(line_of(&x, "kong"), "\"a\\x22b\\x5Cc\\x01\\x7F\\xC3\\xA9\"") != NULL);
    exchange_fixture_done(&x);
}

TEST(malformed_credentials_name_no_user)
{
    static const char *const values[] = { "Basic", "Basic !!!", "Basic YWxpY2U=", "Basic " };

    for (size_t i = 0; i < 4; i++) {
        struct exchange_fixture x;
        char lines[64];

        snprintf(lines, sizeof(lines), "Authorization: %s", values[i]);
        exchange_fixture_init(&x, "kong", lines);
        finished(&x);
        CHECK(strstr(line_of(&x, "kong"), "10.0.0.5 - - [") != NULL);
        exchange_fixture_done(&x);
    }
}

/* ---- json ---- */

static json_t *json_of(struct exchange_fixture *x)
{
    json_error_t error;
    json_t *root = json_loads(line_of(x, "json"), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);

    if (!root)
        fail_msg("%s: %s", error.text, line_of(x, "json"));
    return root;
}

static const json_t *at(const json_t *root, const char *path)
{
    char key[64];

    for (; root && *path; path += strcspn(path, ".") + (path[strcspn(path, ".")] == '.')) {
        snprintf(key, sizeof(key), "%.*s", (int)strcspn(path, "."), path);
        root = json_is_array(root) ? json_array_get(root, (size_t)strtoul(key, NULL, 10))
                                   : json_object_get(root, key);
    }
    return root;
}

static void check_text(const json_t *root, const char *path, const char *want)
{
    const json_t *value = at(root, path);

    if (!json_is_string(value))
        fail_msg("%s is missing", path);
    CHECK_STR(json_string_value(value), want);
}

static void check_int(const json_t *root, const char *path, long long want)
{
    if (!json_is_integer(at(root, path)))
        fail_msg("%s is missing", path);
    CHECK_INT(json_integer_value(at(root, path)), want);
}

static void check_ms(const json_t *root, const char *path, double want)
{
    double got = json_number_value(at(root, path));

    if (got < want - 0.0005 || got > want + 0.0005)
        fail_msg("%s: got %f, want %f", path, got, want);
}

/* A refused connection, then an answer over a pooled one. */
static void answered_at_the_second_try(struct exchange_fixture *x)
{
    struct try_record *try;

    finished(x);
    try = exchange_fixture_try(x, END_CONNECT_REFUSED);
    try->detail = SLICE("111: Connection refused");
    try->connection_id = 0;
    try->connected_at_us = try->sent_at_us = 0;
    try = exchange_fixture_try(x, END_OK);
    try->status = 200;
    try->reused = true;
    try->request_number = 4;
    try->head_at_us = 1025000;
    x->record.from_upstream = true;
}

TEST(json_tells_who_asked_for_what_and_who_answered)
{
    struct config_service service = {
        .id = "s1", .name = "svc", .host = "origin.test", .port = 80
    };
    struct config_route route = { .id = "r1", .name = "rt" };
    struct exchange_fixture x;
    json_t *root;

    exchange_fixture_init(&x, "kong", "Host: h|X-A: 1|x-a: 2");
    answered_at_the_second_try(&x);
    x.record.service = &service;
    x.record.route = &route;
    root = json_of(&x);
    check_int(root, "started_at", 1795209307000);
    check_text(root, "hop", "hop1");
    check_text(root, "reason", "OK");
    check_text(root, "client_ip", "10.0.0.5");
    check_int(root, "client.peer_port", 50000);
    check_int(root, "client.local_port", 8000);
    check_int(root, "client.connection", 3);
    check_int(root, "client.request_number", 2);
    check_text(root, "request.id", ID);
    check_text(root, "request.uri", "/a?b=1");
    check_text(root, "request.url", "http://h:8000/a?b=1");
    check_text(root, "request.headers.x-a.1", "2");
    check_text(root, "upstream_uri", "/up/a?b=1");
    check_int(root, "response.status", 200);
    check_int(root, "response.size", 1400);
    check_text(root, "source", "upstream");
    check_text(root, "service.host", "origin.test");
    check_text(root, "route.name", "rt");
    json_decref(root);
    exchange_fixture_done(&x);
}

TEST(json_tells_each_try_and_how_long_everything_took)
{
    struct exchange_fixture x;
    json_t *root;

    exchange_fixture_init(&x, "kong", "Host: h");
    answered_at_the_second_try(&x);
    root = json_of(&x);
    check_text(root, "upstream_status", "502, 200");
    check_int(root, "latencies.request", 31);
    check_int(root, "latencies.kong", 5);
    check_int(root, "latencies.proxy", 20);
    check_int(root, "latencies.receive", 6);
    check_ms(root, "phases_ms.request_head", 0.125);
    check_ms(root, "phases_ms.end", 31.007);
    check_text(root, "tries.0.state", "failed");
    check_int(root, "tries.0.code", 502);
    check_text(root, "tries.0.reason", "CONNECT_REFUSED");
    check_text(root, "tries.0.detail", "111: Connection refused");
    CHECK(at(root, "tries.0.local_port") == NULL);
    CHECK(at(root, "tries.1.state") == NULL);
    check_text(root, "tries.1.ip", "192.0.2.1");
    check_int(root, "tries.1.port", 8080);
    check_text(root, "tries.1.target", "origin.test:8080");
    check_text(root, "tries.1.local_ip", "10.0.0.1");
    check_int(root, "tries.1.local_port", 40000);
    check_int(root, "tries.1.request_number", 4);
    check_ms(root, "tries.1.connect_ms", 1.25);
    check_ms(root, "tries.1.head_ms", 20);
    check_int(root, "tries_count", 2);
    json_decref(root);
    exchange_fixture_done(&x);
}

TEST(json_tells_what_the_handshake_agreed_on)
{
    const struct tls_session_info tls = { .version = "TLSv1.3",
                                          .cipher = "TLS_AES_256_GCM_SHA384",
                                          .server_name = "api.test",
                                          .alpn = "",
                                          .client.verify = "NONE",
                                          .resumed = true };
    struct exchange_fixture x;
    json_t *root;

    exchange_fixture_init(&x, "edge", "Host: h");
    finished(&x);
    x.record.tls = &tls;
    root = json_of(&x);
    check_text(root, "request.tls.version", "TLSv1.3");
    check_text(root, "request.tls.client_verify", "NONE");
    check_text(root, "request.tls.server_name", "api.test");
    CHECK(json_is_true(at(root, "request.tls.resumed")));
    json_decref(root);
    exchange_fixture_done(&x);
}

TEST(json_hides_credentials)
{
    struct exchange_fixture x;
    struct fields sent;
    json_t *root;

    exchange_fixture_init(&x, "edge", "Authorization: Basic x|Cookie: s=1|Proxy-Authorization: y");
    fixture_fields(&sent, &x.arena, "Set-Cookie: s=1|Set-Cookie: t=2|X-A: 1");
    x.record.response_fields = &sent;
    finished(&x);
    root = json_of(&x);
    check_text(root, "request.headers.authorization", "REDACTED");
    check_text(root, "request.headers.cookie", "REDACTED");
    check_text(root, "request.headers.proxy-authorization", "REDACTED");
    check_text(root, "response.headers.set-cookie.1", "REDACTED");
    check_text(root, "response.headers.x-a", "1");
    json_decref(root);
    exchange_fixture_done(&x);
}

TEST(json_stays_json_whatever_the_client_sends)
{
    struct exchange_fixture x;
    char value[257];
    uint32_t seed = 7;

    for (int round = 0; round < 200; round++) {
        for (size_t i = 0; i < sizeof(value) - 1; i++) {
            seed = seed * 1664525u + 1013904223u;
            value[i] = (char)(seed >> 24);
        }
        exchange_fixture_init(&x, "edge", "Host: h");
        CHECK_INT(fields_add(&x.request.fields, SLICE("X\"\x80"),
                             (struct slice){ value, sizeof(value) - 1 }),
                  0);
        x.request.request_target = (struct slice){ value, 64 };
        finished(&x);
        json_decref(json_of(&x));
        exchange_fixture_done(&x);
    }
}

TEST(json_knows_a_request_that_was_not_understood)
{
    struct exchange_fixture x;
    json_t *root;

    exchange_fixture_init(&x, "edge", "");
    x.record.request = NULL;
    x.record.bad_request_line = SLICE("\x16\x03\x01");
    x.record.reason = END_CLIENT_REQUEST_INVALID;
    x.record.status = 400;
    x.record.ended_at_us = 1000100;
    root = json_of(&x);
    check_text(root, "reason", "CLIENT_REQUEST_INVALID");
    check_text(root, "fault", "client");
    check_text(root, "request.line", "\x16\x03\x01");
    check_text(root, "source", "kong");
    check_int(root, "latencies.proxy", -1);
    CHECK_INT(json_array_size(at(root, "tries")), 0);
    json_decref(root);
    exchange_fixture_done(&x);
}

TEST(more_tries_than_are_kept_are_counted)
{
    struct exchange_fixture x;
    json_t *root;

    exchange_fixture_init(&x, "edge", "Host: h");
    for (int i = 0; i < EXCHANGE_TRIES_KEPT; i++)
        exchange_fixture_try(&x, END_CONNECT_REFUSED);
    x.record.tries_count = 12;
    finished(&x);
    root = json_of(&x);
    CHECK_INT(json_array_size(at(root, "tries")), EXCHANGE_TRIES_KEPT);
    check_int(root, "tries_count", 12);
    json_decref(root);
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
        TEST_CASE(kong_s_line_is_nginx_s_combined_with_an_id),
        TEST_CASE(what_is_absent_is_a_dash),
        TEST_CASE(a_client_cannot_forge_a_line),
        TEST_CASE(malformed_credentials_name_no_user),
        TEST_CASE(json_tells_who_asked_for_what_and_who_answered),
        TEST_CASE(json_tells_each_try_and_how_long_everything_took),
        TEST_CASE(json_tells_what_the_handshake_agreed_on),
        TEST_CASE(json_hides_credentials),
        TEST_CASE(json_stays_json_whatever_the_client_sends),
        TEST_CASE(json_knows_a_request_that_was_not_understood),
        TEST_CASE(more_tries_than_are_kept_are_counted),
    };

    return cmocka_run_group_tests(tests, use_utc, NULL);
}
