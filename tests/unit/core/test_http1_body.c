#include "tests/check.h"

#include "tests/http1_session.h"

/* One body, cut as told: everything that came out. Good until decoded_done. */
struct decoded {
    struct chunk_pool *pool;
    struct arena arena;
    struct buf in, out;
    struct fields trailers;
    struct http1_body body;
    struct wire wire;
    enum http1_body_result result;
    char content[4096];
    size_t content_bytes;
};

struct body_setup {
    enum http_framing framing;
    uint64_t content_length;
    const struct http1_body_limits *limits; /* NULL: session_body_limits */
    bool drop_trailers;
};

static const struct body_setup chunked = { .framing = HTTP_FRAMING_CHUNKED };

static void take_content(struct decoded *decoded)
{
    size_t n = buf_peek(&decoded->out, decoded->content + decoded->content_bytes,
                        sizeof(decoded->content) - decoded->content_bytes);

    CHECK_INT(n, decoded->out.length);
    decoded->content_bytes += n;
    buf_consume(&decoded->out, n);
}

static void decode(struct decoded *decoded, struct body_setup setup, struct slice bytes,
                   enum cut cut)
{
    struct http_head head = { .framing = setup.framing, .content_length = setup.content_length };
    size_t max = cut == CUT_WHOLE ? SIZE_MAX : 3;

    *decoded = (struct decoded){ .pool = chunk_pool_create(0),
                                 .wire = { .bytes = bytes, .cut = cut, .random = 11 } };
    CHECK(decoded->pool != NULL);
    arena_init(&decoded->arena, decoded->pool, 0);
    buf_init(&decoded->in, decoded->pool);
    buf_init(&decoded->out, decoded->pool);
    fields_init(&decoded->trailers, &decoded->arena);
    http1_body_init(&decoded->body, &head, setup.limits ? setup.limits : &session_body_limits,
                    setup.drop_trailers ? NULL : &decoded->trailers, &decoded->arena);
    for (;;) {
        size_t before = decoded->in.length;

        decoded->result = http1_body_decode(&decoded->body, &decoded->in, &decoded->out, max);
        CHECK(decoded->out.length <= max);
        take_content(decoded);
        if (decoded->result != HTTP1_BODY_MORE)
            break;
        if (decoded->in.length == before && !wire_deliver(&decoded->wire, &decoded->in))
            break;
    }
    CHECK_INT(decoded->body.content_bytes, decoded->content_bytes);
}

static void decoded_done(struct decoded *decoded)
{
    http1_body_done(&decoded->body);
    buf_done(&decoded->in);
    buf_done(&decoded->out);
    arena_done(&decoded->arena);
    CHECK_INT(chunk_pool_bytes_in_use(decoded->pool), 0);
    chunk_pool_free(decoded->pool);
}

#define FOR_EACH_CUT(decoded, setup, bytes)                                      \
    for (enum cut cut_ = CUT_WHOLE;                                              \
         cut_ < CUT_COUNT && (decode(&(decoded), (setup), (bytes), cut_), true); \
         decoded_done(&(decoded)), cut_++)

static struct slice content_of(const struct decoded *decoded)
{
    return (struct slice){ decoded->content, decoded->content_bytes };
}

static size_t rest_of(const struct decoded *decoded)
{
    return decoded->in.length + decoded->wire.bytes.len;
}

TEST(a_message_without_content_ends_at_once)
{
    struct decoded decoded;

    FOR_EACH_CUT(decoded, ((struct body_setup){ .framing = HTTP_FRAMING_NONE }), SLICE("next"))
    {
        CHECK_INT(decoded.result, HTTP1_BODY_END);
        CHECK_INT(rest_of(&decoded), 4);
    }
    FOR_EACH_CUT(decoded, ((struct body_setup){ .framing = HTTP_FRAMING_LENGTH }), SLICE("next"))
    {
        CHECK_INT(decoded.result, HTTP1_BODY_END);
        CHECK_INT(rest_of(&decoded), 4);
    }
}

