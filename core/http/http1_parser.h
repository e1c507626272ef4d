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

#include <stdbool.h>
#include <stdint.h>

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
#define HTTP1_ERROR_DEF(id, status, phrase, upstream_phrase) HTTP1_ERR_##id,
#include "core/http/http1_errors.def"
#undef HTTP1_ERROR_DEF
    HTTP1_ERROR_COUNT
};

struct http1_error_info {
    const char *name;   /* "BAD_METHOD" */
    unsigned status;    /* what a server answers to such a request; 502 is implied for responses */
    const char *phrase; /* what a client did, in nginx's words where nginx has some */
    const char *upstream_phrase; /* the same of a target; "" when only a request can do it */
};

/*
 * What a parser lets pass beyond the strict rules. A set of them is for the lab alone: each has been used
 * to smuggle messages. None changes what a line that is well-formed means.
 */
enum http1_leniency {
    HTTP1_LENIENT_BARE_LF = 1 << 0, /* ends lines, chunked framing included */
    /* a line without colon, with an odd name or a control byte in its value is left out; NUL, CR and blanks
     * in names are still refused */
    HTTP1_LENIENT_DROP_BAD_LINE = 1 << 1,
    HTTP1_LENIENT_LENGTH_AND_CODING = 1 << 2, /* Transfer-Encoding wins */
    /* responses, as nginx (ngx_http_upstream_process_content_length, _process_transfer_encoding) */
    HTTP1_LENIENT_ANY_LENGTH = 1 << 3, /* the last line counts; what is no number counts as none */
    HTTP1_LENIENT_ANY_CODING =
        1 << 4, /* chunked if that stands anywhere in it, else none; also in 1.0 */
    HTTP1_LENIENT_ODD_STATUS = 1 << 5, /* HTTP/2.0, several blanks, "200." */
    HTTP1_LENIENT_INTERIM_CONTENT =
        1 << 6, /* a 1xx is a final answer whose content ends with the stream */
    /* as HAProxy, in both directions */
    HTTP1_LENIENT_OBS_FOLD = 1 << 7, /* joined, CR and LF become spaces; not of the first line */
    HTTP1_LENIENT_MERGE_LENGTHS = 1 << 8, /* equal Content-Length values, also in a list, are one */
    HTTP1_LENIENT_EMPTY_LINES = 1 << 9,   /* any number of them before the first line */
    HTTP1_LENIENT_OLD_CODING = 1 << 10, /* Transfer-Encoding in HTTP/1.0; it cannot persist then */
    HTTP1_LENIENT_ANY_HOST = 1 << 11,   /* no Host, or one of any form */
};

enum {
    HTTP1_LENIENT_IN_REQUESTS = HTTP1_LENIENT_BARE_LF | HTTP1_LENIENT_DROP_BAD_LINE |
                                HTTP1_LENIENT_LENGTH_AND_CODING | HTTP1_LENIENT_OBS_FOLD |
                                HTTP1_LENIENT_MERGE_LENGTHS | HTTP1_LENIENT_EMPTY_LINES |
                                HTTP1_LENIENT_OLD_CODING | HTTP1_LENIENT_ANY_HOST,
};

struct http1_parser {
    enum http1_role role;
    struct http1_limits limits;
    /* responses: the method of the request this answers decides the framing (HEAD, CONNECT) */
    enum http_method request_method;
    unsigned leniencies; /* mask of enum http1_leniency; set after init, 0 outside the lab */

    enum http1_error error;
    uint32_t error_at;      /* byte offset in the head */
    uint32_t error_in_line; /* and in error_line; its length: the end came too early */
    /* The line that was refused, as far as it had arrived, without its line end; for the log.
       Borrowed from the chunk: good until http1_parser_done. Empty when there is no such line. */
    struct slice error_line;

    /* private */
    struct arena *arena;    /* borrowed */
    struct http_head *head; /* borrowed */
    struct chunk *chunk;    /* holds all bytes of this head, contiguous; NULL before the first */
    bool chunk_is_own;      /* else it belongs to the input and is only referenced */
    bool started;
    unsigned state;
    /* offsets in the chunk: first byte of the head, of the current line; scanned for LF up to here;
       end of the bytes that may belong to the head */
    uint32_t start, line_start, scanned, end;
};

/*
 * head and arena are the caller's and must outlive the parser's use. One init per head. For a
 * response the caller then sets request_method.
 */
void http1_parser_init(struct http1_parser *parser, enum http1_role role,
                       const struct http1_limits *limits, struct arena *arena,
                       struct http_head *head);

/* Drops what an unfinished or refused head held. A finished one belongs to the caller. */
void http1_parser_done(struct http1_parser *parser);

/*
 * Consumes head bytes from `in` (nothing beyond the head). HTTP1_DONE: head is filled, *ret_chunk
 * is a reference that keeps its slices alive (the caller unrefs it). RFC 9112 2.2: one empty line
 * (CRLF) before a request line is skipped.
 *
 * A head that lies in one span of `in` is not copied: *ret_chunk is that span's chunk. Anything
 * else is collected in a chunk from in->pool, so an unfinished head never pins a kernel buffer.
 *
 * HTTP1_ERROR: the connection cannot carry another head; what is left in `in` means nothing. A
 * failed allocation is HTTP1_ERROR with HTTP1_ERR_NO_MEMORY.
 *
 * Choices where the RFCs leave room:
 *   request target  visible ASCII without '#'; CTL, SP, DEL and bytes from 0x80 up are refused.
 *                   '"<>\^`{|}' and unfinished '%' escapes pass: path rules decide about them
 *   version         HTTP/1.0 and HTTP/1.1; any other DIGIT.DIGIT is a 505, in responses refused
 *   status          100..999: a gateway passes on codes that it does not know
 *   reason phrase   may be missing, also together with its SP
 *   field names     any token, '_' included: what to do with those is the persona's business
 *   obs-fold, LF as line end, repeated identical Content-Length: refused in both directions
 *   limits          a line's counts its line end; the head's ends with the empty line
 */
enum http1_result http1_parser_feed(struct http1_parser *parser, struct buf *in,
                                    struct chunk **ret_chunk);

/*
 * True once a byte of a head was seen, and until the next init: decides 408 against silent close. An
 * empty line before a request is not yet a head.
 */
bool http1_parser_has_started(const struct http1_parser *parser);

/* The first line as far as it has come, without its end; empty: not a byte of it. Good until the next feed
 * or http1_parser_done. */
struct slice http1_parser_peek_first_line(const struct http1_parser *parser);

const struct http1_error_info *http1_error_info(enum http1_error error);

#endif
