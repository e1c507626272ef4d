/*
 * server_sessions: TLS 1.2 sessions by id, for clients that know no tickets (RFC 5246 F.1.4).
 *
 * Role    one table for all workers, so that a client resumes whichever worker it meets
 * Owns    the sessions, secrets included; wiped when replaced and on free
 * Thread  any worker; nobody waits: who finds an entry in use treats it as absent, which costs one
 *         full handshake at most
 *
 * A session is found again only by a name with the same certificates and client policy: OpenSSL
 * compares the session id context that is stored with it. Whether its client is still accepted:
 * client_session_priv.h.
 */
#ifndef TLS_SERVER_SESSIONS_H
#define TLS_SERVER_SESSIONS_H

#include <stddef.h>

#include "core/cleanup.h"

struct tls_server_sessions;

/* About one session per 512 bytes; one with a client certificate may take up to four times that.
 * NULL: no memory. Outlives every configuration that uses it. */
struct tls_server_sessions *tls_server_sessions_create(size_t bytes);
void tls_server_sessions_free(struct tls_server_sessions *sessions);
DEFINE_SCOPED(tls_server_sessions);

#endif
