/*
 * The hash inside is SHA-1 because RFC 9562 (5.5) says so; nothing here is a matter of security,
 * and OpenSSL, which also has it, stays inside tls/.
 */
#include "config/uuid.h"

#include <ctype.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { UUID_BYTES = 16, SHA1_BLOCK = 64, SHA1_WORDS = 5 };

struct sha1 {
    uint32_t state[SHA1_WORDS];
    uint8_t block[SHA1_BLOCK];
    uint64_t length; /* bytes so far */
};

static uint32_t rotate(uint32_t value, unsigned bits)
{
    return value << bits | value >> (32 - bits);
}

static void sha1_block(struct sha1 *sha1)
{
    uint32_t w[80], a = sha1->state[0], b = sha1->state[1], c = sha1->state[2];
    uint32_t d = sha1->state[3], e = sha1->state[4];

    for (size_t i = 0; i < 16; i++)
        w[i] = (uint32_t)sha1->block[i * 4] << 24 | (uint32_t)sha1->block[i * 4 + 1] << 16 |
               (uint32_t)sha1->block[i * 4 + 2] << 8 | sha1->block[i * 4 + 3];
    for (size_t i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (size_t i = 0; i < 80; i++) {
        uint32_t f, k;
        if (i < 20)
            f = (b & c) | (~b & d), k = 0x5a827999;
        else if (i < 40)
            f = b ^ c ^ d, k = 0x6ed9eba1;
        else if (i < 60)
            f = (b & c) | (b & d) | (c & d), k = 0x8f1bbcdc;
        else
            f = b ^ c ^ d, k = 0xca62c1d6;
        uint32_t next = rotate(a, 5) + f + e + k + w[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    sha1->state[0] += a;
    sha1->state[1] += b;
    sha1->state[2] += c;
    sha1->state[3] += d;
    sha1->state[4] += e;
}

static void sha1_update(struct sha1 *sha1, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        sha1->block[sha1->length++ % SHA1_BLOCK] = bytes[i];
        if (sha1->length % SHA1_BLOCK == 0)
            sha1_block(sha1);
    }
}

/* Padding: 0x80, zeroes, the length in bits. */
static void sha1_final(struct sha1 *sha1)
{
    uint64_t bits = sha1->length * 8;
    uint8_t length[8], zero = 0, one = 0x80;

    for (size_t i = 0; i < 8; i++)
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    sha1_update(sha1, &one, 1);
    while (sha1->length % SHA1_BLOCK != 56)
        sha1_update(sha1, &zero, 1);
    sha1_update(sha1, length, sizeof(length));
}

/* RFC 9562 5.5. The namespace is replaced by the result. */
static void uuid_version_5(uint8_t *uuid, const char *name)
{
    struct sha1 sha1 = { .state = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 } };

    sha1_update(&sha1, uuid, UUID_BYTES);
    sha1_update(&sha1, (const uint8_t *)name, strlen(name));
    sha1_final(&sha1);
    for (size_t i = 0; i < UUID_BYTES; i++)
        uuid[i] = (uint8_t)(sha1.state[i / 4] >> (24 - 8 * (i % 4)));
    uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x50);
    uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

bool uuid_is_valid(const char *text)
{
    static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

    if (strlen(text) != sizeof(shape) - 1)
        return false;
    for (size_t i = 0; shape[i]; i++)
        if (shape[i] == '-' ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
    return true;
}

void uuid_for_entity(const char *schema_name, const char *key, char *ret)
{
    /* kong/db/schema/others/declarative_config.lua: fd02801f-0957-4a15-a55a-c8d9606f30b5 */
    uint8_t uuid[UUID_BYTES] = { 0xfd, 0x02, 0x80, 0x1f, 0x09, 0x57, 0x4a, 0x15,
                                 0xa5, 0x5a, 0xc8, 0xd9, 0x60, 0x6f, 0x30, 0xb5 };
    size_t length = 0;

    uuid_version_5(uuid, schema_name);
    uuid_version_5(uuid, key);
    for (size_t i = 0; i < UUID_BYTES; i++)
        length += (size_t)snprintf(ret + length, UUID_TEXT_SIZE - length, "%s%02x",
                                   i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
}
