#include "core/base64.h"

#include <errno.h>
#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

void base64_encode(const unsigned char *bytes, size_t length, char *into)
{
    for (size_t i = 0; i < length; i += 3) {
        size_t left = length - i;
        uint32_t bits = (uint32_t)bytes[i] << 16;

        bits |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        bits |= left > 2 ? bytes[i + 2] : 0;
        *into++ = alphabet[bits >> 18];
        *into++ = alphabet[bits >> 12 & 63];
        *into++ = left > 1 ? alphabet[bits >> 6 & 63] : '=';
        *into++ = left > 2 ? alphabet[bits & 63] : '=';
    }
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

long base64_decode(struct slice text, bool white_space, unsigned char *into)
{
    size_t digits = 0, padding = 0;
    uint32_t bits = 0;
    long length = 0;

    for (size_t i = 0; i < text.len; i++) {
        int digit = base64_digit(text.ptr[i]);

        if (white_space && is_white(text.ptr[i]))
            continue;
        if (text.ptr[i] == '=') {
            padding++;
            continue;
        }
        if (digit < 0 || padding > 0)
            return -EINVAL;
        bits = bits << 6 | (uint32_t)digit;
        if (digits++ % 4 != 0)
            into[length++] = (unsigned char)(bits >> (6 - 2 * ((digits - 1) % 4)) & 0xff);
    }
    if (digits % 4 == 1 || (padding > 0 && digits % 4 + padding != 4) || padding > 2)
        return -EINVAL;
    return length;
}
