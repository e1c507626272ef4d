#include "core/http/http_chars.h"

#include <string.h>

#define T HTTP_CHAR_TOKEN
#define R HTTP_CHAR_TARGET
#define H HTTP_CHAR_HOST
#define E HTTP_CHAR_EXT

/* Everything not listed (CTL, DEL, 0x80 and above) belongs to no class. */
const uint8_t http_char_classes[256] = {
    ['\t'] = E,
    [' '] = E,
    ['!'] = T | R | H | E,
    ['"'] = R,
    ['#'] = T | E,
    ['$'] = T | R | H | E,
    ['%'] = T | R | E,
    ['&'] = T | R | H | E,
    ['\''] = T | R | H | E,
    ['('] = R | H,
    [')'] = R | H,
    ['*'] = T | R | H | E,
    ['+'] = T | R | H | E,
    [','] = R | H,
    ['-'] = T | R | H | E,
    ['.'] = T | R | H | E,
    ['/'] = R,
    ['0' ... '9'] = T | R | H | E,
    [':'] = R,
    [';'] = R | H | E,
    ['<'] = R,
    ['='] = R | H | E,
    ['>'] = R,
    ['?'] = R,
    ['@'] = R,
    ['A' ... 'Z'] = T | R | H | E,
    ['['] = R,
    ['\\'] = R,
    [']'] = R,
    ['^'] = T | R | E,
    ['_'] = T | R | H | E,
    ['`'] = T | R | E,
    ['a' ... 'z'] = T | R | H | E,
    ['{'] = R,
    ['|'] = T | R | E,
    ['}'] = R,
    ['~'] = T | R | H | E,
};

#undef T
#undef R
#undef H
#undef E

static bool text_byte_is_bad(unsigned char c)
{
    return (c < 0x20 && c != '\t') || c == 0x7f;
}

/* True when none of the eight bytes is below 0x20 or is 0x7f: values are mostly that. */
static bool word_is_plain(const char *bytes)
{
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    uint64_t word, del;

    memcpy(&word, bytes, sizeof(word));
    del = word ^ (0x7f * ones);
    return ((((word - 0x20 * ones) & ~word) | ((del - ones) & ~del)) & highs) == 0;
}

size_t http_text_bad_at(struct slice s)
{
    size_t at = 0;

    while (at < s.len) {
        if (s.len - at >= 8 && word_is_plain(s.ptr + at))
            at += 8;
        else if (s.len - at < 8 && s.len >= 8 && word_is_plain(s.ptr + s.len - 8))
            return s.len; /* the last word overlaps the one before it */
        else if (text_byte_is_bad((unsigned char)s.ptr[at]))
            return at;
        else
            at++;
    }
    return at;
}
