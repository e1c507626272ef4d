#include "core/http/http1_parser.h"

#include <assert.h>
#include <errno.h>

#include "core/http/http1_priv.h"
#include "core/http/http_chars.h"

/*
 *  EMPTY_LINE -> EMPTY_LINE_LF -> START_LINE -> FIELDS -> END
 *       '------- no CR --------------^
 *
 * EMPTY_LINE exists for requests only. A refused head stays where it is, with parser->error set.
 */
enum parser_state { EMPTY_LINE, EMPTY_LINE_LF, START_LINE, FIELDS, END };

void http1_parser_init(struct http1_parser *parser, enum http1_role role,
                       const struct http1_limits *limits, struct arena *arena,
                       struct http_head *head)
{
    *head = (struct http_head){ 0 };
    fields_init(&head->fields, arena);
    *parser = (struct http1_parser){
        .role = role,
        .limits = *limits,
        .arena = arena,
        .head = head,
        .state = role == HTTP1_REQUEST ? EMPTY_LINE : START_LINE,
    };
}

void http1_parser_done(struct http1_parser *parser)
{
    chunk_unref(parser->chunk);
    parser->chunk = NULL;
    parser->error_line = (struct slice){ NULL, 0 };
}

bool http1_parser_has_started(const struct http1_parser *parser)
{
    return parser->started;
}

struct slice http1_parser_peek_first_line(const struct http1_parser *parser)
{
    struct slice line = { NULL, 0 };

    if (!parser->started || !parser->chunk)
        return line;
    line = (struct slice){ (const char *)parser->chunk->data + parser->start, 0 };
    while (line.len < parser->end - parser->start && line.ptr[line.len] != '\r' &&
           line.ptr[line.len] != '\n')
        line.len++;
    return line;
}

static enum http1_result refuse_line(struct http1_parser *parser, struct http1_verdict verdict,
                                     struct slice line)
{
    parser->error = verdict.error;
    parser->error_at = parser->line_start - parser->start + (uint32_t)verdict.at;
    parser->error_in_line = (uint32_t)verdict.at;
    parser->error_line = line;
    return HTTP1_ERROR;
}

static enum http1_result refuse_no_memory(struct http1_parser *parser)
{
    parser->error = HTTP1_ERR_NO_MEMORY;
    return HTTP1_ERROR;
}

static enum http1_result finish_head(struct http1_parser *parser)
{
    enum http1_error error =
        parser->role == HTTP1_REQUEST
            ? http1_judge_request(parser->head, parser->leniencies)
            : http1_judge_response(parser->head, parser->request_method, parser->leniencies);

    if (error != HTTP1_OK)
        return refuse_line(parser, http1_refuse(error, 0), (struct slice){ NULL, 0 });
    parser->state = END;
    return HTTP1_DONE;
}

static bool is_unfolded(const struct http1_parser *parser, struct slice line)
{
    return (parser->leniencies & HTTP1_LENIENT_OBS_FOLD) && parser->head->fields.count > 0 &&
           (line.ptr[0] == ' ' || line.ptr[0] == '\t') && http_text_bad_at(line) == line.len;
}

static enum http1_result read_field(struct http1_parser *parser, struct slice line)
{
    struct fields *fields = &parser->head->fields;
    struct slice name, value;
    struct http1_verdict verdict;

    if (is_unfolded(parser, line))
        return http1_unfold(fields, line) < 0 ? refuse_no_memory(parser) : HTTP1_NEED_MORE;
    verdict = http1_read_field_line(line, &name, &value);
    if (verdict.error != HTTP1_OK && (parser->leniencies & HTTP1_LENIENT_DROP_BAD_LINE) &&
        http1_field_line_may_be_dropped(line))
        return HTTP1_NEED_MORE;
    if (verdict.error == HTTP1_OK && fields->count >= parser->limits.fields_count_max)
        verdict = http1_refuse(HTTP1_ERR_TOO_MANY_FIELDS, 0);
    if (verdict.error != HTTP1_OK)
        return refuse_line(parser, verdict, line);
    if (fields_add(fields, name, value) < 0)
        return refuse_no_memory(parser);
    return HTTP1_NEED_MORE;
}

