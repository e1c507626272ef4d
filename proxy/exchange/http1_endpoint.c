#include "proxy/exchange/http1_endpoint.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/exchange/refused_head.h"
#include "tls/tls_failure.h"

/* How much one read of a head may take; what lies behind it is held for the next message. */
enum { HEAD_READ_MAX = 64 * 1024 };

enum { ENDPOINT_DETAIL_MAX = 256 }; /* bytes */

/* Bytes of a refused field line that the log shows. */
enum { QUOTED_LINE_MAX = 200 };

static struct http1_endpoint *endpoint_of(struct http_stream *stream)
{
    return (struct http1_endpoint *)stream;
}

void http1_endpoint_init(struct http1_endpoint *endpoint, enum http1_role role,
                         struct chunk_pool *pool)
{
    memset(endpoint, 0, sizeof(*endpoint));
    endpoint->http.ops = &http1_endpoint_ops;
    endpoint->role = role;
    buf_init(&endpoint->in, pool);
    buf_init(&endpoint->out, pool);
}

void http1_endpoint_done(struct http1_endpoint *endpoint)
{
    http1_endpoint_end(endpoint);
    buf_done(&endpoint->in);
    buf_done(&endpoint->out);
    free(endpoint->detail);
    endpoint->detail = NULL;
}

void http1_endpoint_attach(struct http1_endpoint *endpoint, struct stream *stream)
{
    endpoint->stream = stream;
    endpoint->http.endpoint = stream ? stream->endpoint : NULL;
}

void http1_endpoint_forget(struct http1_endpoint *endpoint)
{
    assert(endpoint->state == ENDPOINT_IDLE);
    memset(&endpoint->parser, 0, sizeof(endpoint->parser));
    endpoint->http.failure = (struct http_failure){ .reason = END_OK };
    endpoint->chunked_out = false;
    endpoint->is_tunnel = false;
    endpoint->http.received_bytes = 0;
    endpoint->http.sent_bytes = 0;
    endpoint->http.sent_head_bytes = 0;
}

static void begin_head(struct http1_endpoint *endpoint, const struct persona_limits *limits,
                       struct arena *arena, struct http_head *head)
{
    const struct http1_limits head_limits = {
        .start_line_max = (uint32_t)limits->start_line_max_bytes,
        .field_line_max = (uint32_t)limits->field_line_max_bytes,
        .head_max = (uint32_t)limits->head_max_bytes,
        .fields_count_max = (uint32_t)limits->fields_max_count,
    };

    assert(endpoint->state == ENDPOINT_IDLE && !endpoint->head_chunk);
    http1_parser_init(&endpoint->parser, endpoint->role, &head_limits, arena, head);
    endpoint->limits = limits;
    endpoint->head = head;
    endpoint->state = ENDPOINT_HEAD;
}

void http1_endpoint_begin(struct http1_endpoint *endpoint, const struct persona_limits *limits,
                          struct arena *arena, struct http_head *head)
{
    http1_endpoint_forget(endpoint);
    begin_head(endpoint, limits, arena, head);
}

void http1_endpoint_begin_next_head(struct http1_endpoint *endpoint,
                                    const struct persona_limits *limits, struct arena *arena,
                                    struct http_head *head)
{
    http1_endpoint_end(endpoint);
    begin_head(endpoint, limits, arena, head);
}

void http1_endpoint_end(struct http1_endpoint *endpoint)
{
    if (endpoint->state == ENDPOINT_IDLE)
        return;
    http1_parser_done(&endpoint->parser);
    if (endpoint->head_chunk)
        http1_body_done(&endpoint->body);
    chunk_unref(endpoint->head_chunk);
    endpoint->head_chunk = NULL;
    endpoint->head = NULL;
    endpoint->state = ENDPOINT_IDLE;
}

/* ---- failures ------------------------------------------------------------------------------ */

struct slice errno_detail(int error, char *into, size_t size)
{
    int n;

