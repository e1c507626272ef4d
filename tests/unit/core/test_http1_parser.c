#include "tests/check.h"

#include <stdio.h>

#include "tests/http1_session.h"

#define END "\r\n\r\n"

/* One head, cut as told. Everything is good until parsed_done. */
struct parsed {
    struct chunk_pool *pool;
    struct arena arena;
    struct buf in;
    struct http_head head;
    struct http1_parser parser;
    struct chunk *chunk;
    enum http1_result result;
};

struct head_setup {
    enum http1_role role;
    enum http_method request_method;
    const struct http1_limits *limits; /* NULL: session_limits */
};

static void parse(struct parsed *parsed, struct head_setup setup, struct slice bytes, enum cut cut)
{
    struct wire wire = { bytes, cut, 7 };

    *parsed = (struct parsed){ .pool = chunk_pool_create(0), .result = HTTP1_NEED_MORE };
    CHECK(parsed->pool != NULL);
    arena_init(&parsed->arena, parsed->pool, 0);
    buf_init(&parsed->in, parsed->pool);
    http1_parser_init(&parsed->parser, setup.role, setup.limits ? setup.limits : &session_limits,
                      &parsed->arena, &parsed->head);
    parsed->parser.request_method = setup.request_method;
    while (parsed->result == HTTP1_NEED_MORE && wire_deliver(&wire, &parsed->in))
        parsed->result = http1_parser_feed(&parsed->parser, &parsed->in, &parsed->chunk);
}

static void parsed_done(struct parsed *parsed)
{
    http1_parser_done(&parsed->parser);
    chunk_unref(parsed->chunk);
    buf_done(&parsed->in);
    arena_done(&parsed->arena);
    CHECK_INT(chunk_pool_bytes_in_use(parsed->pool), 0);
    chunk_pool_free(parsed->pool);
}

/* Runs the body once per cut, with `parsed` filled. */
#define FOR_EACH_CUT(parsed, setup, bytes)                                     \
    for (enum cut cut_ = CUT_WHOLE;                                            \
         cut_ < CUT_COUNT && (parse(&(parsed), (setup), (bytes), cut_), true); \
         parsed_done(&(parsed)), cut_++)

static const struct head_setup a_request = { .role = HTTP1_REQUEST };
static const struct head_setup a_response = { .role = HTTP1_RESPONSE,
                                              .request_method = HTTP_METHOD_GET };

static void check_refused(struct head_setup setup, struct slice bytes, enum http1_error error,
                          size_t at)
{
    struct parsed parsed;

    FOR_EACH_CUT(parsed, setup, bytes)
    {
        if (parsed.result != HTTP1_ERROR || parsed.parser.error != error ||
            parsed.parser.error_at != at)
            fail_msg("\"%.*s\": result %d, %s at %u, want %s at %zu", SLICE_ARG(bytes),
                     parsed.result, http1_error_info(parsed.parser.error)->name,
                     parsed.parser.error_at, http1_error_info(error)->name, at);
    }
}

struct refusal {
    struct slice bytes;
    enum http1_error error;
    size_t at;
};

static void check_refusals(struct head_setup setup, const struct refusal *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_refused(setup, cases[i].bytes, cases[i].error, cases[i].at);
}

#define CHECK_REFUSALS(setup, cases) \
    check_refusals(setup, cases, sizeof(cases) / sizeof((cases)[0]))
#define REFUSAL(text, id, at)                          \
    {                                                  \
        { text, sizeof(text) - 1 }, HTTP1_ERR_##id, at \
    }

TEST(a_request_head_is_taken_apart)
{
    struct slice bytes = SLICE("POST /a/b?c=d?e HTTP/1.1\r\nHost:  a.test:81 \r\nX-Empty:\r\n"
                               "x-a:\tb \t c\t\r\nContent-Length: 5" END "hello");
    struct parsed parsed;

    FOR_EACH_CUT(parsed, a_request, bytes)
    {
        const struct http_head *head = &parsed.head;

        CHECK_INT(parsed.result, HTTP1_DONE);
        CHECK_INT(head->version_major, 1);
        CHECK_INT(head->version_minor, 1);
        CHECK_INT(head->method, HTTP_METHOD_POST);
        CHECK_SLICE(head->method_name, "POST");
        CHECK_SLICE(head->request_target, "/a/b?c=d?e");
        CHECK_SLICE(head->path, "/a/b");
        CHECK_SLICE(head->query, "c=d?e");
        CHECK_SLICE(head->request_line, "POST /a/b?c=d?e HTTP/1.1");
        CHECK_SLICE(head->authority, "a.test:81");
        CHECK_INT(head->fields.count, 4);
        CHECK_SLICE(head->fields.items[0].name, "Host");
        CHECK_INT(head->fields.items[0].id, FIELD_HOST);
        CHECK_SLICE(head->fields.items[1].value, "");
        CHECK_SLICE(head->fields.items[2].name, "x-a");
        CHECK_SLICE(head->fields.items[2].value, "b \t c");
        CHECK_INT(head->framing, HTTP_FRAMING_LENGTH);
        CHECK_INT(head->content_length, 5);
        CHECK(head->keep_alive);
        CHECK(!head->upgrade && !head->expects_continue);
    }
}

