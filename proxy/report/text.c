#include "proxy/report/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_CAPACITY_FIRST = 256, TEXT_PIECE_MAX = 128 };

void text_init(struct text *text, struct arena *arena)
{
    *text = (struct text){ .arena = arena, .capacity_first = TEXT_CAPACITY_FIRST };
}

void text_init_sized(struct text *text, struct arena *arena, size_t bytes)
{
    *text = (struct text){ .arena = arena, .capacity_first = bytes };
}

static bool text_reserve(struct text *text, size_t more)
{
    size_t capacity = text->capacity ? text->capacity : text->capacity_first;
    char *ptr;

    if (text->failed)
        return false;
    if (text->capacity - text->length > more)
        return true;
    while (capacity - text->length <= more)
        capacity *= 2;
    ptr = arena_alloc(text->arena, capacity);
    if (!ptr) {
        text->failed = true;
        return false;
    }
    if (text->length > 0)
        memcpy(ptr, text->ptr, text->length);
    text->ptr = ptr;
    text->capacity = capacity;
    return true;
}

void text_add(struct text *text, struct slice s)
{
    if (s.len == 0 || !text_reserve(text, s.len))
        return;
    memcpy(text->ptr + text->length, s.ptr, s.len);
    text->length += s.len;
}

void text_add_string(struct text *text, const char *s)
{
    text_add(text, slice_of(s));
}

void text_add_number(struct text *text, uint64_t number)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    text_add(text, (struct slice){ digits + at, sizeof(digits) - at });
}

void text_addf(struct text *text, const char *format, ...)
{
    char piece[TEXT_PIECE_MAX];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(piece, sizeof(piece), format, args);
    va_end(args);
    if (n > 0)
        text_add(text, (struct slice){ piece,
                                       (size_t)n < sizeof(piece) ? (size_t)n : sizeof(piece) - 1 });
}

struct slice text_take(struct text *text)
{
    if (!text_reserve(text, 0))
        return (struct slice){ NULL, 0 };
    text->ptr[text->length] = '\0';
    return (struct slice){ text->ptr, text->length };
}

/* ---- escaping: what stands for the bytes at the front of s; how many of them in ret_taken ---- */

/* Length of the well-formed UTF-8 sequence at the front (RFC 3629), or 0. */
static size_t utf8_length(struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    unsigned char low = 0x80, high = 0xbf;
    size_t length;

    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        length = 2;
    else if (p[0] >= 0xe0 && p[0] <= 0xef)
        length = 3;
    else if (p[0] >= 0xf0 && p[0] <= 0xf4)
        length = 4;
    else
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0; /* overlong */
    else if (p[0] == 0xed)
        high = 0x9f; /* surrogates */
    else if (p[0] == 0xf0)
        low = 0x90; /* overlong */
    else if (p[0] == 0xf4)
        high = 0x8f; /* above U+10FFFF */
    if (s.len < length || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

static struct slice escape_log(struct slice s, bool quotes, char *scratch, size_t *ret_taken)
{
    static const char hex[] = "0123456789ABCDEF";
    unsigned char c = (unsigned char)s.ptr[0];

    *ret_taken = 1;
    if (c >= 0x20 && c < 0x7f && !(quotes && (c == '"' || c == '\\')))
        return (struct slice){ s.ptr, 1 };
    memcpy(scratch, "\\x", 2);
    scratch[2] = hex[c >> 4];
    scratch[3] = hex[c & 15];
    return (struct slice){ scratch, 4 };
}

static struct slice escape_json(struct slice s, char *scratch, size_t *ret_taken)
{
    unsigned char c = (unsigned char)s.ptr[0];

    *ret_taken = 1;
    switch (c) {
    case '"':
        return SLICE("\\\"");
    case '\\':
        return SLICE("\\\\");
    case '\n':
        return SLICE("\\n");
    case '\r':
        return SLICE("\\r");
    case '\t':
        return SLICE("\\t");
    }
    if (c < 0x20 || c == 0x7f)
        return (struct slice){ scratch, (size_t)snprintf(scratch, 8, "\\u%04x", c) };
    if (c < 0x80)
        return (struct slice){ s.ptr, 1 };
    *ret_taken = utf8_length(s);
    if (*ret_taken == 2 && c == 0xc2 && (unsigned char)s.ptr[1] < 0xa0)
        /* U+0080 to U+009F: terminals obey some of them as they obey ESC */
        return (struct slice){ scratch,
                               (size_t)snprintf(scratch, 8, "\\u%04x", (unsigned char)s.ptr[1]) };
    if (*ret_taken > 0)
        return (struct slice){ s.ptr, *ret_taken };
    *ret_taken = 1;
    return SLICE("\\ufffd");
}

static struct slice escape_html(struct slice s, size_t *ret_taken)
{
    unsigned char c = (unsigned char)s.ptr[0];

    *ret_taken = 1;
    switch (c) {
    case '&':
        return SLICE("&amp;");
    case '<':
        return SLICE("&lt;");
    case '>':
        return SLICE("&gt;");
    case '"':
        return SLICE("&quot;");
    case '\'':
        return SLICE("&#39;");
    }
    return c < 0x20 || c == 0x7f ? SLICE("?") : (struct slice){ s.ptr, 1 };
}

static struct slice escape_sf(struct slice s, size_t *ret_taken)
{
    unsigned char c = (unsigned char)s.ptr[0];

    *ret_taken = 1;
    if (c == '"')
        return SLICE("\\\"");
    if (c == '\\')
        return SLICE("\\\\");
    return c < 0x20 || c >= 0x7f ? SLICE("?") : (struct slice){ s.ptr, 1 };
}

static bool is_plain(unsigned char c, enum text_escape escape)
{
    switch (escape) {
    case TEXT_RAW:
        return true;
    case TEXT_ESCAPE_LOG:
    case TEXT_ESCAPE_JSON:
    case TEXT_ESCAPE_SF:
        return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
    case TEXT_ESCAPE_CONTROL:
        return c >= 0x20 && c < 0x7f;
    case TEXT_ESCAPE_HTML:
        return c >= 0x20 && c < 0x7f && c != '&' && c != '<' && c != '>' && c != '"' && c != '\'';
    }
    return false;
}

/* How much at the front stands for itself: nearly all of nearly everything, so it goes in one piece. */
static size_t plain_length(struct slice s, enum text_escape escape)
{
    size_t n = 0;

    while (n < s.len && is_plain((unsigned char)s.ptr[n], escape))
        n++;
    return n;
}

void text_add_escaped(struct text *text, struct slice s, enum text_escape escape)
{
    while (s.len > 0) {
        size_t plain = plain_length(s, escape), taken;
        char scratch[8];
        struct slice piece;

        text_add(text, (struct slice){ s.ptr, plain });
        s = slice_from(s, plain);
        if (s.len == 0)
            return;
        taken = s.len;
        piece = s;
        switch (escape) {
        case TEXT_RAW:
            break;
        case TEXT_ESCAPE_LOG:
            piece = escape_log(s, true, scratch, &taken);
            break;
        case TEXT_ESCAPE_CONTROL:
            piece = escape_log(s, false, scratch, &taken);
            break;
        case TEXT_ESCAPE_JSON:
            piece = escape_json(s, scratch, &taken);
            break;
        case TEXT_ESCAPE_HTML:
            piece = escape_html(s, &taken);
            break;
        case TEXT_ESCAPE_SF:
            piece = escape_sf(s, &taken);
            break;
        }
        text_add(text, piece);
        s = slice_from(s, taken);
    }
}
