/*
 * listener: a listening socket of one worker.
 *
 * Role    accepts connections and hands each to on_accept as a stream
 * Owns    its descriptor
 * Thread  listener_bind: any; the rest: one worker
 */
#ifndef CORE_LISTENER_H
#define CORE_LISTENER_H

#include <sys/socket.h>

#include "core/loop.h"
#include "core/stream.h"

struct listener_options {
    int backlog;
    bool ipv6_only;
};

/*
 * Opens `count` descriptors that share one address (one per worker, SO_REUSEPORT). The address is
 * first bound without sharing, so that a second process on the same address fails instead of
 * getting half of the connections. Port 0 lets the system choose; *address then holds the port. 0
 * or a negative errno; on failure no descriptor is left open.
 */
int listener_bind(struct sockaddr_storage *address, const struct listener_options *options,
                  int *fds, unsigned count);

struct listener;

/* Takes fd. on_accept owns the stream. NULL when there is no memory (fd is closed then). */
struct listener *listener_start(struct loop *loop, int fd, void *owner,
                                void (*on_accept)(void *owner, struct stream *stream));

/*
 * Hands over what was accepted already (their clients believe in it), accepts no more and frees
 * itself once the kernel let go. on_accept is not called after the return.
 */
void listener_stop(struct listener *listener);

#endif
