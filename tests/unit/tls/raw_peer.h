/*
 * raw_peer: a plain OpenSSL connection on one end of a memory_stream.
 *
 * Role    the other side for what tls_stream itself never does: KeyUpdate, renegotiation, messages
 *         cut in two
 * Owns    its context and connection
 * Thread  the test
 */
#ifndef TESTS_UNIT_TLS_RAW_PEER_H
#define TESTS_UNIT_TLS_RAW_PEER_H

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tests/unit/memory_stream.h"

struct raw_peer {
    SSL_CTX *context;
    SSL *ssl;
    BIO *from_wire, *to_wire; /* owned by ssl */
    struct stream *lower;
    struct buf scratch;
    int reason; /* of the last failed handshake; 0: none */
};

/* Takes the context. */
static inline void raw_peer_init(struct raw_peer *peer, SSL_CTX *context, struct stream *lower,
                                 struct chunk_pool *pool)
{
    *peer = (struct raw_peer){ .context = context, .lower = lower };
    peer->ssl = SSL_new(context);
    peer->from_wire = BIO_new(BIO_s_mem());
    peer->to_wire = BIO_new(BIO_s_mem());
    assert(peer->ssl && peer->from_wire && peer->to_wire);
    BIO_set_mem_eof_return(peer->from_wire, -1);
    SSL_set_bio(peer->ssl, peer->from_wire, peer->to_wire);
    buf_init(&peer->scratch, pool);
}

static inline void raw_peer_done(struct raw_peer *peer)
{
    buf_done(&peer->scratch);
    SSL_free(peer->ssl);
    SSL_CTX_free(peer->context);
}

/* Up to max bytes of what OpenSSL wants sent. Returns their number. */
static inline size_t raw_peer_send(struct raw_peer *peer, size_t max)
{
    size_t sent = 0;
    char bytes[4096];
    int n;

    while (sent < max &&
           (n = BIO_read(peer->to_wire, bytes,
                         (int)(max - sent < sizeof(bytes) ? max - sent : sizeof(bytes)))) > 0) {
        if (buf_append_bytes(&peer->scratch, bytes, (size_t)n) < 0 ||
            stream_write(peer->lower, &peer->scratch) < 0)
            abort();
        sent += (size_t)n;
    }
    return sent;
}

/* What arrived goes to OpenSSL. Returns the number of bytes. */
static inline size_t raw_peer_receive(struct raw_peer *peer)
{
    long n = stream_read(peer->lower, &peer->scratch, 1 << 20);

    if (n <= 0)
        return 0;
    while (!buf_is_empty(&peer->scratch)) {
        struct slice front = buf_front(&peer->scratch);

        if (BIO_write(peer->from_wire, front.ptr, (int)front.len) != (int)front.len)
            abort();
        buf_consume(&peer->scratch, front.len);
    }
    return (size_t)n;
}

/* Handshakes until nothing moves; the other side is run by the pair. */
static inline int raw_peer_handshake(struct raw_peer *peer, struct memory_pair *pair)
{
    int r;

    do {
        ERR_clear_error();
        r = SSL_do_handshake(peer->ssl);
        peer->reason = ERR_GET_REASON(ERR_peek_error());
        (void)raw_peer_send(peer, SIZE_MAX);
        memory_pair_run(pair);
    } while (raw_peer_receive(peer) > 0);
    return r;
}

#endif
