#include "core/http/http1_body.h"

#include "core/http/http1_priv.h"
#include "core/http/http_chars.h"

/*
 *  SIZE -> (SIZE_BLANK ->) EXTENSION <-> QUOTED <-> ESCAPED     one line: chunk-size and extensions
 *    |                        |
 *    '-------> SIZE_LF <------'
 *                 |-- size > 0 --> DATA -> DATA_CR -> DATA_LF -> SIZE
 *                 '-- size = 0 --> TRAILER (one line each) -> LAST_LF -> END
 *
 * States up to LAST_LF read single bytes; the others read runs of them.
 */
enum body_state {
    SIZE,
    SIZE_BLANK,
    EXTENSION,
    QUOTED,
    ESCAPED,
    SIZE_LF,
    DATA_CR,
    DATA_LF,
    LAST_LF,
    DATA,
    TRAILER,
    END,
};

enum { SIZE_DIGITS_MAX = 16 };

void http1_body_init(struct http1_body *body, const struct http_head *head,
                     const struct http1_body_limits *limits, struct fields *trailers,
                     struct arena *arena)
{
    *body = (struct http1_body){
        .framing = head->framing,
        .remaining = head->framing == HTTP_FRAMING_LENGTH ? head->content_length : 0,
        .limits = *limits,
        .trailers = trailers,
        .arena = arena,
        .state = SIZE,
    };
}

void http1_body_done(struct http1_body *body)
{
    chunk_unref(body->trailer_line);
    body->trailer_line = NULL;
}

static void read_size_end(struct http1_body *body, char c);
static void begin_chunk_line(struct http1_body *body);
static void check_content_max(struct http1_body *body);

static void count_extension_byte(struct http1_body *body)
{
    body->extension_bytes++;
    body->extension_total++;
    if (body->extension_bytes > body->limits.chunk_extension_max ||
        body->extension_total > body->limits.chunk_extension_total_max)
        body->error = HTTP1_ERR_CHUNK_EXTENSION_TOO_LONG;
}

/* RFC 9112 7.1: 1*HEXDIG, nothing around it; more than 2^63-1 must not wrap into something small.
 */
static void read_size(struct http1_body *body, char c)
{
    int digit = http_hex_value(c);

    if (digit < 0) {
        read_size_end(body, c);
        return;
    }
    if (++body->size_digits > SIZE_DIGITS_MAX || body->remaining > (uint64_t)INT64_MAX >> 4)
        body->error = HTTP1_ERR_CHUNK_SIZE_TOO_BIG;
    else
        body->remaining = body->remaining << 4 | (unsigned)digit;
}

static void read_size_end(struct http1_body *body, char c)
{
    if (body->size_digits == 0) {
        body->error = HTTP1_ERR_CHUNK_SIZE_INVALID;
    } else if (c == '\r' && body->state == SIZE) {
        body->state = SIZE_LF;
    } else if (c == '\n' && body->state == SIZE && body->bare_lf) {
        body->state = body->remaining > 0 ? DATA : TRAILER;
        check_content_max(body);
    } else if (c == ';') {
        body->state = EXTENSION;
        count_extension_byte(body);
    } else if (c == ' ' || c == '\t') {
        /* RFC 9112 7.1.1 allows blanks before the ';', but not before the line end */
        body->state = SIZE_BLANK;
        count_extension_byte(body);
    } else {
        body->error = c == '\n' ? HTTP1_ERR_CHUNK_LINE_END : HTTP1_ERR_CHUNK_SIZE_INVALID;
    }
}

/*
 * Extensions are dropped, so their grammar does not matter, but where they end does: everybody on
 * the path must see the same line end, inside quotes too (RFC 9112 7.1.1, 11.2).
 */
