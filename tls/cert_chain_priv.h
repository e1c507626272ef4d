/*
 * cert_chain: PEM text to certificates in the order in which TLS sends them (RFC 8446 4.4.2).
 *
 * Role    finds the leaf by the key, then each issuer; a file may have them in any order
 * Owns    the certificates
 * Thread  any
 */
#ifndef TLS_CERT_CHAIN_PRIV_H
#define TLS_CERT_CHAIN_PRIV_H

#include <openssl/x509.h>

#include <stdbool.h>
#include <stddef.h>

struct cert_chain {
    STACK_OF(X509) * found; /* as in the text, without duplicates */
    X509 *leaf;             /* borrowed from found; NULL: the text has no certificate */
    STACK_OF(X509) * above; /* borrowed from found: leaf's issuer first, no root */
    X509 *root;             /* borrowed: the self-signed end, when the text has it; not sent */
    size_t duplicate_count;
    size_t unrelated_count; /* certificates that are no ancestor of the leaf */
    bool shuffled;          /* the text's order is not leaf, issuer, issuer's issuer... */
};

/*
 * key NULL: the first certificate is the leaf. 0, -ENOMEM, or -EINVAL: a block cannot be parsed and
 * reterr names it. A chain without any certificate is not an error here.
 */
int cert_chain_parse(struct cert_chain *chain, const char *pem, EVP_PKEY *key, char *reterr,
                     size_t reterr_size);
void cert_chain_done(struct cert_chain *chain);

/* Every certificate of a bundle, in order. NULL: reterr. */
STACK_OF(X509) * cert_bundle_parse(const char *pem, char *reterr, size_t reterr_size);

/* NULL: reterr says why (none, encrypted, damaged). */
EVP_PKEY *cert_key_parse(const char *pem, char *reterr, size_t reterr_size);

/* "CN=Example CA,O=Example" (RFC 2253); returns into. */
const char *cert_name_text(const X509_NAME *name, char *into, size_t size);

#endif
