/*
 * http1_priv: the steps of the HTTP/1 parser that live in files of their own.
 *
 * Role    http1_parser.c finds lines; http1_start_line.c reads the first one, http1_field_line.c
 * the others, http1_framing.c judges the whole head; http1_body.c shares the field lines Owns
 * nothing Thread  one worker
 */
#ifndef CORE_HTTP_HTTP1_PRIV_H
#define CORE_HTTP_HTTP1_PRIV_H

#include "core/http/http1_parser.h"

/* HTTP1_OK, or why a line or head is refused and at which of its bytes. */
struct http1_verdict {
    enum http1_error error;
    size_t at;
};

static inline struct http1_verdict http1_accept(void)
{
    return (struct http1_verdict){ HTTP1_OK, 0 };
}

static inline struct http1_verdict http1_refuse(enum http1_error error, size_t at)
{
    return (struct http1_verdict){ error, at };
}

/* A byte that is out of place: CR has a name of its own because it hides line ends. */
static inline struct http1_verdict http1_refuse_byte(struct slice line, size_t at,
                                                     enum http1_error error)
{
    return http1_refuse(at < line.len && line.ptr[at] == '\r' ? HTTP1_ERR_BARE_CR : error, at);
}

/*
 * Can a start line begin with these bytes? Asked before the line is complete, so that a TLS record
 * or binary garbage, which may never contain LF, is refused at its first bytes.
 */
struct http1_verdict http1_start_line_may_begin(enum http1_role role, struct slice bytes,
                                                unsigned leniencies);

/* line is without its CRLF. */
struct http1_verdict http1_read_request_line(struct http_head *head, struct slice line);
struct http1_verdict http1_read_status_line(struct http_head *head, struct slice line,
                                            unsigned leniencies);

/* line is without its CRLF and not empty. */
struct http1_verdict http1_read_field_line(struct slice line, struct slice *ret_name,
                                           struct slice *ret_value);

/* HTTP1_LENIENT_OBS_FOLD: the line goes on with the last field's value. There is one; the line has no byte
 * that a value may not have. */
int http1_unfold(struct fields *fields, struct slice line);

/* Of a line that was refused: HTTP1_LENIENT_DROP_BAD_LINE. */
bool http1_field_line_may_be_dropped(struct slice line);

/* After the last field: Host, framing, persistence, expectations. */
enum http1_error http1_judge_request(struct http_head *head, unsigned leniencies);
enum http1_error http1_judge_response(struct http_head *head, enum http_method request_method,
                                      unsigned leniencies);

#endif
