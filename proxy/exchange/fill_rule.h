/*
 * fill_rule: how much of a target's content nginx hands to its client, while it buffers.
 *
 * Role    the rule of ngx_event_pipe_read_upstream (nginx 1.27, src/event/ngx_event_pipe.c) as
 *         arithmetic: a buffer of proxy_buffers goes on when it is full, when it holds as many bytes as
 *         the message needs at least (the rest of its length; of chunked content what
 *         ngx_http_parse_chunked calls ctx->length), or when the target has ended. What lies in a
 *         part-filled buffer waits, and is lost when the target resets or stalls
 * Owns    nothing
 * Thread  any; no I/O
 *
 * Bytes are counted as received, framing included. Of chunked content that lies behind a full buffer it
 * is not known any more where its chunks began: all of it counts as the end of one chunk.
 */
#ifndef PROXY_FILL_RULE_H
#define PROXY_FILL_RULE_H

#include <stddef.h>
#include <stdint.h>

struct fill_rule {
    uint64_t buffer_bytes; /* of each but the first; > 0 */
    /* private */
    uint64_t room;   /* of the present buffer */
    uint64_t filled; /* bytes in it */
    uint64_t least;  /* bytes missing to the end of the message when the last buffer went on */
};

enum { FILL_RULE_LEAST_CHUNKED = 3 }; /* "0" LF LF: before the first byte */

/* first_bytes: what the head left of the first buffer. least: bytes that the content has at least;
 * UINT64_MAX: only the end of the connection ends it. */
void fill_rule_init(struct fill_rule *rule, uint64_t buffer_bytes, uint64_t first_bytes,
                    uint64_t least);

/*
 * So many more bytes were received, and now the message needs `least` more at least. `held` bytes of
 * content wait, the new ones included: returns how many of them stay.
 */
size_t fill_rule_keeps(struct fill_rule *rule, uint64_t received, uint64_t least, size_t held);

#endif
