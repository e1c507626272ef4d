#include "tools/origin/request.h"

#include <stdlib.h>
#include <string.h>

#include "core/fnv1a.h"

/* ---- collecting ---------------------------------------------------------------------------- */

static bool reserve(struct request_head *head, size_t more)
{
    size_t capacity = head->capacity ? head->capacity : 1024;
    char *grown;

    while (capacity < head->length + more)
        capacity *= 2;
    if (capacity == head->capacity)
        return true;
    grown = realloc(head->bytes, capacity);
    if (!grown)
        return false;
    head->bytes = grown;
    head->capacity = capacity;
    return true;
}

/* How many bytes of the text belong to the head; *ret_ends: the last of them ends it. */
static size_t measure(struct request_head *head, struct slice text, bool *ret_ends)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\n') {
            if (head->line_length == 0) {
                *ret_ends = true;
                return i + 1;
            }
            head->line_length = 0;
        } else if (text.ptr[i] != '\r') {
            head->line_length++;
        }
    }
    return text.len;
}

/* RFC 9112 2.2: empty lines before a request line mean nothing. */
static void skip_empty_lines(struct buf *in)
{
    struct slice front = buf_front(in);

    while (front.len > 0 && (front.ptr[0] == '\r' || front.ptr[0] == '\n')) {
        buf_consume(in, 1);
        front = buf_front(in);
    }
}

static bool parse(struct request_head *head);

/* RFC 8446 5.1: the content type of a handshake record, and its legacy major version. */
static bool begins_like_tls(struct slice bytes)
{
    return bytes.len > 0 && bytes.ptr[0] == 0x16 && (bytes.len == 1 || bytes.ptr[1] == 0x03);
}

enum request_result request_head_read(struct request_head *head, struct buf *in)
{
    bool ends = false;

    if (head->is_complete)
        return REQUEST_DONE;
    if (head->length == 0)
        skip_empty_lines(in);
    if (head->length == 0 && begins_like_tls(buf_front(in)))
        return REQUEST_IS_TLS;
    while (!ends && in->length > 0) {
        struct slice front = buf_front(in);
        size_t room = REQUEST_HEAD_MAX - head->length, take;

        if (room == 0)
            return REQUEST_TOO_LARGE;
        if (front.len > room)
            front.len = room;
        take = measure(head, front, &ends);
        if (!reserve(head, take))
            return REQUEST_NO_MEMORY;
        memcpy(head->bytes + head->length, front.ptr, take);
        head->length += take;
        buf_consume(in, take);
    }
    if (!ends)
        return REQUEST_MORE;
    head->is_complete = true;
    return parse(head) ? REQUEST_DONE : REQUEST_NO_MEMORY;
}

void request_head_done(struct request_head *head)
{
    free(head->bytes);
    free(head->fields);
    *head = (struct request_head){ 0 };
}

/* ---- telling the parts apart --------------------------------------------------------------- */

static struct slice trim(struct slice text)
{
    while (text.len > 0 && memchr(" \t\r\n", text.ptr[0], 4))
        text = slice_from(text, 1);
    while (text.len > 0 && memchr(" \t\r\n", text.ptr[text.len - 1], 4))
        text.len--;
    return text;
}

/* The next line without its end. */
static bool next_line(struct slice *rest, struct slice *ret)
{
    const char *end = rest->len > 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;

    if (!end)
        return false;
    *ret = (struct slice){ rest->ptr, (size_t)(end - rest->ptr) };
    *rest = slice_from(*rest, ret->len + 1);
    while (ret->len > 0 && ret->ptr[ret->len - 1] == '\r')
        ret->len--;
    return true;
}

static struct slice until(struct slice text, char mark)
{
    const char *at = text.len > 0 ? memchr(text.ptr, mark, text.len) : NULL;

    return (struct slice){ text.ptr, at ? (size_t)(at - text.ptr) : text.len };
}

/* The version is what stands behind the last space: a target may have some. */
static void parse_request_line(struct request_head *head, struct slice line)
{
    struct slice target;

    head->method = until(line, ' ');
    line = slice_from(line, head->method.len + 1);
    target = line;
    for (size_t i = line.len; i > 0; i--) {
        if (line.ptr[i - 1] != ' ')
            continue;
        head->version = slice_from(line, i);
        target.len = i - 1;
        break;
    }
    head->target = target;
    if (slice_starts_with(target, SLICE("http://")) || slice_starts_with(target, SLICE("https://")))
        target = slice_from(target, until(target, '/').len + 2);
    target =
        slice_from(target, target.len > 0 && target.ptr[0] != '/' ? until(target, '/').len : 0);
    head->path = until(target, '?');
    head->query = slice_from(target, head->path.len + 1);
    head->is_http10 = slice_equal(head->version, SLICE("HTTP/1.0"));
}

