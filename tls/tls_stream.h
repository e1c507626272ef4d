/*
 * tls_stream: TLS as a layer on any core/stream.
 *
 * Role    plain text above, TLS records below; the handshake, its failures, and the difference
 *         between an end and a truncation
 * Owns    the stream below, the OpenSSL connection, one reference to the configuration
 * Thread  one worker
 *
 * Beyond the contract of core/stream.h:
 *  - After creation call tls_stream_begin once if the stream below is already open. If it is still
 *    connecting, its STREAM_OPEN begins the handshake.
 *  - STREAM_OPEN means handshake complete; writing before it is -ENOTCONN, reading -EAGAIN. After
 * it the owner reads: the first request may have come with the last handshake message.
 *  - STREAM_OPEN_FAILED: stream_failure says
 *        STREAM_STEP_TLS_VERIFY     detail "18:self-signed certificate" of either side; NULL when
 *                                   a client showed no certificate and must
 *        STREAM_STEP_TLS_NAME       detail is the name that the certificate does not cover
 *        STREAM_STEP_TLS_HANDSHAKE  detail "SSL: error:0A000410:SSL routines::..."; TLS_PLAIN_HTTP
 * when a client speaks HTTP without TLS; NULL when the other side just closed (error: 0 for FIN,
 * else what the stream below said) Close with STREAM_CLOSE_FLUSH so that the alert goes out.
 *  - Of a client, stream_failure also has `tls` (tls/tls_failure.h): the cause told apart and
 * explained. A TLS 1.3 server judges our certificate after the handshake is complete here: its alert
 * comes with the first read, as STREAM_STEP_READ with -EPROTO.
 *  - Every event is passed on from an event of the stream below, but for the end of a handshake that
 *    waited for its turn (tls_stream_take_turns). There is no timer: who waits for a handshake limits
 *    it.
 */
#ifndef TLS_TLS_STREAM_H
#define TLS_TLS_STREAM_H

#include "core/stream.h"
#include "tls/tls.h"

struct tls_handshake_queue;

#define TLS_PLAIN_HTTP "http request"

/*
 * On success *lower is NULL and belongs to the new stream; on failure (NULL: no memory) it stays
 * the caller's. The stream keeps a reference to config.
 */
struct stream *tls_stream_accept(struct stream **lower, struct chunk_pool *pool,
                                 struct tls_server_config *config);

/*
 * Before tls_stream_begin: this client is a hop that hands on the certificates of its own clients, so
 * the handshake completes whatever it shows itself; the verdict says what that was.
 */
void tls_stream_refuse_later(struct stream *stream);

/* Before tls_stream_begin: steps of the handshake wait for their turn. The queue outlives the stream. */
void tls_stream_take_turns(struct stream *stream, struct tls_handshake_queue *queue);

struct tls_connect_options {
    const char *server_name; /* SNI and the name to check; an IP literal: no SNI, IP check */
    struct tls_session_cache *sessions; /* NULL: always a full handshake */
    const char *session_key;            /* which server this is: "10.0.0.1:443"; NULL: "" */
};

struct stream *tls_stream_connect(struct stream **lower, struct chunk_pool *pool,
                                  struct tls_client_config *config,
                                  const struct tls_connect_options *options);

/* Was it made with this server_name? A letter's case and a final dot do not matter. */
bool tls_stream_is_to(const struct stream *stream, const char *server_name);

/*
 * Runs the handshake with what the stream below already has. Returns the events that no event of
 * that stream will announce any more (normally 0; STREAM_OPEN_FAILED for a client that already sent
 * garbage): the caller handles them as if they had been delivered.
 */
unsigned tls_stream_begin(struct stream *stream);

/*
 * Takes the TLS layer off after STREAM_OPEN_FAILED and returns the stream below, for an answer in
 * plain text. Bytes already received are dropped. The caller sets a new owner; `stream` is dead.
 * The lab also takes it off an open stream, to end it without close_notify: what was written so far
 * is on its way.
 */
struct stream *tls_stream_take_lower(struct stream *stream);

#endif
