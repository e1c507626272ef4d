/*
 * successor: the new process of a binary upgrade, seen from the former one.
 *
 * Role    starts it with our arguments and environment, and a socket to us as HANDOVER_FD
 * Owns    the descriptors to it; not the process: it goes on without us
 * Thread  the main thread
 */
#ifndef PROXY_SUCCESSOR_H
#define PROXY_SUCCESSOR_H

#include <stddef.h>
#include <sys/types.h>

struct successor {
    pid_t pid;
    int pid_fd;    /* readable when it has ended; -1: known */
    int socket;    /* -1: it has closed its end */
    int stderr_fd; /* what it writes to standard error; -1: it has closed that */
};

/* binary NULL: the file that this process was started from, by its name, so that a newer one that was
 * put there is taken. 0, or -1 with one sentence in error. */
int successor_start(struct successor *successor, const char *binary, char *error,
                    size_t error_size);

/* Not to be asked twice: KILL, TERM. */
void successor_kill(const struct successor *successor);
void successor_end(const struct successor *successor);

/* Once pid_fd is readable: how it has ended, as waitpid says. */
int successor_reap(struct successor *successor);

/* Its end is not our business any more: whoever takes over our children learns its exit code. */
void successor_let_go(struct successor *successor);

void successor_hang_up(struct successor *successor);
void successor_close_stderr(struct successor *successor);
void successor_done(struct successor *successor);

#endif
