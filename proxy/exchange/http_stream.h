/*
 * http_stream: one request and its response on one connection, whatever the HTTP version.
 *
 * Role    what the exchange sees of its client (front) and of its target (back); HTTP/1 now, an
 *         HTTP/2 stream later, without a change to the exchange
 * Owns    what was received and not read yet, what was sent and not flushed yet
 * Thread  one worker; on_event comes from the loop's run queue, never from inside a call of
 *         http_stream_ops. Only watch (of http_client_ops) and upstream_conn_read may raise at once
 *
 * The end of a message (read_content returns 0) and the end of a connection are different things:
 * the latter, at a time when it hurts, is HTTP_STREAM_FAILED with a reason.
 */
#ifndef PROXY_HTTP_STREAM_H
#define PROXY_HTTP_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/end_reason.h"
#include "core/http/head.h"
#include "core/stream.h"

enum http_stream_event {
    HTTP_STREAM_OPEN = 1 << 0,        /* back: connected (and TLS done), the request may be sent */
    HTTP_STREAM_HANDSHAKE = 1 << 7,   /* back: TCP is connected, TLS begins */
    HTTP_STREAM_HEAD = 1 << 1,        /* a complete head was parsed */
    HTTP_STREAM_CONTENT = 1 << 2,     /* read_content is worthwhile again */
    HTTP_STREAM_WRITABLE = 1 << 3,    /* queued fell to the low mark: send more */
    HTTP_STREAM_DRAINED = 1 << 4,     /* everything sent so far was given to the kernel */
    HTTP_STREAM_FAILED = 1 << 5,      /* see failure; nothing more can be read */
    HTTP_STREAM_SEND_FAILED = 1 << 6, /* the peer takes no more bytes; reading may go on */
};

struct http_failure {
    enum end_reason reason;
    struct slice detail;      /* for the reason's %s; good until the next message or the release */
    struct slice explanation; /* of a TLS failure, in plain words; may be empty; as detail */
    int tls_alert;            /* number of the alert received; 0: none */
};

/* How the content of a message is delimited on the way out. */
struct http_outgoing {
    struct slice method, target; /* request */
    uint16_t status;             /* response */
    struct slice reason;         /* response */
    unsigned version_minor;
    const struct fields *fields; /* complete: framing and connection fields included */
    bool chunked;                /* content goes out in chunks */
};

struct http_stream;

struct http_stream_ops {
    /* 0, -ENOMEM or -EINVAL (a field would break the syntax). Content may follow at once. */
    int (*send_head)(struct http_stream *stream, const struct http_outgoing *outgoing);
    /* Takes all of content. */
    int (*send_content)(struct http_stream *stream, struct buf *content);
    /* Ends the message. trailers may be NULL; they are left out where the framing has no place. */
    int (*send_end)(struct http_stream *stream, const struct fields *trailers);
    /* Hands what was sent to the transport in as few writes as possible. */
    int (*flush)(struct http_stream *stream);
    /* Appends up to max bytes of content: > 0; 0: the message is complete; -EAGAIN: an event will
     * tell; -EIO: failed, see failure. Not reading is the back-pressure. */
    long (*read_content)(struct http_stream *stream, struct buf *into, size_t max);
    /* Both messages are over: from now on content is what the connection carries, in both directions,
     * and send_end ends ours (RFC 9110 7.8: what follows a 101). */
    void (*become_tunnel)(struct http_stream *stream);
    /* Much content is to be read: receive it in large pieces. */
    void (*expect_bulk)(struct http_stream *stream);
    /* Bytes sent and not yet given to the kernel. */
    size_t (*queued)(const struct http_stream *stream);
};

/* What only the client's side of an exchange can do. */
struct http_client_ops {
    /* The request is complete: HTTP_STREAM_FAILED will tell when the client goes away. */
    void (*watch)(struct http_stream *stream);
    /* The hop lets this connection carry another request: it neither stops nor gives up the address. */
    bool (*may_persist)(const struct http_stream *stream);
    /* The exchange is over and lets go of the stream. keep_alive: another may follow. */
    void (*done)(struct http_stream *stream, bool keep_alive);
    /* The same, without a (further) byte. */
    void (*hang_up)(struct http_stream *stream, enum stream_close how);
};

struct http_stream {
    const struct http_stream_ops *ops;
    void (*on_event)(void *owner, unsigned events); /* mask of enum http_stream_event */
    void *owner;
    struct http_failure failure;
    const struct stream_endpoint *endpoint; /* of the connection that carries it */
    struct fields trailers;                 /* of the message received, complete at its end */
    uint64_t received_bytes, sent_bytes;    /* of the present messages, framing included */
    uint64_t sent_head_bytes;               /* of them: heads, 100 (Continue) not counted */
};

/* Bytes that should be sent now; 0: HTTP_STREAM_WRITABLE will tell. */
static inline size_t http_stream_room(const struct http_stream *stream)
{
    size_t queued = stream->ops->queued(stream);

    return queued < STREAM_QUEUE_HIGH ? STREAM_QUEUE_HIGH - queued : 0;
}

/*
 * Large receive buffers for a content that is worth them. Said before it is read: a read that finds
 * nothing has armed the next receive already.
 */
static inline void http_stream_expect(struct http_stream *stream, const struct http_head *head)
{
    if (head->framing == HTTP_FRAMING_CHUNKED || head->framing == HTTP_FRAMING_CLOSE ||
        (head->framing == HTTP_FRAMING_LENGTH && head->content_length > CHUNK_SMALL_BYTES))
        stream->ops->expect_bulk(stream);
}

#endif
