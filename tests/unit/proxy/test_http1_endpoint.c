/*
 * http1_endpoint: messages in and out over a stream in memory, with the bytes cut everywhere.
 *
 *   peer (raw bytes) <== memory pair ==> endpoint
 */
#include <string.h>

#include "core/arena.h"
#include "proxy/exchange/http1_endpoint.h"
#include "tests/check.h"
#include "tests/unit/memory_stream.h"

static const struct persona_limits limits = {
    .start_line_max_bytes = 1024,
    .field_line_max_bytes = 1024,
    .head_max_bytes = 4096,
    .fields_max_count = 20,
    .chunk_extension_max_bytes = 12,
    .chunk_extensions_max_bytes = 30,
    .trailers_max_bytes = 100,
    .trailers_max_count = 3,
};

struct scene {
    struct chunk_pool *pool;
    struct memory_pair pair;
    struct stream *peer;
    struct http1_endpoint endpoint;
    struct http_stream *http;
    struct arena arena;
    struct http_head head;
    struct buf content;
};

static void scene_init(struct scene *scene, enum http1_role role, size_t cut)
{
    memset(scene, 0, sizeof(*scene));
    scene->pool = chunk_pool_create(0);
    CHECK(scene->pool != NULL);
    memory_pair_init(&scene->pair, scene->pool);
    scene->pair.cut = cut;
    scene->peer = &scene->pair.ends[0].base;
    http1_endpoint_init(&scene->endpoint, role, scene->pool);
    http1_endpoint_attach(&scene->endpoint, &scene->pair.ends[1].base);
    scene->http = &scene->endpoint.http;
    arena_init(&scene->arena, scene->pool, 64 * 1024);
    buf_init(&scene->content, scene->pool);
    http1_endpoint_begin(&scene->endpoint, &limits, &scene->arena, &scene->head);
}

static void scene_done(struct scene *scene)
{
    http1_endpoint_done(&scene->endpoint);
    buf_done(&scene->content);
    arena_done(&scene->arena);
    memory_pair_done(&scene->pair);
    chunk_pool_free(scene->pool);
}

static void peer_says(struct scene *scene, const char *text)
{
    struct buf bytes;

    buf_init(&bytes, scene->pool);
    CHECK_INT(buf_append_slice(&bytes, slice_of(text)), 0);
    CHECK_INT(stream_write(scene->peer, &bytes), 0);
}

/* Steps the pair until the head is there or no byte is on its way any more. */
static enum endpoint_head_result read_head(struct scene *scene)
{
    enum endpoint_head_result result;

    while ((result = http1_endpoint_read_head(&scene->endpoint)) == ENDPOINT_HEAD_MORE)
        if (!memory_pair_step(&scene->pair))
            break;
    return result;
}

/* The same for all content: 0 complete, or what read_content said last. */
static long read_content(struct scene *scene)
{
    long n;

    for (;;) {
        n = scene->http->ops->read_content(scene->http, &scene->content, 7);
        if (n > 0)
            continue;
        if (n != -EAGAIN || !memory_pair_step(&scene->pair))
            return n;
    }
}

static void check_bytes(struct buf *got, const char *want)
{
    char text[512];
    size_t n = buf_peek(got, text, sizeof(text) - 1);

    text[n] = '\0';
    CHECK_STR(text, want);
}

static void send_response(struct scene *scene, bool chunked, const char *first, const char *second)
{
    struct fields fields;
    const struct http_outgoing outgoing = { .status = 200,
                                            .reason = SLICE("OK"),
                                            .version_minor = 1,
                                            .fields = &fields,
                                            .chunked = chunked };
    const char *const parts[] = { first, second };
    struct buf content;

    fields_init(&fields, &scene->arena);
    buf_init(&content, scene->pool);
    CHECK_INT(scene->http->ops->send_head(scene->http, &outgoing), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(buf_append_slice(&content, slice_of(parts[i])), 0);
        CHECK_INT(scene->http->ops->send_content(scene->http, &content), 0);
    }
    CHECK_INT(scene->http->ops->send_end(scene->http, NULL), 0);
    CHECK_INT(scene->http->ops->flush(scene->http), 0);
}

