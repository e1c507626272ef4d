/*
 * pki_revocation: what an authority says about certificates that it issued: a CRL, an OCSP answer.
 *
 * Role    the other half of the builder (tls/pki_identity.h)
 * Owns    nothing
 * Thread  any
 */
#ifndef TLS_PKI_REVOCATION_H
#define TLS_PKI_REVOCATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/pki_identity.h"

/* When the statement was made and until when it counts; seconds since 1970. */
struct pki_period {
    int64_t this_update_s, next_update_s;
};

/* A CRL as PEM, heap. NULL: see reterr. */
char *pki_crl_create(const struct pki_identity *issuer, const struct pki_identity *const *revoked,
                     size_t count, struct pki_period period, struct tls_error *reterr);

/*
 * An OCSP answer as DER (RFC 6960), signed by the issuer itself; heap, *ret_length bytes. NULL: see
 * reterr.
 */
struct pki_ocsp_request {
    const struct pki_identity *issuer, *subject;
    bool revoked;
    struct pki_period period;
};

unsigned char *pki_ocsp_create(const struct pki_ocsp_request *request, size_t *ret_length,
                               struct tls_error *reterr);

#endif
