/*
 * ocsp: the proof of good standing that a server staples to its certificate (RFC 6066 8, RFC 6960).
 *
 * Role    checks a response before it is sent, keeps it until it expires, fetches a new one
 * Owns    the response; references to the certificate and its issuer
 * Thread  any worker takes copies, one other thread at a time replaces it; nobody waits: who finds
 *         it in use sends no staple this once
 */
#ifndef TLS_OCSP_PRIV_H
#define TLS_OCSP_PRIV_H

#include <openssl/ssl.h>

#include <stdatomic.h>
#include <time.h>

#include "tls/stapling.h"
#include "tls/tls.h"

struct ocsp_staple {
    X509 *leaf, *issuer; /* issuer NULL: unknown, nothing can be checked or fetched */
    atomic_flag busy;    /* of what follows */
    unsigned char *der;
    size_t length;
    time_t expires_at;
};

/* 0 or -EINVAL: the pair cannot be parsed (reported by others). */
int ocsp_staple_init(struct ocsp_staple *staple, const struct tls_pem_pair *pair);
void ocsp_staple_done(struct ocsp_staple *staple);

/* DER. 0, or -EINVAL with reterr: not about this certificate, not signed by its issuer, not "good",
 * not valid at now_s. -EBUSY: try again. */
int ocsp_staple_set(struct ocsp_staple *staple, struct slice der, time_t now_s,
                    struct tls_error *reterr);

/* There is none, or it expires within the hour. */
bool ocsp_staple_is_due(struct ocsp_staple *staple, time_t now_s);

/* Asks the responder that the certificate names. As ocsp_staple_set; -ENOENT: it names none (http
 * only); -ECANCELED: fetch->stop_fd became readable. */
int ocsp_staple_fetch(struct ocsp_staple *staple, const struct tls_stapling_fetch *fetch,
                      struct tls_error *reterr);

/* A status_request callback's work: SSL_TLSEXT_ERR_OK or _NOACK. */
int ocsp_staple_send(struct ocsp_staple *staple, SSL *ssl);

#endif
