/*
 * tls_stream, what its two halves share: the handshake, and the open stream.
 *
 * Role    tls_stream_handshake.c brings a stream from HANDSHAKE to OPEN or BROKEN and says why;
 *         tls_stream.c is all the rest
 * Owns    see the struct
 * Thread  one worker
 */
#ifndef TLS_TLS_STREAM_PRIV_H
#define TLS_TLS_STREAM_PRIV_H

#include "tls/handshake_queue_priv.h"
#include "tls/tls_engine_priv.h"
#include "tls/tls_stream.h"

/*  HANDSHAKE -> OPEN      handshake_done: STREAM_OPEN
 *      '-----> BROKEN     handshake_fail: STREAM_OPEN_FAILED; only failure and close make sense
 *  An open stream stays OPEN: its two directions end one by one, see read_end and write_error. */
enum tls_stream_state { TLS_STREAM_HANDSHAKE, TLS_STREAM_OPEN, TLS_STREAM_BROKEN };

struct tls_stream {
    struct stream base; /* first: a stream pointer is a tls_stream pointer */
    struct stream *lower;
    struct tls_engine engine;
    struct tls_server_config *server; /* one of the two, a reference */
    struct tls_client_config *client;
    struct tls_handshake_turn turn; /* of a step of the handshake */
    enum tls_stream_state state;
    bool first_bytes_seen;
    bool lower_ended; /* lower_end is what its read said */
    bool read_ended;  /* read_end is what our read says from now on */
    bool write_shut;
    uint32_t counted_bytes; /* in the memory budget */
    bool above_high;        /* the writer was told to wait for STREAM_WRITABLE */
    int write_error;
    long lower_end, read_end;
    /* Plain text that OpenSSL takes only after the rest of a handshake message that the other side
     * has begun (a KeyUpdate cut in two). Heap; NULL in all normal lives. */
    struct buf *held;
    struct stream_failure failure;
    char *failure_text; /* heap, behind failure.detail */
    struct tls_session_info info;
};

/* What OpenSSL takes from the heap, for the memory budget: its buffers are there until a handshake is
 * over, and from then on only while a record is worked on. Measured with OpenSSL 3.0, TLS 1.2 and 1.3. */
enum { TLS_HANDSHAKE_HEAP_BYTES = 46 * 1024, TLS_OPEN_HEAP_BYTES = 15 * 1024 };

/* The stream has so much of the heap beside itself now; 0: it ends. */
void tls_stream_count_memory(struct tls_stream *tls, uint32_t heap_bytes);

/* Records it; the first failure explains the others. detail is borrowed until the stream is closed. */
void tls_stream_fail(struct tls_stream *tls, enum stream_step step, int error, const char *detail);

/* Hands records to the stream below. */
void tls_stream_push(struct tls_stream *tls);

/* > 0: more ciphertext; -EAGAIN: the receive below is armed; else lower_end, its end. */
long tls_stream_pull(struct tls_stream *tls);

/*
 * As far as what has come allows. STREAM_OPEN, STREAM_OPEN_FAILED, or 0: more must come, or it waits
 * for its turn and announces the event itself.
 */
unsigned tls_stream_handshake(struct tls_stream *tls);

#endif
