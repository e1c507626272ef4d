#include "core/proxy_protocol_stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_BYTES_MAX = 64 };

/*  HEADER -> OPEN      header_done: STREAM_OPEN
 *     '----> BROKEN    header_fail: STREAM_OPEN_FAILED; only failure and close make sense */
enum header_state { HEADER_WAIT, HEADER_DONE, HEADER_BROKEN };

struct header_stream {
    struct stream base; /* first: a stream pointer is a header_stream pointer */
    struct stream *lower;
    enum header_state state;
    struct buf in; /* the header while it comes, then what came with it */
    char *bytes;   /* of the header: its slices point here */
    struct proxy_protocol header;
    const char *problem;
    struct stream_failure failure;
    char shown[4 * SHOWN_BYTES_MAX + 1]; /* behind failure.detail */
};

static struct header_stream *of(struct stream *stream)
{
    return (struct header_stream *)stream;
}

/* ---- the header ------------------------------------------------------------------------------ */

/* The first line of what came instead, safe to print. */
static void show(struct header_stream *self, struct slice bytes)
{
    size_t length = 0;

    for (size_t i = 0; i < bytes.len && i < SHOWN_BYTES_MAX; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];

        if (c == '\r' || c == '\n')
            break;
        length += (size_t)snprintf(self->shown + length, sizeof(self->shown) - length,
                                   c >= ' ' && c < 0x7f ? "%c" : "\\x%02X", c);
    }
}

static unsigned header_fail(struct header_stream *self, int error, const char *detail)
{
    self->state = HEADER_BROKEN;
    self->failure = (struct stream_failure){ STREAM_STEP_PROXY_HEADER, error, detail, NULL };
    return STREAM_OPEN_FAILED;
}

static unsigned header_done(struct header_stream *self, struct slice bytes)
{
    self->bytes = malloc(bytes.len);
    if (!self->bytes)
        return header_fail(self, -ENOMEM, "out of memory");
    memcpy(self->bytes, bytes.ptr, bytes.len);
    /* again, so that the slices point to bytes that stay */
    (void)proxy_protocol_parse((struct slice){ self->bytes, bytes.len }, &self->header,
                               &self->problem);
    buf_consume(&self->in, bytes.len);
    self->state = HEADER_DONE;
    return STREAM_OPEN;
}

/* 0: more bytes are needed. */
static unsigned parse(struct header_stream *self)
{
    char bytes[PROXY_PROTOCOL_HEADER_MAX];
    struct slice got = { bytes, buf_peek(&self->in, bytes, sizeof(bytes)) };
    struct proxy_protocol header;
    long length = proxy_protocol_parse(got, &header, &self->problem);

    if (length > 0)
        return header_done(self, (struct slice){ bytes, (size_t)length });
    if (length == -EAGAIN)
        return 0;
    show(self, got);
    return header_fail(self, -EPROTO, self->shown);
}

unsigned proxy_protocol_stream_begin(struct stream *stream)
{
    struct header_stream *self = of(stream);

    while (self->state == HEADER_WAIT) {
        long n = stream_read(self->lower, &self->in, PROXY_PROTOCOL_HEADER_MAX);
        unsigned events;

        if (n == -EAGAIN)
            return 0;
        if (n <= 0 && self->in.length > 0) {
            char bytes[SHOWN_BYTES_MAX];

            self->problem = "it ended before it was complete";
            show(self, (struct slice){ bytes, buf_peek(&self->in, bytes, sizeof(bytes)) });
            return header_fail(self, -EPROTO, self->shown);
        }
        if (n <= 0)
            return header_fail(self, (int)n, NULL);
        events = parse(self);
        if (events)
            return events;
    }
    return 0;
}

const struct proxy_protocol *proxy_protocol_stream_header(const struct stream *stream)
{
    return &((const struct header_stream *)stream)->header;
}

const char *proxy_protocol_stream_problem(const struct stream *stream)
{
    return ((const struct header_stream *)stream)->problem;
}

/* ---- afterwards ------------------------------------------------------------------------------ */

static long header_stream_read(struct stream *stream, struct buf *into, size_t max)
{
    struct header_stream *self = of(stream);
    size_t n = self->in.length < max ? self->in.length : max;
    int r;

    if (self->state != HEADER_DONE)
        return self->state == HEADER_WAIT ? -EAGAIN : -EPROTO;
    if (n == 0)
        return stream_read(self->lower, into, max);
    r = buf_move(into, &self->in, n);
    return r < 0 ? r : (long)n;
}

static int header_stream_write(struct stream *stream, struct buf *from)
{
    return stream_write(of(stream)->lower, from);
}

static size_t header_stream_queued(const struct stream *stream)
{
    return stream_queued(((const struct header_stream *)stream)->lower);
}

static void header_stream_set_read_size(struct stream *stream, enum stream_read_size size)
{
    stream_set_read_size(of(stream)->lower, size);
}

static void header_stream_shutdown_write(struct stream *stream)
{
    stream_shutdown_write(of(stream)->lower);
}

static void header_stream_break_writing(struct stream *stream, int error)
{
    stream_break_writing(of(stream)->lower, error);
}

static void header_stream_close(struct stream *stream, enum stream_close how)
{
    struct header_stream *self = of(stream);
    struct stream *lower = self->lower;

    stream_set_owner(lower, NULL, NULL);
    buf_done(&self->in);
    free(self->bytes);
    free(self);
    stream_close(lower, how);
}

static struct stream_failure header_stream_failure(const struct stream *stream)
{
    const struct header_stream *self = (const struct header_stream *)stream;

    return self->failure.step == STREAM_STEP_NONE ? stream_failure(self->lower) : self->failure;
}

static const struct tls_session_info *header_stream_tls_info(const struct stream *stream)
{
    return stream_tls_info(((const struct header_stream *)stream)->lower);
}

static void on_lower_event(void *owner, unsigned events)
{
    struct header_stream *self = owner;

    if (self->state != HEADER_DONE)
        events = self->state == HEADER_WAIT ? proxy_protocol_stream_begin(&self->base) : 0;
    if (events && self->base.on_event)
        self->base.on_event(self->base.owner, events); /* may close us: last touch */
}

static const struct stream_ops header_stream_ops = {
    .name = "proxy_protocol",
    .read = header_stream_read,
    .write = header_stream_write,
    .queued = header_stream_queued,
    .set_read_size = header_stream_set_read_size,
    .shutdown_write = header_stream_shutdown_write,
    .break_writing = header_stream_break_writing,
    .close = header_stream_close,
    .failure = header_stream_failure,
    .tls_info = header_stream_tls_info,
};

struct stream *proxy_protocol_stream_create(struct stream **lower, struct chunk_pool *pool)
{
    struct header_stream *self = calloc(1, sizeof(*self));

    if (!self)
        return NULL;
    self->base.ops = &header_stream_ops;
    buf_init(&self->in, pool);
    self->lower = *lower;
    self->base.endpoint = (*lower)->endpoint;
    stream_set_owner(*lower, self, on_lower_event);
    *lower = NULL;
    return &self->base;
}
