/*
 * http1_parser: HTTP/1 heads, bytes in, struct http_head out (RFC 9112, strict).
 *
 * Role    finds the end of a head, checks every byte of it, decides the message's framing
 * Owns    the head bytes while incomplete (a chunk); on success the caller gets the reference
 * Thread  one worker; no I/O
 *
 * The result does not depend on how the bytes were cut. Every limit is hit while reading.
 */
#ifndef CORE_HTTP_HTTP1_PARSER_H
#define CORE_HTTP_HTTP1_PARSER_H

#include "core/buf.h"
#include "core/http/head.h"

enum http1_role { HTTP1_REQUEST, HTTP1_RESPONSE };

/* Bytes unless the name says otherwise. */
struct http1_limits {
    uint32_t start_line_max;   /* 8192 */
    uint32_t field_line_max;   /* 16384 */
    uint32_t head_max;         /* 32768, start line included */
    uint32_t fields_count_max; /* 128 */
};

enum http1_result {
    HTTP1_NEED_MORE,
    HTTP1_DONE,
    HTTP1_ERROR, /* see parser->error */
};

/* What was wrong; text and status come from http1_error_info. Generated from http1_errors.def. */
enum http1_error {
    HTTP1_OK = 0,
#define HTTP1_ERROR_DEF(id, status, phrase) HTTP1_ERR_##id,
#include "core/http/http1_errors.def"
#undef HTTP1_ERROR_DEF
};

struct http1_error_info {
    const char *name;   /* "BAD_METHOD" */
    unsigned status;    /* what a server answers to such a request; 502 is implied for responses */
    const char *phrase; /* nginx's words where nginx has some */
};

struct http1_parser {
    enum http1_role role;
    struct http1_limits limits;
    /* responses: the method of the request this answers decides the framing (HEAD, CONNECT) */
    enum http_method request_method;

    /* private */
    struct chunk *chunk; /* holds all bytes of this head, contiguous */
    uint32_t start, scanned, end;
    uint32_t line_start;
    unsigned state;
    struct arena *arena;    /* borrowed */
    struct http_head *head; /* borrowed */
    enum http1_error error;
    uint32_t error_at;       /* byte offset in the head */
    struct slice error_line; /* the line that was refused (borrowed from the chunk), for the log */
};

/* head and arena are the caller's and must outlive the parser's use. */
void http1_parser_init(struct http1_parser *parser, enum http1_role role,
                       const struct http1_limits *limits, struct arena *arena,
                       struct http_head *head);
void http1_parser_done(struct http1_parser *parser);

/*
 * Consumes head bytes from `in` (nothing beyond the head). HTTP1_DONE: head is filled, *ret_chunk
 * is a reference that keeps its slices alive (the caller unrefs it). RFC 9112 2.2: one empty line
 * (CRLF) before a request line is skipped. A failed allocation is HTTP1_ERROR with
 * HTTP1_ERR_NO_MEMORY.
 */
enum http1_result http1_parser_feed(struct http1_parser *parser, struct buf *in,
                                    struct chunk **ret_chunk);

/* True once a byte of a head was seen: decides 408 against silent close. */
bool http1_parser_has_started(const struct http1_parser *parser);

const struct http1_error_info *http1_error_info(enum http1_error error);

#endif