static bool parse_fields(struct request_head *head, struct slice rest)
{
    size_t capacity = 0;
    struct slice line;

    while (next_line(&rest, &line) && line.len > 0) {
        struct request_field *field;

        if (head->fields_count == REQUEST_FIELDS_MAX) {
            head->fields_omitted++;
            continue;
        }
        if (head->fields_count == capacity) {
            capacity = capacity ? capacity * 2 : 16;
            field = reallocarray(head->fields, capacity, sizeof(*field));
            if (!field)
                return false;
            head->fields = field;
        }
        field = &head->fields[head->fields_count++];
        field->name = until(line, ':');
        field->value = trim(slice_from(line, field->name.len + 1));
    }
    return true;
}

static bool has_word(struct slice list, struct slice word)
{
    struct slice token;

    while (field_list_next(&list, &token))
        if (slice_equal_nocase(token, word))
            return true;
    return false;
}

static uint64_t number(struct slice digits)
{
    uint64_t value = 0;

    for (size_t i = 0; i < digits.len && digits.ptr[i] >= '0' && digits.ptr[i] <= '9'; i++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(digits.ptr[i] - '0'), &value))
            return UINT64_MAX;
    return value;
}

/* Nothing of an earlier look may stay: fields has room for as many as were counted, no more. */
static void forget_parts(struct request_head *head)
{
    struct request_head bytes = { .bytes = head->bytes,
                                  .length = head->length,
                                  .capacity = head->capacity,
                                  .line_length = head->line_length,
                                  .is_complete = head->is_complete };

    free(head->fields);
    *head = bytes;
}

static bool parse(struct request_head *head)
{
    struct slice rest = { head->bytes, head->length }, line;
    bool keeps = false;

    forget_parts(head);
    if (next_line(&rest, &line))
        parse_request_line(head, line);
    if (!parse_fields(head, rest))
        return false;
    for (size_t i = 0; i < head->fields_count; i++) {
        const struct request_field *field = &head->fields[i];
        bool is_length = slice_equal_nocase(field->name, SLICE("Content-Length"));

        if (is_length && head->framing == HTTP_FRAMING_NONE && field->value.len > 0) {
            head->framing = HTTP_FRAMING_LENGTH;
            head->content_length = number(field->value);
        } else if (slice_equal_nocase(field->name, SLICE("Transfer-Encoding")) &&
                   has_word(field->value, SLICE("chunked"))) {
            head->framing = HTTP_FRAMING_CHUNKED;
        } else if (slice_equal_nocase(field->name, SLICE("Connection"))) {
            head->wants_close |= has_word(field->value, SLICE("close"));
            keeps |= has_word(field->value, SLICE("keep-alive"));
        } else if (slice_equal_nocase(field->name, SLICE("Expect"))) {
            head->expects_continue = slice_equal_nocase(field->value, SLICE("100-continue"));
        }
    }
    if (head->is_http10 && !keeps)
        head->wants_close = true;
    if (head->framing == HTTP_FRAMING_LENGTH && head->content_length == 0)
        head->framing = HTTP_FRAMING_NONE;
    return true;
}

struct slice request_field(const struct request_head *head, const char *name)
{
    for (size_t i = 0; i < head->fields_count; i++)
        if (slice_equal_nocase(head->fields[i].name, slice_of(name)))
            return head->fields[i].value.ptr ? head->fields[i].value : SLICE("");
    return (struct slice){ NULL, 0 };
}

struct slice request_parameter(const struct request_head *head, const char *name)
{
    struct slice rest = head->query, wanted = slice_of(name);

    while (rest.len > 0) {
        struct slice pair = until(rest, '&');

        if (slice_starts_with(pair, wanted) && pair.len > wanted.len && pair.ptr[wanted.len] == '=')
            return slice_from(pair, wanted.len + 1);
        rest = slice_from(rest, pair.len + 1);
    }
    return (struct slice){ NULL, 0 };
}

/* ---- content ------------------------------------------------------------------------------- */

void request_content_begin(struct request_content *content, const struct request_head *head,
                           struct chunk_pool *pool)
{
    static const struct http1_body_limits limits = { 16384, UINT32_MAX, 1024 * 1024, 10000 };
    const struct http_head framing = { .framing = head->framing,
                                       .content_length = head->content_length };

    *content = (struct request_content){ .hash = FNV1A_START };
    buf_init(&content->out, pool);
    content->is_open = head->framing != HTTP_FRAMING_NONE;
    if (content->is_open)
        http1_body_init(&content->body, &framing, &limits, NULL, NULL);
}

static void count(struct request_content *content)
{
    while (content->out.length > 0) {
        struct slice front = buf_front(&content->out);

        content->hash = fnv1a_add(content->hash, front.ptr, front.len);
        content->bytes += front.len;
        buf_consume(&content->out, front.len);
    }
}

bool request_content_read(struct request_content *content, struct buf *in)
{
    enum http1_body_result result;

    if (!content->is_open)
        return true;
    result = http1_body_decode(&content->body, in, &content->out, SIZE_MAX);
    count(content);
    if (result == HTTP1_BODY_MORE)
        return false;
    content->is_broken = result == HTTP1_BODY_ERROR;
    request_content_done(content);
    return true;
}

void request_content_done(struct request_content *content)
{
    if (!content->is_open)
        return;
    content->is_open = false;
    http1_body_done(&content->body);
    buf_done(&content->out);
}
