#include "tests/http1_head_check.h"

TEST(every_form_of_request_target_is_recognised)
{
    static const struct {
        const char *line, *scheme, *authority, *path, *query;
        enum http_target_form form;
    } cases[] = {
        { "GET / HTTP/1.1", "", "h.test", "/", NULL, HTTP_TARGET_ORIGIN },
        { "GET /a<b>\"\\^`{|}%2 HTTP/1.1", "", "h.test", "/a<b>\"\\^`{|}%2", NULL,
          HTTP_TARGET_ORIGIN },
        { "GET //x? HTTP/1.1", "", "h.test", "//x", "", HTTP_TARGET_ORIGIN },
        { "GET http://b.test:8/x?y HTTP/1.1", "http", "b.test:8", "/x", "y", HTTP_TARGET_ABSOLUTE },
        { "GET HTTPS://[::1]?y HTTP/1.1", "HTTPS", "[::1]", "/", "y", HTTP_TARGET_ABSOLUTE },
        { "GET http://b.test HTTP/1.1", "http", "b.test", "/", NULL, HTTP_TARGET_ABSOLUTE },
        { "OPTIONS http://b.test HTTP/1.1", "http", "b.test", "*", NULL, HTTP_TARGET_ABSOLUTE },
        { "OPTIONS * HTTP/1.1", "", "h.test", "*", NULL, HTTP_TARGET_ASTERISK },
        { "CONNECT b.test:443 HTTP/1.1", "", "b.test:443", "", NULL, HTTP_TARGET_AUTHORITY },
        { "TRACE /t HTTP/1.1", "", "h.test", "/t", NULL, HTTP_TARGET_ORIGIN },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[200];
        struct parsed parsed;

        snprintf(text, sizeof(text), "%s\r\nHost: h.test" END, cases[i].line);
        FOR_EACH_CUT(parsed, a_request, slice_of(text))
        {
            CHECK_INT(parsed.result, HTTP1_DONE);
            CHECK_INT(parsed.head.target_form, cases[i].form);
            CHECK_SLICE(parsed.head.scheme, cases[i].scheme);
            CHECK_SLICE(parsed.head.authority, cases[i].authority);
            CHECK_SLICE(parsed.head.path, cases[i].path);
            CHECK_INT(parsed.head.query.ptr != NULL, cases[i].query != NULL);
            if (cases[i].query)
                CHECK_SLICE(parsed.head.query, cases[i].query);
        }
    }
}

TEST(a_malformed_request_line_is_refused)
{
    static const struct refusal cases[] = {
        REFUSAL("\x16\x03\x01", BAD_METHOD, 0),
        REFUSAL(" GET / HTTP/1.1" END, BAD_REQUEST_LINE, 0),
        REFUSAL("G(T / HTTP/1.1" END, BAD_METHOD, 1),
        REFUSAL("GET\t/ HTTP/1.1" END, BAD_METHOD, 3),
        REFUSAL("GE\0T / HTTP/1.1" END, BAD_METHOD, 2),
        REFUSAL("GET" END, BAD_REQUEST_LINE, 3),
        REFUSAL("GET " END, BAD_REQUEST_LINE, 4),
        REFUSAL("GET /" END, BAD_REQUEST_LINE, 5),
        REFUSAL("GET  / HTTP/1.1" END, BAD_REQUEST_LINE, 4),
        REFUSAL("GET /a#b HTTP/1.1" END, BAD_TARGET, 6),
        REFUSAL("GET /a\tb HTTP/1.1" END, BAD_TARGET, 6),
        REFUSAL("GET /a\x7f HTTP/1.1" END, BAD_TARGET, 6),
        REFUSAL("GET /\xc3\xa4 HTTP/1.1" END, BAD_TARGET, 5),
        REFUSAL("GET /a\0b HTTP/1.1" END, BAD_TARGET, 6),
        REFUSAL("GET /a\rb HTTP/1.1" END, BARE_CR, 6),
        REFUSAL("GET * HTTP/1.1" END, BAD_TARGET, 4),
        REFUSAL("OPTIONS */x HTTP/1.1" END, BAD_TARGET, 8),
        REFUSAL("GET a.test:80 HTTP/1.1" END, BAD_TARGET, 4),
        REFUSAL("GET http:/a HTTP/1.1" END, BAD_TARGET, 4),
        REFUSAL("GET ftp://a/ HTTP/1.1" END, BAD_TARGET_SCHEME, 4),
        REFUSAL("GET http:///x HTTP/1.1" END, BAD_TARGET_HOST, 11),
        REFUSAL("GET http://u@a/ HTTP/1.1" END, BAD_TARGET_HOST, 11),
        REFUSAL("GET http:// HTTP/1.1" END, BAD_TARGET_HOST, 11),
        REFUSAL("CONNECT / HTTP/1.1" END, CONNECT_TARGET, 8),
        REFUSAL("CONNECT a.test HTTP/1.1" END, BAD_TARGET_HOST, 8),
        REFUSAL("CONNECT a.test: HTTP/1.1" END, BAD_TARGET_HOST, 8),
        REFUSAL("GET / http/1.1" END, BAD_VERSION, 6),
        REFUSAL("GET / HTTP/1.1 " END, BAD_VERSION, 6),
        REFUSAL("GET / HTTP/1" END, BAD_VERSION, 6),
        REFUSAL("GET / HTTP/1.10" END, BAD_VERSION, 6),
        REFUSAL("GET / x HTTP/1.1" END, BAD_VERSION, 6),
        REFUSAL("GET / HTTP/1.2" END, VERSION_UNSUPPORTED, 6),
        REFUSAL("GET / HTTP/0.9" END, VERSION_UNSUPPORTED, 6),
        REFUSAL("GET / HTTP/2.0" END, VERSION_UNSUPPORTED, 6),
        REFUSAL("PRI * HTTP/2.0" END "SM" END, HTTP2_PREFACE, 0),
        REFUSAL("GET / HTTP/1.1\nHost: a\n\n", BARE_LF, 14),
        REFUSAL("\n", BARE_LF, 0),
        REFUSAL("\rGET / HTTP/1.1" END, BARE_CR, 0),
        REFUSAL("\r\n\r\nGET / HTTP/1.1" END, BAD_REQUEST_LINE, 0),
    };

    CHECK_REFUSALS(a_request, cases);
}

