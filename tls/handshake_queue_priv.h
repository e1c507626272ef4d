/*
 * handshake_queue, the part that streams use.
 *
 * Role    a place in the queue
 * Owns    nothing
 * Thread  one worker
 */
#ifndef TLS_HANDSHAKE_QUEUE_PRIV_H
#define TLS_HANDSHAKE_QUEUE_PRIV_H

#include "tls/handshake_queue.h"

/* Part of a stream. */
struct tls_handshake_turn {
    struct tls_handshake_queue *queue;            /* NULL: this stream waits for nobody */
    void (*run)(struct tls_handshake_turn *turn); /* may free the stream */
    struct tls_handshake_turn *next, *prev;
    bool waits;
};

/* It will run once, in this turn or a later one. One that waits already keeps its place. */
void handshake_turn_wait(struct tls_handshake_turn *turn);

/* If it waits it does not any more. */
void handshake_turn_leave(struct tls_handshake_turn *turn);

#endif