TEST(two_pipelined_requests_are_read_one_after_the_other)
{
    for (size_t cut = 0; cut < 12; cut++) {
        struct scene s;

        scene_init(&s, HTTP1_REQUEST, cut);
        peer_says(&s, "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789"
                      "PUT /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n");
        CHECK_INT(read_head(&s), ENDPOINT_HEAD_DONE);
        CHECK_SLICE(s.head.request_target, "/1");
        CHECK_INT(read_content(&s), 0);
        check_bytes(&s.content, "0123456789");
        CHECK_INT(s.http->received_bytes, 59);
        CHECK_INT(s.endpoint.state, ENDPOINT_COMPLETE);
        buf_done(&s.content);
        http1_endpoint_end(&s.endpoint);
        http1_endpoint_begin(&s.endpoint, &limits, &s.arena, &s.head);
        CHECK_INT(read_head(&s), ENDPOINT_HEAD_DONE);
        CHECK_SLICE(s.head.request_target, "/2");
        CHECK_INT(read_content(&s), 0);
        check_bytes(&s.content, "abc0123456789");
        CHECK_INT(s.endpoint.in.length, 0);
        scene_done(&s);
    }
}

TEST(the_end_before_a_request_is_none_and_inside_one_an_abort)
{
    struct scene s;

    scene_init(&s, HTTP1_REQUEST, 0);
    stream_shutdown_write(s.peer);
    CHECK_INT(read_head(&s), ENDPOINT_HEAD_NONE);
    scene_done(&s);
    scene_init(&s, HTTP1_REQUEST, 0);
    peer_says(&s, "GET / HT");
    stream_shutdown_write(s.peer);
    CHECK_INT(read_head(&s), ENDPOINT_HEAD_FAILED);
    CHECK_INT(s.http->failure.reason, END_CLIENT_ABORTED);
    scene_done(&s);
}

TEST(a_response_that_breaks_off_is_named_by_where_and_how)
{
    static const struct {
        const char *bytes;
        bool reset;
        enum end_reason want;
    } cases[] = {
        { "", false, END_UPSTREAM_HEAD_CLOSED },
        { "HTTP/1.1 200 OK\r\nCont", false, END_UPSTREAM_HEAD_CLOSED },
        { "HTTP/1.1 200 OK\r\nCont", true, END_UPSTREAM_HEAD_RESET },
        { "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1234", false, END_UPSTREAM_BODY_CLOSED },
        { "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1234", true, END_UPSTREAM_BODY_RESET },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", false,
          END_UPSTREAM_BODY_CLOSED },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", false,
          END_UPSTREAM_BODY_INVALID },
        { "no HTTP at all\r\n\r\n", false, END_UPSTREAM_STATUS_INVALID },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scene s;

        scene_init(&s, HTTP1_RESPONSE, 1);
        peer_says(&s, cases[i].bytes);
        if (read_head(&s) == ENDPOINT_HEAD_DONE)
            (void)read_content(&s); /* to where the bytes end */
        if (cases[i].reset)
            s.pair.ends[1].reset_arrived = true;
        else
            stream_shutdown_write(s.peer);
        if (s.endpoint.state == ENDPOINT_HEAD)
            CHECK_INT(read_head(&s), ENDPOINT_HEAD_FAILED);
        else if (s.endpoint.state == ENDPOINT_CONTENT)
            CHECK_INT(read_content(&s), -EIO);
        CHECK_INT(s.endpoint.state, ENDPOINT_FAILED);
        CHECK_INT(s.http->failure.reason, cases[i].want);
        scene_done(&s);
    }
}

TEST(a_refused_field_line_is_quoted_up_to_the_byte_that_spoils_it)
{
    static const struct {
        const char *line, *want;
    } cases[] = {
        { "X Y: z", "X\\x20..." },    { "X-Y: a\x01\x1b[31m", "X-Y: a\\x01..." },
        { "no colon", "no\\x20..." }, { "colonless", "colonless" },
        { " folded", "\\x20..." },
    };
    char text[256], want[256];
    struct scene s;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        scene_init(&s, HTTP1_REQUEST, 1);
        snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n", cases[i].line);
        peer_says(&s, text);
        CHECK_INT(read_head(&s), ENDPOINT_HEAD_FAILED);
        CHECK_INT(s.http->failure.reason, END_CLIENT_HEAD_INVALID);
        snprintf(want, sizeof(want), "client sent invalid header line: \"%s\"", cases[i].want);
        CHECK_SLICE(s.http->failure.detail, want);
        scene_done(&s);
        scene_init(&s, HTTP1_RESPONSE, 1);
        snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nA: b\r\n%s\r\n\r\n", cases[i].line);
        peer_says(&s, text);
        CHECK_INT(read_head(&s), ENDPOINT_HEAD_FAILED);
        CHECK_INT(s.http->failure.reason, END_UPSTREAM_HEAD_INVALID);
        CHECK_SLICE(s.http->failure.detail, cases[i].want);
        scene_done(&s);
    }
}

