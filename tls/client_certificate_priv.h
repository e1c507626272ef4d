/*
 * client_certificate, the part that reads it from a connection.
 *
 * Role    OpenSSL's view to ours
 * Owns    see client_certificate.h
 * Thread  one worker
 */
#ifndef TLS_CLIENT_CERTIFICATE_PRIV_H
#define TLS_CLIENT_CERTIFICATE_PRIV_H

#include <openssl/ssl.h>

#include "core/cleanup.h"
#include "tls/client_certificate.h"

/* After a server's handshake. 0 with NULL when the client showed none, -ENOMEM. */
int tls_client_certificate_create(SSL *ssl, struct tls_client_certificate **ret);

/* The same of certificates that came another way. chain: beside the leaf; NULL: none. 0 or -ENOMEM. */
int tls_client_certificate_read(X509 *leaf, const STACK_OF(X509) * chain,
                                struct tls_client_certificate **ret);
void tls_client_certificate_free(struct tls_client_certificate *certificate); /* accepts NULL */

#endif
