/*
 * listener: a listening socket of one worker.
 *
 * Role    accepts connections and hands each to on_accept as a stream, as long as there is room
 * Owns    its descriptor
 * Thread  listener_bind: any; the rest: one worker
 */
#ifndef CORE_LISTENER_H
#define CORE_LISTENER_H

#include <stdbool.h>
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

/* One more descriptor of an address that this user's descriptors share already, bound but not
 * listening: nobody is queued on it before listen(2). Or a negative errno. */
int listener_join(const struct sockaddr_storage *address, const struct listener_options *options);

struct listener;

/* Takes fd. on_accept owns the stream. NULL when there is no memory (fd is closed then). */
struct listener *listener_start(struct loop *loop, int fd, void *owner,
                                void (*on_accept)(void *owner, struct stream *stream));

/*
 * Right after listener_start: who knows for how many connections more there is room. At 0 no more are
 * accepted: clients wait in the kernel's queue, and room is asked again every 50 ms. What the kernel
 * had accepted by then waits here, unread. That is one connection as long as room is below
 * LISTENER_BURST_MAX at every accept; where others use up the same room, it may be a whole burst.
 */
void listener_set_room(struct listener *listener, size_t (*room)(void *owner));

/* More than this many connections do not arrive between two looks (what net.core.somaxconn and a
 * backlog usually allow). */
enum { LISTENER_BURST_MAX = 4096 };

/* No SYN is answered from now on, or again: who connects waits in vain. 0 or a negative errno. */
int listener_set_silent(struct listener *listener, bool is_silent);

/*
 * Hands over what was accepted already (their clients believe in it), accepts no more and frees
 * itself once the kernel let go. Neither on_accept nor room is called after the return.
 */
void listener_stop(struct listener *listener);

/*
 * The same without a reset for anybody: the kernel completes no further connection, and all that it
 * has completed are handed over, those of its queue as long as there is room. Then the descriptor is
 * closed and on_stopped(owner) called, once, in a later turn; until then on_accept and room may be.
 */
void listener_finish(struct listener *listener, void (*on_stopped)(void *owner));

/* For another process that accepts from the same socket: a descriptor, or a negative errno. */
int listener_copy_fd(const struct listener *listener);

/* That process does: listener_finish leaves socket and queue to it. */
void listener_share(struct listener *listener);

/*
 * Right after listener_start, in that process: until *is_shared is false, the queue is looked at every
 * 100 ms. Of all that wait for a connection the kernel wakes one, and when that is the process which is
 * about to stop, it takes the wake-up with it: the connection would stay there until the next one comes.
 */
void listener_look_again(struct listener *listener, const _Atomic bool *is_shared);

#endif