static void read_extension(struct http1_body *body, char c)
{
    bool is_text = http_text_bad_at((struct slice){ &c, 1 }) == 1;

    if (c == '\r' && body->state == EXTENSION) {
        body->state = SIZE_LF;
        return;
    }
    count_extension_byte(body);
    if (body->error != HTTP1_OK)
        return;
    if (!is_text || (body->state == EXTENSION && c != '"' && !http_char_is(c, HTTP_CHAR_EXT)))
        body->error = HTTP1_ERR_CHUNK_EXTENSION_INVALID;
    else if (body->state == ESCAPED)
        body->state = QUOTED;
    else if (c == '"')
        body->state = body->state == QUOTED ? EXTENSION : QUOTED;
    else if (c == '\\' && body->state == QUOTED)
        body->state = ESCAPED;
}

static void expect_byte(struct http1_body *body, bool as_expected, enum http1_error otherwise,
                        enum body_state next)
{
    if (as_expected)
        body->state = next;
    else
        body->error = otherwise;
}

static void begin_chunk_line(struct http1_body *body)
{
    body->remaining = 0;
    body->size_digits = 0;
    body->extension_bytes = 0;
}

/* As nginx (ngx_http_request_body_chunked_filter): before the first byte that is too many. */
static void check_content_max(struct http1_body *body)
{
    uint64_t max = body->chunked_max;

    if (body->error == HTTP1_OK && max != 0 && body->content_bytes + body->remaining > max)
        body->error = HTTP1_ERR_CONTENT_TOO_BIG;
}

static void read_framing_byte(struct http1_body *body, char c)
{
    switch ((enum body_state)body->state) {
    case SIZE:
        read_size(body, c);
        return;
    case SIZE_BLANK:
        read_size_end(body, c);
        return;
    case EXTENSION:
    case QUOTED:
    case ESCAPED:
        read_extension(body, c);
        return;
    case SIZE_LF:
        expect_byte(body, c == '\n', HTTP1_ERR_CHUNK_LINE_END,
                    body->remaining > 0 ? DATA : TRAILER);
        check_content_max(body);
        return;
    case DATA_CR:
        if (c == '\n' && body->bare_lf) {
            body->state = SIZE;
            begin_chunk_line(body);
            return;
        }
        expect_byte(body, c == '\r', HTTP1_ERR_CHUNK_DATA_END, DATA_LF);
        return;
    case DATA_LF:
        expect_byte(body, c == '\n', HTTP1_ERR_CHUNK_DATA_END, SIZE);
        begin_chunk_line(body);
        return;
    case LAST_LF:
        expect_byte(body, c == '\n', HTTP1_ERR_BARE_CR, END);
        return;
    case DATA:
    case TRAILER:
    case END:
        return;
    }
}

/*
 * Names whose meaning is needed before the content (RFC 9110 6.5.1), and those that say who asks.
 * One that ends with '-' stands for all names that begin so.
 */
static const char *const forbidden_trailers[] = {
    /* framing and connection */
    "content-", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade",
    "http2-settings", "proxy", "proxy-",
    /* routing, who asks and for whom */
    "host", "forwarded", "via", "x-forwarded-", "x-real-ip", "x-ssl-", "x-client-", "client-cert",
    "client-cert-", "x-consumer-", "x-credential-", "x-anonymous-", "x-kong-", "authorization",
    "authentication-", "www-authenticate", "cookie", "cookie2", "set-cookie", "set-cookie2",
    /* request modifiers and response control */
    "expect", "range", "if-", "max-forwards", "pragma", "cache-control", "age", "date", "expires",
    "location", "retry-after", "vary", "warning"
};

/* '_' counts as '-': a server behind us may map both to the same variable. */
static bool name_matches(struct slice name, struct slice pattern)
{
    bool prefix = pattern.ptr[pattern.len - 1] == '-';

    if (prefix ? name.len < pattern.len : name.len != pattern.len)
        return false;
    for (size_t i = 0; i < pattern.len; i++) {
        char c = name.ptr[i] == '_' ? '-' : name.ptr[i];

        if (c >= 'A' && c <= 'Z')
            c = (char)(c + ('a' - 'A'));
        if (c != pattern.ptr[i])
            return false;
    }
    return true;
}

