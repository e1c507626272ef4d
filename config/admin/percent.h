/*
 * percent: percent-encoding of paths, queries and forms (RFC 3986 2.1).
 *
 * Role    decodes as nginx does: what is no encoding stays as it is
 * Owns    nothing
 * Thread  any
 */
#ifndef CONFIG_ADMIN_PERCENT_H
#define CONFIG_ADMIN_PERCENT_H

#include <stdbool.h>

#include "core/slice.h"

enum percent_plus { PERCENT_PLUS_STAYS, PERCENT_PLUS_IS_SPACE };

/* malloc'ed, ends with NUL; what it decodes to may hold others. NULL: no memory. */
char *percent_decode(struct slice text, enum percent_plus plus, size_t *ret_length);

/* All but unreserved characters (RFC 3986 2.3) are encoded. malloc'ed; NULL: no memory. */
char *percent_encode(const char *text);

#endif
