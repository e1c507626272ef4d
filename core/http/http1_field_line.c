#include "core/http/http1_priv.h"

#include <errno.h>

#include "core/http/http_chars.h"

/* Why a name ended at a byte that is not its colon. */
static struct http1_verdict refuse_name(struct slice line, size_t at)
{
    size_t blanks = at;

    if (at == line.len)
        return http1_refuse(HTTP1_ERR_NO_COLON, at);
    while (blanks < line.len && (line.ptr[blanks] == ' ' || line.ptr[blanks] == '\t'))
        blanks++;
    /* RFC 9112 5.1: white space before the colon must be refused, it once hid framing fields */
    if (blanks > at && blanks < line.len && line.ptr[blanks] == ':')
        return http1_refuse(HTTP1_ERR_SPACE_BEFORE_COLON, at);
    return http1_refuse_byte(line, at, HTTP1_ERR_BAD_FIELD_NAME);
}

struct http1_verdict http1_read_field_line(struct slice line, struct slice *ret_name,
                                           struct slice *ret_value)
{
    size_t name_length = http_chars_span(line, HTTP_CHAR_TOKEN);
    struct slice raw_value;
    size_t bad_at;

    /* obs-fold (RFC 9112 5.2), or white space before the first field line (2.2) */
    if (line.ptr[0] == ' ' || line.ptr[0] == '\t')
        return http1_refuse(HTTP1_ERR_FOLDED_LINE, 0);
    if (name_length == line.len || line.ptr[name_length] != ':')
        return refuse_name(line, name_length);
    if (name_length == 0)
        return http1_refuse(HTTP1_ERR_BAD_FIELD_NAME, 0);

    raw_value = slice_from(line, name_length + 1);
    bad_at = http_text_bad_at(raw_value);
    if (bad_at < raw_value.len)
        return http1_refuse_byte(line, name_length + 1 + bad_at, HTTP1_ERR_BAD_FIELD_VALUE);
    *ret_name = (struct slice){ line.ptr, name_length };
    *ret_value = http_trim(raw_value);
    return http1_accept();
}

/* As nginx (ngx_http_parse_header_line): the name has neither blanks nor control bytes, the line neither NUL
 * nor CR. */
bool http1_field_line_may_be_dropped(struct slice line)
{
    size_t at = 0;

    while (at < line.len && line.ptr[at] != ':') {
        unsigned char c = (unsigned char)line.ptr[at++];

        if (c <= 0x20 || c == 0x7f)
            return false;
    }
    return at > 0 && !memchr(line.ptr, '\0', line.len) && !memchr(line.ptr, '\r', line.len);
}

/* As HAProxy (h1_headers_to_hdr_list): CR, LF and the white space after them stay, as spaces. -ENOMEM. */
int http1_unfold(struct fields *fields, struct slice line)
{
    struct field *last = &fields->items[fields->count - 1];
    struct slice more = http_trim(line);
    size_t blanks = 2 + (size_t)(more.len > 0 ? more.ptr - line.ptr : 0);
    size_t length = last->value.len + (more.len > 0 ? blanks + more.len : 0);
    char *joined = arena_alloc(fields->arena, length + 1);

    if (!joined)
        return -ENOMEM;
    if (last->value.len > 0)
        memcpy(joined, last->value.ptr, last->value.len);
    if (more.len > 0) {
        memset(joined + last->value.len, ' ', blanks);
        memcpy(joined + last->value.len + blanks, more.ptr, more.len);
    }
    last->value = http_trim((struct slice){ joined, length });
    return 0;
}
