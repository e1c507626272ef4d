/*
 * pki_identity: a certificate and its key, made here.
 *
 * Role    the builder behind `hopgate lab pki` and the certificate for `localhost`: issues whatever
 *         the spec says, wrong things too
 * Owns    certificate, key and their texts
 * Thread  any
 */
#ifndef TLS_PKI_IDENTITY_H
#define TLS_PKI_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "tls/tls.h"

struct pki_identity;

enum pki_key_kind { PKI_KEY_P256, PKI_KEY_RSA_2048, PKI_KEY_RSA_1024 };

/* Extensions in the notation of openssl's x509v3_config(5); NULL or "": without it. */
struct pki_spec {
    const char *common_name;
    const struct pki_identity *issuer; /* NULL: self-signed */
    const struct pki_identity *key_of; /* use that one's key; NULL: a new one of key_kind */
    enum pki_key_kind key_kind;
    bool sha1;                         /* the signature; else SHA-256 */
    int64_t not_before_s, not_after_s; /* since 1970 */
    const char *basic_constraints;     /* "critical,CA:TRUE,pathlen:0" */
    const char *key_usage;             /* "critical,digitalSignature" */
    const char *extended_key_usage;    /* "serverAuth" */
    const char *alternative_names;     /* "DNS:a.test,IP:127.0.0.1" */
    const char *name_constraints;      /* "critical,permitted;DNS:a.test" */
    const char *authority_info;        /* "caIssuers;URI:http://a.test/ca.der" */
    const char *tls_feature;           /* "status_request": must-staple (RFC 7633) */
    const char *comment;               /* bytes to make it long */
};

/* NULL: see reterr. Nothing of the spec is referred to afterwards. */
struct pki_identity *pki_identity_create(const struct pki_spec *spec, struct tls_error *reterr);
void pki_identity_free(struct pki_identity *identity); /* accepts NULL; wipes the key */
DEFINE_SCOPED(pki_identity);

const char *pki_identity_certificate_pem(const struct pki_identity *identity);
const char *pki_identity_key_pem(const struct pki_identity *identity);

/* PKCS#8, AES-256; heap. NULL: no memory. */
char *pki_identity_encrypted_key_pem(const struct pki_identity *identity, const char *pass_phrase);

#endif
