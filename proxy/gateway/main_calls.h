/*
 * main_calls: work that the config thread has the main thread do.
 *
 * Role    the one way from there to what only the main thread may touch
 * Owns    the call that is under way
 * Thread  main_calls_ask: the config thread; the rest: the main thread, which never waits for the other
 */
#ifndef PROXY_MAIN_CALLS_H
#define PROXY_MAIN_CALLS_H

#include <pthread.h>
#include <stdbool.h>

struct hop;

struct main_calls {
    const struct hop *hop; /* whose doorbell wakes the main thread */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum { MAIN_CALLS_IDLE, MAIN_CALLS_POSTED, MAIN_CALLS_RUNNING, MAIN_CALLS_RAN } state;
    void (*run)(void *argument);
    void *argument;
    bool is_closed;
};

void main_calls_init(struct main_calls *calls, const struct hop *hop);
void main_calls_done(struct main_calls *calls);

/* Returns when `run` has returned on the main thread. False: the hop ends, and nothing was run. */
bool main_calls_ask(struct main_calls *calls, void (*run)(void *argument), void *argument);

/* Runs what was asked for. */
void main_calls_serve(struct main_calls *calls);

/* From now on nothing is run any more, and nobody waits. */
void main_calls_close(struct main_calls *calls);

#endif