TEST(length_takes_so_many_bytes_and_no_more)
{
    const struct body_setup setup = { .framing = HTTP_FRAMING_LENGTH, .content_length = 5 };
    struct decoded decoded;

    FOR_EACH_CUT(decoded, setup, SLICE("helloGET"))
    {
        CHECK_INT(decoded.result, HTTP1_BODY_END);
        CHECK_SLICE(content_of(&decoded), "hello");
        CHECK_INT(rest_of(&decoded), 3);
        CHECK_INT(http1_body_eof(&decoded.body), HTTP1_BODY_END);
    }
    FOR_EACH_CUT(decoded, setup, SLICE("hell"))
    {
        CHECK_INT(decoded.result, HTTP1_BODY_MORE);
        CHECK_INT(decoded.body.remaining, 1);
        CHECK_INT(http1_body_eof(&decoded.body), HTTP1_BODY_ERROR);
        CHECK_INT(decoded.body.error, HTTP1_ERR_BODY_TRUNCATED);
    }
}

TEST(close_delimited_content_ends_with_the_stream)
{
    struct decoded decoded;

    FOR_EACH_CUT(decoded, ((struct body_setup){ .framing = HTTP_FRAMING_CLOSE }), SLICE("hello"))
    {
        CHECK_INT(decoded.result, HTTP1_BODY_MORE);
        CHECK_SLICE(content_of(&decoded), "hello");
        CHECK_INT(http1_body_eof(&decoded.body), HTTP1_BODY_END);
    }
}

TEST(content_is_moved_not_copied)
{
    struct decoded decoded;
    struct chunk *arrived_in;

    decode(&decoded, chunked, SLICE(""), CUT_WHOLE);
    CHECK_INT(buf_append_slice(&decoded.in, SLICE("5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n")), 0);
    arrived_in = buf_front_span(&decoded.in)->chunk;
    CHECK_INT(http1_body_decode(&decoded.body, &decoded.in, &decoded.out, SIZE_MAX),
              HTTP1_BODY_END);
    CHECK_INT(decoded.out.count, 2);
    CHECK(decoded.out.spans[0].chunk == arrived_in && decoded.out.spans[1].chunk == arrived_in);
    CHECK(buf_front(&decoded.out).ptr == arrived_in->data + 3);
    decoded_done(&decoded);
}

TEST(chunks_are_joined_and_their_framing_is_removed)
{
    static const struct {
        const char *wire, *content;
    } cases[] = {
        { "0\r\n\r\n", "" },
        { "5\r\nhello\r\n0\r\n\r\n", "hello" },
        { "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world" },
        { "0005\r\nhello\r\n0000\r\n\r\n", "hello" },
        { "A\r\n0123456789\r\na\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n",
          "0123456789\r\n\r\n\r\n\r\n\r\n" },
        { "5;a=b;c=\"d;\\\"e\\\\ \t\xff\" ; f\r\nhello\r\n0;x\r\n\r\n", "hello" },
        { "5 \t;a\r\nhello\r\n0\r\n\r\n", "hello" },
        { "5;\r\nhello\r\n0\r\n\r\n", "hello" },
        { "0000000000000005\r\nhello\r\n0\r\n\r\n", "hello" },
    };
    struct decoded decoded;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[200];

        snprintf(text, sizeof(text), "%sGET", cases[i].wire);
        FOR_EACH_CUT(decoded, chunked, slice_of(text))
        {
            if (decoded.result != HTTP1_BODY_END)
                fail_msg("%s: %s", text, http1_error_info(decoded.body.error)->name);
            CHECK_SLICE(content_of(&decoded), cases[i].content);
            CHECK_INT(rest_of(&decoded), 3);
            CHECK_INT(http1_body_decode(&decoded.body, &decoded.in, &decoded.out, 1),
                      HTTP1_BODY_END);
            CHECK_INT(http1_body_eof(&decoded.body), HTTP1_BODY_END);
        }
    }
}

struct refusal {
    struct slice wire;
    enum http1_error error;
    const char *content; /* what came out before */
};

#define REFUSAL(text, id, content)                          \
    {                                                       \
        { text, sizeof(text) - 1 }, HTTP1_ERR_##id, content \
    }