    if (error < 0)
        error = -error;
    n = snprintf(into, size, "%d: %s", error, strerror(error));
    return (struct slice){ into, n > 0 && (size_t)n < size ? (size_t)n : 0 };
}

static char *detail_memory(struct http1_endpoint *endpoint)
{
    if (!endpoint->detail)
        endpoint->detail = malloc(ENDPOINT_DETAIL_MAX);
    return endpoint->detail;
}

void http1_endpoint_fail(struct http1_endpoint *endpoint, enum end_reason reason,
                         struct slice detail)
{
    size_t n = detail.len < ENDPOINT_DETAIL_MAX ? detail.len : ENDPOINT_DETAIL_MAX;

    if (endpoint->http.failure.reason != END_OK)
        return;
    if (n > 0 && detail_memory(endpoint))
        memmove(endpoint->detail, detail.ptr, n);
    else
        n = 0;
    endpoint->http.failure =
        (struct http_failure){ .reason = reason, .detail = { endpoint->detail, n } };
    endpoint->state = ENDPOINT_FAILED;
}

void http1_endpoint_explain(struct http1_endpoint *endpoint, const struct tls_failure *tls)
{
    if (!tls)
        return;
    endpoint->http.failure.explanation = slice_of(tls->explanation);
    endpoint->http.failure.tls_alert = tls->alert;
}

/* TLS broke under an open connection; in TLS 1.3 that is also how a target refuses our certificate. */
static enum end_reason broken_tls_reason(const struct http1_endpoint *endpoint,
                                         const struct tls_failure *tls)
{
    if (endpoint->role == HTTP1_REQUEST)
        return END_CLIENT_ABORTED;
    if (endpoint->state != ENDPOINT_HEAD)
        return END_UPSTREAM_BODY_TLS_FAILED;
    if (tls && tls->cause == TLS_CAUSE_CLIENT_CERT)
        return END_UPSTREAM_HEAD_CLIENT_CERT;
    return tls && tls->alert ? END_UPSTREAM_HEAD_TLS_ALERT : END_UPSTREAM_HEAD_TLS_FAILED;
}

static enum end_reason closed_reason(const struct http1_endpoint *endpoint, bool reset)
{
    bool in_head = endpoint->state == ENDPOINT_HEAD;

    if (endpoint->role == HTTP1_REQUEST)
        return END_CLIENT_ABORTED;
    if (reset)
        return in_head ? END_UPSTREAM_HEAD_RESET : END_UPSTREAM_BODY_RESET;
    return in_head ? END_UPSTREAM_HEAD_CLOSED : END_UPSTREAM_BODY_CLOSED;
}

void http1_endpoint_fail_read(struct http1_endpoint *endpoint, long result)
{
    char text[192];
    struct stream_failure failure;
    struct slice detail = { NULL, 0 };

    if (result == 0 || result == STREAM_TRUNCATED) {
        http1_endpoint_fail(endpoint, closed_reason(endpoint, false), detail);
        return;
    }
    failure = stream_failure(endpoint->stream);
    if (result == -ENOMEM)
        http1_endpoint_fail(endpoint, END_OUT_OF_MEMORY, detail);
    else if (failure.detail)
        http1_endpoint_fail(endpoint, broken_tls_reason(endpoint, failure.tls),
                            slice_of(failure.detail));
    else
        http1_endpoint_fail(endpoint, closed_reason(endpoint, true),
                            errno_detail((int)result, text, sizeof(text)));
    http1_endpoint_explain(endpoint, failure.tls);
}

static enum end_reason refused_request_reason(enum http1_error error)
{
    switch (http1_error_info(error)->status) {
    case 405:
        return END_CLIENT_METHOD_REFUSED;
    case 414:
        return END_CLIENT_URI_TOO_LONG;
    case 431:
        return END_CLIENT_HEAD_TOO_BIG;
    case 500:
        return END_OUT_OF_MEMORY;
    case 501:
        return END_CLIENT_CODING_UNKNOWN;
    case 505:
        return END_CLIENT_VERSION_REFUSED;
    default:
        return refused_head_is_line(error) ? END_CLIENT_REQUEST_INVALID : END_CLIENT_HEAD_INVALID;
    }
}

