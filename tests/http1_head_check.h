/*
 * http1_head_check: one head through the parser, in every cut, for the tests of its parts.
 *
 * Role    shared by tests/unit/core/test_http1_*.c
 * Owns    struct parsed owns all it refers to until parsed_done
 * Thread  any
 */
#ifndef TESTS_HTTP1_HEAD_CHECK_H
#define TESTS_HTTP1_HEAD_CHECK_H

#include "tests/check.h"
#include "tests/http1_session.h"

/* The end of the last line and the empty line. */
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

static unsigned parsed_leniencies; /* of the heads to come */

static inline void parse(struct parsed *parsed, struct head_setup setup, struct slice bytes,
                         enum cut cut)
{
    struct wire wire = { .bytes = bytes, .cut = cut, .random = 7 };

    *parsed = (struct parsed){ .pool = chunk_pool_create(0), .result = HTTP1_NEED_MORE };
    CHECK(parsed->pool != NULL);
    arena_init(&parsed->arena, parsed->pool, 0);
    buf_init(&parsed->in, parsed->pool);
    http1_parser_init(&parsed->parser, setup.role, setup.limits ? setup.limits : &session_limits,
                      &parsed->arena, &parsed->head);
    parsed->parser.request_method = setup.request_method;
    parsed->parser.leniencies = parsed_leniencies;
    while (parsed->result == HTTP1_NEED_MORE && wire_deliver(&wire, &parsed->in))
        parsed->result = http1_parser_feed(&parsed->parser, &parsed->in, &parsed->chunk);
}

static inline void parsed_done(struct parsed *parsed)
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

__attribute__((unused)) static const struct head_setup a_request = { .role = HTTP1_REQUEST };
__attribute__((unused)) static const struct head_setup a_response = { .role = HTTP1_RESPONSE,
                                                                      .request_method =
                                                                          HTTP_METHOD_GET };

static inline void check_refused(struct head_setup setup, struct slice bytes,
                                 enum http1_error error, size_t at)
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

static inline void check_refusals(struct head_setup setup, const struct refusal *cases,
                                  size_t count)
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

/* 16 bytes, so that an offset of 16 is the first field line */
#define LINE "GET / HTTP/1.1\r\n"

#endif
