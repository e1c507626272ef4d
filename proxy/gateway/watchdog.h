/*
 * watchdog: tells systemd that the hop is alive, as long as every worker is.
 *
 * Role    WATCHDOG=1 a few times in each WATCHDOG_USEC, if all workers have answered since the last
 * Owns    a letter to each worker, and which of them are answered
 * Thread  the main thread; a worker only marks its letter as answered
 *
 * A worker that hangs in one turn of its loop answers no letter, a main thread that hangs sends
 * nothing: either way systemd ends the hop and starts it again. A worker that has ended is no worker.
 */
#ifndef PROXY_WATCHDOG_H
#define PROXY_WATCHDOG_H

#include <stddef.h>
#include <stdint.h>

struct watchdog;
struct worker;

/* What systemd asked for by WATCHDOG_USEC and WATCHDOG_PID, in microseconds; 0: nothing. */
uint64_t watchdog_wanted_usec(void);

/* NULL: no memory. The workers are started, and outlive it. */
struct watchdog *watchdog_create(struct worker *workers, size_t count, uint64_t usec);

/* Letters may still be on their way: the workers must have ended. Accepts NULL. */
void watchdog_free(struct watchdog *watchdog);

/* When watchdog_on_time is due, in ms from now; -1: never. Accepts NULL. */
int watchdog_timeout_ms(const struct watchdog *watchdog);

/* Does what is due. Accepts NULL. */
void watchdog_on_time(struct watchdog *watchdog);

#endif
