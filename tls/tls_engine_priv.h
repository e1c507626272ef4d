/*
 * tls_engine: one TLS connection as bytes in, bytes out.
 *
 * Role    handshake and records by OpenSSL over two bufs, by a BIO of our own: no socket, no copy
 *         into a memory BIO
 * Owns    the OpenSSL connection, ciphertext in both directions
 * Thread  one worker
 *
 * Results are 0 or a byte count, or: -EAGAIN put more into `in` and call again; -EPROTO broken for
 * good, `error` says why; -ENOMEM. Whatever the result, `out` may have bytes to send (an alert, an
 * answer to a KeyUpdate). The end of input is the caller's to judge: OpenSSL is not told, since it
 * would answer with a fatal alert and close the writing side too.
 */
#ifndef TLS_TLS_ENGINE_PRIV_H
#define TLS_TLS_ENGINE_PRIV_H

#include <openssl/ssl.h>

#include "core/buf.h"
#include "tls/client_facts_priv.h"
#include "tls/client_verdict_priv.h"
#include "tls/session_cache_priv.h"

struct tls_engine {
    SSL *ssl;
    struct buf in;                      /* received, not yet read by OpenSSL */
    struct buf out;                     /* to be sent */
    bool input_ended;                   /* set by the caller: `in` gets no more */
    bool failed;                        /* after a fatal error the only call left is done */
    bool out_of_memory;                 /* while appending to `out` */
    bool bulk;                          /* read into chunks that hold whole records */
    bool ramps;                         /* server: small records first, see record_limit */
    bool client_sent_no_certificate;    /* server: and that failed the handshake */
    uint32_t ramp_bytes;                /* written since the last pause; stays at its maximum */
    uint64_t wrote_at_ms;               /* coarse monotonic clock */
    char *error;                        /* "SSL: error:..."; NULL: none, or no memory for it */
    char *server_name;                  /* received or sent; NULL: none */
    char *expected_name;                /* client: what the certificate must be for */
    struct tls_session_cache *sessions; /* client; borrowed; NULL: none */
    char *session_key;
    const SSL_SESSION *session_seen;        /* only compared */
    const struct tls_client_config *client; /* client; borrowed */
    struct client_facts *facts; /* client; NULL: nothing that would explain a failure yet */

    /* server; borrowed from the configuration once the client hello came */
    const struct client_policy *policy;
    size_t policy_index;
    long verify_error;  /* X509_V_...: the last that counts, see client_policy.c; 0: none */
    bool refuses_later; /* whatever the policy's refusal, the handshake completes */
    struct client_verdict verdict; /* after the handshake */
};

enum { TLS_RECORD_CONTENT_MAX = 16384 }; /* bytes of plain text (RFC 8446 5.1) */

/* 0 or -ENOMEM; on failure it must still be done. The engine must not be moved. */
int tls_engine_init(struct tls_engine *engine, SSL_CTX *context, struct chunk_pool *pool,
                    bool is_server);
void tls_engine_done(struct tls_engine *engine);

/* Client: failures will be explained. The configuration must live as long as the engine. */
void tls_engine_set_client(struct tls_engine *engine, const struct tls_client_config *config);

/* The facts, made if there are none. NULL: a server, or no memory. */
struct client_facts *tls_engine_facts(struct tls_engine *engine);

/* Client: SNI and, with verify, the name or address that the certificate must have. 0, -ENOMEM,
 * -EINVAL: no name. */
int tls_engine_expect_server(struct tls_engine *engine, const char *name, bool verify);

/* The name given to tls_engine_expect_server was this one. */
bool tls_engine_expects(const struct tls_engine *engine, const char *name);

/* Client: offers the session kept under key and keeps new ones there. Takes key (heap). */
void tls_engine_use_sessions(struct tls_engine *engine, struct tls_session_cache *sessions,
                             char *key);

/* 0: complete. -ECONNABORTED: the other side ended it with close_notify. */
int tls_engine_handshake(struct tls_engine *engine);

/* Appends the content of at most one record. > 0; 0: close_notify received. */
long tls_engine_read(struct tls_engine *engine, struct buf *into, size_t max);

/* Takes all of `from` as few records as possible. -EAGAIN: the other side is in the middle of a
 * handshake message and what is left in `from` must wait. */
int tls_engine_write(struct tls_engine *engine, struct buf *from);

/* Sends close_notify; reading goes on. */
void tls_engine_end_writing(struct tls_engine *engine);

/* After the handshake. 0 or -ENOMEM. The texts live as long as the engine. */
int tls_engine_info(struct tls_engine *engine, struct tls_session_info *ret_info);

/* For the client_hello callback. 0 or -ENOMEM. */
int tls_engine_note_server_name(struct tls_engine *engine, const char *name);

#endif
