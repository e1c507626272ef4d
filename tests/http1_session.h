/*
 * http1_session: plays the bytes of one HTTP/1 connection through parser and body decoder.
 *
 * Role    shared by unit tests and fuzzers: the same bytes, cut in different ways, must give the
 *         same account of what happened
 * Owns    everything it needs for the length of a call
 * Thread  any
 */
#ifndef TESTS_HTTP1_SESSION_H
#define TESTS_HTTP1_SESSION_H

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/http/http1_body.h"
#include "core/http/http1_parser.h"

/* CUT_SCHEDULE: as wire.schedule says; for fuzzers, which choose it. */
enum cut { CUT_WHOLE, CUT_BYTES, CUT_RANDOM, CUT_COUNT, CUT_SCHEDULE };

/* The defaults of hostile-input protection, as in the headers' comments. */
static const struct http1_limits session_limits = {
    .start_line_max = 8192, .field_line_max = 16384, .head_max = 32768, .fields_count_max = 128
};
static const struct http1_body_limits session_body_limits = { .chunk_extension_max = 256,
                                                              .chunk_extension_total_max = 16384,
                                                              .trailer_max = 8192,
                                                              .trailer_fields_count_max = 128 };

/* Bytes on their way, in pieces. */
struct wire {
    struct slice bytes;
    enum cut cut;
    unsigned random;
    struct slice schedule; /* a byte b stands for b + 1 bytes; begins again at its end */
    size_t schedule_at;
};

static inline unsigned wire_random(struct wire *wire)
{
    wire->random = wire->random * 1103515245u + 12345u;
    return wire->random >> 16 & 0x7fff;
}

/* How long the next piece is. */
static inline size_t wire_cut(struct wire *wire)
{
    size_t left = wire->bytes.len, length = left;

    if (wire->cut == CUT_BYTES)
        length = 1;
    else if (wire->cut == CUT_RANDOM)
        length = 1 + wire_random(wire) % (left < 40 ? left : 40);
    else if (wire->cut == CUT_SCHEDULE && wire->schedule.len > 0)
        length =
            1 + (size_t)(unsigned char)wire->schedule.ptr[wire->schedule_at++ % wire->schedule.len];
    return length < left ? length : left;
}

/* Appends the next piece as a chunk of its own. False when nothing is left, or no memory. */
static inline bool wire_deliver(struct wire *wire, struct buf *in)
{
    struct chunk *chunk;
    size_t length;
    int r;

    if (wire->bytes.len == 0)
        return false;
    length = wire_cut(wire);
    chunk = chunk_pool_get(in->pool, length);
    if (!chunk)
        return false;
    memcpy(chunk->data, wire->bytes.ptr, length);
    chunk->used = (uint32_t)length;
    r = buf_append_chunk(in, chunk, 0, (uint32_t)length);
    chunk_unref(chunk);
    wire->bytes = slice_from(wire->bytes, length);
    return r == 0;
}

struct session_setup {
    enum http1_role role;
    enum http_method request_method; /* of every response */
    enum cut cut;
    unsigned seed;
    struct slice schedule;             /* CUT_SCHEDULE only */
    const struct http1_limits *limits; /* NULL: session_limits */
    size_t pool_bytes_max;             /* 0: none */
};

struct session_result {
    unsigned complete_count; /* messages that ended */
    bool incomplete;         /* the end came inside a message */
    enum http1_error error;
    unsigned last_status;
    bool keep_alive;   /* of the last head, and nothing odd came behind it */
    size_t rest_bytes; /* behind the last message; 0 after an error */
    char *account;     /* heap; everything that was seen, as text */
    size_t account_bytes;
};

struct session {
    const struct session_setup *setup;
    struct chunk_pool *pool;
    struct arena arena;
    struct buf in;
    struct wire wire;
    FILE *out;
    struct session_result result;
};

static inline void session_print_head(FILE *out, const struct http_head *head)
{
    fprintf(out, "head %u.%u framing=%d length=%llu keep=%d upgrade=%d continue=%d\n",
            head->version_major, head->version_minor, head->framing,
            (unsigned long long)(head->framing == HTTP_FRAMING_LENGTH ? head->content_length : 0),
            head->keep_alive, head->upgrade, head->expects_continue);
    fprintf(out, "request %d [%.*s] [%.*s] form=%d scheme=[%.*s] authority=[%.*s]\n", head->method,
            SLICE_ARG(head->method_name), SLICE_ARG(head->request_target), head->target_form,
            SLICE_ARG(head->scheme), SLICE_ARG(head->authority));
    fprintf(out, "path=[%.*s] query=%s[%.*s] line=[%.*s]\n", SLICE_ARG(head->path),
            head->query.ptr ? "" : "none", SLICE_ARG(head->query), SLICE_ARG(head->request_line));
    fprintf(out, "response %u [%.*s]\n", head->status, SLICE_ARG(head->reason));
    for (uint32_t i = 0; i < head->fields.count; i++)
        fprintf(out, "field %u [%.*s]=[%.*s]\n", head->fields.items[i].id,
                SLICE_ARG(head->fields.items[i].name), SLICE_ARG(head->fields.items[i].value));
}

