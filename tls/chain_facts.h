/*
 * chain_facts: one certificate as texts.
 *
 * Role    what `hopgate probe` shows of each certificate
 * Owns    the texts
 * Thread  any
 *
 * Control bytes in names are escaped; the texts may be printed.
 */
#ifndef TLS_CHAIN_FACTS_H
#define TLS_CHAIN_FACTS_H

#include <stdbool.h>

enum { CHAIN_NAME_MAX = 256, CHAIN_NAMES_MAX = 2048, CHAIN_URL_MAX = 256 };

struct chain_facts {
    char subject[CHAIN_NAME_MAX], issuer[CHAIN_NAME_MAX]; /* RFC 2253 */
    char names[CHAIN_NAMES_MAX];        /* "DNS:a.test, IP:127.0.0.1"; "" none; cut with "..." */
    char serial[64];                    /* hexadecimal */
    char not_before[32], not_after[32]; /* "2026-11-20 12:00:00 UTC" */
    long days_left;                     /* until not_after; negative: since */
    char key[64];                       /* "EC P-256", "RSA 2048" */
    char signature[64];                 /* "ecdsa-with-SHA256" */
    char sha256[65];                    /* of the DER bytes, hexadecimal */
    char issuer_url[CHAIN_URL_MAX]; /* where the issuer's certificate is offered (AIA); "" none */
    char ocsp_url[CHAIN_URL_MAX];   /* "" none */
    bool is_authority, is_self_signed, must_staple;
};

#endif