static enum end_reason refused_response_reason(enum http1_error error)
{
    switch (error) {
    case HTTP1_ERR_NO_MEMORY:
        return END_OUT_OF_MEMORY;
    case HTTP1_ERR_HEAD_TOO_BIG:
    case HTTP1_ERR_FIELD_LINE_TOO_LONG:
    case HTTP1_ERR_TOO_MANY_FIELDS:
        return END_UPSTREAM_HEAD_TOO_BIG;
    case HTTP1_ERR_BAD_STATUS_LINE:
        return END_UPSTREAM_STATUS_INVALID;
    case HTTP1_ERR_CONTENT_LENGTH_INVALID:
    case HTTP1_ERR_CONTENT_LENGTH_DUPLICATE:
    case HTTP1_ERR_CONTENT_LENGTH_AND_TRANSFER_ENCODING:
    case HTTP1_ERR_TRANSFER_ENCODING_IN_HTTP10:
    case HTTP1_ERR_TRANSFER_ENCODING_INVALID:
    case HTTP1_ERR_TRANSFER_ENCODING_UNKNOWN:
        return END_UPSTREAM_FRAMING_INVALID;
    default:
        return END_UPSTREAM_HEAD_INVALID;
    }
}

static bool is_about_a_field_line(enum http1_error error)
{
    return error == HTTP1_ERR_FOLDED_LINE || error == HTTP1_ERR_NO_COLON ||
           error == HTTP1_ERR_BAD_FIELD_NAME || error == HTTP1_ERR_SPACE_BEFORE_COLON ||
           error == HTTP1_ERR_BAD_FIELD_VALUE;
}

/*
 * nginx quotes a bad field line up to the byte that spoils it: "X-Name\x20...". Such a part holds no
 * NUL; what else is unprintable is escaped by the log. The result lies in endpoint->detail.
 */
static struct slice quote_field_line(struct http1_endpoint *endpoint, const char *before,
                                     const char *after)
{
    const struct http1_parser *parser = &endpoint->parser;
    struct slice line = parser->error_line;
    char spoiler[sizeof("\\xff...")] = "";
    size_t length = parser->error_in_line < line.len ? parser->error_in_line : line.len;
    int n;

    if (parser->error_in_line < line.len)
        snprintf(spoiler, sizeof(spoiler), "\\x%02x...",
                 (unsigned char)line.ptr[parser->error_in_line]);
    if (length > QUOTED_LINE_MAX)
        length = QUOTED_LINE_MAX;
    if (!detail_memory(endpoint))
        return slice_of(http1_error_info(parser->error)->phrase);
    n = snprintf(endpoint->detail, ENDPOINT_DETAIL_MAX, "%s%.*s%s%s", before, (int)length, line.ptr,
                 spoiler, after);
    return (struct slice){ endpoint->detail, (size_t)n };
}

/* What nginx says of a head that contradicts itself; empty: the error is another. */
static struct slice quote_whole(struct http1_endpoint *endpoint)
{
    if (!detail_memory(endpoint))
        return (struct slice){ NULL, 0 };
    return refused_head_detail(endpoint->role, endpoint->parser.error, &endpoint->head->fields,
                               endpoint->detail, ENDPOINT_DETAIL_MAX);
}

/* Of several lines the first, which is the one that nginx quotes. */
static struct slice transfer_encoding_of(const struct http_head *head)
{
    const struct field *field = fields_find(&head->fields, FIELD_TRANSFER_ENCODING);

    return field ? field->value : (struct slice){ NULL, 0 };
}

