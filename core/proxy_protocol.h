/*
 * proxy_protocol: the header that says who the client is before its first byte (HAProxy's
 * proxy-protocol.txt, versions 1 and 2).
 *
 * Role    parser and writer: bytes in, bytes out
 * Owns    nothing; parsed slices point into the bytes given
 * Thread  any; pure
 *
 * Whoever parses must know beforehand that a header will come and from whom (section 2 of the
 * specification): without that, any client could be anybody.
 */
#ifndef CORE_PROXY_PROTOCOL_H
#define CORE_PROXY_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/slice.h"

enum {
    PROXY_PROTOCOL_V1_MAX = 107,      /* bytes, CRLF included */
    PROXY_PROTOCOL_HEADER_MAX = 4096, /* of version 2, as nginx */
};

/* PP2_TYPE_SSL: how the client spoke TLS to who sent the header. */
struct proxy_protocol_tls {
    bool present;
    bool over_tls;        /* PP2_CLIENT_SSL */
    bool has_certificate; /* PP2_CLIENT_CERT_CONN or PP2_CLIENT_CERT_SESS */
    bool is_verified;     /* a certificate was shown and verified; false without one */
    struct slice version; /* "TLSv1.3" */
    struct slice cipher;  /* "TLS_AES_128_GCM_SHA256" */
    struct slice common_name;
};

struct proxy_protocol {
    unsigned version; /* 1 or 2 */
    /* AF_UNSPEC: the sender speaks for itself (LOCAL, UNKNOWN) or the addresses are no IP addresses */
    struct sockaddr_storage source, destination;
    struct slice authority, alpn, unique_id; /* empty: absent */
    struct proxy_protocol_tls tls;
};

/*
 * > 0: the length of the header, *ret is filled. -EAGAIN: the bytes are the beginning of a header.
 * -EINVAL: they are none; *ret_problem says why.
 */
long proxy_protocol_parse(struct slice bytes, struct proxy_protocol *ret, const char **ret_problem);

/*
 * Writes the header in header->version. Without two IP addresses of one family: LOCAL or UNKNOWN.
 * Version 1 has no room for anything but addresses. Returns the length, or -ENOSPC.
 */
long proxy_protocol_write(const struct proxy_protocol *header, char *into, size_t size);

#endif
