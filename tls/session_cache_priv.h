/*
 * session_cache, the part that works on OpenSSL's sessions.
 *
 * Role    remembers the newest session of each upstream
 * Owns    one reference per session
 * Thread  one worker
 */
#ifndef TLS_SESSION_CACHE_PRIV_H
#define TLS_SESSION_CACHE_PRIV_H

#include <openssl/ssl.h>

#include "tls/tls.h"

/* Takes the reference. Without memory the session is dropped: the next handshake is a full one. */
void tls_session_cache_put(struct tls_session_cache *cache, const char *key, SSL_SESSION *session);

/* Borrowed until the next put; NULL: none. */
SSL_SESSION *tls_session_cache_get(struct tls_session_cache *cache, const char *key);

/* After a connection that failed with it. */
void tls_session_cache_forget(struct tls_session_cache *cache, const char *key);

#endif
