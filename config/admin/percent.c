#include "config/admin/percent.h"

#include <ctype.h>
#include <stdlib.h>

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_encoded(struct slice text, size_t at)
{
    return text.ptr[at] == '%' && text.len - at >= 3 && hex_value(text.ptr[at + 1]) >= 0 &&
           hex_value(text.ptr[at + 2]) >= 0;
}

char *percent_decode(struct slice text, enum percent_plus plus, size_t *ret_length)
{
    char *decoded = malloc(text.len + 1);
    size_t length = 0;

    if (!decoded)
        return NULL;
    for (size_t i = 0; i < text.len; i++) {
        if (is_encoded(text, i)) {
            decoded[length++] =
                (char)(hex_value(text.ptr[i + 1]) * 16 + hex_value(text.ptr[i + 2]));
            i += 2;
        } else {
            decoded[length++] =
                plus == PERCENT_PLUS_IS_SPACE && text.ptr[i] == '+' ? ' ' : text.ptr[i];
        }
    }
    decoded[length] = '\0';
    *ret_length = length;
    return decoded;
}

char *percent_encode(const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    char *encoded = malloc(strlen(text) * 3 + 1), *end = encoded;

    if (!encoded)
        return NULL;
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (isalnum(c) || strchr("-._~", c)) {
            *end++ = (char)c;
            continue;
        }
        *end++ = '%';
        *end++ = digits[c >> 4];
        *end++ = digits[c & 15];
    }
    *end = '\0';
    return encoded;
}
