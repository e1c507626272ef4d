/*
 * waiting_line: who waits for a place at an upstream's targets while all of them are full.
 *
 * Role    a bounded line over all workers; who gives a place back calls the next one, on whichever
 *         worker it waits
 * Owns    waiting_lines: the lines, each for good (a name, and 128 bytes per worker), so that a call on
 *         its way never outlives its line; the doors through which workers are called
 * Thread  waiting_lines is made, asked for lines and freed by the configuration thread; join, leave
 *         and turns are a worker's own; waiting_line_call is any thread's
 *
 * First come, first served on each worker; between workers places go round. No clock is polled: a
 * place that comes free is a letter to one worker (its mailbox, so one eventfd write at most, and only
 * while somebody waits), and that worker takes all places it can. Nobody is forgotten: who joins counts
 * itself before it looks for a place once more, who gives back counts down before it looks for somebody
 * who waits; both in one total order.
 */
#ifndef LB_WAITING_LINE_H
#define LB_WAITING_LINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"

struct loop;
struct waiting_line;
struct waiting_lines;

/* NULL: no memory. */
struct waiting_lines *waiting_lines_create(unsigned workers_count);

/* Nobody waits and no target that leads to a line is held any more. Accepts NULL. */
void waiting_lines_free(struct waiting_lines *lines);
DEFINE_SCOPED(waiting_lines);

/* The line of that upstream, found or made. NULL: no memory. */
struct waiting_line *waiting_lines_find(struct waiting_lines *lines, const char *upstream);

/* Who waits in all of them. */
uint32_t waiting_lines_count(const struct waiting_lines *lines);

/* The worker's loop runs from now on, and may be freed after `close`. */
void waiting_lines_open(struct waiting_lines *lines, unsigned worker, struct loop *loop);
void waiting_lines_close(struct waiting_lines *lines, unsigned worker);

/* One that waits. Zeroed: it does not. */
struct waiter {
    /* There may be a place. True: it waits no longer (and may be gone). False: there was none. */
    bool (*on_turn)(struct waiter *waiter);
    struct waiting_slot *slot; /* NULL: does not wait */
    struct waiter *next, *previous;
};

static inline bool waiter_waits(const struct waiter *waiter)
{
    return waiter->slot != NULL;
}

/* False: `max` wait already. From now on it is called, unless it finds a place right after this. */
bool waiting_line_join(struct waiting_line *line, unsigned worker, struct waiter *waiter,
                       uint32_t max);
void waiting_line_leave(struct waiter *waiter);

/* Nobody of its worker came before it. */
bool waiting_line_is_first(const struct waiter *waiter);

/* Over all workers. */
uint32_t waiting_line_count(const struct waiting_line *line);

/* A place came free. */
void waiting_line_call(struct waiting_line *line);

/* Targets came up or went down: there may be places, or none to wait for. */
void waiting_lines_call_all(struct waiting_lines *lines);

#endif