static enum http1_result read_start_line(struct http1_parser *parser, struct slice line)
{
    struct http1_verdict verdict =
        parser->role == HTTP1_REQUEST
            ? http1_read_request_line(parser->head, line)
            : http1_read_status_line(parser->head, line, parser->leniencies);

    if (verdict.error != HTTP1_OK)
        return refuse_line(parser, verdict, line);
    parser->state = FIELDS;
    return HTTP1_NEED_MORE;
}

/* line ends with LF. */
static enum http1_result read_line(struct http1_parser *parser, struct slice line)
{
    bool crlf = line.len >= 2 && line.ptr[line.len - 2] == '\r';

    line.len -= crlf ? 2 : 1;
    if (!crlf && !(parser->leniencies & HTTP1_LENIENT_BARE_LF))
        return refuse_line(parser, http1_refuse(HTTP1_ERR_BARE_LF, line.len), line);
    if (parser->state == START_LINE)
        return read_start_line(parser, line);
    return line.len > 0 ? read_field(parser, line) : finish_head(parser);
}

/* How many bytes the current line may have, and what it is to have more. */
static uint32_t line_max(const struct http1_parser *parser, enum http1_error *ret_error)
{
    uint32_t head_left = parser->limits.head_max - (parser->line_start - parser->start);
    bool first = parser->state == START_LINE;
    uint32_t own_max = first ? parser->limits.start_line_max : parser->limits.field_line_max;

    if (head_left < own_max) {
        *ret_error = HTTP1_ERR_HEAD_TOO_BIG;
        return head_left;
    }
    *ret_error = first ? HTTP1_ERR_START_LINE_TOO_LONG : HTTP1_ERR_FIELD_LINE_TOO_LONG;
    return own_max;
}

/*
 * Reads the lines that are complete in [line_start, end). DONE leaves line_start behind the head.
 * Each check sees the same bytes however they were cut: first bytes, then length, then content.
 */
static enum http1_result read_lines(struct http1_parser *parser)
{
    while (parser->line_start < parser->end) {
        struct slice line = { parser->chunk->data + parser->line_start,
                              parser->end - parser->line_start };
        size_t skip = parser->scanned - parser->line_start;
        enum http1_error too_long;
        uint32_t max = line_max(parser, &too_long);
        struct http1_verdict verdict = http1_accept();
        enum http1_result result;
        const char *lf;

        if (line.len > max)
            line.len = max;
        lf = line.len > skip ? memchr(line.ptr + skip, '\n', line.len - skip) : NULL;
        if (lf)
            line.len = (size_t)(lf - line.ptr) + 1;
        if (parser->state == START_LINE)
            verdict = http1_start_line_may_begin(parser->role, line, parser->leniencies);
        if (verdict.error == HTTP1_OK && !lf && line.len == max)
            verdict = http1_refuse(too_long, max);
        if (verdict.error != HTTP1_OK)
            return refuse_line(parser, verdict, line);
        if (!lf) {
            parser->scanned = parser->end;
            return HTTP1_NEED_MORE;
        }
        result = read_line(parser, line);
        if (result == HTTP1_ERROR)
            return result;
        parser->line_start += (uint32_t)line.len;
        parser->scanned = parser->line_start;
        if (result == HTTP1_DONE)
            return result;
    }
    return HTTP1_NEED_MORE;
}

/*
 * Goes on in a chunk of our own with room for `more` bytes. Slices of the head point into the old
 * chunk, therefore its lines will be read again; sizes double, so that happens a few times at most.
 */
static int move_to_own_chunk(struct http1_parser *parser, struct chunk_pool *pool, size_t more)
{
    uint32_t held = parser->end - parser->start;
    size_t wanted = parser->chunk_is_own ? 2 * (size_t)parser->chunk->capacity : 0;
    struct chunk *own = chunk_pool_get(pool, wanted < held + more ? held + more : wanted);

    if (!own)
        return -ENOMEM;
    memcpy(own->data, parser->chunk->data + parser->start, held);
    own->used = held;
    chunk_unref(parser->chunk);
    parser->chunk = own;
    parser->chunk_is_own = true;
    parser->start = parser->line_start = parser->scanned = 0;
    parser->end = held;
    parser->head->fields.count = 0;
    parser->state = START_LINE;
    return 0;
}

