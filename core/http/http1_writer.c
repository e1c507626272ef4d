#include "core/http/http1_writer.h"

#include <errno.h>

#include "core/http/http_chars.h"

enum { STATUS_MIN = 100, STATUS_MAX = 999, SIZE_LINE_MAX = 2 * sizeof(size_t) + 2 };

static bool field_is_safe(const struct field *field)
{
    return http_chars_are(field->name, HTTP_CHAR_TOKEN) &&
           http_text_bad_at(field->value) == field->value.len;
}

/*
 * The bytes that the fields take on the wire, 0 or -EINVAL. lengths_max is how many fields may say
 * where the message ends: two of them is the start of request smuggling (RFC 9112 11.2).
 */
static int fields_measure(const struct fields *fields, unsigned lengths_max, size_t *ret_bytes)
{
    unsigned lengths = 0;
    size_t bytes = 0;

    for (uint32_t i = 0; i < fields->count; i++) {
        const struct field *field = &fields->items[i];

        if (!field_is_safe(field))
            return -EINVAL;
        lengths += field->id == FIELD_CONTENT_LENGTH || field->id == FIELD_TRANSFER_ENCODING;
        bytes += field->name.len + field->value.len + 4; /* ": " and CRLF */
    }
    if (lengths > lengths_max)
        return -EINVAL;
    *ret_bytes = bytes;
    return 0;
}

static char *put(char *to, struct slice s)
{
    if (s.len > 0)
        memcpy(to, s.ptr, s.len);
    return to + s.len;
}

/* The lines of the fields and the empty line that ends them. */
static char *put_fields(char *to, const struct fields *fields)
{
    for (uint32_t i = 0; i < fields->count; i++) {
        to = put(to, fields->items[i].name);
        to = put(to, SLICE(": "));
        to = put(to, fields->items[i].value);
        to = put(to, SLICE("\r\n"));
    }
    return put(to, SLICE("\r\n"));
}

/* Three parts with SP between them are either kind of start line. */
static int write_head(struct buf *out, const struct slice parts[3], const struct fields *fields)
{
    size_t bytes, room;
    int r = fields_measure(fields, 1, &bytes);
    char *begin, *to;

    if (r < 0)
        return r;
    bytes += parts[0].len + parts[1].len + parts[2].len + 6; /* two SP, two CRLF */
    begin = buf_reserve(out, bytes, &room);
    if (!begin)
        return -ENOMEM;
    to = put(begin, parts[0]);
    to = put(to, SLICE(" "));
    to = put(to, parts[1]);
    to = put(to, SLICE(" "));
    to = put(to, parts[2]);
    to = put(to, SLICE("\r\n"));
    to = put_fields(to, fields);
    buf_commit(out, (size_t)(to - begin));
    return 0;
}

static struct slice version_text(unsigned version_minor)
{
    return version_minor == 0 ? SLICE("HTTP/1.0") : SLICE("HTTP/1.1");
}

int http1_write_request_head(struct buf *out, struct slice method, struct slice target,
                             unsigned version_minor, const struct fields *fields)
{
    const struct slice parts[3] = { method, target, version_text(version_minor) };

    if (!http_chars_are(method, HTTP_CHAR_TOKEN) || !http_chars_are(target, HTTP_CHAR_TARGET) ||
        version_minor > 1)
        return -EINVAL;
    return write_head(out, parts, fields);
}

int http1_write_response_head(struct buf *out, unsigned version_minor, unsigned status,
                              struct slice reason, const struct fields *fields)
{
    const char digits[3] = { (char)('0' + status / 100 % 10), (char)('0' + status / 10 % 10),
                             (char)('0' + status % 10) };
    const struct slice parts[3] = { version_text(version_minor), { digits, 3 }, reason };

    if (status < STATUS_MIN || status > STATUS_MAX || version_minor > 1 ||
        http_text_bad_at(reason) < reason.len)
        return -EINVAL;
    return write_head(out, parts, fields);
}

static int write_size_line(struct buf *out, size_t size)
{
    char line[SIZE_LINE_MAX];
    char *begin = line + sizeof(line) - 2;

    memcpy(begin, "\r\n", 2);
    do {
        *--begin = "0123456789abcdef"[size & 15];
        size >>= 4;
    } while (size > 0);
    return buf_append_bytes(out, begin, (size_t)(line + sizeof(line) - begin));
}

int http1_write_chunk(struct buf *out, struct buf *content)
{
    int r;

    /* a chunk of size 0 would be the last one (RFC 9112 7.1) */
    if (buf_is_empty(content))
        return 0;
    r = write_size_line(out, content->length);
    if (r == 0)
        r = buf_move(out, content, content->length);
    if (r == 0)
        r = buf_append_slice(out, SLICE("\r\n"));
    return r;
}

int http1_write_last_chunk(struct buf *out, const struct fields *trailers)
{
    const struct fields none = { 0 };
    size_t bytes, room;
    char *begin, *to;
    int r;

    if (!trailers)
        trailers = &none;
    r = fields_measure(trailers, 0, &bytes);
    if (r < 0)
        return r;
    begin = buf_reserve(out, bytes + 5, &room); /* "0", two CRLF */
    if (!begin)
        return -ENOMEM;
    to = put(begin, SLICE("0\r\n"));
    to = put_fields(to, trailers);
    buf_commit(out, (size_t)(to - begin));
    return 0;
}