TEST(nothing_beyond_the_head_is_consumed)
{
    struct parsed parsed;

    parse(&parsed, a_request, SLICE("GET / HTTP/1.1\r\nHost: a" END "GET /2 HT"), CUT_WHOLE);
    CHECK_INT(parsed.result, HTTP1_DONE);
    CHECK_SLICE(buf_front(&parsed.in), "GET /2 HT");
    CHECK(!http1_parser_has_started(&parsed.parser));
    parsed_done(&parsed);
}

TEST(a_head_in_one_span_is_not_copied)
{
    struct parsed parsed;
    struct buf source;
    const struct span *span;

    parse(&parsed, a_request, SLICE(""), CUT_WHOLE);
    buf_init(&source, parsed.pool);
    CHECK_INT(buf_append_slice(&source, SLICE("\r\nGET / HTTP/1.1\r\nHost: a" END "x")), 0);
    span = buf_front_span(&source);
    CHECK_INT(http1_parser_feed(&parsed.parser, &source, &parsed.chunk), HTTP1_DONE);
    CHECK(parsed.chunk == span->chunk);
    CHECK(parsed.head.request_target.ptr == parsed.chunk->data + strlen("\r\nGET "));
    CHECK_INT(source.length, 1);
    buf_done(&source);
    CHECK_SLICE(parsed.head.request_target, "/");
    parsed_done(&parsed);
}

TEST(an_unfinished_head_does_not_hold_the_chunk_it_came_in)
{
    struct parsed parsed;

    parse(&parsed, a_request, SLICE(""), CUT_WHOLE);
    CHECK_INT(buf_append_slice(&parsed.in, SLICE("GET / HTTP/1.1\r\nHo")), 0);
    struct chunk *arrived_in = chunk_ref(buf_front_span(&parsed.in)->chunk);
    CHECK_INT(http1_parser_feed(&parsed.parser, &parsed.in, &parsed.chunk), HTTP1_NEED_MORE);
    CHECK(buf_is_empty(&parsed.in));
    CHECK_INT(arrived_in->refs, 1);
    chunk_unref(arrived_in);
    parsed_done(&parsed);
}

TEST(has_started_tells_a_slow_head_from_an_idle_connection)
{
    struct parsed parsed;

    parse(&parsed, a_request, SLICE("\r\n"), CUT_BYTES);
    CHECK_INT(parsed.result, HTTP1_NEED_MORE);
    CHECK(!http1_parser_has_started(&parsed.parser));
    parsed_done(&parsed);
    parse(&parsed, a_request, SLICE("\r\nG"), CUT_BYTES);
    CHECK_INT(parsed.result, HTTP1_NEED_MORE);
    CHECK(http1_parser_has_started(&parsed.parser));
    parsed_done(&parsed);
}

/* Larger than the chunks a head starts in: slices must survive each move. */
TEST(a_head_that_outgrows_its_chunk_stays_whole)
{
    static char text[32768];
    size_t length = (size_t)snprintf(text, sizeof(text), "GET /p?q HTTP/1.1\r\nHost: a.test\r\n");
    struct parsed parsed;

    for (int i = 0; i < 100; i++)
        length += (size_t)snprintf(text + length, sizeof(text) - length, "X-%d: %0250d\r\n", i, i);
    length += (size_t)snprintf(text + length, sizeof(text) - length, "\r\n");
    FOR_EACH_CUT(parsed, a_request, ((struct slice){ text, length }))
    {
        CHECK_INT(parsed.result, HTTP1_DONE);
        CHECK_INT(parsed.head.fields.count, 101);
        CHECK_SLICE(parsed.head.path, "/p");
        CHECK_SLICE(parsed.head.authority, "a.test");
        CHECK_SLICE(parsed.head.fields.items[100].name, "X-99");
        CHECK_INT(parsed.head.fields.items[100].value.len, 250);
        CHECK_INT(parsed.head.fields.items[100].value.ptr[249], '9');
    }
}

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
        REFUSAL("CONNECT / HTTP/1.1" END, BAD_TARGET_HOST, 8),
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

