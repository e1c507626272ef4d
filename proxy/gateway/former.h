/*
 * former: the process whose place this one takes (binary upgrade), seen from the new one.
 *
 * Role    takes what it hands over; tells it when this process can serve and when it serves
 * Owns    the socket to it, and what was handed over until somebody else takes it
 * Thread  the main thread
 *
 *   former_meet     sockets, lock, keys are here; the former process serves and knows nothing of us
 *   former_wait     everything that can fail has succeeded; returns at its "go"
 *   former_replace  from now on it drains; its end is told by former_on_poll
 */
#ifndef PROXY_FORMER_H
#define PROXY_FORMER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proxy/snapshot/inherited_sockets.h"
#include "tls/ticket_keys.h"

struct former {
    int socket; /* -1: it has ended */
    int stderr_fd; /* where standard error leads; until former_replace it leads to the former process */
    int lock_fd; /* of the prefix; -1: taken */
    pid_t pid;
    uint64_t spool_files_count; /* that it has made */
    struct inherited_sockets sockets;
    unsigned char ticket_keys[TLS_TICKET_KEYS_BYTES_MAX];
    size_t ticket_keys_bytes;
    uint64_t ticket_key_age_ms;
};

/* False: error says why this process cannot start. *ret NULL: there is no former process. */
bool former_meet(struct former **ret, char *error, size_t error_size);

/* False: it has gone, or this process was told to end; error says which. */
bool former_wait(struct former *former, int signals_fd, char *error, size_t error_size);

/* We serve. Closes the sockets that nobody has taken. */
void former_replace(struct former *former);

/* Its socket can be read: it has ended. */
void former_on_poll(struct former *former);

/* -1: it has ended. */
int former_fd(const struct former *former);

/* It shall not wait for what it still carries. */
void former_stop(const struct former *former);

/* Accepts NULL. */
void former_free(struct former *former);

#endif
