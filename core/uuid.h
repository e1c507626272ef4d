/*
 * uuid: name-based and random UUIDs (RFC 9562 5.4 and 5.5: versions 4 and 5).
 *
 * Role    ids of entities; those that Kong derives from names come out the same on every start
 * Owns    nothing
 * Thread  any
 */
#ifndef CORE_UUID_H
#define CORE_UUID_H

#include <stdbool.h>
#include <stddef.h>

#include "core/slice.h"

enum { UUID_TEXT_BYTES = 36 };

/*
 * Writes the UUID of `name` in the namespace (a UUID as text) into `ret`, lower-case and
 * NUL-terminated. False: the namespace is no UUID, and `ret` is untouched.
 */
bool uuid_v5(const char *namespace_uuid, struct slice name, char ret[UUID_TEXT_BYTES + 1]);

/* A random one. False: the system has no random bytes, and `ret` is untouched. */
bool uuid_v4(char ret[UUID_TEXT_BYTES + 1]);

#endif
