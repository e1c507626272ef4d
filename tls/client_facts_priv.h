/*
 * client_facts: what a connection to a target learns on its way, to explain its failure.
 *
 * Role    watches the handshake (first bytes, certificate request, verification) and turns what it
 *         saw into a struct tls_failure
 * Owns    its texts
 * Thread  one worker
 *
 * A connection that goes well has none: they are made at the first thing worth keeping.
 */
#ifndef TLS_CLIENT_FACTS_PRIV_H
#define TLS_CLIENT_FACTS_PRIV_H

#include <openssl/ssl.h>

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "tls/tls_failure.h"

struct tls_client_config;

enum { CLIENT_FACTS_FIRST_BYTES_MAX = 64 };

struct client_facts {
    const struct tls_client_config *config; /* borrowed from the connection */
    bool certificate_requested;
    bool is_complete; /* failure says why; the first cause explains what follows */
    unsigned char first_bytes[CLIENT_FACTS_FIRST_BYTES_MAX];
    size_t first_bytes_count; /* 0: a TLS record came first, or nothing did */
    struct tls_failure failure;
    char *text; /* behind failure.explanation */
};

struct client_facts *client_facts_create(const struct tls_client_config *config); /* or NULL */
void client_facts_free(struct client_facts *facts);                               /* accepts NULL */

/* The first received bytes are no TLS record (RFC 8446 5.1): types are 20 to 23, the major version 3. */
bool client_facts_are_foreign(const struct buf *received);
void client_facts_note_first_bytes(struct client_facts *facts, const struct buf *received);

/* From the verification callback, for what it refuses. name: what the certificate should be for. */
void client_facts_note_verification(struct client_facts *facts, X509_STORE_CTX *store,
                                    const char *name);

/* OpenSSL gave up; code is the first entry of its queue. */
void client_facts_note_error(struct client_facts *facts, SSL *ssl, unsigned long code);

/* The target ended the connection. received: it had sent something before. */
void client_facts_note_close(struct client_facts *facts, SSL *ssl, bool received);

#endif
