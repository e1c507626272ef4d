/*
 * stream: a stackable, non-blocking byte stream.
 *
 * Role    what codecs and the exchange read from and write to; TCP (core/conn) at the bottom,
 *         TLS (tls/tls_stream) or PROXY protocol as layers on top of another stream
 * Owns    a layer owns the stream below it
 * Thread  one worker; events are delivered from the loop's run queue only, never from inside a call
 *         to this interface
 *
 * Reading is pulled and that is the back-pressure: at most one receive is armed, and only after
 * stream_read answered -EAGAIN. An event STREAM_READABLE then tells that another read is
 * worthwhile. Who stops reading before -EAGAIN must come back by itself: no event announces bytes
 * that already arrived (they may sit decrypted inside TLS).
 *
 * Writing never blocks: stream_write takes every byte. The writer limits itself by stream_queued:
 * from STREAM_QUEUE_HIGH on it stops, and STREAM_WRITABLE comes once the queue fell to
 * STREAM_QUEUE_LOW again. STREAM_DRAINED comes each time that the queue became empty.
 *
 * End of life: stream_close may be called at any time, once. No event is delivered after it; the
 * layer frees itself when the kernel has let go of everything.
 */
#ifndef CORE_STREAM_H
#define CORE_STREAM_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/buf.h"

enum {
    STREAM_QUEUE_HIGH = 128 * 1024, /* bytes */
    STREAM_QUEUE_LOW = 32 * 1024,   /* bytes */
};

/* Events are a mask; several may come in one call. */
enum stream_event {
    STREAM_OPEN = 1 << 0,     /* connected / handshake complete: reading and writing may begin */
    STREAM_READABLE = 1 << 1, /* bytes, end of stream or an error are ready for stream_read */
    STREAM_WRITABLE = 1 << 2, /* queue fell to STREAM_QUEUE_LOW after it had reached HIGH */
    STREAM_DRAINED = 1 << 3,  /* everything written so far was given to the kernel */
    STREAM_WRITE_FAILED = 1 << 4, /* the peer takes no more bytes; reading may still give some */
    STREAM_OPEN_FAILED = 1 << 5,  /* connect or handshake failed; see stream_failure */
};

enum stream_close {
    STREAM_CLOSE_FLUSH,  /* send what is queued, end it properly (close_notify, FIN), then close */
    STREAM_CLOSE_LINGER, /* the same, then read and discard for a while, so that a client that is
                            still sending can read our last answer (RFC 9112 9.6) */
    STREAM_CLOSE_CUT,    /* send what is queued, then reset (RST, no close_notify): what there is of
                            a message arrives, and that it is not all of it shows */
    STREAM_CLOSE_ABORT,  /* drop the queue and reset: nobody is to wait for this peer */
};

/* How much the next receives should fetch at once. */
enum stream_read_size { STREAM_READ_SMALL, STREAM_READ_BULK };

/* The step in which a stream failed, for logs and for the error table. */
enum stream_step {
    STREAM_STEP_NONE,
    STREAM_STEP_CONNECT,
    STREAM_STEP_PROXY_HEADER,
    STREAM_STEP_TLS_HANDSHAKE,
    STREAM_STEP_TLS_VERIFY, /* the server's certificate: chain, dates */
    STREAM_STEP_TLS_NAME,   /* the server's certificate: it has another name */
    STREAM_STEP_READ,
    STREAM_STEP_WRITE,
};

struct stream_failure {
    enum stream_step step;
    int error;          /* negative errno; 0 when the peer just closed */
    const char *detail; /* e.g. "SSL: error:0A000410:…", or NULL; good until the stream is closed */
    const struct tls_failure *tls; /* of a TLS client: the cause and its explanation, or NULL */
};

/*
 * What stream_read returns besides a byte count: 0 is the orderly end (FIN; close_notify on TLS),
 * -EAGAIN means wait for STREAM_READABLE, STREAM_TRUNCATED is TLS ended by FIN without
 * close_notify, any other negative errno is a failure that will not go away.
 */
enum { STREAM_TRUNCATED = -200 };

struct stream;
struct tls_failure;      /* defined by tls/tls_failure.h */
struct tls_session_info; /* defined by tls/tls.h */

struct stream_ops {
    const char *name;
    /* Appends up to max (> 0) bytes to `into`. > 0: bytes appended; else see above. */
    long (*read)(struct stream *stream, struct buf *into, size_t max);
    /* Takes all bytes of `from`. 0 or a negative errno (stream failed; `from` may be part consumed,
     * and STREAM_WRITE_FAILED comes in a later turn). */
    int (*write)(struct stream *stream, struct buf *from);
    /* Bytes not yet given to the kernel, this layer and all below. */
    size_t (*queued)(const struct stream *stream);
    void (*set_read_size)(struct stream *stream, enum stream_read_size size);
    /* After the queue: no more writes (FIN, close_notify). Reading goes on. */
    void (*shutdown_write)(struct stream *stream);
    /* A layer above has lost bytes (no memory): nothing may follow them. Later writes fail with error,
     * and STREAM_WRITE_FAILED comes in a later turn. */
    void (*break_writing)(struct stream *stream, int error);
    void (*close)(struct stream *stream, enum stream_close how);
    struct stream_failure (*failure)(const struct stream *stream);
    /* NULL when the layer has no TLS; layers pass the question down. */
    const struct tls_session_info *(*tls_info)(const struct stream *stream);
};

/* Facts about the TCP connection at the bottom; every layer copies the pointer. */
struct stream_endpoint {
    struct sockaddr_storage peer;
    struct sockaddr_storage local;
    uint64_t connection_id;  /* unique in the process */
    uint64_t bytes_received; /* on the wire */
    uint64_t bytes_sent;     /* on the wire, taken by the kernel */
    uint64_t
        send_progress_at_ms; /* last time the kernel took bytes, or the queue became non-empty */
};

struct stream {
    const struct stream_ops *ops;
    void (*on_event)(void *owner, unsigned events); /* mask of enum stream_event */
    void *owner;
    const struct stream_endpoint *endpoint; /* good until stream_close */
};

static inline void stream_set_owner(struct stream *stream, void *owner,
                                    void (*on_event)(void *owner, unsigned events))
{
    stream->owner = owner;
    stream->on_event = on_event;
}

static inline long stream_read(struct stream *stream, struct buf *into, size_t max)
{
    assert(max > 0); /* 0 bytes appended would read as the orderly end */
    return stream->ops->read(stream, into, max);
}

static inline int stream_write(struct stream *stream, struct buf *from)
{
    return stream->ops->write(stream, from);
}

static inline size_t stream_queued(const struct stream *stream)
{
    return stream->ops->queued(stream);
}

static inline void stream_set_read_size(struct stream *stream, enum stream_read_size size)
{
    stream->ops->set_read_size(stream, size);
}

static inline void stream_shutdown_write(struct stream *stream)
{
    stream->ops->shutdown_write(stream);
}

static inline void stream_break_writing(struct stream *stream, int error)
{
    stream->ops->break_writing(stream, error);
}

/* Ends the stream; the pointer is dead after this call. */
static inline void stream_close(struct stream *stream, enum stream_close how)
{
    stream->ops->close(stream, how);
}

static inline struct stream_failure stream_failure(const struct stream *stream)
{
    return stream->ops->failure(stream);
}

static inline const struct tls_session_info *stream_tls_info(const struct stream *stream)
{
    return stream->ops->tls_info(stream);
}

#endif
