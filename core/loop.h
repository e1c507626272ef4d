/*
 * loop: one thread's event loop.
 *
 * Role    waits on the ring, runs what became ready, fires timers, takes mail
 * Owns    the ring, the timer wheel, the chunk pool of its thread
 * Thread  created, run and freed by one thread; only loop_send and loop_request_stop come from
 * others
 *
 * One turn: deliver mail, run tasks until none is left, run flushes (they prepare the sends of all
 * that was written), free what is to be freed, wait in the kernel, record completions, run their
 * tasks, fire timers. Completions are handled before timers, so data that arrived beats a timeout
 * that is due in the same turn.
 */
#ifndef CORE_LOOP_H
#define CORE_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/chunk.h"
#include "core/mailbox.h"
#include "core/ring.h"
#include "core/timer.h"

struct task {
    struct task *next;
    bool queued;
    void (*run)(struct task *task);
};

struct task_queue {
    struct task *first, **last;
    unsigned count;
};

struct loop {
    struct ring *ring;
    struct chunk_pool *pool;
    struct timer_wheel timers;
    uint64_t now_ms, now_us; /* monotonic, read once per turn and after every wait */
    struct mailbox mailbox;

    /* private */
    struct task_queue ready, flush;
    struct deferred *garbage;
    struct ring_user doorbell_user;
    uint64_t doorbell_count;
    bool stopping;
    struct conn *closing; /* closed by their owners, not gone yet; core/conn's */
    uint32_t objects;     /* connections and listeners that are not freed yet */
};

struct loop_options {
    struct ring_options ring;       /* pool is filled in by the loop */
    uint32_t tick_ms;               /* 8; the lab uses 1 */
    size_t chunk_bytes_max;         /* 0: no bound */
    struct memory_account *account; /* borrowed; counts what the loop's objects take; NULL: none */
};

/* The defaults of DESIGN-NOTES 14, small rings. */
void loop_options_default(struct loop_options *options);

/* NULL on failure with one sentence in error. */
struct loop *loop_create(const struct loop_options *options, char *error, size_t error_size);

/* No object may be left. Accepts NULL. */
void loop_free(struct loop *loop);

/* Runs until loop_stop. 0, or a negative errno when the ring failed for good. */
int loop_run(struct loop *loop);

/* One turn, waiting at most timeout_ms; for tests and for draining. */
int loop_turn(struct loop *loop, uint64_t timeout_ms);

/* Ends loop_run after the present turn. From the loop's own thread. */
void loop_stop(struct loop *loop);

/* Any thread: mail->deliver will run on the loop's thread. */
void loop_send(struct loop *loop, struct mail *mail);

void task_init(struct task *task, void (*run)(struct task *task));

/* Runs the task in this turn; a task that is already queued stays queued once. */
void loop_post(struct loop *loop, struct task *task);

/* Runs the task after all posted ones, right before submitting; posted from a flush: a turn later.
 */
void loop_post_flush(struct loop *loop, struct task *task);

/* Takes a queued task out of whichever queue it is in. */
void loop_forget(struct loop *loop, struct task *task);

/* Embedded in objects whose memory must survive until the present task has returned. */
struct deferred {
    struct deferred *next;
    void (*free)(struct deferred *deferred);
};

void loop_free_later(struct loop *loop, struct deferred *deferred);

static inline void loop_timer_set(struct loop *loop, struct timer *timer, uint64_t timeout_ms)
{
    timer_set(&loop->timers, timer, loop->now_ms + timeout_ms);
}

#endif
