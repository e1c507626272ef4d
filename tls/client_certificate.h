/*
 * client_certificate: who the client says it is, in the spellings that next hops want.
 *
 * Role    the parts of the certificate that a client showed (or showed when the session was made),
 *         whether it was verified or not: tls_session_info says that. Resumed or not, it is the same
 * Owns    its texts; the whole belongs to the TLS stream and lives as long
 * Thread  one worker
 */
#ifndef TLS_CLIENT_CERTIFICATE_H
#define TLS_CLIENT_CERTIFICATE_H

#include <stddef.h>
#include <stdint.h>

struct tls_der {
    const unsigned char *bytes;
    size_t length;
};

struct tls_names {
    const char **items; /* NUL-terminated, printable ASCII; names with other bytes are left out */
    size_t count;
};

struct tls_client_certificate {
    const char *subject, *issuer; /* RFC 2253: "CN=alice,O=Example"; bytes above 127 are escaped */
    const char *common_name; /* of the subject, UTF-8; "" when it has none or an unprintable one */
    const char *serial;      /* hex, upper case, even count of digits: "0A1B" */
    const char *sha1, *sha256;          /* fingerprints of the DER form, hex, lower case */
    const char *not_before, *not_after; /* "Nov 21 02:00:00 2026 GMT" */
    int64_t not_before_s, not_after_s;  /* the same as seconds since 1970 */
    const char *pem;    /* the leaf, with line ends, as nginx's $ssl_client_raw_cert */
    struct tls_der der; /* the leaf */
    struct tls_names dns_names, uris; /* subject alternative names */
    struct tls_names server_uris;     /* of the certificate that we showed; none: unknown */
    /* What the client sent beside the leaf, in its order; a resumed session: when it was made. */
    struct tls_der *chain;
    size_t chain_count;
};

#endif
