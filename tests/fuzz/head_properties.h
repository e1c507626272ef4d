/*
 * head_properties: what must hold for the bytes of a connection, requests or responses.
 *
 * Role    shared by fuzz_http1_request and fuzz_http1_response:
 *           - what is seen does not depend on how the bytes are cut;
 *           - a head that was accepted can be written, what is written has no byte that could be read
 *             in two ways, and reads as the same head
 * Owns    everything it needs for the length of a call
 * Thread  any
 */
#ifndef TESTS_FUZZ_HEAD_PROPERTIES_H
#define TESTS_FUZZ_HEAD_PROPERTIES_H

#include "core/http/http1_writer.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/http1_session.h"

/* Small, so that the fuzzer reaches them. */
static const struct http1_limits tight_limits = {
    .start_line_max = 48, .field_line_max = 64, .head_max = 160, .fields_count_max = 6
};

/* For what was written: "name: value" may be longer than the "name:value" that came. */
static const struct http1_limits wide_limits = {
    .start_line_max = 16384, .field_line_max = 32768, .head_max = 65536, .fields_count_max = 128
};

static inline void check_cuts(struct session_setup setup, struct slice bytes)
{
    static const enum cut cuts[] = { CUT_BYTES, CUT_RANDOM, CUT_SCHEDULE };
    struct session_result whole, other;

    setup.cut = CUT_WHOLE;
    whole = session_run(&setup, bytes);
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        setup.cut = cuts[i];
        other = session_run(&setup, bytes);
        require_same((struct slice){ whole.account, whole.account_bytes },
                     (struct slice){ other.account, other.account_bytes },
                     "the cut changes the account");
        free(other.account);
    }
    free(whole.account);
}

/* One head from the front of `in`; false when there is none. */
static inline bool read_head(const struct session_setup *setup, struct buf *in, struct arena *arena,
                             struct http_head *head, struct chunk **ret_chunk)
{
    struct http1_parser parser;
    enum http1_result result;

    http1_parser_init(&parser, setup->role, setup->limits, arena, head);
    parser.request_method = setup->request_method;
    result = http1_parser_feed(&parser, in, ret_chunk);
    http1_parser_done(&parser);
    return result == HTTP1_DONE;
}

static inline int write_head(enum http1_role role, struct buf *out, const struct http_head *head)
{
    if (role == HTTP1_REQUEST)
        return http1_write_request_head(out, head->method_name, head->request_target,
                                        head->version_minor, &head->fields);
    return http1_write_response_head(out, head->version_minor, head->status, head->reason,
                                     &head->fields);
}

static inline void require_equal_heads(const struct http_head *first,
                                       const struct http_head *second)
{
    char *texts[2];
    size_t bytes[2];

    for (int i = 0; i < 2; i++) {
        FILE *out = open_memstream(&texts[i], &bytes[i]);

        require(out != NULL, "memory");
        session_print_head(out, i == 0 ? first : second);
        fclose(out);
    }
    require_same((struct slice){ texts[0], bytes[0] }, (struct slice){ texts[1], bytes[1] },
                 "a written head reads as another one");
    free(texts[0]);
    free(texts[1]);
}

/* `written` is consumed. */
static inline void check_written(struct session_setup setup, struct buf *written,
                                 const struct http_head *head, struct arena *arena)
{
    size_t length = written->length;
    char *text = malloc(length);
    struct chunk *chunk = NULL;
    struct http_head again;

    require(text != NULL, "memory");
    buf_peek(written, text, length);
    require_clean_lines((struct slice){ text, length }, head->fields.count + 2);
    free(text);
    setup.limits = &wide_limits;
    require(read_head(&setup, written, arena, &again, &chunk), "a written head is refused");
    require(buf_is_empty(written), "a written head is followed by something");
    require_equal_heads(head, &again);
    chunk_unref(chunk);
}

static inline void check_round_trip(struct session_setup setup, struct slice bytes)
{
    struct chunk_pool *pool = chunk_pool_create(0);
    struct chunk *chunk = NULL;
    struct http_head head;
    struct arena arena;
    struct buf in, out;

    require(pool != NULL, "memory");
    arena_init(&arena, pool, 0);
    buf_init(&in, pool);
    buf_init(&out, pool);
    setup.limits = setup.limits ? setup.limits : &session_limits;
    require(buf_append_slice(&in, bytes) == 0, "memory");
    if (read_head(&setup, &in, &arena, &head, &chunk)) {
        require(write_head(setup.role, &out, &head) == 0, "an accepted head cannot be written");
        check_written(setup, &out, &head, &arena);
    }
    chunk_unref(chunk);
    buf_done(&in);
    buf_done(&out);
    arena_done(&arena);
    require(chunk_pool_bytes_in_use(pool) == 0, "chunks leak");
    chunk_pool_free(pool);
}

static inline void check_heads(struct session_setup setup, const struct fuzz_input *input)
{
    setup.schedule = input->schedule;
    setup.seed = input->options;
    check_cuts(setup, input->bytes);
    check_round_trip(setup, input->bytes);
}

#endif