#define LINE "GET / HTTP/1.1\r\n" /* 16 bytes */

TEST(a_malformed_field_line_is_refused)
{
    static const struct refusal cases[] = {
        REFUSAL(LINE " A: b" END, FOLDED_LINE, 16),
        REFUSAL(LINE "A: b\r\n c" END, FOLDED_LINE, 22),
        REFUSAL(LINE "A: b\r\n\tc" END, FOLDED_LINE, 22),
        REFUSAL(LINE "A: b\r\n \r\n", FOLDED_LINE, 22),
        REFUSAL(LINE "NoColon" END, NO_COLON, 23),
        REFUSAL(LINE ": x" END, BAD_FIELD_NAME, 16),
        REFUSAL(LINE "A : b" END, SPACE_BEFORE_COLON, 17),
        REFUSAL(LINE "A \t: b" END, SPACE_BEFORE_COLON, 17),
        REFUSAL(LINE "A B: b" END, BAD_FIELD_NAME, 17),
        REFUSAL(LINE "A(: b" END, BAD_FIELD_NAME, 17),
        REFUSAL(LINE "A\xa0: b" END, BAD_FIELD_NAME, 17),
        REFUSAL(LINE "A\0: b" END, BAD_FIELD_NAME, 17),
        REFUSAL(LINE "A\r: b" END, BARE_CR, 17),
        REFUSAL(LINE "A: b\0c" END, BAD_FIELD_VALUE, 20),
        REFUSAL(LINE "A: b\x01" END, BAD_FIELD_VALUE, 20),
        REFUSAL(LINE "A: \x7f" END, BAD_FIELD_VALUE, 19),
        REFUSAL(LINE "A: \x0b" END, BAD_FIELD_VALUE, 19),
        REFUSAL(LINE "A: b\rc" END, BARE_CR, 20),
        REFUSAL(LINE "A: b\r\r\n\r\n", BARE_CR, 20),
        REFUSAL(LINE "A: b\n\r\n", BARE_LF, 20),
        REFUSAL(LINE "A: b\r\n\n", BARE_LF, 22),
        REFUSAL(LINE "Host: a\r\n\rZ: GET /\r\n", BARE_CR, 25),
    };

    CHECK_REFUSALS(a_request, cases);
}

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

TEST(limits_are_met_exactly_and_one_byte_more_is_refused)
{
    const struct http1_limits fits = { 20, 12, 38, 2 };
    /* 20 + 9 + 7 + 2 bytes */
    const struct slice bytes = SLICE("GET /3456 HTTP/1.1\r\nHost: a\r\nX: yz\r\n\r\n");
    struct http1_limits limits = fits;
    struct head_setup setup = { HTTP1_REQUEST, HTTP_METHOD_OTHER, &limits };
    struct parsed parsed;

    FOR_EACH_CUT(parsed, setup, bytes)
    CHECK_INT(parsed.result, HTTP1_DONE);
    limits.start_line_max = 19;
    check_refused(setup, bytes, HTTP1_ERR_START_LINE_TOO_LONG, 19);
    limits = fits;
    limits.field_line_max = 8;
    check_refused(setup, bytes, HTTP1_ERR_FIELD_LINE_TOO_LONG, 28);
    limits = fits;
    limits.head_max = 37;
    check_refused(setup, bytes, HTTP1_ERR_HEAD_TOO_BIG, 37);
    limits.head_max = 36;
    check_refused(setup, bytes, HTTP1_ERR_HEAD_TOO_BIG, 36);
    limits.head_max = 10;
    check_refused(setup, bytes, HTTP1_ERR_HEAD_TOO_BIG, 10);
    limits = fits;
    limits.fields_count_max = 1;
    check_refused(setup, bytes, HTTP1_ERR_TOO_MANY_FIELDS, 29);
}

TEST(a_refused_line_can_be_logged)
{
    struct parsed parsed;

    FOR_EACH_CUT(parsed, a_request, SLICE("GET / HTTP/1.1\r\nBad name: x\r\n"))
    CHECK_SLICE(parsed.parser.error_line, "Bad name: x");
    FOR_EACH_CUT(parsed, a_request, SLICE("GET / HTTP/1.1\r\nA: b" END))
    CHECK_SLICE(parsed.parser.error_line, "");
}

