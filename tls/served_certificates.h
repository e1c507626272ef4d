/*
 * served_certificates: the certificates that a server configuration shows to clients.
 *
 * Role    who they are for and when they end, for status, metrics and warnings
 * Owns    the list
 * Thread  read before the configuration is in use; the list is plain data afterwards
 */
#ifndef TLS_SERVED_CERTIFICATES_H
#define TLS_SERVED_CERTIFICATES_H

#include <stddef.h>
#include <stdint.h>

#include "tls/chain_facts.h"

struct tls_server_config;

struct served_certificate {
    size_t index;              /* of the tls_certificate that it belongs to, pairs in order */
    char name[CHAIN_NAME_MAX]; /* the first name that it covers, else its subject */
    char serial[64], key[64];  /* as in chain_facts */
    char not_after[32];        /* "2026-11-20 12:00:00 UTC" */
    int64_t not_after_s;       /* the same as Unix time */
    char sha256[65];           /* what tells it from all others */
};

struct served_certificates {
    struct served_certificate *items;
    size_t count;
};

/* Adds to *list, which may be zeroed. 0 or -ENOMEM. */
int served_certificates_add(struct served_certificates *list,
                            const struct tls_server_config *config);
void served_certificates_done(struct served_certificates *list);

#endif
