/*
 * conn: one TCP connection as a stream, with two-step death.
 *
 * Role    the bottom of every stack of streams
 * Owns    the descriptor, what was received and not read yet, what was written and not sent yet
 * Thread  one worker
 *
 *   CONNECTING --> OPEN --> FLUSHING --> LINGERING --> DYING --> freed
 *        \___________\__________\_____________\________^
 *
 *   CONNECTING  a connect is in flight
 *   OPEN        reading and writing
 *   FLUSHING    closed by the owner, the queue is still being sent     [conn_close FLUSH, LINGER, CUT]
 *   LINGERING   FIN sent, what the peer still sends is discarded       [queue empty, LINGER]
 *   DYING       waits for the last completion, then closes the descriptor
 *
 * At most one receive and one send are in flight. The descriptor is closed only when nothing is: a
 * close with a prepared operation would hit whoever gets the same descriptor number next.
 */
#ifndef CORE_CONN_H
#define CORE_CONN_H

#include <sys/socket.h>

#include "core/loop.h"
#include "core/stream.h"

/* ms; how long a closed connection may take to get rid of its last bytes */
enum {
    CONN_FLUSH_STALL_TIMEOUT_MS = 30000, /* no byte taken by the peer */
    CONN_LINGER_IDLE_TIMEOUT_MS = 5000,  /* nginx lingering_timeout */
    CONN_LINGER_TOTAL_TIMEOUT_MS = 30000 /* nginx lingering_time */
};

/*
 * Takes a connected descriptor. NULL when there is no memory; then fd was closed.
 * local may be NULL: it is asked from the kernel.
 */
struct stream *conn_accepted(struct loop *loop, int fd, const struct sockaddr_storage *local);

/*
 * For whoever counts open connections: on_gone(owner, ticket) runs once, when the descriptor is given
 * back, which may be long after stream_close. stream is one that conn_accepted returned.
 */
void conn_on_gone(struct stream *stream, void (*on_gone)(void *owner, uint32_t ticket), void *owner,
                  uint32_t ticket);

/* For socket options and for what the kernel knows of it; never for input or output. Good until
 * stream_close. stream is one that conn_accepted or conn_connect returned. */
int conn_descriptor(const struct stream *stream);

/*
 * Starts to connect to peer, from `from` (or NULL). STREAM_OPEN or STREAM_OPEN_FAILED follows. NULL
 * when not even a socket could be made; *ret_error is then a negative errno.
 */
struct stream *conn_connect(struct loop *loop, const struct sockaddr_storage *peer,
                            const struct sockaddr_storage *from, int *ret_error);

/*
 * Ends connections whose owners have closed them already: those that only linger, and with `all` also
 * those that still have bytes to send (their peers see a reset). For a loop that is about to end.
 */
void conn_abort_closing(struct loop *loop, bool all);

/* Ends those that still have so many bytes to send: their memory is needed. */
void conn_abort_flushing(struct loop *loop, size_t queued_min);

/* Bytes that the kernel queues beyond what is on its way, so that the backlog of a slow reader
 * stays within our own limits (TCP_NOTSENT_LOWAT). */
enum { CONN_NOT_SENT_LOW_WATER = 128 * 1024 };

#endif