static inline void session_print_content(FILE *out, struct buf *content)
{
    while (!buf_is_empty(content)) {
        struct slice front = buf_front(content);

        fwrite(front.ptr, 1, front.len, out);
        buf_consume(content, front.len);
    }
}

/* 1: head read, 0: no more bytes, -1: refused */
static inline int session_read_head(struct session *session, struct http_head *head,
                                    struct chunk **ret_chunk)
{
    struct http1_parser parser;
    enum http1_result result;
    bool started;

    http1_parser_init(&parser, session->setup->role,
                      session->setup->limits ? session->setup->limits : &session_limits,
                      &session->arena, head);
    parser.request_method = session->setup->request_method;
    do
        result = http1_parser_feed(&parser, &session->in, ret_chunk);
    while (result == HTTP1_NEED_MORE && wire_deliver(&session->wire, &session->in));
    started = http1_parser_has_started(&parser);
    if (result == HTTP1_ERROR) {
        session->result.error = parser.error;
        fprintf(session->out, "refused %s at %u\n", http1_error_info(parser.error)->name,
                parser.error_at);
    }
    http1_parser_done(&parser);
    session->result.incomplete = result == HTTP1_NEED_MORE && started;
    return result == HTTP1_DONE ? 1 : result == HTTP1_ERROR ? -1 : 0;
}

static inline enum http1_body_result session_decode(struct session *session,
                                                    struct http1_body *body, struct buf *content)
{
    enum http1_body_result result;
    size_t before;

    for (;;) {
        size_t max =
            session->setup->cut == CUT_WHOLE ? SIZE_MAX : 1 + wire_random(&session->wire) % 7;

        before = session->in.length;
        result = http1_body_decode(body, &session->in, content, max);
        session_print_content(session->out, content);
        if (result != HTTP1_BODY_MORE)
            return result;
        if (session->in.length == before && !wire_deliver(&session->wire, &session->in))
            return http1_body_eof(body);
    }
}

/* True when the message ended well. */
static inline bool session_read_body(struct session *session, const struct http_head *head)
{
    struct http1_body body;
    struct buf content;
    struct fields trailers;
    enum http1_body_result result;

    fields_init(&trailers, &session->arena);
    buf_init(&content, session->pool);
    http1_body_init(&body, head, &session_body_limits, &trailers, &session->arena);
    fprintf(session->out, "content [");
    result = session_decode(session, &body, &content);
    fprintf(session->out, "] %llu bytes\n", (unsigned long long)body.content_bytes);
    for (uint32_t i = 0; i < trailers.count; i++)
        fprintf(session->out, "trailer [%.*s]=[%.*s]\n", SLICE_ARG(trailers.items[i].name),
                SLICE_ARG(trailers.items[i].value));
    if (body.forbidden_trailer_count > 0)
        session->result.keep_alive = false;
    if (result == HTTP1_BODY_ERROR) {
        session->result.error = body.error;
        session->result.incomplete = body.error == HTTP1_ERR_BODY_TRUNCATED;
        fprintf(session->out, "broken %s\n", http1_error_info(body.error)->name);
    }
    http1_body_done(&body);
    buf_done(&content);
    return result == HTTP1_BODY_END;
}

/* True when another message may follow on this connection. */
static inline bool session_read_message(struct session *session)
{
    struct http_head head;
    struct chunk *chunk = NULL;
    bool ended, interim;

    if (session_read_head(session, &head, &chunk) != 1)
        return false;
    interim = session->setup->role == HTTP1_RESPONSE && head.status < 200;
    session_print_head(session->out, &head);
    session->result.last_status = head.status;
    session->result.keep_alive = head.keep_alive;
    ended = session_read_body(session, &head);
    session->result.complete_count += ended && !interim;
    chunk_unref(chunk);
    arena_done(&session->arena);
    if (session->setup->role == HTTP1_RESPONSE)
        return ended && interim && head.status != 101;
    return ended && head.keep_alive && head.method != HTTP_METHOD_CONNECT;
}

/* The caller frees result.account. */
static inline struct session_result session_run(const struct session_setup *setup,
                                                struct slice bytes)
{
    struct session session = { .setup = setup };

    session.pool = chunk_pool_create(setup->pool_bytes_max);
    session.wire = (struct wire){
        .bytes = bytes, .cut = setup->cut, .random = setup->seed, .schedule = setup->schedule
    };
    session.out = open_memstream(&session.result.account, &session.result.account_bytes);
    assert(session.pool && session.out);
    arena_init(&session.arena, session.pool, 0);
    buf_init(&session.in, session.pool);
    while (session_read_message(&session))
        ;
    if (session.result.error == HTTP1_OK)
        session.result.rest_bytes = session.in.length + session.wire.bytes.len;
    fprintf(session.out, "rest %zu\n", session.result.rest_bytes);
    fclose(session.out);
    arena_done(&session.arena);
    buf_done(&session.in);
    assert(chunk_pool_bytes_in_use(session.pool) == 0 && "the session leaks chunks");
    chunk_pool_free(session.pool);
    return session.result;
}

#endif
