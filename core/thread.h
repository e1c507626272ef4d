/*
 * thread: starts the threads beside the main one.
 *
 * Role    a new thread takes no signal that is meant for the process, but every fault of its own
 * Owns    nothing
 * Thread  any
 */
#ifndef CORE_THREAD_H
#define CORE_THREAD_H

#include <pthread.h>

/* As pthread_create with default attributes: 0 or an error number. */
int thread_start(pthread_t *thread, void *(*run)(void *), void *argument);

#endif