static void fail_request_parse(struct http1_endpoint *endpoint)
{
    static const char invalid[] = "client sent invalid ";
    enum http1_error error = endpoint->parser.error;
    enum end_reason reason = refused_request_reason(error);
    struct slice whole =
        reason == END_CLIENT_HEAD_INVALID ? quote_whole(endpoint) : (struct slice){ NULL, 0 };

    if (reason == END_CLIENT_METHOD_REFUSED)
        http1_endpoint_fail(endpoint, reason, endpoint->head->method_name);
    else if (reason == END_CLIENT_REQUEST_INVALID)
        http1_endpoint_fail(endpoint, reason,
                            slice_of(http1_error_info(error)->phrase + sizeof(invalid) - 1));
    else if (whole.len > 0)
        http1_endpoint_fail(endpoint, reason, whole);
    else if (reason == END_CLIENT_CODING_UNKNOWN)
        http1_endpoint_fail(endpoint, reason, transfer_encoding_of(endpoint->head));
    else if (reason != END_CLIENT_HEAD_INVALID)
        http1_endpoint_fail(endpoint, reason, endpoint->parser.error_line);
    else if (is_about_a_field_line(error))
        http1_endpoint_fail(
            endpoint, reason,
            quote_field_line(endpoint, "client sent invalid header line: \"", "\""));
    else
        http1_endpoint_fail(endpoint, reason, slice_of(http1_error_info(error)->phrase));
}

static void fail_parse(struct http1_endpoint *endpoint)
{
    enum http1_error error = endpoint->parser.error;

    if (endpoint->role == HTTP1_REQUEST)
        fail_request_parse(endpoint);
    else if (is_about_a_field_line(error) || error == HTTP1_ERR_BARE_CR)
        http1_endpoint_fail(endpoint, refused_response_reason(error),
                            quote_field_line(endpoint, "", ""));
    else
        http1_endpoint_fail(endpoint, refused_response_reason(error),
                            refused_response_reason(error) == END_UPSTREAM_FRAMING_INVALID
                                ? quote_whole(endpoint)
                                : endpoint->parser.error_line);
}

static enum end_reason refused_body_reason(enum http1_role role, enum http1_error error)
{
    if (error == HTTP1_ERR_NO_MEMORY)
        return END_OUT_OF_MEMORY;
    if (role == HTTP1_RESPONSE)
        return END_UPSTREAM_BODY_INVALID;
    if (error == HTTP1_ERR_CONTENT_TOO_BIG)
        return END_CLIENT_CHUNKED_TOO_BIG;
    if (error == HTTP1_ERR_CHUNK_EXTENSION_TOO_LONG)
        return END_CLIENT_CHUNKS_TOO_BIG;
    if (error == HTTP1_ERR_TRAILER_TOO_BIG || error == HTTP1_ERR_TOO_MANY_FIELDS)
        return END_CLIENT_TRAILERS_TOO_BIG;
    return END_CLIENT_BODY_INVALID;
}

static void fail_body(struct http1_endpoint *endpoint)
{
    enum http1_error error = endpoint->body.error;
    const struct http1_error_info *info = http1_error_info(error);
    struct slice detail =
        slice_of(endpoint->role == HTTP1_REQUEST ? info->phrase : info->upstream_phrase);
    char sizes[2 * 20 + 2];

    if (error == HTTP1_ERR_CONTENT_TOO_BIG) { /* nginx: what there is, and the chunk that comes */
        (void)snprintf(sizes, sizeof(sizes), "%" PRIu64 "+%" PRIu64, endpoint->body.content_bytes,
                       endpoint->body.remaining);
        detail = slice_of(sizes);
    }
    http1_endpoint_fail(endpoint, refused_body_reason(endpoint->role, error), detail);
}

/* ---- receiving ----------------------------------------------------------------------------- */

static void begin_content(struct http1_endpoint *endpoint)
{
    const struct persona_limits *limits = endpoint->limits;
    const struct http1_body_limits body_limits = {
        .chunk_extension_max = (uint32_t)limits->chunk_extension_max_bytes,
        .chunk_extension_total_max = (uint32_t)limits->chunk_extensions_max_bytes,
        .trailer_max = (uint32_t)limits->trailers_max_bytes,
        .trailer_fields_count_max = (uint32_t)limits->trailers_max_count,
    };

    fields_init(&endpoint->http.trailers, endpoint->parser.arena);
    http1_body_init(&endpoint->body, endpoint->head, &body_limits, &endpoint->http.trailers,
                    endpoint->parser.arena);
    endpoint->body.chunked_max = endpoint->chunked_content_max;
    endpoint->body.bare_lf = endpoint->parser.leniencies & HTTP1_LENIENT_BARE_LF;
    endpoint->state = ENDPOINT_CONTENT;
}