TEST(a_status_line_is_taken_apart)
{
    static const struct {
        const char *line, *reason;
        unsigned status, minor;
    } cases[] = {
        { "HTTP/1.1 200 OK", "OK", 200, 1 },
        { "HTTP/1.0 404 Not \tFound", "Not \tFound", 404, 0 },
        { "HTTP/1.1 200 ", "", 200, 1 },
        { "HTTP/1.1 200", "", 200, 1 },
        { "HTTP/1.1 999 \xe9", "\xe9", 999, 1 },
        { "HTTP/1.1 100 Continue", "Continue", 100, 1 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[100];
        struct parsed parsed;

        snprintf(text, sizeof(text), "%s" END, cases[i].line);
        FOR_EACH_CUT(parsed, a_response, slice_of(text))
        {
            CHECK_INT(parsed.result, HTTP1_DONE);
            CHECK_INT(parsed.head.status, cases[i].status);
            CHECK_INT(parsed.head.version_minor, cases[i].minor);
            CHECK_SLICE(parsed.head.reason, cases[i].reason);
        }
    }
}

TEST(a_malformed_status_line_is_refused)
{
    static const struct refusal cases[] = {
        REFUSAL("\x15\x03\x01", BAD_STATUS_LINE, 0),
        REFUSAL("HTTQ", BAD_STATUS_LINE, 3),
        REFUSAL("\r\nHTTP/1.1 200 OK" END, BAD_STATUS_LINE, 0),
        REFUSAL(" HTTP/1.1 200 OK" END, BAD_STATUS_LINE, 0),
        REFUSAL("ICY 200 OK" END, BAD_STATUS_LINE, 0),
        REFUSAL("HTTP/2.0 200 OK" END, BAD_STATUS_LINE, 5),
        REFUSAL("HTTP/1.2 200 OK" END, BAD_STATUS_LINE, 0),
        REFUSAL("HTTP/1.1" END, BAD_STATUS_LINE, 8),
        REFUSAL("HTTP/1.1 20" END, BAD_STATUS_LINE, 8),
        REFUSAL("HTTP/1.1 20 OK" END, BAD_STATUS_LINE, 11),
        REFUSAL("HTTP/1.1  200 OK" END, BAD_STATUS_LINE, 9),
        REFUSAL("HTTP/1.1 -200 OK" END, BAD_STATUS_LINE, 9),
        REFUSAL("HTTP/1.1 2000 OK" END, BAD_STATUS_LINE, 9),
        REFUSAL("HTTP/1.1 099 OK" END, BAD_STATUS_LINE, 9),
        REFUSAL("HTTP/1.1\t200 OK" END, BAD_STATUS_LINE, 8),
        REFUSAL("HTTP/1.1 200 O\x01K" END, BAD_STATUS_LINE, 14),
        REFUSAL("HTTP/1.1 200 O\rK" END, BARE_CR, 14),
        REFUSAL("HTTP/1.1 200 OK\n\n", BARE_LF, 15),
        REFUSAL("HTTP/1.1 200 OK\r\nA: b\r\n c" END, FOLDED_LINE, 23),
    };

    CHECK_REFUSALS(a_response, cases);
}

TESTS(TEST_CASE(every_form_of_request_target_is_recognised),
      TEST_CASE(a_malformed_request_line_is_refused), TEST_CASE(a_status_line_is_taken_apart),
      TEST_CASE(a_malformed_status_line_is_refused))
