/*
 * handover: what two processes of a binary upgrade say to each other.
 *
 * Role    packets over a socket pair: JSON objects with descriptors, and plain bytes
 * Owns    nothing
 * Thread  the main thread of either process
 *
 *   new      {"say": "hello", "formats": [1]}
 *   former   {"say": "take", ...} with the prefix's lock and standard error; session ticket keys as
 *            bytes; {"say": "sockets"} with up to HANDOVER_FDS_MAX listening sockets, until all are there
 *   new      {"say": "prepared"}                    all that can fail has succeeded, nobody is accepted
 *   former   {"say": "go"}
 *   new      {"say": "serving", "taken": [...]}     accepts, has control socket and pid file
 *   new      {"say": "stop"}                        perhaps: the former shall not finish its drain
 *
 * Before "go" a process that sees the other end closed undoes what it did; then the end of the former
 * process is all that the new one still waits for. Keys go this way only: an environment and a file
 * system can be looked at.
 */
#ifndef PROXY_HANDOVER_H
#define PROXY_HANDOVER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "proxy/snapshot/virtual_server.h"

/* Holds the number of the descriptor in the new process. Not HOPGATE_...: it is no setting. */
#define HANDOVER_VARIABLE "_HOPGATE_UPGRADE"

enum {
    HANDOVER_FORMAT = 1,
    HANDOVER_FD = 3,        /* in the new process */
    HANDOVER_FDS_MAX = 250, /* of a packet; the kernel's limit is 253 */
    HANDOVER_PACKET_MAX = 128 * 1024,
    HANDOVER_TIMEOUT_MS = 10000, /* of a packet that must come or go at once */
};

struct handover_fds {
    int items[HANDOVER_FDS_MAX];
    size_t count;
};

/* Both ends are close-on-exec. 0 or a negative errno; on failure neither is the number of an open
 * descriptor. */
int handover_pair(int ret_ends[2]);

/* Takes the message; fds may be NULL. 0 or a negative errno. */
int handover_send(int socket, json_t *message, const struct handover_fds *fds);
int handover_send_bytes(int socket, const void *bytes, size_t count);

/* NULL: the other end is closed, or no such packet came. ret_fds may be NULL: descriptors are closed
 * then. */
json_t *handover_receive(int socket, struct handover_fds *ret_fds);

/* Their number, or a negative errno; 0: the other end is closed. */
long handover_receive_bytes(int socket, void *into, size_t max);

bool handover_says(const json_t *message, const char *what);

/* As a word: the two processes are of different versions. kind_of: -1 for a word that is none. */
const char *handover_kind_name(enum virtual_server_kind kind);
int handover_kind_of(const char *name);

#endif
