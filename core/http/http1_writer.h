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

/* "METHOD target HTTP/1.x", fields, empty line. 0, -ENOMEM, or -EINVAL for an unsafe byte
 * (then nothing was appended). */
int http1_write_request_head(struct buf *out, struct slice method, struct slice target,
                             unsigned version_minor, const struct fields *fields);

/* "HTTP/1.x status reason", fields, empty line. Same results. */
int http1_write_response_head(struct buf *out, unsigned version_minor, unsigned status,
                              struct slice reason, const struct fields *fields);

/* Moves all of `content` as one chunk: size CRLF data CRLF. Nothing when content is empty. */
int http1_write_chunk(struct buf *out, struct buf *content);

/* "0" CRLF trailers CRLF; trailers may be NULL. */
int http1_write_last_chunk(struct buf *out, const struct fields *trailers);

#endif
