/*
 * fnv1a: a quick hash for tables of our own (FNV-1a, 64 bits).
 *
 * Role    turns bytes into a number that spreads over buckets
 * Owns    nothing
 * Thread  any
 *
 * Whoever chooses the bytes can make two of them collide: a match is always compared as well.
 */
#ifndef CORE_FNV1A_H
#define CORE_FNV1A_H

#include <stddef.h>
#include <stdint.h>

#define FNV1A_START 0xcbf29ce484222325u

/* The hash of what `hash` is of, followed by these bytes. */
static inline uint64_t fnv1a_add(uint64_t hash, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ at[i]) * 0x100000001b3u;
    return hash;
}

#endif
