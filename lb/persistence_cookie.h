/*
 * persistence_cookie: a target's address as the value of an F5 persistence cookie (K6917).
 *
 * Role    bytes in, bytes out
 * Owns    nothing
 * Thread  any
 *
 *   10.1.1.100:8080         1677787402.36895.0000      address with its bytes in reverse, port swapped
 *   [2001:112::30]:80       vi20010112000000000000000000000030.20480
 *   192.0.2.1:80 in a       rd5o00000000000000000000ffffc0000201o80      read only: there are no
 *   route domain                                                         route domains here
 */
#ifndef LB_PERSISTENCE_COOKIE_H
#define LB_PERSISTENCE_COOKIE_H

#include <stdbool.h>
#include <sys/socket.h>

#include "core/slice.h"

enum { PERSISTENCE_COOKIE_MAX = 48 }; /* bytes of a value, with NUL */

/* Returns `into`. */
char *persistence_cookie_write(const struct sockaddr_storage *address,
                               char into[PERSISTENCE_COOKIE_MAX]);

/* False: it is none of these forms. */
bool persistence_cookie_read(struct slice value, struct sockaddr_storage *ret);

#endif
