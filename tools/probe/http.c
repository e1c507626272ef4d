#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/http/http1_body.h"
#include "core/http/http1_parser.h"
#include "tools/probe/wire.h"

enum { READ_BYTES = 16384, HEADS_BYTES_MAX = 1 << 20 };

/* Wide: what a strict hop would refuse is to be seen here. */
static const struct http1_limits limits = {
    .start_line_max = 65536, .field_line_max = 262144, .head_max = 524288, .fields_count_max = 4096
};
static const struct http1_body_limits body_limits = { .chunk_extension_max = 4096,
                                                      .chunk_extension_total_max = 1 << 20,
                                                      .trailer_max = 65536 };

/* What reading one answer needs. */
struct reading {
    struct wire *wire;
    const struct probe_options *options;
    struct probe_result *result;
    struct chunk_pool *pool;
    struct arena arena;
    struct buf in; /* received, not yet understood */
    struct http_head head;
    bool ended; /* the server has closed */
};

/* ---- the request --------------------------------------------------------------------------- */

static bool is_given(const struct probe_options *options, const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < options->headers_count; i++)
        if (strncasecmp(options->headers[i], name, length) == 0 &&
            options->headers[i][length] == ':')
            return true;
    return false;
}

/* Heap; NULL: no memory. */
static char *request_text(const struct probe_options *options, size_t *ret_length)
{
    const char *const defaults[][2] = { { "Host", options->authority },
                                        { "User-Agent", "hopgate-probe/" HOPGATE_VERSION },
                                        { "Accept", "*/*" },
                                        { "Connection", "close" } };
    const char *slash = options->target[0] == '/' ? "" : "/";
    char *text = NULL;
    FILE *stream = open_memstream(&text, ret_length);

    if (!stream)
        return NULL;
    (void)fprintf(stream, "%s %s%s HTTP/1.1\r\n", options->method, slash, options->target);
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
        if (!is_given(options, defaults[i][0]))
            (void)fprintf(stream, "%s: %s\r\n", defaults[i][0], defaults[i][1]);
    for (size_t i = 0; i < options->headers_count; i++)
        (void)fprintf(stream, "%s\r\n", options->headers[i]);
    if (options->content && !is_given(options, "Content-Length"))
        (void)fprintf(stream, "Content-Length: %zu\r\n", options->content_length);
    (void)fputs("\r\n", stream);
    if (options->content)
        (void)fwrite(options->content, 1, options->content_length, stream);
    if (fclose(stream) == 0)
        return text;
    free(text);
    return NULL;
}

/* Of a phase that begins now. */
static uint64_t deadline_of(const struct probe_options *options)
{
    uint64_t phase_ms = wire_now_ms() + options->timeout_ms;

    return options->deadline_ms && options->deadline_ms < phase_ms ? options->deadline_ms
                                                                   : phase_ms;
}

static bool send_request(struct reading *reading)
{
    struct tls_probe_failure failure = { .kind = "memory", .text = "out of memory" };
    struct probe_result *result = reading->result;
    double begin = wire_now_exact_ms();
    size_t length;
    char *text = request_text(reading->options, &length);
    bool sent = text && wire_write(reading->wire, text, length, deadline_of(reading->options),
                                   &failure) == 0;

    free(text);
    result->phases[PROBE_REQUEST] = (struct probe_timing){ true, wire_now_exact_ms() - begin };
    if (!sent)
        probe_fail(result, failure.kind, "while sending the request: %s", failure.text);
    result->request_was_sent = sent;
    return sent;
}

/* ---- the answer ---------------------------------------------------------------------------- */

/* Keeps what belongs to heads for the eye, before it is understood or not. */
static bool keep_head_bytes(struct probe_answer *answer, const char *bytes, size_t length)
{
    char *grown;

    if (answer->heads_length + length > HEADS_BYTES_MAX)
        length = HEADS_BYTES_MAX - answer->heads_length;
    grown = realloc(answer->heads, answer->heads_length + length + 1);
    if (!grown)
        return false;
    memcpy(grown + answer->heads_length, bytes, length);
    answer->heads = grown;
    answer->heads_length += length;
    return true;
}

/* False: failed, and said so. *ret_length 0: the server has closed. */
static bool receive(struct reading *reading, char *into, size_t *ret_length)
{
    struct tls_probe_failure failure = { .kind = "", .text = "" };
    long n = wire_read(reading->wire, into, READ_BYTES, deadline_of(reading->options), &failure);

    if (n < 0) {
        probe_fail(reading->result, failure.kind, "%s: %s",
                   reading->result->answer.status ? "while reading the answer"
                                                  : "instead of an answer",
                   failure.text);
        return false;
    }
    if (n > 0 && buf_append_bytes(&reading->in, into, (size_t)n) < 0) {
        probe_fail(reading->result, "memory", "out of memory");
        return false;
    }
    reading->ended = n == 0;
    *ret_length = (size_t)n;
    return true;
}

static void refuse_head(struct reading *reading, const struct http1_parser *parser)
{
    char *shown = probe_escape(parser->error_line.ptr, parser->error_line.len);

    probe_fail(reading->result, "bad-answer",
               "the answer is no valid HTTP/1.1, strict hops turn it into a 502: %s%s%.200s%s",
               http1_error_info(parser->error)->upstream_phrase, shown && shown[0] ? ": \"" : "",
               shown ? shown : "", shown && shown[0] ? "\"" : "");
    free(shown);
}