enum endpoint_head_result http1_endpoint_read_head(struct http1_endpoint *endpoint)
{
    for (;;) {
        size_t before = endpoint->in.length;
        long n;

        if (before > 0) {
            enum http1_result r =
                http1_parser_feed(&endpoint->parser, &endpoint->in, &endpoint->head_chunk);

            endpoint->http.received_bytes += before - endpoint->in.length;
            if (r == HTTP1_ERROR) {
                fail_parse(endpoint);
                return ENDPOINT_HEAD_FAILED;
            }
            if (r == HTTP1_DONE) {
                begin_content(endpoint);
                return ENDPOINT_HEAD_DONE;
            }
        }
        n = stream_read(endpoint->stream, &endpoint->in, HEAD_READ_MAX);
        if (n > 0)
            continue;
        if (n == -EAGAIN)
            return ENDPOINT_HEAD_MORE;
        if (n == 0 && !http1_parser_has_started(&endpoint->parser) &&
            endpoint->role == HTTP1_REQUEST)
            return ENDPOINT_HEAD_NONE;
        http1_endpoint_fail_read(endpoint, n);
        return ENDPOINT_HEAD_FAILED;
    }
}

static long end_of_content(struct http1_endpoint *endpoint)
{
    endpoint->state = ENDPOINT_COMPLETE;
    return 0;
}

static long read_content(struct http_stream *stream, struct buf *into, size_t max)
{
    struct http1_endpoint *endpoint = endpoint_of(stream);

    if (endpoint->state == ENDPOINT_COMPLETE)
        return 0;
    if (endpoint->state != ENDPOINT_CONTENT)
        return endpoint->state == ENDPOINT_FAILED ? -EIO : -EAGAIN;
    for (;;) {
        size_t before = endpoint->in.length, had = into->length;
        enum http1_body_result r = http1_body_decode(&endpoint->body, &endpoint->in, into, max);
        long n;

        endpoint->http.received_bytes += before - endpoint->in.length;
        if (into->length > had)
            return (long)(into->length - had);
        if (r == HTTP1_BODY_END)
            return end_of_content(endpoint);
        if (r == HTTP1_BODY_ERROR) {
            fail_body(endpoint);
            return -EIO;
        }
        n = stream_read(endpoint->stream, &endpoint->in, max);
        if (n > 0)
            continue;
        if (n == -EAGAIN)
            return -EAGAIN;
        if (n == 0 && http1_body_eof(&endpoint->body) == HTTP1_BODY_END)
            return end_of_content(endpoint);
        http1_endpoint_fail_read(endpoint, n);
        return -EIO;
    }
}

/* ---- sending ------------------------------------------------------------------------------- */

static int send_head(struct http_stream *stream, const struct http_outgoing *outgoing)
{
    struct http1_endpoint *endpoint = endpoint_of(stream);
    size_t before = endpoint->out.length;
    int r;

    if (endpoint->role == HTTP1_RESPONSE)
        r = http1_write_request_head(&endpoint->out, outgoing->method, outgoing->target,
                                     outgoing->version_minor, outgoing->fields);
    else
        r = http1_write_response_head(&endpoint->out, outgoing->version_minor, outgoing->status,
                                      outgoing->reason, outgoing->fields);
    endpoint->chunked_out = outgoing->chunked;
    endpoint->http.sent_bytes += endpoint->out.length - before;
    if (outgoing->status != 100)
        endpoint->http.sent_head_bytes += endpoint->out.length - before;
    return r;
}

