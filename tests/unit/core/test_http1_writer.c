#include "tests/check.h"

#include <errno.h>

#include "core/http/http1_writer.h"

struct fixture {
    struct chunk_pool *pool;
    struct arena arena;
    struct fields fields;
    struct buf out;
};

static void fixture_init(struct fixture *fixture)
{
    fixture->pool = chunk_pool_create(0);
    CHECK(fixture->pool != NULL);
    arena_init(&fixture->arena, fixture->pool, 0);
    fields_init(&fixture->fields, &fixture->arena);
    buf_init(&fixture->out, fixture->pool);
}

static void fixture_done(struct fixture *fixture)
{
    buf_done(&fixture->out);
    arena_done(&fixture->arena);
    CHECK_INT(chunk_pool_bytes_in_use(fixture->pool), 0);
    chunk_pool_free(fixture->pool);
}

static void add(struct fixture *fixture, struct slice name, struct slice value)
{
    CHECK_INT(fields_add(&fixture->fields, name, value), 0);
}

static void check_out(const struct fixture *fixture, const char *want)
{
    char text[1000];
    size_t length = buf_peek(&fixture->out, text, sizeof(text));

    CHECK_INT(length, fixture->out.length);
    CHECK_SLICE(((struct slice){ text, length }), want);
}

TEST(a_request_head_is_written_in_field_order)
{
    struct fixture fixture;

    fixture_init(&fixture);
    add(&fixture, SLICE("host"), SLICE("a.test"));
    add(&fixture, SLICE("X-Empty"), SLICE(""));
    add(&fixture, SLICE("host"), SLICE("b"));
    CHECK_INT(
        http1_write_request_head(&fixture.out, SLICE("GET"), SLICE("/a?b"), 1, &fixture.fields), 0);
    check_out(&fixture, "GET /a?b HTTP/1.1\r\nhost: a.test\r\nX-Empty: \r\nhost: b\r\n\r\n");
    CHECK_INT(fixture.out.count, 1);
    fixture_done(&fixture);
}

TEST(a_response_head_is_written_in_field_order)
{
    struct fixture fixture;

    fixture_init(&fixture);
    add(&fixture, SLICE("A"), SLICE("\xe9 \t"));
    CHECK_INT(http1_write_response_head(&fixture.out, 0, 404, SLICE("Not Found"), &fixture.fields),
              0);
    CHECK_INT(http1_write_response_head(&fixture.out, 1, 999, SLICE(""), &(struct fields){ 0 }), 0);
    check_out(&fixture, "HTTP/1.0 404 Not Found\r\nA: \xe9 \t\r\n\r\nHTTP/1.1 999 \r\n\r\n");
    fixture_done(&fixture);
}

TEST(no_rule_can_split_a_message)
{
    static const struct {
        struct slice name, value;
    } cases[] = {
        { { "A\r\nB", 4 }, { "x", 1 } }, { { "A:B", 3 }, { "x", 1 } },
        { { "", 0 }, { "x", 1 } },       { { "A ", 2 }, { "x", 1 } },
        { { "A", 1 }, { "x\r\nB", 4 } }, { { "A", 1 }, { "x\n", 2 } },
        { { "A", 1 }, { "\0", 1 } },     { { "A", 1 }, { "x\r", 2 } },
        { { "A\0", 2 }, { "x", 1 } },    { { "A", 1 }, { "12345678\x7f", 9 } },
    };
    struct fixture fixture;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fixture_init(&fixture);
        add(&fixture, cases[i].name, cases[i].value);
        CHECK_INT(
            http1_write_request_head(&fixture.out, SLICE("GET"), SLICE("/"), 1, &fixture.fields),
            -EINVAL);
        CHECK_INT(http1_write_response_head(&fixture.out, 1, 200, SLICE("OK"), &fixture.fields),
                  -EINVAL);
        CHECK_INT(http1_write_last_chunk(&fixture.out, &fixture.fields), -EINVAL);
        CHECK(buf_is_empty(&fixture.out));
        fixture_done(&fixture);
    }
}

