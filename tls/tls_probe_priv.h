/*
 * tls_probe_priv: a probe from inside.
 *
 * Role    what connection (tls_probe.c), failures (tls_probe_failure.c) and report
 *         (tls_probe_report.c) share
 * Owns    nothing
 * Thread  one
 */
#ifndef TLS_TLS_PROBE_PRIV_H
#define TLS_TLS_PROBE_PRIV_H

#include <openssl/ssl.h>

#include "tls/tls_probe.h"

enum { TLS_PROBE_FIRST_BYTES = 64, TLS_PROBE_NO_ALERT = -1 };

struct tls_probe {
    SSL_CTX *context;
    X509_STORE *anchors;
    SSL_SESSION *session; /* NULL: none yet */
    char *server_name, *expected_name;
    bool has_certificate;
    int64_t now_s;
};

struct tls_probe_conn {
    struct tls_probe *probe;
    SSL *ssl;
    int fd;
    int alert; /* received last; TLS_PROBE_NO_ALERT */
    bool certificate_requested;
    unsigned char first_bytes[TLS_PROBE_FIRST_BYTES]; /* of the server, as they came */
    size_t first_length;
};

/* What went wrong in the OpenSSL call that returned r; timed_out: the deadline passed instead. */
void tls_probe_explain(const struct tls_probe_conn *conn, int r, bool timed_out,
                       struct tls_probe_failure *ret_failure);

#endif