static int send_content(struct http_stream *stream, struct buf *content)
{
    struct http1_endpoint *endpoint = endpoint_of(stream);
    size_t before = endpoint->out.length;
    int r;

    if (content->length == 0)
        return 0;
    r = endpoint->chunked_out ? http1_write_chunk(&endpoint->out, content)
                              : buf_move(&endpoint->out, content, content->length);
    endpoint->http.sent_bytes += endpoint->out.length - before;
    return r;
}

static int flush(struct http_stream *stream)
{
    struct http1_endpoint *endpoint = endpoint_of(stream);

    if (endpoint->out.length == 0 || !endpoint->stream)
        return 0;
    return stream_write(endpoint->stream, &endpoint->out);
}

static int end_tunnel(struct http1_endpoint *endpoint)
{
    int r = flush(&endpoint->http);

    if (r == 0)
        stream_shutdown_write(endpoint->stream);
    return r;
}

static int send_end(struct http_stream *stream, const struct fields *trailers)
{
    struct http1_endpoint *endpoint = endpoint_of(stream);
    size_t before = endpoint->out.length;
    int r = 0;

    if (endpoint->is_tunnel)
        return end_tunnel(endpoint);
    if (endpoint->chunked_out)
        r = http1_write_last_chunk(&endpoint->out, trailers);
    endpoint->http.sent_bytes += endpoint->out.length - before;
    return r;
}

/* Whatever failed before; content is all that comes until the connection ends. */
static void begin_endless_content(struct http1_endpoint *endpoint)
{
    static const struct http1_body_limits no_limits = { 0 };
    static const struct http_head until_the_end = { .framing = HTTP_FRAMING_CLOSE };

    endpoint->http.failure = (struct http_failure){ .reason = END_OK };
    http1_body_init(&endpoint->body, &until_the_end, &no_limits, NULL, NULL);
    endpoint->state = ENDPOINT_CONTENT;
}

/* What the parser has taken goes back to where it was read from. */
static int give_head_back(struct http1_endpoint *endpoint)
{
    const struct http1_parser *parser = &endpoint->parser;
    uint32_t held = parser->chunk_is_own ? parser->end - parser->start : 0;
    struct buf rest;
    int r;

    buf_init(&rest, endpoint->in.pool);
    r = buf_move(&rest, &endpoint->in, endpoint->in.length);
    if (r == 0 && held > 0)
        r = buf_append_bytes(&endpoint->in, parser->chunk->data + parser->start, held);
    if (r == 0)
        r = buf_move(&endpoint->in, &rest, rest.length);
    buf_done(&rest);
    if (r == 0)
        endpoint->http.received_bytes -= held; /* they will be read again */
    return r;
}

int http1_endpoint_take_as_content(struct http1_endpoint *endpoint, struct arena *arena)
{
    int r = give_head_back(endpoint);

    if (r < 0)
        return r;
    http1_parser_done(&endpoint->parser);
    fields_init(&endpoint->http.trailers, arena);
    begin_endless_content(endpoint);
    return 0;
}

static void become_tunnel(struct http_stream *stream)
{
    struct http1_endpoint *endpoint = endpoint_of(stream);

    /* FAILED: the client had sent FIN already and may still read (half_close) */
    assert(endpoint->state >= ENDPOINT_CONTENT);
    http1_body_done(&endpoint->body);
    begin_endless_content(endpoint);
    endpoint->chunked_out = false;
    endpoint->is_tunnel = true;
}

static size_t queued(const struct http_stream *stream)
{
    const struct http1_endpoint *endpoint = (const struct http1_endpoint *)stream;

    return endpoint->out.length + (endpoint->stream ? stream_queued(endpoint->stream) : 0);
}

static void expect_bulk(struct http_stream *stream)
{
    stream_set_read_size(endpoint_of(stream)->stream, STREAM_READ_BULK);
}

const struct http_stream_ops http1_endpoint_ops = {
    .send_head = send_head,
    .send_content = send_content,
    .send_end = send_end,
    .flush = flush,
    .become_tunnel = become_tunnel,
    .read_content = read_content,
    .expect_bulk = expect_bulk,
    .queued = queued,
};
