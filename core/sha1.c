#include "core/sha1.h"

void sha1_init(struct sha1 *sha1)
{
    *sha1 =
        (struct sha1){ .state = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 } };
}

static uint32_t rotate_left(uint32_t value, unsigned bits)
{
    return value << bits | value >> (32 - bits);
}

/* The function and constant of a round (RFC 3174 5). */
static uint32_t sha1_round(unsigned round, uint32_t b, uint32_t c, uint32_t d)
{
    if (round < 20)
        return ((b & c) | (~b & d)) + 0x5a827999;
    if (round < 40)
        return (b ^ c ^ d) + 0x6ed9eba1;
    if (round < 60)
        return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
    return (b ^ c ^ d) + 0xca62c1d6;
}

static void sha1_block(struct sha1 *sha1)
{
    uint32_t words[80];
    uint32_t a = sha1->state[0], b = sha1->state[1], c = sha1->state[2], d = sha1->state[3],
             e = sha1->state[4];

    for (unsigned i = 0; i < 16; i++) {
        const unsigned char *at = sha1->block + i * 4;

        words[i] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    }
    for (unsigned i = 16; i < 80; i++)
        words[i] = rotate_left(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
    for (unsigned i = 0; i < 80; i++) {
        uint32_t next = rotate_left(a, 5) + sha1_round(i, b, c, d) + e + words[i];

        e = d;
        d = c;
        c = rotate_left(b, 30);
        b = a;
        a = next;
    }
    sha1->state[0] += a;
    sha1->state[1] += b;
    sha1->state[2] += c;
    sha1->state[3] += d;
    sha1->state[4] += e;
}

void sha1_add(struct sha1 *sha1, const void *bytes, size_t length)
{
    const unsigned char *from = bytes;

    for (size_t i = 0; i < length; i++) {
        sha1->block[sha1->length++ % SHA1_BLOCK_BYTES] = from[i];
        if (sha1->length % SHA1_BLOCK_BYTES == 0)
            sha1_block(sha1);
    }
}

void sha1_finish(struct sha1 *sha1, unsigned char ret[SHA1_BYTES])
{
    uint64_t bits = sha1->length * 8;
    unsigned char tail[8];

    for (unsigned i = 0; i < 8; i++)
        tail[i] = (unsigned char)(bits >> (56 - 8 * i));
    sha1_add(sha1, "\x80", 1);
    while (sha1->length % SHA1_BLOCK_BYTES != SHA1_BLOCK_BYTES - sizeof(tail))
        sha1_add(sha1, "", 1);
    sha1_add(sha1, tail, sizeof(tail));
    for (size_t i = 0; i < SHA1_BYTES; i++)
        ret[i] = (unsigned char)(sha1->state[i / 4] >> (24 - 8 * (i % 4)));
}
