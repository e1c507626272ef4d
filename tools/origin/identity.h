/*
 * identity: the certificates that an origin shows.
 *
 * Role    the listener's own (files, or made at the start) and those of faults (expired, another name,
 *         no intermediate ...): from a folder of `hopgate lab pki`, or made when first asked for
 * Owns    the configurations and ticket keys
 * Thread  the loop's; making certificates takes some hundred milliseconds, once
 */
#ifndef TOOLS_ORIGIN_IDENTITY_H
#define TOOLS_ORIGIN_IDENTITY_H

#include <stdbool.h>

#include "core/cleanup.h"
#include "tls/tls.h"
#include "tools/origin/fault.h"

/* Borrowed as long as the identity lives; NULL: not stated. */
struct identity_settings {
    const char *cert_file, *key_file; /* key NULL: in cert_file */
    const char *client_ca_file;       /* clients must show a certificate of it */
    bool client_optional;             /* or none */
    const char *pki_folder;           /* of `hopgate lab pki` */
    const char *server_name;          /* in certificates that are made here; "localhost" */
};

struct identity;

/* NULL: error says why. */
struct identity *identity_create(const struct identity_settings *settings, char *error,
                                 size_t error_size);
void identity_free(struct identity *identity); /* accepts NULL */
DEFINE_SCOPED(identity);

/* The listener's own; borrowed. NULL: error says why. */
struct tls_server_config *identity_own(struct identity *identity, char *error, size_t error_size);

/* What such a fault shows; borrowed. NULL after it was told on standard error. */
struct tls_server_config *identity_of_fault(struct identity *identity, const struct fault *fault);

/* What clients are to trust for the certificates of faults, as PEM; heap. NULL: no memory or no file. */
char *identity_ca_pem(struct identity *identity);

#endif