/* The usual case: the whole head lies in the first span and is used where it is. */
static enum http1_result feed_in_place(struct http1_parser *parser, struct buf *in)
{
    const struct span *span = buf_front_span(in);
    enum http1_result result;

    parser->chunk = chunk_ref(span->chunk);
    parser->started = true;
    parser->start = parser->line_start = parser->scanned = span->offset;
    parser->end = span->offset + span->length;
    result = read_lines(parser);
    if (result == HTTP1_DONE)
        buf_consume(in, parser->line_start - parser->start);
    if (result != HTTP1_NEED_MORE)
        return result;
    if (move_to_own_chunk(parser, in->pool, 0) < 0)
        return refuse_no_memory(parser);
    buf_consume(in, parser->end);
    return HTTP1_NEED_MORE;
}

/* Takes bytes up to and including the next LF, so that nothing beyond the head is taken. */
static enum http1_result feed_held(struct http1_parser *parser, struct buf *in)
{
    struct slice front = buf_front(in);
    const char *lf = memchr(front.ptr, '\n', front.len);
    size_t length = lf ? (size_t)(lf - front.ptr) + 1 : front.len;
    /* one byte more than allowed is enough to be refused */
    size_t useful = (size_t)parser->limits.head_max + 1 - (parser->end - parser->start);

    if (length > useful)
        length = useful;
    if (length > parser->chunk->capacity - parser->end &&
        move_to_own_chunk(parser, in->pool, length) < 0)
        return refuse_no_memory(parser);
    memcpy(parser->chunk->data + parser->end, front.ptr, length);
    parser->end += (uint32_t)length;
    parser->chunk->used = parser->end;
    buf_consume(in, length);
    return read_lines(parser);
}

static void skip_line_ends(const struct http1_parser *parser, struct buf *in)
{
    while (!parser->started && !buf_is_empty(in) &&
           (buf_front(in).ptr[0] == '\r' || buf_front(in).ptr[0] == '\n'))
        buf_consume(in, 1);
}

/* RFC 9112 2.2: a server should ignore at least one empty line before a request line. */
static enum http1_result skip_empty_line(struct http1_parser *parser, struct buf *in)
{
    while (parser->state < START_LINE && !buf_is_empty(in)) {
        char c = buf_front(in).ptr[0];

        if (parser->state == EMPTY_LINE && c != '\r') {
            parser->state = START_LINE;
            break;
        }
        if (parser->state == EMPTY_LINE_LF && c != '\n') {
            parser->error = HTTP1_ERR_BARE_CR;
            return HTTP1_ERROR;
        }
        parser->state++;
        buf_consume(in, 1);
    }
    return HTTP1_NEED_MORE;
}

enum http1_result http1_parser_feed(struct http1_parser *parser, struct buf *in,
                                    struct chunk **ret_chunk)
{
    enum http1_result result;

    assert(parser->state != END && "one init per head");
    if (parser->error != HTTP1_OK)
        return HTTP1_ERROR;
    if (parser->leniencies & HTTP1_LENIENT_EMPTY_LINES)
        skip_line_ends(parser, in);
    result = skip_empty_line(parser, in);
    while (result == HTTP1_NEED_MORE && !buf_is_empty(in))
        result = parser->chunk ? feed_held(parser, in) : feed_in_place(parser, in);
    if (result == HTTP1_DONE) {
        *ret_chunk = parser->chunk;
        parser->chunk = NULL;
    }
    return result;
}

const struct http1_error_info *http1_error_info(enum http1_error error)
{
    static const struct http1_error_info infos[HTTP1_ERROR_COUNT] = {
        [HTTP1_OK] = { "OK", 0, "", "" },
#define HTTP1_ERROR_DEF(id, status_, phrase_, upstream_phrase_) \
    [HTTP1_ERR_##id] = { .name = #id,                           \
                         .status = (status_),                   \
                         .phrase = (phrase_),                   \
                         .upstream_phrase = (upstream_phrase_) },
#include "core/http/http1_errors.def"
#undef HTTP1_ERROR_DEF
    };

    assert(error < HTTP1_ERROR_COUNT);
    return &infos[error];
}
