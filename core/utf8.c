#include "core/utf8.h"

#include <stddef.h>
#include <stdint.h>

/* How many bytes follow the first of a UTF-8 sequence, and the least value it may encode. */
static int sequence_tail(unsigned char first, uint32_t *ret_value, uint32_t *ret_least)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t least;
    } forms[] = {
        { 0x80, 0x00, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 }
    };

    for (int tail = 0; tail < 4; tail++) {
        if ((first & forms[tail].mask) != forms[tail].lead)
            continue;
        *ret_value = first & (unsigned char)~forms[tail].mask;
        *ret_least = forms[tail].least;
        return tail;
    }
    return -1;
}

bool utf8_is_valid(struct slice text)
{
    for (size_t i = 0; i < text.len;) {
        uint32_t value, least;
        int tail = sequence_tail((unsigned char)text.ptr[i++], &value, &least);

        if (tail < 0 || (size_t)tail > text.len - i)
            return false;
        for (; tail > 0; tail--, i++) {
            if (((unsigned char)text.ptr[i] & 0xc0) != 0x80)
                return false;
            value = value << 6 | ((unsigned char)text.ptr[i] & 0x3f);
        }
        if (value < least || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
            return false;
    }
    return true;
}