TEST(a_bad_start_line_is_refused)
{
    const struct fields none = { 0 };
    struct fixture fixture;

    fixture_init(&fixture);
#define REQUEST(method, target, minor) \
    http1_write_request_head(&fixture.out, SLICE(method), SLICE(target), minor, &none)
    CHECK_INT(REQUEST("", "/", 1), -EINVAL);
    CHECK_INT(REQUEST("G T", "/", 1), -EINVAL);
    CHECK_INT(REQUEST("GET", "", 1), -EINVAL);
    CHECK_INT(REQUEST("GET", "/a b", 1), -EINVAL);
    CHECK_INT(REQUEST("GET", "/\r\n", 1), -EINVAL);
    CHECK_INT(REQUEST("GET", "/#", 1), -EINVAL);
    CHECK_INT(REQUEST("GET", "/\xff", 1), -EINVAL);
    CHECK_INT(REQUEST("GET", "/", 2), -EINVAL);
#undef REQUEST
    CHECK_INT(http1_write_response_head(&fixture.out, 1, 99, SLICE("x"), &none), -EINVAL);
    CHECK_INT(http1_write_response_head(&fixture.out, 1, 1000, SLICE("x"), &none), -EINVAL);
    CHECK_INT(http1_write_response_head(&fixture.out, 1, 200, SLICE("x\n"), &none), -EINVAL);
    CHECK_INT(http1_write_response_head(&fixture.out, 2, 200, SLICE("x"), &none), -EINVAL);
    CHECK(buf_is_empty(&fixture.out));
    fixture_done(&fixture);
}

TEST(a_message_never_says_its_length_twice)
{
    struct fixture fixture;

    fixture_init(&fixture);
    add(&fixture, SLICE("Content-Length"), SLICE("5"));
    CHECK_INT(http1_write_response_head(&fixture.out, 1, 200, SLICE("OK"), &fixture.fields), 0);
    CHECK_INT(http1_write_last_chunk(&fixture.out, &fixture.fields), -EINVAL);
    add(&fixture, SLICE("transfer-encoding"), SLICE("chunked"));
    CHECK_INT(http1_write_response_head(&fixture.out, 1, 200, SLICE("OK"), &fixture.fields),
              -EINVAL);
    CHECK_INT(fields_remove(&fixture.fields, FIELD_TRANSFER_ENCODING), 1);
    add(&fixture, SLICE("content-length"), SLICE("5"));
    CHECK_INT(http1_write_request_head(&fixture.out, SLICE("GET"), SLICE("/"), 1, &fixture.fields),
              -EINVAL);
    check_out(&fixture, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    fixture_done(&fixture);
}

TEST(chunks_carry_their_size_in_hex)
{
    struct fixture fixture;
    struct buf content;

    fixture_init(&fixture);
    buf_init(&content, fixture.pool);
    CHECK_INT(http1_write_chunk(&fixture.out, &content), 0);
    CHECK(buf_is_empty(&fixture.out));
    CHECK_INT(buf_append_slice(&content, SLICE("0123456789abcdefghijklmnopqrstuvwxyz")), 0);
    CHECK_INT(http1_write_chunk(&fixture.out, &content), 0);
    CHECK(buf_is_empty(&content));
    CHECK_INT(buf_append_slice(&content, SLICE("x")), 0);
    CHECK_INT(http1_write_chunk(&fixture.out, &content), 0);
    add(&fixture, SLICE("X-Sum"), SLICE("1"));
    CHECK_INT(http1_write_last_chunk(&fixture.out, &fixture.fields), 0);
    check_out(&fixture, "24\r\n0123456789abcdefghijklmnopqrstuvwxyz\r\n1\r\nx\r\n"
                        "0\r\nX-Sum: 1\r\n\r\n");
    buf_done(&fixture.out);
    CHECK_INT(http1_write_last_chunk(&fixture.out, NULL), 0);
    check_out(&fixture, "0\r\n\r\n");
    buf_done(&content);
    fixture_done(&fixture);
}

TEST(no_memory_appends_nothing)
{
    struct chunk_pool *pool = chunk_pool_create(1);
    const struct fields none = { 0 };
    struct buf out;

    buf_init(&out, pool);
    CHECK_INT(http1_write_request_head(&out, SLICE("GET"), SLICE("/"), 1, &none), -ENOMEM);
    CHECK_INT(http1_write_response_head(&out, 1, 200, SLICE("OK"), &none), -ENOMEM);
    CHECK_INT(http1_write_last_chunk(&out, NULL), -ENOMEM);
    CHECK(buf_is_empty(&out));
    chunk_pool_free(pool);
}

TESTS(TEST_CASE(a_request_head_is_written_in_field_order),
      TEST_CASE(a_response_head_is_written_in_field_order), TEST_CASE(no_rule_can_split_a_message),
      TEST_CASE(a_bad_start_line_is_refused), TEST_CASE(a_message_never_says_its_length_twice),
      TEST_CASE(chunks_carry_their_size_in_hex), TEST_CASE(no_memory_appends_nothing))
