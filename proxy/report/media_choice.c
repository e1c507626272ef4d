#include "proxy/report/media_choice.h"

#include <stdbool.h>
#include <string.h>

enum { QUALITY_MAX = 1000 };

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool is_name_char(char c)
{
    return is_alphanumeric(c) || (c != '\0' && strchr("-!#$&^_+.", c));
}

static void skip_spaces(struct slice *rest)
{
    while (rest->len > 0 && is_space(rest->ptr[0]))
        *rest = slice_from(*rest, 1);
}

static bool take_char(struct slice *rest, char c)
{
    if (rest->len == 0 || rest->ptr[0] != c)
        return false;
    *rest = slice_from(*rest, 1);
    return true;
}

/* [a-z0-9][a-z0-9-!#$&^_+.]+ */
static bool take_name(struct slice *rest)
{
    size_t n = 0;

    if (rest->len == 0 || !is_alphanumeric(rest->ptr[0]))
        return false;
    while (n < rest->len && is_name_char(rest->ptr[n]))
        n++;
    if (n < 2)
        return false;
    *rest = slice_from(*rest, n);
    return true;
}

static bool take_media(struct slice *rest, struct slice *ret_media)
{
    const char *begin = rest->ptr;

    if (!take_char(rest, '*') && !take_name(rest))
        return false;
    if (!take_char(rest, '/') || (!take_char(rest, '*') && !take_name(rest)))
        return false;
    *ret_media = (struct slice){ begin, (size_t)(rest->ptr - begin) };
    return true;
}

/* 1(\.0{0,3})? or 0(\.\d{0,3})?; what follows is not looked at. */
static bool take_quality(struct slice *rest, unsigned *ret_quality)
{
    char highest;
    unsigned scale = QUALITY_MAX / 10;

    if (rest->len == 0 || (rest->ptr[0] != '0' && rest->ptr[0] != '1'))
        return false;
    highest = rest->ptr[0] == '1' ? '0' : '9';
    *ret_quality = rest->ptr[0] == '1' ? QUALITY_MAX : 0;
    *rest = slice_from(*rest, 1);
    if (!take_char(rest, '.'))
        return true;
    for (; scale > 0 && rest->len > 0 && rest->ptr[0] >= '0' && rest->ptr[0] <= highest;
         scale /= 10) {
        *ret_quality += (unsigned)(rest->ptr[0] - '0') * scale;
        *rest = slice_from(*rest, 1);
    }
    return true;
}

/* ";q=0.5" or ";name=anything"; false at whatever is neither. */
static bool take_parameter(struct slice *rest, unsigned *ret_quality)
{
    struct slice at = *rest, q;

    skip_spaces(&at);
    if (!take_char(&at, ';'))
        return false;
    skip_spaces(&at);
    q = at;
    if ((take_char(&q, 'q') || take_char(&q, 'Q')) && take_char(&q, '=') &&
        take_quality(&q, ret_quality)) {
        *rest = q;
        return true;
    }
    if (!take_name(&at))
        return false;
    if (take_char(&at, '='))
        while (at.len > 0 && at.ptr[0] != ';')
            at = slice_from(at, 1);
    *rest = at;
    return true;
}

static void read_range(struct media_choice *choice, struct slice range)
{
    unsigned quality = QUALITY_MAX;
    struct slice media;

    skip_spaces(&range);
    if (!take_media(&range, &media))
        return;
    while (take_parameter(&range, &quality))
        ;
    if (quality > choice->quality)
        *choice = (struct media_choice){ media, quality };
}

void media_choice_read(struct media_choice *choice, struct slice value)
{
    while (value.len > 0) {
        const char *comma = memchr(value.ptr, ',', value.len);
        struct slice range = { value.ptr, comma ? (size_t)(comma - value.ptr) : value.len };

        read_range(choice, range);
        value = slice_from(value, range.len + (comma ? 1 : 0));
    }
}
