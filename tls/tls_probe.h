/*
 * tls_probe: a TLS client that refuses nothing and tells everything.
 *
 * Role    the TLS of `hopgate probe`: old versions, weak keys and untrusted chains are let in, so
 *         that they can be described; what a strict client would say is in the report
 * Owns    settings, the last session, connections' OpenSSL state; never the socket
 * Thread  one; calls block until their deadline
 *
 * Sockets are non-blocking. A deadline is an instant of CLOCK_MONOTONIC in milliseconds.
 */
#ifndef TLS_TLS_PROBE_H
#define TLS_TLS_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "tls/cert_report.h"
#include "tls/chain_facts.h"
#include "tls/tls.h"

struct tls_probe_settings {
    const char *server_name;         /* sent as SNI; NULL: none */
    const char *expected_name;       /* what the certificate must be good for; NULL: not asked */
    const char *ca_pem;              /* trusted; NULL: the system's */
    struct tls_pem_pair certificate; /* shown when asked; chain_pem NULL: nothing */
    bool tls12_only;
    int64_t now_s; /* since 1970 */
};

struct tls_probe;

/* NULL: see reterr. Nothing of the settings is referred to afterwards. */
struct tls_probe *tls_probe_create(const struct tls_probe_settings *settings,
                                   struct tls_error *reterr);
void tls_probe_free(struct tls_probe *probe); /* accepts NULL; after its connections */
DEFINE_SCOPED(tls_probe);

/* Whether the last connection left a session that another one could resume. */
bool tls_probe_has_session(const struct tls_probe *probe);
bool tls_probe_session_is_ticket(const struct tls_probe *probe); /* else a session id */

struct tls_probe_failure {
    const char *kind; /* "timeout", "closed", "reset", "alert", "not-tls", "protocol" */
    char text[768];   /* one sentence with the likely cause and the fix; printable */
};

struct tls_probe_conn;

/* Handshakes, resuming the last session if there is one. NULL: see reterr. */
struct tls_probe_conn *tls_probe_open(struct tls_probe *probe, int fd, uint64_t deadline_ms,
                                      struct tls_probe_failure *reterr);

/* Sends close_notify if that does not block; the socket stays open. Accepts NULL. */
void tls_probe_close(struct tls_probe_conn *conn);

/* > 0 bytes; 0: ended with close_notify; negative: see reterr. write: all or nothing. */
long tls_probe_read(struct tls_probe_conn *conn, void *into, size_t size, uint64_t deadline_ms,
                    struct tls_probe_failure *reterr);
int tls_probe_write(struct tls_probe_conn *conn, const void *bytes, size_t length,
                    uint64_t deadline_ms, struct tls_probe_failure *reterr);

enum tls_staple_status {
    TLS_STAPLE_NONE,
    TLS_STAPLE_GOOD,
    TLS_STAPLE_REVOKED,
    TLS_STAPLE_UNKNOWN,
    TLS_STAPLE_UNREADABLE
};

struct tls_probe_report {
    const char *version, *cipher; /* "TLSv1.3", "TLS_AES_256_GCM_SHA384" */
    const char *group;            /* "x25519"; "" none (RSA key exchange) */
    char alpn[32];                /* "" none */
    bool resumed;

    struct chain_facts *certificates; /* as sent; empty when resumed with TLS 1.2 */
    size_t certificates_count;
    size_t chain_bytes;

    char **path; /* subjects, leaf to trust anchor as far as it could be built */
    size_t path_count;
    int verify_error; /* X509_V_ERR_*; 0: satisfied */
    int verify_depth; /* where; 0: the leaf */
    const char *verify_text;
    struct cert_report problems;

    bool certificate_requested; /* the server asked for ours */
    char **authorities;         /* whose certificates it accepts; empty: any, or not said */
    size_t authorities_count;

    enum tls_staple_status staple;
    bool staple_is_signed; /* by the issuer of the leaf, or whom it delegated to */
    char staple_this_update[32], staple_next_update[32]; /* "" absent */
};

/* After the handshake. 0 or -ENOMEM (the report must still be done). */
int tls_probe_examine(struct tls_probe_conn *conn, struct tls_probe_report *ret_report);
void tls_probe_report_done(struct tls_probe_report *report);

const char *tls_staple_name(enum tls_staple_status status); /* "good" */

#endif
