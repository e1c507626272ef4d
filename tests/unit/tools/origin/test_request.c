#include "tools/origin/request.h"

#include <stdlib.h>
#include <string.h>

#include "tests/check.h"

static struct chunk_pool *pool;

static int set_up(void **state)
{
    (void)state;
    pool = chunk_pool_create(0);
    return pool ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    chunk_pool_free(pool);
    return 0;
}

/* Feeds the text in pieces of 1 .. cut bytes; returns what is left behind the head. */
static size_t read_in_pieces(struct request_head *head, struct slice text, size_t cut,
                             enum request_result *ret_result)
{
    struct buf in;
    size_t at = 0, left;

    buf_init(&in, pool);
    *ret_result = REQUEST_MORE;
    while (*ret_result == REQUEST_MORE && at < text.len) {
        size_t length = cut > 1 ? 1 + (size_t)rand() % cut : 1;

        if (length > text.len - at)
            length = text.len - at;
        CHECK_INT(buf_append_bytes(&in, text.ptr + at, length), 0);
        at += length;
        *ret_result = request_head_read(head, &in);
    }
    left = in.length + text.len - at;
    buf_done(&in);
    return left;
}

static const char post[] =
    "\r\n\r\nPOST http://a.test/b/c?x=1&fault=ok HTTP/1.1\r\nHost: a\r\nX-A:  1 \r\n"
    "Content-Length: 5\r\nConnection: x, close\r\nx-a: 2\r\nodd\r\n\r\nhello";

static void check_post(size_t cut)
{
    struct request_head head = { 0 };
    enum request_result result;

    CHECK_INT(read_in_pieces(&head, SLICE(post), cut, &result), 5);
    CHECK_INT(result, REQUEST_DONE);
    CHECK_INT(head.length, sizeof(post) - 1 - 4 - 5);
    CHECK_SLICE(head.method, "POST");
    CHECK_SLICE(head.target, "http://a.test/b/c?x=1&fault=ok");
    CHECK_SLICE(head.path, "/b/c");
    CHECK_SLICE(head.query, "x=1&fault=ok");
    CHECK_SLICE(head.version, "HTTP/1.1");
    CHECK_INT(head.fields_count, 6);
    CHECK_SLICE(head.fields[1].value, "1");
    CHECK_SLICE(head.fields[5].name, "odd");
    CHECK_SLICE(request_field(&head, "X-A"), "1");
    CHECK_SLICE(request_field(&head, "odd"), "");
    CHECK(!request_field(&head, "none").ptr);
    CHECK_SLICE(request_parameter(&head, "fault"), "ok");
    CHECK(!request_parameter(&head, "faul").ptr);
    CHECK_INT(head.framing, HTTP_FRAMING_LENGTH);
    CHECK_INT(head.content_length, 5);
    CHECK(head.wants_close && !head.is_http10 && !head.expects_continue);
    request_head_done(&head);
}

TEST(a_head_is_the_same_however_it_is_cut)
{
    check_post(sizeof(post) * 1000);
    check_post(1);
    for (int i = 0; i < 50; i++)
        check_post(20);
}

struct oddity {
    struct slice text;
    const char *method, *path, *version;
    enum http_framing framing;
    bool wants_close;
};

