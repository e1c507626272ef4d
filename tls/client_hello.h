/*
 * client_hello: what a TLS client wants, read without answering it (RFC 8446 4.1.2, RFC 6066 3).
 *
 * Role    parser of the first flight of a client, for those that pass TLS on unopened: bytes in, names
 *         out
 * Owns    nothing; the result is in the caller's struct
 * Thread  any; pure, no OpenSSL
 *
 * Handshake messages may be cut into records anywhere. Nothing is judged but what is needed to find
 * the names: whoever ends TLS judges the rest.
 */
#ifndef TLS_CLIENT_HELLO_H
#define TLS_CLIENT_HELLO_H

#include <stddef.h>

#include "core/slice.h"

enum {
    CLIENT_HELLO_MESSAGE_MAX =
        16 * 1024,                     /* bytes of the message; post-quantum key shares need 2 k */
    CLIENT_HELLO_WIRE_MAX = 20 * 1024, /* of the records that carry it */
    CLIENT_HELLO_NAME_MAX = 253,       /* of a DNS name */
    CLIENT_HELLO_ALPN_MAX = 256,
};

struct client_hello {
    char server_name[CLIENT_HELLO_NAME_MAX + 1]; /* lower case, no final dot; "": none */
    char alpn[CLIENT_HELLO_ALPN_MAX + 1];        /* "h2,http/1.1"; what does not fit is left out */
};

/* 0: complete. -EAGAIN: the beginning of one. -EINVAL: none, or too large. */
int client_hello_parse(struct slice bytes, struct client_hello *ret);

#endif
