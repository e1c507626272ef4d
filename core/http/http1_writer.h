/*
 * http1_writer: heads and chunk framing as HTTP/1 bytes.
 *
 * Role    the only place that puts HTTP/1 syntax on the wire; it re-checks every name and value
 *         (no CR, LF, NUL; names are tokens), so no rule can split a message (RFC 9110 5.5)
 * Owns    nothing
 * Thread  one worker; no I/O
 */
#ifndef CORE_HTTP_HTTP1_WRITER_H
#define CORE_HTTP_HTTP1_WRITER_H

#include "core/buf.h"
#include "core/http/head.h"

/*
 * "METHOD target HTTP/1.x", fields, empty line. 0, -ENOMEM, or -EINVAL: a byte that cannot stand
 * where it is, or fields that contradict each other about the message's length (more than one
 * Content-Length, or one beside Transfer-Encoding). On failure nothing was appended.
 */
int http1_write_request_head(struct buf *out, struct slice method, struct slice target,
                             unsigned version_minor, const struct fields *fields);

/* "HTTP/1.x status reason", fields, empty line. Same results. status: 100..999. */
int http1_write_response_head(struct buf *out, unsigned version_minor, unsigned status,
                              struct slice reason, const struct fields *fields);

/*
 * Moves all of `content` as one chunk: size CRLF data CRLF. Nothing when content is empty. 0, or
 * -ENOMEM: part of the chunk may be in `out`, the message cannot be completed any more.
 */
int http1_write_chunk(struct buf *out, struct buf *content);

/*
 * "0" CRLF trailers CRLF; trailers may be NULL. Results as for heads; any Content-Length or
 * Transfer-Encoding among trailers is -EINVAL.
 */
int http1_write_last_chunk(struct buf *out, const struct fields *trailers);

#endif
