#include "core/thread.h"

#include <signal.h>
#include <stddef.h>

/* A fault whose signal is blocked kills the process past its handler: no sanitizer's report, no trace. */
static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS };

int thread_start(pthread_t *thread, void *(*run)(void *), void *argument)
{
    sigset_t blocked, before;
    int error;

    (void)sigfillset(&blocked);
    for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
        (void)sigdelset(&blocked, faults[i]);
    (void)pthread_sigmask(SIG_SETMASK, &blocked, &before); /* cannot fail with these arguments */
    error = pthread_create(thread, NULL, run, argument);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}
