#include "tests/http1_head_check.h"

TEST(the_host_rules_of_rfc_9112_hold)
{
    static const struct refusal cases[] = {
        REFUSAL(LINE "A: b" END, HOST_MISSING, 22),
        REFUSAL("GET http://a/ HTTP/1.1" END, HOST_MISSING, 24),
        REFUSAL(LINE "Host: a\r\nhOST: a" END, HOST_DUPLICATE, 34),
        REFUSAL("GET / HTTP/1.0\r\nHost: a\r\nHost: a" END, HOST_DUPLICATE, 34),
        REFUSAL(LINE "Host:" END, HOST_INVALID, 23),
        REFUSAL(LINE "Host: u@a" END, HOST_INVALID, 27),
        REFUSAL("GET http://a/ HTTP/1.1\r\nHost: a b" END, HOST_INVALID, 35),
    };
    struct parsed parsed;

    CHECK_REFUSALS(a_request, cases);
    FOR_EACH_CUT(parsed, a_request, SLICE("GET / HTTP/1.0" END))
    {
        CHECK_INT(parsed.result, HTTP1_DONE);
        CHECK(slice_is_empty(parsed.head.authority));
    }
    FOR_EACH_CUT(parsed, a_request, SLICE("GET http://a.test/ HTTP/1.1\r\nHost: b.test" END))
    {
        CHECK_INT(parsed.result, HTTP1_DONE);
        CHECK_SLICE(parsed.head.authority, "a.test");
    }
}

TEST(ambiguous_framing_is_refused)
{
    static const struct {
        const char *fields;
        enum http1_error error;
    } cases[] = {
        { "Content-Length: 5\r\nTransfer-Encoding: chunked",
          HTTP1_ERR_CONTENT_LENGTH_AND_TRANSFER_ENCODING },
        { "Transfer-Encoding: gzip\r\nContent-Length: x",
          HTTP1_ERR_CONTENT_LENGTH_AND_TRANSFER_ENCODING },
        { "Content-Length: 5\r\nContent-Length: 5", HTTP1_ERR_CONTENT_LENGTH_DUPLICATE },
        { "Content-Length: 5, 5", HTTP1_ERR_CONTENT_LENGTH_INVALID },
        { "Content-Length:", HTTP1_ERR_CONTENT_LENGTH_INVALID },
        { "Content-Length: +5", HTTP1_ERR_CONTENT_LENGTH_INVALID },
        { "Content-Length: 0x5", HTTP1_ERR_CONTENT_LENGTH_INVALID },
        { "Content-Length: 5 5", HTTP1_ERR_CONTENT_LENGTH_INVALID },
        { "Content-Length: 9223372036854775808", HTTP1_ERR_CONTENT_LENGTH_INVALID },
        { "Content-Length: 18446744073709551621", HTTP1_ERR_CONTENT_LENGTH_INVALID },
        { "Transfer-Encoding:", HTTP1_ERR_TRANSFER_ENCODING_INVALID },
        { "Transfer-Encoding: chunked,", HTTP1_ERR_TRANSFER_ENCODING_INVALID },
        { "Transfer-Encoding: ,chunked", HTTP1_ERR_TRANSFER_ENCODING_INVALID },
        { "Transfer-Encoding: chunked, chunked", HTTP1_ERR_TRANSFER_ENCODING_INVALID },
        { "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
          HTTP1_ERR_TRANSFER_ENCODING_INVALID },
        { "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow",
          HTTP1_ERR_TRANSFER_ENCODING_INVALID },
        { "Transfer-Encoding: \"chunked\"", HTTP1_ERR_TRANSFER_ENCODING_INVALID },
        { "Transfer-Encoding: chunked;a=b", HTTP1_ERR_TRANSFER_ENCODING_INVALID },
        { "Transfer-Encoding: chun ked", HTTP1_ERR_TRANSFER_ENCODING_INVALID },
        { "Transfer-Encoding: gzip, chunked", HTTP1_ERR_TRANSFER_ENCODING_UNKNOWN },
        { "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
          HTTP1_ERR_TRANSFER_ENCODING_UNKNOWN },
        { "Transfer-Encoding: xchunked", HTTP1_ERR_TRANSFER_ENCODING_UNKNOWN },
        { "Transfer-Encoding: identity", HTTP1_ERR_TRANSFER_ENCODING_UNKNOWN },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[300];
        size_t at = strlen("POST / HTTP/1.1\r\nHost: a\r\n") + strlen(cases[i].fields) + 2;

        snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nHost: a\r\n%s" END, cases[i].fields);
        check_refused(a_request, slice_of(text), cases[i].error, at);
        snprintf(text, sizeof(text), "HTTP/1.1 200 Okay\r\nTE: a\r\n%s" END, cases[i].fields);
        check_refused(a_response, slice_of(text), cases[i].error, at);
    }
    check_refused(a_request, SLICE("POST / HTTP/1.0\r\nTransfer-Encoding: chunked" END),
                  HTTP1_ERR_TRANSFER_ENCODING_IN_HTTP10, 45);
    check_refused(a_response, SLICE("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked" END),
                  HTTP1_ERR_TRANSFER_ENCODING_IN_HTTP10, 45);
}

struct framing_case {
    const char *head;
    enum http_framing framing;
    uint64_t length;
    bool keep_alive;
};

