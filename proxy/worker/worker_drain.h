/*
 * worker_drain: how a worker ends: in order, or at once.
 *
 * Role    lets traffic run out, then those who ask how the hop is doing, then ends the loop
 * Owns    nothing; its state is in struct worker
 * Thread  the worker's
 *
 *   worker_deliver_drain   its traffic listeners finish, its traffic runs out
 *        worker_leave_traffic: counts in the hop; this worker goes on, its status listeners too
 *   worker_deliver_finish  no worker has traffic: the status listeners finish, their clients get
 *        their answers, the loop ends
 *   worker_deliver_stop, or the drain's deadline: all that is left is aborted
 */
#ifndef PROXY_WORKER_DRAIN_H
#define PROXY_WORKER_DRAIN_H

#include <stdint.h>

struct loop;
struct mail;
struct timer;
struct worker;
struct worker_listener;

/* A connection or a listener is gone: perhaps it was the last that was waited for. */
void worker_continue_drain(struct worker *worker);

/* Those whose connections the kernel has completed are served, nobody else. */
void worker_finish_listener(struct worker_listener *listener);

/* At once: what is in their queues is reset. */
void worker_stop_listeners(struct worker *worker);
void worker_abort_clients(struct worker *worker);

/* It has no traffic, and there will be none. */
void worker_leave_traffic(struct worker *worker);

uint64_t worker_drain_timeout_ms(const struct worker *worker);

/* How the orders and the deadline arrive. */
void worker_deliver_drain(struct mail *mail, struct loop *loop);
void worker_deliver_finish(struct mail *mail, struct loop *loop);
void worker_deliver_stop(struct mail *mail, struct loop *loop);
void worker_on_drain_timer(struct timer *timer);

#endif
