/*
 * client_session: what a TLS session remembers of the client's certificate.
 *
 * Role    has the chain that came beside the leaf travel with the session (OpenSSL keeps the leaf
 *         only); verifies both again when the session is offered
 * Owns    nothing
 * Thread  one worker
 *
 * A session is resumed only under the policy that it was made under, with the same CAs and CRLs: they
 * are part of its session id context. But dates pass: a CRL is overdue, a CA has ended, and a TLS 1.3
 * session is renewed with each resumption. So the certificate is judged as if it came now. What does
 * not stand, or cannot be judged because the chain was too long to keep, costs a full handshake.
 */
#ifndef TLS_CLIENT_SESSION_PRIV_H
#define TLS_CLIENT_SESSION_PRIV_H

#include "tls/client_policy_priv.h"

/* With it a ticket stays within what clients send back in one flight. */
enum { CLIENT_SESSION_CHAIN_BYTES_MAX = 4096 };

/* Before the session of this connection is sealed into a ticket or kept. false: out of memory. */
bool client_session_keep_chain(SSL *ssl);

/* In *ret, to be freed: what the client sent beside the leaf when the session was made, in its order;
 * NULL: nothing. -EINVAL: it was too long to keep. -ENOMEM. */
int client_session_chain(SSL_SESSION *session, STACK_OF(X509) * *ret);

/* It has no client certificate, or one that the policy accepts now. */
bool client_session_may_resume(SSL_SESSION *session, SSL *ssl, const struct client_policy *policy);

#endif
