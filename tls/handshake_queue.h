/*
 * handshake_queue: clients' handshakes take turns with everything else that a worker does.
 *
 * Role    a handshake computes for a large part of a millisecond, so a burst of new connections that
 *         were all served in one turn would stand between the others and the kernel; here at most
 *         TLS_HANDSHAKES_PER_TURN steps run before the loop looks at the kernel again, first come
 *         first served, after the tasks of the turn
 * Owns    nothing: streams enter and leave by themselves; it is as long as there are connections
 * Thread  one worker
 */
#ifndef TLS_HANDSHAKE_QUEUE_H
#define TLS_HANDSHAKE_QUEUE_H

#include <stdatomic.h>

#include "core/loop.h"

enum { TLS_HANDSHAKES_PER_TURN = 4 };

struct tls_handshake_queue {
    struct loop *loop; /* borrowed; NULL: not in use */
    struct task task;
    struct tls_handshake_turn *first, *last;
    size_t length;
    _Atomic uint64_t *deferred_count; /* borrowed: steps that had to wait for a later turn */
};

void tls_handshake_queue_init(struct tls_handshake_queue *queue, struct loop *loop,
                              _Atomic uint64_t *deferred_count);

/* No stream may be in it. A zeroed one is fine. */
void tls_handshake_queue_done(struct tls_handshake_queue *queue);

#endif
