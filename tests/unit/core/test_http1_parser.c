#include "tests/http1_head_check.h"

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
    parse(&parsed, a_response, SLICE("HTTP/1.1 200 OK" END), CUT_BYTES);
    CHECK_INT(parsed.result, HTTP1_DONE);
    http1_parser_done(&parsed.parser);
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
        struct wire wire = { .bytes = { text, length }, .cut = CUT_RANDOM, .random = 1 };
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
      TEST_CASE(limits_are_met_exactly_and_one_byte_more_is_refused),
      TEST_CASE(a_refused_line_can_be_logged),
      TEST_CASE(no_memory_at_any_point_is_an_error_and_no_leak),
      TEST_CASE(every_error_has_words_and_a_status))
