/*
 * server_sessions, the part that OpenSSL's callbacks use.
 *
 * Role    keeps a session, finds it again
 * Owns    nothing
 * Thread  any worker
 */
#ifndef TLS_SERVER_SESSIONS_PRIV_H
#define TLS_SERVER_SESSIONS_PRIV_H

#include <openssl/ssl.h>

#include "core/slice.h"
#include "tls/server_sessions.h"

/* Keeps a copy if there is room and nobody is in the way. */
void tls_server_sessions_put(struct tls_server_sessions *sessions, const SSL_SESSION *session);

/* A new reference, or NULL. */
SSL_SESSION *tls_server_sessions_get(struct tls_server_sessions *sessions, struct slice id);

#endif
