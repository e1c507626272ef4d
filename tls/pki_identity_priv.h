/*
 * pki_identity, seen from inside tls/: what a CRL or an OCSP answer is signed with.
 *
 * Role    lends certificate and key
 * Owns    nothing
 * Thread  any
 */
#ifndef TLS_PKI_IDENTITY_PRIV_H
#define TLS_PKI_IDENTITY_PRIV_H

#include <openssl/x509.h>

#include "tls/pki_identity.h"

struct pki_identity {
    X509 *certificate;
    EVP_PKEY *key;
    char *certificate_pem, *key_pem;
};

/* The bytes of a memory BIO as a heap string; NULL: no memory. */
char *pki_bio_string(BIO *bio);

/* Random: two authorities of the same name must not give the same serial number twice. */
bool pki_set_serial(ASN1_INTEGER *serial);

#endif