/* bytes_max grows byte by byte over every point where a chunk is asked for. */
TEST(no_memory_at_any_point_is_an_error_and_no_leak)
{
    static char text[9000];
    size_t length = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n");
    unsigned failed = 0, done = 0;

    for (int i = 0; i < 40; i++)
        length += (size_t)snprintf(text + length, sizeof(text) - length, "X-%d: %0150d\r\n", i, i);
    length += (size_t)snprintf(text + length, sizeof(text) - length, "\r\n");

    for (size_t bytes_max = 0; bytes_max < 100000; bytes_max += 1024) {
        struct chunk_pool *input_pool = chunk_pool_create(0);
        struct chunk_pool *pool = chunk_pool_create(bytes_max + 1);
        struct wire wire = { { text, length }, CUT_RANDOM, 1 };
        enum http1_result result = HTTP1_NEED_MORE;
        struct http1_parser parser;
        struct http_head head;
        struct arena arena;
        struct buf in;
        struct chunk *chunk = NULL;

        /* chunks of the input come from elsewhere, as the kernel's do */
        buf_init(&in, input_pool);
        arena_init(&arena, pool, 0);
        http1_parser_init(&parser, HTTP1_REQUEST, &session_limits, &arena, &head);
        while (result == HTTP1_NEED_MORE && wire_deliver(&wire, &in)) {
            in.pool = pool;
            result = http1_parser_feed(&parser, &in, &chunk);
            in.pool = input_pool;
        }
        done += result == HTTP1_DONE;
        if (result == HTTP1_ERROR) {
            failed++;
            CHECK_INT(parser.error, HTTP1_ERR_NO_MEMORY);
            CHECK_INT(http1_parser_feed(&parser, &in, &chunk), HTTP1_ERROR);
        }
        http1_parser_done(&parser);
        chunk_unref(chunk);
        buf_done(&in);
        arena_done(&arena);
        CHECK_INT(chunk_pool_bytes_in_use(pool), 0);
        CHECK_INT(chunk_pool_bytes_in_use(input_pool), 0);
        chunk_pool_free(pool);
        chunk_pool_free(input_pool);
    }
    CHECK(failed > 10);
    CHECK(done > 10);
}

TEST(every_error_has_words_and_a_status)
{
    for (unsigned error = HTTP1_OK + 1; error < HTTP1_ERROR_COUNT; error++) {
        const struct http1_error_info *info = http1_error_info((enum http1_error)error);

        CHECK(info->name[0] != '\0');
        CHECK(info->status >= 400 && info->status <= 505);
        CHECK(info->phrase[0] != '\0' || info->upstream_phrase[0] != '\0');
    }
    CHECK_STR(http1_error_info(HTTP1_ERR_HOST_MISSING)->phrase,
              "client sent HTTP/1.1 request without \"Host\" header");
    CHECK_INT(http1_error_info(HTTP1_ERR_TRANSFER_ENCODING_UNKNOWN)->status, 501);
}

TESTS(TEST_CASE(a_request_head_is_taken_apart), TEST_CASE(nothing_beyond_the_head_is_consumed),
      TEST_CASE(a_head_in_one_span_is_not_copied),
      TEST_CASE(an_unfinished_head_does_not_hold_the_chunk_it_came_in),
      TEST_CASE(has_started_tells_a_slow_head_from_an_idle_connection),
      TEST_CASE(a_head_that_outgrows_its_chunk_stays_whole),
      TEST_CASE(every_form_of_request_target_is_recognised),
      TEST_CASE(a_malformed_request_line_is_refused), TEST_CASE(a_malformed_field_line_is_refused),
      TEST_CASE(the_host_rules_of_rfc_9112_hold), TEST_CASE(ambiguous_framing_is_refused),
      TEST_CASE(requests_are_framed_by_their_fields_alone),
      TEST_CASE(responses_are_framed_by_status_and_request_method_first),
      TEST_CASE(a_status_line_is_taken_apart), TEST_CASE(a_malformed_status_line_is_refused),
      TEST_CASE(expectation_and_upgrade_count_on_http_1_1_only),
      TEST_CASE(limits_are_met_exactly_and_one_byte_more_is_refused),
      TEST_CASE(a_refused_line_can_be_logged),
      TEST_CASE(no_memory_at_any_point_is_an_error_and_no_leak),
      TEST_CASE(every_error_has_words_and_a_status))
