/*
 * worker_handover: listening sockets that two processes have for a while (binary upgrade).
 *
 * Role    the new process's workers start without accepting and begin when they are told; the former
 *         one's give copies of their sockets away and leave what is queued on them to the new one
 * Owns    nothing; its state is in struct worker
 * Thread  the main thread, but worker_start_listeners: the worker's
 */
#ifndef PROXY_WORKER_HANDOVER_H
#define PROXY_WORKER_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>

struct worker;

/* Those of addresses that are new in worker->newest. False: one could not be started, for want of
 * memory. */
bool worker_start_listeners(struct worker *worker);

/* Begins to accept, in a hop with accepts_later. False: no memory. */
bool worker_accept(struct worker *worker);

/*
 * Copies the worker's sockets of one virtual server of its newest snapshot into ret_fds, which has room
 * for `max`; the caller closes them. Their number, or a negative errno: none then.
 */
int worker_copy_sockets(struct worker *worker, size_t virtual_server, int *ret_fds, unsigned max);

/*
 * The former process: accepts no more, on no listener, and drains. `taken` tells for each virtual
 * server whether the new process has its sockets. Nobody waits for its end, so idle clients are not
 * closed at once: the next request of a busy one is on its way nearly always, and would be lost.
 */
void worker_hand_over(struct worker *worker, const bool *taken);

#endif
