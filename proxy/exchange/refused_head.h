/*
 * refused_head: nginx's words for a head that is whole and contradicts itself.
 *
 * Role    the detail of the log line about Host, Content-Length and Transfer-Encoding
 * Owns    nothing; writes into the caller's buffer
 * Thread  any
 */
#ifndef PROXY_REFUSED_HEAD_H
#define PROXY_REFUSED_HEAD_H

#include "core/http/http1_parser.h"

/*
 * "client sent duplicate header line: \"Content-Length: 5\", previous value: ..." without its first two
 * words for a response (END_UPSTREAM_FRAMING_INVALID has them). Empty: the error is about something
 * else. The text is that of the table or lies in `into`.
 */
struct slice refused_head_detail(enum http1_role role, enum http1_error error,
                                 const struct fields *fields, char *into, size_t size);

/* The error is one of the request line. */
bool refused_head_is_line(enum http1_error error);

#endif
