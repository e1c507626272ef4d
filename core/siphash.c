#include "core/siphash.h"

enum { ROUNDS_PER_WORD = 2, ROUNDS_AT_END = 4 };

static uint64_t rotate(uint64_t value, int bits)
{
    return (value << bits) | (value >> (64 - bits));
}

static void mix(uint64_t v[4], int rounds)
{
    while (rounds-- > 0) {
        v[0] += v[1];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[0] = rotate(v[0], 32);
        v[2] += v[3];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
    }
}

/* Little endian, at most 8 bytes. */
static uint64_t word_of(const char *bytes, size_t length)
{
    uint64_t word = 0;

    for (size_t i = length; i-- > 0;)
        word = (word << 8) | (unsigned char)bytes[i];
    return word;
}

uint64_t siphash(const struct siphash_key *key, struct slice bytes)
{
    uint64_t v[4] = { key->parts[0] ^ 0x736f6d6570736575, key->parts[1] ^ 0x646f72616e646f6d,
                      key->parts[0] ^ 0x6c7967656e657261, key->parts[1] ^ 0x7465646279746573 };
    uint64_t last = (uint64_t)bytes.len << 56;

    for (; bytes.len >= 8; bytes = slice_from(bytes, 8)) {
        uint64_t word = word_of(bytes.ptr, 8);

        v[3] ^= word;
        mix(v, ROUNDS_PER_WORD);
        v[0] ^= word;
    }
    last |= word_of(bytes.ptr, bytes.len);
    v[3] ^= last;
    mix(v, ROUNDS_PER_WORD);
    v[0] ^= last;
    v[2] ^= 0xff;
    mix(v, ROUNDS_AT_END);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
