/*
 * Properties of a connection's bytes, requests or responses:
 *   - what is seen does not depend on how they are cut;
 *   - a head that was accepted can be written, and what is written reads as the same head.
 *
 * First byte of the input: bit 0 role, bits 1-2 method of the request, the rest seeds the cuts.
 */
#include <stdint.h>

#include "core/http/http1_writer.h"
#include "tests/http1_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "property broken: %s\n", what);
    abort();
}

static void check_cuts(struct session_setup setup, struct slice bytes)
{
    struct session_result whole, other;

    setup.cut = CUT_WHOLE;
    whole = session_run(&setup, bytes);
    for (enum cut cut = CUT_BYTES; cut < CUT_COUNT; cut++) {
        setup.cut = cut;
        other = session_run(&setup, bytes);
        require(whole.account_bytes == other.account_bytes &&
                    memcmp(whole.account, other.account, whole.account_bytes) == 0,
                "the cut changes the account");
        free(other.account);
    }
    free(whole.account);
}

/* One head from the front of `in`; false when there is none. */
static bool read_head(const struct session_setup *setup, struct buf *in, struct arena *arena,
                      struct http_head *head, struct chunk **ret_chunk)
{
    struct http1_parser parser;
    enum http1_result result;

    http1_parser_init(&parser, setup->role, &session_limits, arena, head);
    parser.request_method = setup->request_method;
    result = http1_parser_feed(&parser, in, ret_chunk);
    http1_parser_done(&parser);
    return result == HTTP1_DONE;
}

static int write_head(const struct session_setup *setup, struct buf *out,
                      const struct http_head *head)
{
    if (setup->role == HTTP1_REQUEST)
        return http1_write_request_head(out, head->method_name, head->request_target,
                                        head->version_minor, &head->fields);
    return http1_write_response_head(out, head->version_minor, head->status, head->reason,
                                     &head->fields);
}

static void print_to(const struct http_head *head, char **ret_text, size_t *ret_bytes)
{
    FILE *out = open_memstream(ret_text, ret_bytes);

    require(out != NULL, "memory");
    session_print_head(out, head);
    fclose(out);
}

static void check_heads_equal(const struct http_head *first, const struct http_head *second)
{
    char *texts[2];
    size_t bytes[2];

    print_to(first, &texts[0], &bytes[0]);
    print_to(second, &texts[1], &bytes[1]);
    require(bytes[0] == bytes[1] && memcmp(texts[0], texts[1], bytes[0]) == 0,
            "a written head reads as another one");
    free(texts[0]);
    free(texts[1]);
}

static void check_round_trip(const struct session_setup *setup, struct slice bytes)
{
    struct chunk_pool *pool = chunk_pool_create(0);
    struct http_head first, second;
    struct chunk *first_chunk = NULL, *second_chunk = NULL;
    struct arena arena;
    struct buf in, out;

    require(pool != NULL, "memory");
    arena_init(&arena, pool, 0);
    buf_init(&in, pool);
    buf_init(&out, pool);
    require(buf_append_slice(&in, bytes) == 0, "memory");
    if (read_head(setup, &in, &arena, &first, &first_chunk)) {
        int r = write_head(setup, &out, &first);
        /* writing puts "name: value" where "name:value" came: a head at the limit may grow over it
         */
        bool fits = out.length < session_limits.head_max / 2;

        require(r == 0, "an accepted head cannot be written");
        if (fits) {
            require(read_head(setup, &out, &arena, &second, &second_chunk),
                    "a written head is refused");
            require(buf_is_empty(&out), "a written head is followed by something");
            check_heads_equal(&first, &second);
        }
    }
    chunk_unref(first_chunk);
    chunk_unref(second_chunk);
    buf_done(&in);
    buf_done(&out);
    arena_done(&arena);
    chunk_pool_free(pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum http_method methods[] = { HTTP_METHOD_GET, HTTP_METHOD_HEAD,
                                                HTTP_METHOD_CONNECT, HTTP_METHOD_POST };
    struct session_setup setup = { 0 };
    struct slice bytes;

    if (size == 0)
        return 0;
    setup.role = data[0] & 1 ? HTTP1_RESPONSE : HTTP1_REQUEST;
    setup.request_method = methods[data[0] >> 1 & 3];
    setup.seed = data[0];
    bytes = (struct slice){ (const char *)data + 1, size - 1 };
    check_cuts(setup, bytes);
    check_round_trip(&setup, bytes);
    return 0;
}