static bool trailer_is_forbidden(struct slice name)
{
    size_t count = sizeof(forbidden_trailers) / sizeof(forbidden_trailers[0]);

    for (size_t i = 0; i < count; i++)
        if (name_matches(name, slice_of(forbidden_trailers[i])))
            return true;
    return false;
}

static enum http1_error keep_trailer(struct http1_body *body, struct slice name, struct slice value)
{
    struct slice kept_name, kept_value;

    if (trailer_is_forbidden(name)) {
        body->forbidden_trailer_count++;
        return HTTP1_OK;
    }
    if (!body->trailers)
        return HTTP1_OK;
    kept_name = arena_copy(body->arena, name);
    kept_value = arena_copy(body->arena, value);
    if (!kept_name.ptr || !kept_value.ptr || fields_add(body->trailers, kept_name, kept_value) < 0)
        return HTTP1_ERR_NO_MEMORY;
    return HTTP1_OK;
}

/* line ends with LF. */
static enum http1_error read_trailer_line(struct http1_body *body, struct slice line)
{
    struct http1_verdict verdict;
    struct slice name, value;
    bool crlf;

    crlf = line.len >= 2 && line.ptr[line.len - 2] == '\r';
    if (!crlf && !body->bare_lf)
        return HTTP1_ERR_BARE_LF;
    line.len -= crlf ? 2 : 1;
    verdict = http1_read_field_line(line, &name, &value);
    if (verdict.error != HTTP1_OK)
        return verdict.error;
    if (++body->trailer_count > body->limits.trailer_fields_count_max)
        return HTTP1_ERR_TOO_MANY_FIELDS;
    return keep_trailer(body, name, value);
}

/* Collects one line in a chunk: trailers are rare, and a line may lie in several spans. */
static enum http1_error read_trailer(struct http1_body *body, struct buf *in)
{
    struct slice front = buf_front(in);
    uint32_t bytes_left = body->limits.trailer_max - body->trailer_bytes;
    const char *lf = memchr(front.ptr, '\n', front.len);
    size_t length = lf ? (size_t)(lf - front.ptr) + 1 : front.len;
    struct chunk *line = body->trailer_line;
    enum http1_error error = HTTP1_OK;

    if (length > bytes_left)
        return HTTP1_ERR_TRAILER_TOO_BIG;
    if (!line) {
        line = body->trailer_line = chunk_pool_get(in->pool, body->limits.trailer_max);
        if (!line)
            return HTTP1_ERR_NO_MEMORY;
    }
    memcpy(line->data + line->used, front.ptr, length);
    line->used += (uint32_t)length;
    body->trailer_bytes += (uint32_t)length;
    if (lf) {
        error = read_trailer_line(body, (struct slice){ line->data, line->used });
        line->used = 0;
    }
    buf_consume(in, length);
    return error;
}

static void read_framing(struct http1_body *body, struct buf *in)
{
    struct slice front = buf_front(in);
    bool line_begins = !body->trailer_line || body->trailer_line->used == 0;
    size_t n = 0;

    if (body->state == TRAILER && line_begins && front.ptr[0] == '\n' && body->bare_lf) {
        body->state = END;
        buf_consume(in, 1);
        return;
    }
    if (body->state == TRAILER && !(line_begins && front.ptr[0] == '\r')) {
        body->error = read_trailer(body, in);
        return;
    }
    if (body->state == TRAILER) {
        body->state = LAST_LF;
        n = 1;
    }
    while (n < front.len && body->state <= LAST_LF && body->error == HTTP1_OK)
        read_framing_byte(body, front.ptr[n++]);
    buf_consume(in, n);
}

/* Moves up to min(max, remaining) bytes; false: no memory. */
static bool move_content(struct http1_body *body, struct buf *in, struct buf *out, size_t *max)
{
    uint64_t n = in->length;

    if (n > *max)
        n = *max;
    if (n > body->remaining)
        n = body->remaining;
    if (n > 0 && buf_move(out, in, (size_t)n) < 0) {
        body->error = HTTP1_ERR_NO_MEMORY;
        return false;
    }
    body->remaining -= n;
    body->content_bytes += n;
    *max -= (size_t)n;
    return true;
}

