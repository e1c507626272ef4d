/*
 * md5: MD5 (RFC 1321).
 *
 * Role    what Kong tells one declarative configuration from another by (configuration_hash); here because
 *         OpenSSL stays in tls/. Nothing that must resist an attacker may be built on it
 * Owns    nothing
 * Thread  any
 */
#ifndef CORE_MD5_H
#define CORE_MD5_H

#include "core/slice.h"

enum { MD5_BYTES = 16 };

/* 32 hex digits in lower case. */
void md5_hex(struct slice text, char ret[2 * MD5_BYTES + 1]);

#endif
