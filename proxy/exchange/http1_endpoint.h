/*
 * http1_endpoint: our end of an HTTP/1 connection: receives one kind of message, sends the other.
 *
 * Role    what client_conn (receives requests) and upstream_conn (receives responses) share: framing
 *         in both directions, on top of a stream; implements the http_stream interface
 * Owns    bytes received and not parsed (they survive a message: pipelining), bytes framed and not
 *         flushed; the stream belongs to whoever embeds the endpoint
 * Thread  one worker
 */
#ifndef PROXY_HTTP1_ENDPOINT_H
#define PROXY_HTTP1_ENDPOINT_H

#include "core/http/http1_body.h"
#include "core/http/http1_parser.h"
#include "core/http/http1_writer.h"
#include "proxy/exchange/http_stream.h"
#include "proxy/persona/persona.h"

/*  IDLE -> HEAD -> CONTENT -> COMPLETE -> IDLE      [begin, read_head, read_content, begin again]
 *  COMPLETE, FAILED by a half-closed client -> CONTENT          become_tunnel
 *  any  -> FAILED                                   once, with http.failure set                  */
enum endpoint_state {
    ENDPOINT_IDLE,
    ENDPOINT_HEAD,
    ENDPOINT_CONTENT,
    ENDPOINT_COMPLETE,
    ENDPOINT_FAILED,
};

enum endpoint_head_result {
    ENDPOINT_HEAD_MORE,   /* an event will tell */
    ENDPOINT_HEAD_DONE,   /* head filled, content may follow */
    ENDPOINT_HEAD_FAILED, /* http.failure says why */
    ENDPOINT_HEAD_NONE,   /* the stream ended in order before a first byte of a head */
};

struct http1_endpoint {
    struct http_stream http; /* first: an http_stream pointer is an endpoint pointer */
    struct stream *stream;   /* NULL: not connected; set by http1_endpoint_attach */
    enum http1_role role;    /* of what is received */
    enum endpoint_state state;
    struct buf in, out;
    struct http1_parser parser;
    struct http1_body body;
    const struct persona_limits
        *limits;                  /* borrowed from the persona, of the message being received */
    uint64_t chunked_content_max; /* of messages received; 0: no limit; set before their head */
    struct http_head *head;       /* borrowed from the exchange, of the message being received */
    struct chunk *head_chunk;     /* keeps the head's slices alive */
    bool chunked_out;
    bool is_tunnel;
    /* What http.failure.detail points to: ENDPOINT_DETAIL_MAX bytes from the first failure on, so
     * that idle connections carry none; NULL: none yet, or no memory. */
    char *detail;
};

void http1_endpoint_init(struct http1_endpoint *endpoint, enum http1_role role,
                         struct chunk_pool *pool);

/* Drops all bytes and references; the stream is left alone. */
void http1_endpoint_done(struct http1_endpoint *endpoint);

/* The stream that carries the messages from now on, or NULL. */
void http1_endpoint_attach(struct http1_endpoint *endpoint, struct stream *stream);

/* Gets ready for the next message; head and arena belong to the exchange, limits must outlive it. */
void http1_endpoint_begin(struct http1_endpoint *endpoint, const struct persona_limits *limits,
                          struct arena *arena, struct http_head *head);

/* An interim response is dealt with, the next head belongs to the same exchange: what is being sent
 * meanwhile goes on as it was. */
void http1_endpoint_begin_next_head(struct http1_endpoint *endpoint,
                                    const struct persona_limits *limits, struct arena *arena,
                                    struct http_head *head);

/* What TLS knows about the failure that was just set; NULL: nothing. Borrowed from the stream. */
void http1_endpoint_explain(struct http1_endpoint *endpoint, const struct tls_failure *tls);

/* Forgets the failure and the counts of the message before; begin does this, too. */
void http1_endpoint_forget(struct http1_endpoint *endpoint);

/* Releases the head of the present message: its slices are dead after this. */
void http1_endpoint_end(struct http1_endpoint *endpoint);

/* After a head that could not be parsed: its bytes, as far as they came, and all that follow are content
 * which ends with the connection. 0 or -ENOMEM. For the lab only: who reads it has no idea what it is. */
int http1_endpoint_take_as_content(struct http1_endpoint *endpoint, struct arena *arena);

/* Reads and parses as much as there is. */
enum endpoint_head_result http1_endpoint_read_head(struct http1_endpoint *endpoint);

/* Decides the failure of a stream operation that returned `result` (0: ended, or negative). */
void http1_endpoint_fail_read(struct http1_endpoint *endpoint, long result);

/* First cause wins; detail is copied. */
void http1_endpoint_fail(struct http1_endpoint *endpoint, enum end_reason reason,
                         struct slice detail);

/* nginx's "104: Connection reset by peer". */
struct slice errno_detail(int error, char *into, size_t size);

extern const struct http_stream_ops http1_endpoint_ops;

#endif
