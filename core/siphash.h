/*
 * siphash: SipHash-2-4, a keyed digest of 64 bits (Aumasson and Bernstein, 2012).
 *
 * Role    tells two values apart without showing either to who does not know the key
 * Owns    nothing
 * Thread  any
 */
#ifndef CORE_SIPHASH_H
#define CORE_SIPHASH_H

#include <stdint.h>

#include "core/slice.h"

struct siphash_key {
    uint64_t parts[2];
};

uint64_t siphash(const struct siphash_key *key, struct slice bytes);

#endif
