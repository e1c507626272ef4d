/*
 * http_chars: which bytes may stand where in HTTP/1 syntax.
 *
 * Role    one table for parsers and writers, so that what is accepted can also be sent on
 * Owns    nothing
 * Thread  any
 */
#ifndef CORE_HTTP_HTTP_CHARS_H
#define CORE_HTTP_HTTP_CHARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/slice.h"

enum {
    HTTP_CHAR_TOKEN = 1,  /* tchar (RFC 9110 5.6.2): methods, field names */
    HTTP_CHAR_TARGET = 2, /* request target: visible ASCII without '#' */
    HTTP_CHAR_HOST = 4,   /* reg-name (RFC 3986 3.2.2) without the '%' of its escapes */
    HTTP_CHAR_EXT = 8,    /* chunk extension outside of quoted strings (RFC 9112 7.1.1) */
};

extern const uint8_t http_char_classes[256];

static inline bool http_char_is(char c, unsigned classes)
{
    return (http_char_classes[(unsigned char)c] & classes) != 0;
}

/* How many bytes at the front belong to one of the classes. */
static inline size_t http_chars_span(struct slice s, unsigned classes)
{
    size_t n = 0;

    while (n < s.len && http_char_is(s.ptr[n], classes))
        n++;
    return n;
}

static inline bool http_chars_are(struct slice s, unsigned classes)
{
    return s.len > 0 && http_chars_span(s, classes) == s.len;
}

/*
 * Offset of the first byte that no field value or reason phrase may have (RFC 9110 5.5): CTL except
 * HTAB, and DEL. s.len when there is none. Bytes from 0x80 up are opaque and pass (obs-text).
 */
size_t http_text_bad_at(struct slice s);

/* '0'-'9', 'a'-'f', 'A'-'F' as a number; -1 for anything else. */
static inline int http_hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Without SP and HTAB at both ends (OWS, RFC 9110 5.6.3). */
static inline struct slice http_trim(struct slice s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

#endif