static void check_framing(struct head_setup setup, const struct framing_case *one)
{
    struct parsed parsed;

    FOR_EACH_CUT(parsed, setup, slice_of(one->head))
    {
        if (parsed.result != HTTP1_DONE)
            fail_msg("%s: %s", one->head, http1_error_info(parsed.parser.error)->name);
        CHECK_INT(parsed.head.framing, one->framing);
        if (one->framing == HTTP_FRAMING_LENGTH)
            CHECK_INT(parsed.head.content_length, one->length);
        CHECK_INT(parsed.head.keep_alive, one->keep_alive);
    }
}

TEST(requests_are_framed_by_their_fields_alone)
{
    static const struct framing_case cases[] = {
        { "GET / HTTP/1.1\r\nHost: a" END, HTTP_FRAMING_NONE, 0, true },
        { "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0" END, HTTP_FRAMING_LENGTH, 0, true },
        { "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0010" END, HTTP_FRAMING_LENGTH, 10, true },
        { "PUT / HTTP/1.1\r\nHost: a\r\ncontent-length:9223372036854775807\t" END,
          HTTP_FRAMING_LENGTH, INT64_MAX, true },
        { "HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \tCHUNKED" END, HTTP_FRAMING_CHUNKED, 0,
          true },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close" END, HTTP_FRAMING_NONE, 0, false },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close" END,
          HTTP_FRAMING_NONE, 0, false },
        { "GET / HTTP/1.0" END, HTTP_FRAMING_NONE, 0, false },
        { "GET / HTTP/1.0\r\nConnection: Keep-Alive" END, HTTP_FRAMING_NONE, 0, true },
        { "GET / HTTP/1.0\r\nProxy-Connection: keep-alive" END, HTTP_FRAMING_NONE, 0, false },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_framing(a_request, &cases[i]);
}

TEST(responses_are_framed_by_status_and_request_method_first)
{
    static const struct {
        enum http_method method;
        struct framing_case framing;
    } cases[] = {
        { HTTP_METHOD_GET, { "HTTP/1.1 200 OK" END, HTTP_FRAMING_CLOSE, 0, false } },
        { HTTP_METHOD_GET,
          { "HTTP/1.1 200 OK\r\nContent-Length: 3" END, HTTP_FRAMING_LENGTH, 3, true } },
        { HTTP_METHOD_GET,
          { "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked" END, HTTP_FRAMING_CHUNKED, 0, true } },
        { HTTP_METHOD_GET,
          { "HTTP/1.0 200 OK\r\nContent-Length: 3" END, HTTP_FRAMING_LENGTH, 3, false } },
        { HTTP_METHOD_HEAD,
          { "HTTP/1.1 200 OK\r\nContent-Length: 3" END, HTTP_FRAMING_NONE, 0, true } },
        { HTTP_METHOD_HEAD, { "HTTP/1.1 200 OK" END, HTTP_FRAMING_NONE, 0, true } },
        { HTTP_METHOD_HEAD,
          { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked" END, HTTP_FRAMING_NONE, 0, true } },
        { HTTP_METHOD_GET,
          { "HTTP/1.1 304 x\r\nContent-Length: 3" END, HTTP_FRAMING_NONE, 0, true } },
        { HTTP_METHOD_GET,
          { "HTTP/1.1 204 x\r\nTransfer-Encoding: chunked" END, HTTP_FRAMING_NONE, 0, true } },
        { HTTP_METHOD_GET, { "HTTP/1.1 103 Early Hints" END, HTTP_FRAMING_NONE, 0, true } },
        { HTTP_METHOD_CONNECT,
          { "HTTP/1.1 200 OK\r\nContent-Length: 3" END, HTTP_FRAMING_NONE, 0, true } },
        { HTTP_METHOD_CONNECT,
          { "HTTP/1.1 403 No\r\nContent-Length: 3" END, HTTP_FRAMING_LENGTH, 3, true } },
        { HTTP_METHOD_GET,
          { "HTTP/1.1 205 x\r\nContent-Length: 3" END, HTTP_FRAMING_LENGTH, 3, true } },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_framing((struct head_setup){ HTTP1_RESPONSE, cases[i].method, NULL },
                      &cases[i].framing);
}

TEST(expectation_and_upgrade_count_on_http_1_1_only)
{
    struct parsed parsed;

#define REST "Host: a\r\nExpect: 100-Continue\r\nConnection: Upgrade\r\nUpgrade: websocket" END
    FOR_EACH_CUT(parsed, a_request, SLICE("GET / HTTP/1.1\r\n" REST))
    {
        CHECK(parsed.head.expects_continue);
        CHECK(parsed.head.upgrade);
    }
    FOR_EACH_CUT(parsed, a_request, SLICE("GET / HTTP/1.0\r\n" REST))
    {
        CHECK(!parsed.head.expects_continue);
        CHECK(!parsed.head.upgrade);
    }
#undef REST
    FOR_EACH_CUT(parsed, a_request,
                 SLICE("GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nUpgrade: foo" END))
    {
        CHECK(!parsed.head.expects_continue);
        CHECK(!parsed.head.upgrade);
    }
}

TESTS(TEST_CASE(the_host_rules_of_rfc_9112_hold), TEST_CASE(ambiguous_framing_is_refused),
      TEST_CASE(requests_are_framed_by_their_fields_alone),
      TEST_CASE(responses_are_framed_by_status_and_request_method_first),
      TEST_CASE(expectation_and_upgrade_count_on_http_1_1_only))
