/*
 * chain_facts_priv: reads a certificate.
 *
 * Role    from OpenSSL's structure to texts
 * Owns    nothing
 * Thread  any
 */
#ifndef TLS_CHAIN_FACTS_PRIV_H
#define TLS_CHAIN_FACTS_PRIV_H

#include <openssl/x509.h>

#include <stddef.h>
#include <stdint.h>

#include "tls/chain_facts.h"

void chain_facts_read(X509 *certificate, int64_t now_s, struct chain_facts *ret_facts);

/* "2026-11-20 12:00:00 UTC"; returns into. */
const char *chain_date_text(const ASN1_TIME *at, char *into, size_t size);

/* "RSA 1024"; returns into. */
const char *chain_key_text(X509 *certificate, char *into, size_t size);

/* The names of the subjectAltName; "" none; returns into. */
const char *chain_names_text(X509 *certificate, char *into, size_t size);

/* The first URI of the authority information access for that method (NID_ad_*); "" none. */
const char *chain_access_url(X509 *certificate, int method, char *into, size_t size);

bool chain_must_staple(X509 *certificate);

#endif
