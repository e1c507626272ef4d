/*
 * base64: RFC 4648 section 4.
 *
 * Role    bytes to text and back
 * Owns    nothing
 * Thread  any; pure
 */
#ifndef CORE_BASE64_H
#define CORE_BASE64_H

#include <stddef.h>

#include "core/slice.h"

/* 0 to 63; -1: not of the alphabet ("=" is not). */
int base64_digit(char c);

/* Characters for so many bytes, padding counted. */
static inline size_t base64_length(size_t bytes)
{
    return (bytes + 2) / 3 * 4;
}

/* Writes base64_length(length) characters, no NUL. */
void base64_encode(const unsigned char *bytes, size_t length, char *into);

/*
 * Skips space, tab and line ends when white_space says so. `into` has room for text.len / 4 * 3 + 3
 * bytes. The padding may be missing (RFC 8941 4.2.7), but not be wrong. The count of bytes, or
 * -EINVAL.
 */
long base64_decode(struct slice text, bool white_space, unsigned char *into);

#endif