TEST(the_longest_quoted_line_fits)
{
    char name[601], text[1000];
    struct scene s;

    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n%s\x01: y\r\n\r\n", name);
    scene_init(&s, HTTP1_REQUEST, 0);
    peer_says(&s, text);
    CHECK_INT(read_head(&s), ENDPOINT_HEAD_FAILED);
    CHECK_INT(s.http->failure.detail.len,
              strlen("client sent invalid header line: \"\"") + 200 + strlen("\\x01..."));
    scene_done(&s);
}

TEST(each_limit_of_chunks_and_trailers_has_its_reason)
{
    static const struct {
        const char *body;
        enum end_reason request, response;
    } cases[] = {
        { "1;abcdefghijk\r\nx\r\n0\r\n\r\n", END_OK, END_OK },
        { "1;abcdefghijkl\r\nx\r\n0\r\n\r\n", END_CLIENT_CHUNKS_TOO_BIG,
          END_UPSTREAM_BODY_INVALID },
        { "1;abcdefghijk\r\nx\r\n1;abcdefghijk\r\nx\r\n1;abcdefg\r\nx\r\n0\r\n\r\n",
          END_CLIENT_CHUNKS_TOO_BIG, END_UPSTREAM_BODY_INVALID },
        { "0\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", END_OK, END_OK },
        { "0\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n", END_CLIENT_TRAILERS_TOO_BIG,
          END_UPSTREAM_BODY_INVALID },
        { "0\r\nA: 0123456789012345678901234567890123456789012345678901234567890123456789"
          "0123456789012345678901234567890\r\n\r\n",
          END_CLIENT_TRAILERS_TOO_BIG, END_UPSTREAM_BODY_INVALID },
        { "x\r\n", END_CLIENT_BODY_INVALID, END_UPSTREAM_BODY_INVALID },
    };
    char text[512];
    struct scene s;

    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        bool response = i % 2;
        enum end_reason want = response ? cases[i / 2].response : cases[i / 2].request;

        scene_init(&s, response ? HTTP1_RESPONSE : HTTP1_REQUEST, 5);
        snprintf(text, sizeof(text), "%s\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%s",
                 response ? "HTTP/1.1 200 OK" : "POST / HTTP/1.1", cases[i / 2].body);
        peer_says(&s, text);
        CHECK_INT(read_head(&s), ENDPOINT_HEAD_DONE);
        CHECK_INT(read_content(&s), want == END_OK ? 0 : -EIO);
        CHECK_INT(s.http->failure.reason, want);
        scene_done(&s);
    }
}

TEST(content_that_ends_with_the_connection_is_complete_only_after_an_orderly_end)
{
    static const char text[] = "HTTP/1.1 200 OK\r\n\r\nuntil the end";
    struct scene s;

    scene_init(&s, HTTP1_RESPONSE, 3);
    peer_says(&s, text);
    CHECK_INT(read_head(&s), ENDPOINT_HEAD_DONE);
    CHECK_INT(s.head.framing, HTTP_FRAMING_CLOSE);
    CHECK_INT(read_content(&s), -EAGAIN);
    stream_shutdown_write(s.peer);
    CHECK_INT(read_content(&s), 0);
    check_bytes(&s.content, "until the end");
    scene_done(&s);
    scene_init(&s, HTTP1_RESPONSE, 3);
    peer_says(&s, text);
    CHECK_INT(read_head(&s), ENDPOINT_HEAD_DONE);
    CHECK_INT(read_content(&s), -EAGAIN);
    s.pair.ends[1].reset_arrived = true;
    CHECK_INT(read_content(&s), -EIO);
    CHECK_INT(s.http->failure.reason, END_UPSTREAM_BODY_RESET);
    scene_done(&s);
}

