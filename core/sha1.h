/*
 * sha1: SHA-1 (RFC 3174).
 *
 * Role    what a version 5 UUID and Kong's stored basic-auth passwords are made of; here because OpenSSL
 *         stays in tls/. Nothing that must resist an attacker may be built on it
 * Owns    nothing
 * Thread  any
 */
#ifndef CORE_SHA1_H
#define CORE_SHA1_H

#include <stddef.h>
#include <stdint.h>

enum { SHA1_BYTES = 20, SHA1_BLOCK_BYTES = 64 };

struct sha1 {
    uint32_t state[5];
    uint64_t length; /* bytes so far */
    unsigned char block[SHA1_BLOCK_BYTES];
};

void sha1_init(struct sha1 *sha1);
void sha1_add(struct sha1 *sha1, const void *bytes, size_t length);
void sha1_finish(struct sha1 *sha1, unsigned char ret[SHA1_BYTES]);

#endif