/*
 * One head; `bytes` is room for READ_BYTES. False: failed, and said so.
 */
static bool read_head(struct reading *reading, char *bytes, struct chunk **ret_chunk)
{
    struct http1_parser parser;
    enum http1_result r = HTTP1_NEED_MORE;
    size_t length = 0;
    bool going = true;

    http1_parser_init(&parser, HTTP1_RESPONSE, &limits, &reading->arena, &reading->head);
    parser.request_method = http_method_of(slice_of(reading->options->method));
    while (going && r == HTTP1_NEED_MORE) {
        struct probe_timing *first = &reading->result->phases[PROBE_FIRST_BYTE];
        double begin = wire_now_exact_ms();
        size_t before = reading->in.length;

        if (before == 0) {
            going = receive(reading, bytes, &length);
            if (!first->reached && going && length > 0)
                *first = (struct probe_timing){ true, wire_now_exact_ms() - begin };
            before = reading->in.length;
        } else {
            length = buf_peek(&reading->in, bytes, READ_BYTES);
        }
        if (going && reading->ended) {
            probe_fail(reading->result, "closed", "the server closed the connection %s",
                       reading->result->answer.heads_length ? "in the middle of its answer"
                                                            : "without an answer");
            going = false;
        }
        if (!going)
            break;
        r = http1_parser_feed(&parser, &reading->in, ret_chunk);
        if (r != HTTP1_ERROR)
            length = before - reading->in.length;
        going = keep_head_bytes(&reading->result->answer, bytes, length);
        if (!going)
            probe_fail(reading->result, "memory", "out of memory");
    }
    if (r == HTTP1_ERROR)
        refuse_head(reading, &parser);
    http1_parser_done(&parser);
    return going && r == HTTP1_DONE;
}

static void keep_content(struct reading *reading, struct buf *content)
{
    struct probe_answer *answer = &reading->result->answer;
    size_t room = reading->options->content_kept_max - answer->content_length;
    size_t length = content->length < room ? content->length : room;
    char *grown = length > 0 ? realloc(answer->content, answer->content_length + length) : NULL;

    if (grown) {
        answer->content = grown;
        answer->content_length += buf_peek(content, grown + answer->content_length, length);
    }
    buf_consume(content, content->length);
}

static bool is_too_much(struct reading *reading, const struct http1_body *body)
{
    uint64_t bytes_max = reading->options->content_bytes_max;

    if (bytes_max == 0 || body->content_bytes <= bytes_max)
        return false;
    probe_fail(reading->result, "too-much", "the content is longer than %llu bytes",
               (unsigned long long)bytes_max);
    return true;
}

static void read_content(struct reading *reading, char *bytes)
{
    struct probe_answer *answer = &reading->result->answer;
    struct http1_body body;
    struct buf content;
    enum http1_body_result r;
    size_t length;

    http1_body_init(&body, &reading->head, &body_limits, NULL, &reading->arena);
    buf_init(&content, reading->pool);
    for (;;) {
        r = http1_body_decode(&body, &reading->in, &content, SIZE_MAX);
        keep_content(reading, &content);
        if (r != HTTP1_BODY_MORE || is_too_much(reading, &body) ||
            !receive(reading, bytes, &length))
            break;
        if (reading->ended) {
            r = http1_body_eof(&body);
            break;
        }
    }
    answer->content_bytes = body.content_bytes;
    answer->complete = r == HTTP1_BODY_END;
    if (r == HTTP1_BODY_ERROR)
        probe_fail(reading->result, "bad-answer",
                   "the content of the answer is broken after %llu "
                   "bytes: %s",
                   (unsigned long long)body.content_bytes,
                   http1_error_info(body.error)->upstream_phrase);
    buf_done(&content);
    http1_body_done(&body);
}

static void note_proxy_status(struct reading *reading)
{
    const struct field *field = fields_find_name(&reading->head.fields, SLICE("Proxy-Status"));
    char *shown = field ? probe_escape(field->value.ptr, field->value.len) : NULL;

    if (shown)
        snprintf(reading->result->answer.proxy_status, sizeof(reading->result->answer.proxy_status),
                 "%s", shown);
    free(shown);
}

static void read_answer(struct reading *reading)
{
    struct chunk *chunk = NULL;
    char *bytes = malloc(READ_BYTES);
    bool done = bytes == NULL;

    if (!bytes)
        probe_fail(reading->result, "memory", "out of memory");
    while (!done && read_head(reading, bytes, &chunk)) {
        reading->result->answer.status = reading->head.status;
        done = reading->head.status >= 200 || reading->head.status == 101;
        if (done) {
            note_proxy_status(reading);
            read_content(reading, bytes);
        }
        chunk_unref(chunk);
    }
    free(bytes);
}

void wire_exchange(struct wire *wire, const struct probe_options *options,
                   struct probe_result *result)
{
    struct reading reading = { .wire = wire, .options = options, .result = result };

    reading.pool = chunk_pool_create(0);
    if (!reading.pool) {
        probe_fail(result, "memory", "out of memory");
        return;
    }
    arena_init(&reading.arena, reading.pool, 0);
    buf_init(&reading.in, reading.pool);
    if (send_request(&reading))
        read_answer(&reading);
    buf_done(&reading.in);
    arena_done(&reading.arena);
    chunk_pool_free(reading.pool);
}