TEST(bytes_behind_a_response_stay_visible)
{
    struct scene s;

    scene_init(&s, HTTP1_RESPONSE, 0);
    peer_says(&s, "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
    CHECK_INT(read_head(&s), ENDPOINT_HEAD_DONE);
    CHECK_INT(read_content(&s), 0);
    CHECK(s.endpoint.in.length > 0); /* such a connection is not used again */
    scene_done(&s);
}

TEST(an_interim_head_leaves_what_is_being_sent_alone)
{
    struct scene s;
    struct fields fields;
    struct buf content;
    const struct http_outgoing outgoing = { .method = SLICE("POST"),
                                            .target = SLICE("/"),
                                            .version_minor = 1,
                                            .fields = &fields,
                                            .chunked = true };

    scene_init(&s, HTTP1_RESPONSE, 0);
    fields_init(&fields, &s.arena);
    buf_init(&content, s.pool);
    CHECK_INT(s.http->ops->send_head(s.http, &outgoing), 0);
    peer_says(&s, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n"
                  "Content-Length: 2\r\n\r\nok");
    CHECK_INT(read_head(&s), ENDPOINT_HEAD_DONE);
    CHECK_INT(s.head.status, 103);
    http1_endpoint_begin_next_head(&s.endpoint, &limits, &s.arena, &s.head);
    CHECK(s.http->sent_bytes > 0);
    CHECK_INT(buf_append_slice(&content, SLICE("hello")), 0);
    CHECK_INT(s.http->ops->send_content(s.http, &content), 0);
    CHECK_INT(s.http->ops->send_end(s.http, NULL), 0);
    CHECK_INT(s.http->ops->flush(s.http), 0);
    check_bytes(&s.pair.ends[1].written, "POST / HTTP/1.1\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    CHECK_INT(s.http->sent_bytes, s.pair.ends[1].written.length);
    CHECK_INT(read_head(&s), ENDPOINT_HEAD_DONE);
    CHECK_INT(s.head.status, 200);
    CHECK_INT(read_content(&s), 0);
    check_bytes(&s.content, "ok");
    scene_done(&s);
}

TEST(content_is_framed_as_the_head_said)
{
    struct scene s;

    scene_init(&s, HTTP1_REQUEST, 0);
    send_response(&s, true, "abc", "0123456789");
    check_bytes(&s.pair.ends[1].written,
                "HTTP/1.1 200 OK\r\n\r\n3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n");
    CHECK_INT(s.http->sent_bytes, s.pair.ends[1].written.length);
    scene_done(&s);
    scene_init(&s, HTTP1_REQUEST, 0);
    send_response(&s, false, "abc", "0123456789");
    check_bytes(&s.pair.ends[1].written, "HTTP/1.1 200 OK\r\n\r\nabc0123456789");
    CHECK(s.http->ops->queued(s.http) > 0);
    memory_pair_run(&s.pair);
    CHECK_INT(s.http->ops->queued(s.http), 0);
    scene_done(&s);
}

TEST(the_first_failure_wins_until_it_is_forgotten)
{
    char detail[] = "first";
    struct scene s;

    scene_init(&s, HTTP1_RESPONSE, 0);
    http1_endpoint_fail(&s.endpoint, END_CONNECT_REFUSED, slice_of(detail));
    memset(detail, 'x', sizeof(detail) - 1); /* it was copied */
    http1_endpoint_fail(&s.endpoint, END_UPSTREAM_HEAD_CLOSED, SLICE("second"));
    CHECK_INT(s.http->failure.reason, END_CONNECT_REFUSED);
    CHECK_SLICE(s.http->failure.detail, "first");
    http1_endpoint_done(&s.endpoint);
    http1_endpoint_forget(&s.endpoint);
    http1_endpoint_fail(&s.endpoint, END_CONNECT_FAILED, SLICE("of the next try"));
    CHECK_INT(s.http->failure.reason, END_CONNECT_FAILED);
    scene_done(&s);
}

TESTS(TEST_CASE(two_pipelined_requests_are_read_one_after_the_other),
      TEST_CASE(the_end_before_a_request_is_none_and_inside_one_an_abort),
      TEST_CASE(a_response_that_breaks_off_is_named_by_where_and_how),
      TEST_CASE(a_refused_field_line_is_quoted_up_to_the_byte_that_spoils_it),
      TEST_CASE(the_longest_quoted_line_fits),
      TEST_CASE(each_limit_of_chunks_and_trailers_has_its_reason),
      TEST_CASE(content_that_ends_with_the_connection_is_complete_only_after_an_orderly_end),
      TEST_CASE(bytes_behind_a_response_stay_visible),
      TEST_CASE(an_interim_head_leaves_what_is_being_sent_alone),
      TEST_CASE(content_is_framed_as_the_head_said),
      TEST_CASE(the_first_failure_wins_until_it_is_forgotten))