TEST(any_line_is_a_request_line)
{
    const struct oddity oddities[] = {
        { SLICE("garbage\r\n\r\n"), "garbage", "", "", HTTP_FRAMING_NONE, false },
        { SLICE("GET /a b HTTP/1.1\n\n"), "GET", "/a b", "HTTP/1.1", HTTP_FRAMING_NONE, false },
        { SLICE("GET /\xff\x01 HTTP/1.0\r\n\r\n"), "GET", "/\xff\x01", "HTTP/1.0",
          HTTP_FRAMING_NONE, true },
        { SLICE("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), "GET", "/", "HTTP/1.0",
          HTTP_FRAMING_NONE, false },
        { SLICE("OPTIONS * HTTP/1.1\r\n\r\n"), "OPTIONS", "", "HTTP/1.1", HTTP_FRAMING_NONE,
          false },
        { SLICE("CONNECT a:443 HTTP/1.1\r\n\r\n"), "CONNECT", "", "HTTP/1.1", HTTP_FRAMING_NONE,
          false },
        { SLICE(": \r\n\r\n"), ":", "", "", HTTP_FRAMING_NONE, false },
        { SLICE("P / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n"),
          "P", "/", "HTTP/1.1", HTTP_FRAMING_CHUNKED, false },
        { SLICE("P / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"), "P", "/", "HTTP/1.1",
          HTTP_FRAMING_NONE, false },
    };

    for (size_t i = 0; i < sizeof(oddities) / sizeof(oddities[0]); i++) {
        struct request_head head = { 0 };
        enum request_result result;

        CHECK_INT(read_in_pieces(&head, oddities[i].text, 7, &result), 0);
        CHECK_INT(result, REQUEST_DONE);
        CHECK_SLICE(head.method, oddities[i].method);
        CHECK_SLICE(head.path, oddities[i].path);
        CHECK_SLICE(head.version, oddities[i].version);
        CHECK_INT(head.framing, oddities[i].framing);
        CHECK_INT(head.wants_close, oddities[i].wants_close);
        request_head_done(&head);
    }
}

TEST(a_length_beyond_all_numbers_is_the_largest)
{
    struct request_head head = { 0 };
    enum request_result result;

    (void)read_in_pieces(
        &head, SLICE("P / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"), 9, &result);
    CHECK(head.content_length == UINT64_MAX);
    request_head_done(&head);
}

TEST(a_head_has_a_limit)
{
    struct request_head head = { 0 };
    enum request_result result = REQUEST_MORE;
    char block[4096];
    struct buf in;

    memset(block, 'a', sizeof(block));
    buf_init(&in, pool);
    for (size_t i = 0; i <= REQUEST_HEAD_MAX / sizeof(block) && result == REQUEST_MORE; i++) {
        CHECK_INT(buf_append_bytes(&in, block, sizeof(block)), 0);
        result = request_head_read(&head, &in);
    }
    CHECK_INT(result, REQUEST_TOO_LARGE);
    CHECK_INT(head.length, REQUEST_HEAD_MAX);
    buf_done(&in);
    request_head_done(&head);
}

TEST(a_complete_head_takes_nothing_more)
{
    struct request_head head = { 0 };
    enum request_result result;
    struct buf in;

    (void)read_in_pieces(&head, SLICE("P /a HTTP/1.1\r\nContent-Length: 3\r\n\r\n"), 9, &result);
    CHECK_INT(result, REQUEST_DONE);
    buf_init(&in, pool);
    CHECK_INT(buf_append_slice(&in, SLICE("\r\nGET /b HTTP/1.0\r\n\r\n")), 0);
    CHECK_INT(request_head_read(&head, &in), REQUEST_DONE);
    CHECK_INT(in.length, 21);
    CHECK_SLICE(head.path, "/a");
    request_head_done(&head);
    CHECK_INT(request_head_read(&head, &in), REQUEST_DONE);
    CHECK_INT(in.length, 0);
    CHECK_SLICE(head.path, "/b");
    CHECK(head.framing == HTTP_FRAMING_NONE && head.content_length == 0 && head.is_http10);
    CHECK_INT(head.fields_count, 0);
    buf_done(&in);
    request_head_done(&head);
}

static bool read_content(enum http_framing framing, uint64_t length, struct slice text,
                         struct request_content *content, size_t *ret_left)
{
    struct request_head head = { .framing = framing, .content_length = length };
    struct buf in;
    bool ended = false;

    buf_init(&in, pool);
    request_content_begin(content, &head, pool);
    for (size_t i = 0; i < text.len && !ended; i++) {
        CHECK_INT(buf_append_bytes(&in, text.ptr + i, 1), 0);
        ended = request_content_read(content, &in);
        *ret_left = text.len - i - 1;
    }
    buf_done(&in);
    request_content_done(content);
    return ended;
}

TEST(content_ends_where_its_framing_says)
{
    struct request_content content;
    size_t left;

    CHECK(read_content(HTTP_FRAMING_LENGTH, 5, SLICE("helloGET"), &content, &left));
    CHECK(content.bytes == 5 && !content.is_broken && left == 3);
    CHECK(read_content(HTTP_FRAMING_CHUNKED, 0, SLICE("5\r\nhello\r\n0\r\nA: b\r\n\r\nGET"),
                       &content, &left));
    CHECK(content.bytes == 5 && !content.is_broken && left == 3);
    CHECK(!read_content(HTTP_FRAMING_LENGTH, 6, SLICE("hello"), &content, &left));
    CHECK(read_content(HTTP_FRAMING_CHUNKED, 0, SLICE("zz\r\n"), &content, &left));
    CHECK(content.is_broken);
}

TEST(a_client_hello_is_no_head)
{
    static const char hello[] = "\x16\x03\x01\x02\x00\x01";

    for (size_t cut = 1; cut < 5; cut += 3) {
        struct request_head head = { 0 };
        enum request_result result;

        (void)read_in_pieces(&head, SLICE(hello), cut, &result);
        CHECK_INT(result, REQUEST_IS_TLS);
        CHECK_INT(head.length, 0);
        request_head_done(&head);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_CASE(a_head_is_the_same_however_it_is_cut),
        TEST_CASE(any_line_is_a_request_line),
        TEST_CASE(a_length_beyond_all_numbers_is_the_largest),
        TEST_CASE(a_head_has_a_limit),
        TEST_CASE(a_complete_head_takes_nothing_more),
        TEST_CASE(content_ends_where_its_framing_says),
        TEST_CASE(a_client_hello_is_no_head),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
