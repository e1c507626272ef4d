/*
 * tls_failure: why TLS with a target failed, told apart and explained.
 *
 * Role    what an operator needs beside OpenSSL's one line: which of the usual causes it was, the
 *         names and dates involved, what to change
 * Owns    nothing here; the stream owns the text
 * Thread  one worker
 *
 * Made when a connection has failed, never before. stream_failure(stream).tls points to it.
 */
#ifndef TLS_TLS_FAILURE_H
#define TLS_TLS_FAILURE_H

enum tls_cause {
    TLS_CAUSE_OTHER,          /* OpenSSL's text is all there is */
    TLS_CAUSE_CLOSED,         /* FIN or reset */
    TLS_CAUSE_ALERT,          /* the target said no */
    TLS_CAUSE_NOT_TLS,        /* the first bytes are no TLS record */
    TLS_CAUSE_MISMATCH,       /* no version or cipher suite in common */
    TLS_CAUSE_CLIENT_CERT,    /* it wants a certificate of ours and none is configured */
    TLS_CAUSE_EXPIRED,        /* a certificate of the chain */
    TLS_CAUSE_NOT_YET_VALID,  /* likewise */
    TLS_CAUSE_UNKNOWN_ISSUER, /* the chain ends at nobody that is trusted here */
    TLS_CAUSE_SELF_SIGNED,    /* the certificate is its own issuer */
    TLS_CAUSE_NAME,           /* it is for other names */
    TLS_CAUSE_CERTIFICATE,    /* anything else that is wrong with the chain */
};

struct tls_failure {
    enum tls_cause cause;
    int alert;               /* number of the alert received; 0: none */
    const char *explanation; /* one line; NULL: no memory. Has bytes of the peer: escape it */
};

#endif