static enum http1_body_result decode_chunked(struct http1_body *body, struct buf *in,
                                             struct buf *out, size_t max)
{
    while (body->state != END) {
        if (body->state == DATA) {
            if (!move_content(body, in, out, &max))
                return HTTP1_BODY_ERROR;
            if (body->remaining > 0)
                return HTTP1_BODY_MORE;
            body->state = DATA_CR;
        }
        if (buf_is_empty(in))
            return HTTP1_BODY_MORE;
        read_framing(body, in);
        if (body->error != HTTP1_OK)
            return HTTP1_BODY_ERROR;
    }
    http1_body_done(body);
    return HTTP1_BODY_END;
}

enum http1_body_result http1_body_decode(struct http1_body *body, struct buf *in, struct buf *out,
                                         size_t max)
{
    if (body->error != HTTP1_OK)
        return HTTP1_BODY_ERROR;
    switch (body->framing) {
    case HTTP_FRAMING_NONE:
        return HTTP1_BODY_END;
    case HTTP_FRAMING_LENGTH:
        if (!move_content(body, in, out, &max))
            return HTTP1_BODY_ERROR;
        return body->remaining == 0 ? HTTP1_BODY_END : HTTP1_BODY_MORE;
    case HTTP_FRAMING_CHUNKED:
        return decode_chunked(body, in, out, max);
    case HTTP_FRAMING_CLOSE:
        body->remaining = UINT64_MAX; /* only the end of the stream ends it */
        return move_content(body, in, out, &max) ? HTTP1_BODY_MORE : HTTP1_BODY_ERROR;
    }
    return HTTP1_BODY_ERROR;
}

/* LF "0" LF LF, and parts of it */
enum { LEAST_AFTER_DATA = 4, LEAST_BEFORE_SIZE = 3, LEAST_AFTER_LAST_SIZE = 2, LEAST_LF = 1 };

static uint64_t least_of_chunked(const struct http1_body *body)
{
    uint64_t data = body->remaining > 0 ? body->remaining + LEAST_AFTER_DATA : LEAST_LF;

    switch ((enum body_state)body->state) {
    case SIZE:
        return body->size_digits == 0 ? LEAST_BEFORE_SIZE : LEAST_LF + data;
    case SIZE_BLANK:
    case EXTENSION:
    case QUOTED:
    case ESCAPED:
    case SIZE_LF:
        return LEAST_LF + data;
    case DATA:
        return data;
    case DATA_CR:
    case DATA_LF:
        return LEAST_AFTER_DATA;
    case TRAILER:
        return body->trailer_line && body->trailer_line->used > 0 ? LEAST_AFTER_LAST_SIZE
                                                                  : LEAST_LF;
    case LAST_LF:
        return LEAST_LF;
    case END:
        break;
    }
    return 0;
}

uint64_t http1_body_least(const struct http1_body *body)
{
    switch (body->framing) {
    case HTTP_FRAMING_NONE:
        return 0;
    case HTTP_FRAMING_LENGTH:
        return body->remaining;
    case HTTP_FRAMING_CHUNKED:
        return least_of_chunked(body);
    case HTTP_FRAMING_CLOSE:
        break;
    }
    return UINT64_MAX;
}

enum http1_body_result http1_body_eof(struct http1_body *body)
{
    bool complete = body->framing == HTTP_FRAMING_NONE || body->framing == HTTP_FRAMING_CLOSE ||
                    (body->framing == HTTP_FRAMING_LENGTH && body->remaining == 0) ||
                    (body->framing == HTTP_FRAMING_CHUNKED && body->state == END);

    if (body->error == HTTP1_OK && !complete)
        body->error = HTTP1_ERR_BODY_TRUNCATED;
    return body->error == HTTP1_OK ? HTTP1_BODY_END : HTTP1_BODY_ERROR;
}
