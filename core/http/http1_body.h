/*
 * http1_body: takes the framing off message content: length, chunked, close (RFC 9112 6, 7.1).
 *
 * Role    wire bytes in, content bytes out, without copying; trailers collected separately
 * Owns    the bytes of an incomplete trailer line
 * Thread  one worker; no I/O
 */
#ifndef CORE_HTTP_HTTP1_BODY_H
#define CORE_HTTP_HTTP1_BODY_H

#include "core/buf.h"
#include "core/http/head.h"
#include "core/http/http1_parser.h"

/* Bytes unless the name says otherwise. */
struct http1_body_limits {
    uint32_t chunk_extension_max;       /* 256 per chunk line */
    uint32_t chunk_extension_total_max; /* 16384 per message */
    uint32_t trailer_max;               /* 8192, the whole trailer section */
    uint32_t trailer_fields_count_max;  /* 128 */
};

enum http1_body_result {
    HTTP1_BODY_MORE,  /* needs more input (or `max` was reached) */
    HTTP1_BODY_END,   /* message complete; `in` holds what follows it */
    HTTP1_BODY_ERROR, /* see body->error */
};

struct http1_body {
    enum http_framing framing;
    uint64_t remaining;     /* LENGTH: bytes still to come; CHUNKED: of this chunk */
    uint64_t content_bytes; /* content delivered so far */
    uint64_t chunked_max;   /* of them; known as soon as a chunk announces more. 0: no limit */
    struct http1_body_limits limits;
    enum http1_error error;
    /* trailers dropped because of their name: a reason not to trust this connection any longer */
    uint32_t forbidden_trailer_count;
    struct fields *trailers; /* borrowed; NULL: trailers are checked and dropped */
    bool bare_lf;            /* HTTP1_LENIENT_BARE_LF; set after init */
    /* private */
    unsigned state;
    unsigned size_digits;
    uint32_t extension_bytes, extension_total, trailer_bytes, trailer_count;
    struct chunk *trailer_line; /* used bytes: the line so far; only while in a trailer section */
    struct arena *arena;        /* borrowed; where trailer bytes go */
};

/*
 * trailers may be NULL. arena is used for trailers only, and then they stay good as long as it
 * does. Trailers obey the syntax of head fields; those that could change framing, routing, identity
 * or content after the fact (RFC 9110 6.5.1) are checked like the others and then dropped.
 */
void http1_body_init(struct http1_body *body, const struct http_head *head,
                     const struct http1_body_limits *limits, struct fields *trailers,
                     struct arena *arena);
void http1_body_done(struct http1_body *body);

/*
 * Moves at most max content bytes from `in` to `out` (spans, no copy), framing removed. Framing
 * that follows the last of these bytes is still read, so END does not need another call. After
 * ERROR what was moved is good content, but the message is not.
 */
enum http1_body_result http1_body_decode(struct http1_body *body, struct buf *in, struct buf *out,
                                         size_t max);

/* Bytes that are still to come at least, as nginx counts them (ngx_http_parse_chunked, ctx->length: line
 * ends of one byte); UINT64_MAX: only the end of the stream ends it. */
uint64_t http1_body_least(const struct http1_body *body);

/* End of stream: END for close-delimited content, else ERROR with HTTP1_ERR_BODY_TRUNCATED. */
enum http1_body_result http1_body_eof(struct http1_body *body);

#endif