static void check_refused(struct body_setup setup, const struct refusal *refusal)
{
    struct decoded decoded;

    FOR_EACH_CUT(decoded, setup, refusal->wire)
    {
        if (decoded.result != HTTP1_BODY_ERROR || decoded.body.error != refusal->error)
            fail_msg("\"%.*s\": result %d %s, want %s", SLICE_ARG(refusal->wire), decoded.result,
                     http1_error_info(decoded.body.error)->name,
                     http1_error_info(refusal->error)->name);
        CHECK_SLICE(content_of(&decoded), refusal->content);
        CHECK_INT(http1_body_decode(&decoded.body, &decoded.in, &decoded.out, 1), HTTP1_BODY_ERROR);
        CHECK_INT(http1_body_eof(&decoded.body), HTTP1_BODY_ERROR);
        CHECK_INT(decoded.body.error, refusal->error);
    }
}

TEST(broken_chunk_framing_is_refused)
{
    static const struct refusal cases[] = {
        REFUSAL("xyz\r\n", CHUNK_SIZE_INVALID, ""),
        REFUSAL("\r\n", CHUNK_SIZE_INVALID, ""),
        REFUSAL(";a\r\n", CHUNK_SIZE_INVALID, ""),
        REFUSAL(" 5\r\n", CHUNK_SIZE_INVALID, ""),
        REFUSAL("+5\r\n", CHUNK_SIZE_INVALID, ""),
        REFUSAL("-5\r\n", CHUNK_SIZE_INVALID, ""),
        REFUSAL("0x5\r\n", CHUNK_SIZE_INVALID, ""),
        REFUSAL("0_5\r\n", CHUNK_SIZE_INVALID, ""),
        REFUSAL("5.0\r\n", CHUNK_SIZE_INVALID, ""),
        REFUSAL("5\0\r\n", CHUNK_SIZE_INVALID, ""),
        REFUSAL("5 \r\n", CHUNK_SIZE_INVALID, ""),
        REFUSAL("5 6\r\n", CHUNK_SIZE_INVALID, ""),
        REFUSAL("8000000000000000\r\n", CHUNK_SIZE_TOO_BIG, ""),
        REFUSAL("FFFFFFFFFFFFFFFF\r\n", CHUNK_SIZE_TOO_BIG, ""),
        REFUSAL("10000000000000005\r\n", CHUNK_SIZE_TOO_BIG, ""),
        REFUSAL("00000000000000005\r\n", CHUNK_SIZE_TOO_BIG, ""),
        REFUSAL("5\nhello", CHUNK_LINE_END, ""),
        REFUSAL("5\rhello", CHUNK_LINE_END, ""),
        REFUSAL("5;a\rb\r\n", CHUNK_LINE_END, ""),
        REFUSAL("5;a\nb\r\n", CHUNK_EXTENSION_INVALID, ""),
        REFUSAL("5;a\x01\r\n", CHUNK_EXTENSION_INVALID, ""),
        REFUSAL("5;a\0\r\n", CHUNK_EXTENSION_INVALID, ""),
        REFUSAL("5;a\xff\r\n", CHUNK_EXTENSION_INVALID, ""),
        REFUSAL("5;a=\"\r\nhello", CHUNK_EXTENSION_INVALID, ""),
        REFUSAL("5;a=\"\\\r\nhello", CHUNK_EXTENSION_INVALID, ""),
        REFUSAL("5;a=\"\n\"\r\nhello", CHUNK_EXTENSION_INVALID, ""),
        REFUSAL("5\r\nhelloXX", CHUNK_DATA_END, "hello"),
        REFUSAL("5\r\nhello\n0\r\n\r\n", CHUNK_DATA_END, "hello"),
        REFUSAL("5\r\nhello\r0\r\n\r\n", CHUNK_DATA_END, "hello"),
        REFUSAL("3\r\nhello\r\n0\r\n\r\n", CHUNK_DATA_END, "hel"),
        REFUSAL("5\r\nhello\r\n\r\n0\r\n\r\n", CHUNK_SIZE_INVALID, "hello"),
        REFUSAL("0\r\n\rX", BARE_CR, ""),
        REFUSAL("0\r\n\n", BARE_LF, ""),
        REFUSAL("0\r\nX: a\n\r\n", BARE_LF, ""),
        REFUSAL("0\r\nbad\r\n\r\n", NO_COLON, ""),
        REFUSAL("0\r\nX : a\r\n\r\n", SPACE_BEFORE_COLON, ""),
        REFUSAL("0\r\nX: a\r\n b\r\n\r\n", FOLDED_LINE, ""),
        REFUSAL("0\r\nX: a\0\r\n\r\n", BAD_FIELD_VALUE, ""),
        REFUSAL("0\r\nContent-Length: \x01\r\n\r\n", BAD_FIELD_VALUE, ""),
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_refused(chunked, &cases[i]);
}

TEST(limits_are_met_exactly_and_one_byte_more_is_refused)
{
    const struct http1_body_limits fits = { 4, 6, 8, 1 };
    /* extensions 4 + 2 bytes, trailers 8 */
    const struct refusal whole = { SLICE("1;abc\r\nx\r\n0;a\r\nX: abc\r\n\r\n"), HTTP1_OK, "x" };
    struct http1_body_limits limits = fits;
    struct body_setup setup = { .framing = HTTP_FRAMING_CHUNKED, .limits = &limits };
    struct refusal refusal = whole;
    struct decoded decoded;

    FOR_EACH_CUT(decoded, setup, whole.wire)
    CHECK_INT(decoded.result, HTTP1_BODY_END);
    limits.trailer_max = 7;
    refusal.error = HTTP1_ERR_TRAILER_TOO_BIG;
    check_refused(setup, &refusal);
    limits = fits;
    limits.chunk_extension_total_max = 5;
    refusal.error = HTTP1_ERR_CHUNK_EXTENSION_TOO_LONG;
    check_refused(setup, &refusal);
    limits = fits;
    limits.chunk_extension_max = 3;
    refusal.content = "";
    check_refused(setup, &refusal);
}

TEST(trailers_are_delivered_but_never_those_that_steer)
{
    const struct slice bytes = SLICE("3\r\nabc\r\n0\r\nX-Sum: \t1 \r\nContent-Length: 9\r\n"
                                     "content_length: 9\r\nTransfer-Encoding: gzip\r\nHost: x\r\n"
                                     "Authorization: Bearer evil\r\nCookie: a\r\nSET-COOKIE: b\r\n"
                                     "X_Forwarded_For: 1\r\nTelemetry: 2\r\n\r\n");
    struct body_setup drop = chunked;
    struct decoded decoded;

    FOR_EACH_CUT(decoded, chunked, bytes)
    {
        CHECK_INT(decoded.result, HTTP1_BODY_END);
        CHECK_INT(decoded.trailers.count, 2);
        CHECK_SLICE(decoded.trailers.items[0].name, "X-Sum");
        CHECK_SLICE(decoded.trailers.items[0].value, "1");
        CHECK_SLICE(decoded.trailers.items[1].name, "Telemetry");
        CHECK_INT(decoded.body.forbidden_trailer_count, 8);
    }
    drop.drop_trailers = true;
    FOR_EACH_CUT(decoded, drop, bytes)
    {
        CHECK_INT(decoded.result, HTTP1_BODY_END);
        CHECK_INT(decoded.trailers.count, 0);
        CHECK_INT(decoded.arena.bytes, 0);
    }
}

TEST(more_trailers_than_allowed_are_refused)
{
    char text[2000];
    size_t length = (size_t)snprintf(text, sizeof(text), "0\r\n");
    struct refusal refusal = { .error = HTTP1_ERR_TOO_MANY_FIELDS, .content = "" };
    struct decoded decoded;

    for (uint32_t i = 0; i < session_body_limits.trailer_fields_count_max; i++)
        length += (size_t)snprintf(text + length, sizeof(text) - length, "a:b\r\n");
    length += (size_t)snprintf(text + length, sizeof(text) - length, "\r\n");
    FOR_EACH_CUT(decoded, chunked, ((struct slice){ text, length }))
    {
        CHECK_INT(decoded.result, HTTP1_BODY_END);
        CHECK_INT(decoded.trailers.count, session_body_limits.trailer_fields_count_max);
    }
    length -= 2;
    length += (size_t)snprintf(text + length, sizeof(text) - length, "a:b\r\n");
    refusal.wire = (struct slice){ text, length };
    check_refused(chunked, &refusal);
}

TEST(the_end_of_the_stream_inside_a_chunked_message_is_truncation)
{
    const struct slice bytes = SLICE("5;a=\"b\"\r\nhello\r\n0\r\nX: y\r\n\r\n");
    struct decoded decoded;

    for (size_t length = 0; length < bytes.len; length++) {
        FOR_EACH_CUT(decoded, chunked, ((struct slice){ bytes.ptr, length }))
        {
            CHECK_INT(decoded.result, HTTP1_BODY_MORE);
            CHECK_INT(http1_body_eof(&decoded.body), HTTP1_BODY_ERROR);
            CHECK_INT(decoded.body.error, HTTP1_ERR_BODY_TRUNCATED);
        }
    }
}

TEST(max_stops_content_but_not_the_end)
{
    struct decoded decoded;

    decode(&decoded, chunked, SLICE(""), CUT_WHOLE);
    CHECK_INT(buf_append_slice(&decoded.in, SLICE("5\r\nhello\r\n0\r\n\r\n")), 0);
    CHECK_INT(http1_body_decode(&decoded.body, &decoded.in, &decoded.out, 0), HTTP1_BODY_MORE);
    CHECK_INT(decoded.out.length, 0);
    CHECK_INT(http1_body_decode(&decoded.body, &decoded.in, &decoded.out, 4), HTTP1_BODY_MORE);
    CHECK_INT(decoded.out.length, 4);
    CHECK_INT(http1_body_decode(&decoded.body, &decoded.in, &decoded.out, 1), HTTP1_BODY_END);
    CHECK_INT(decoded.out.length, 5);
    decoded_done(&decoded);
}

TEST(no_memory_for_trailers_is_an_error_and_no_leak)
{
    const struct slice bytes = SLICE("1\r\nx\r\n0\r\nX: y\r\n\r\n");
    unsigned failed = 0, done = 0;

    for (size_t bytes_max = 0; bytes_max < 40000; bytes_max += 1000) {
        struct http_head head = { .framing = HTTP_FRAMING_CHUNKED };
        struct chunk_pool *input_pool = chunk_pool_create(0);
        struct chunk_pool *pool = chunk_pool_create(bytes_max + 1);
        struct http1_body body;
        struct fields trailers;
        struct arena arena;
        struct buf in, out;
        enum http1_body_result result;

        buf_init(&in, input_pool);
        buf_init(&out, pool);
        arena_init(&arena, pool, 0);
        fields_init(&trailers, &arena);
        http1_body_init(&body, &head, &session_body_limits, &trailers, &arena);
        CHECK_INT(buf_append_slice(&in, bytes), 0);
        in.pool = pool;
        result = http1_body_decode(&body, &in, &out, SIZE_MAX);
        failed += result == HTTP1_BODY_ERROR;
        done += result == HTTP1_BODY_END;
        CHECK_INT(body.error, result == HTTP1_BODY_ERROR ? HTTP1_ERR_NO_MEMORY : HTTP1_OK);
        http1_body_done(&body);
        buf_done(&in);
        buf_done(&out);
        arena_done(&arena);
        CHECK_INT(chunk_pool_bytes_in_use(pool), 0);
        CHECK_INT(chunk_pool_bytes_in_use(input_pool), 0);
        chunk_pool_free(pool);
        chunk_pool_free(input_pool);
    }
    CHECK(failed > 5);
    CHECK(done > 5);
}

TESTS(TEST_CASE(a_message_without_content_ends_at_once),
      TEST_CASE(length_takes_so_many_bytes_and_no_more),
      TEST_CASE(close_delimited_content_ends_with_the_stream),
      TEST_CASE(content_is_moved_not_copied),
      TEST_CASE(chunks_are_joined_and_their_framing_is_removed),
      TEST_CASE(broken_chunk_framing_is_refused),
      TEST_CASE(limits_are_met_exactly_and_one_byte_more_is_refused),
      TEST_CASE(trailers_are_delivered_but_never_those_that_steer),
      TEST_CASE(more_trailers_than_allowed_are_refused),
      TEST_CASE(the_end_of_the_stream_inside_a_chunked_message_is_truncation),
      TEST_CASE(max_stops_content_but_not_the_end),
      TEST_CASE(no_memory_for_trailers_is_an_error_and_no_leak))
