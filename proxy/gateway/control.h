/*
 * control: the socket on which a running hop is asked and told things.
 *
 * Role    accepts on <prefix>/control.sock, reads one JSON object, writes one JSON object, closes
 * Owns    the socket file (mode 0600), the connections
 * Thread  the main thread; never blocks, so who does not read its answer is only dropped in time
 *
 * Request: {"verb": "status", ...} and a newline, at most CONTROL_REQUEST_MAX bytes. Answer: one
 * object, {"ok": true, ...} or {"ok": false, "error": "..."}.
 */
#ifndef PROXY_CONTROL_H
#define PROXY_CONTROL_H

#include <jansson.h>
#include <poll.h>
#include <stddef.h>

#define CONTROL_SOCKET "control.sock" /* below the prefix */

enum {
    CONTROL_CONNECTIONS_MAX = 8,
    CONTROL_POLL_MAX = CONTROL_CONNECTIONS_MAX + 1,
    CONTROL_REQUEST_MAX = 64 * 1024, /* bytes */
    CONTROL_TIMEOUT_MS = 10000,      /* for the whole of a connection but the hop's own work */
    CONTROL_ACCEPT_PAUSE_MS = 100,   /* when there is no descriptor or no memory for a connection */
};

struct control;

/* A new reference; null: the answer comes with control_settle; NULL: no memory. `request` is
 * borrowed. */
typedef json_t *control_answer(void *owner, const json_t *request);

/* {"ok": false, "error": reason}; NULL: no memory. */
json_t *control_refuse(const char *reason);

/* Nobody finds it before control_publish. NULL: error says why. */
struct control *control_open(const char *prefix, control_answer *answer, void *owner, char *error,
                             size_t error_size);

/* Takes the place of the socket that a former process has there, or a killed one left: the caller holds
 * the prefix's lock. There is no moment without one. 0 or a negative errno. */
int control_publish(struct control *control);

/* Another process has taken our place: who is connected gets his answer, nobody new comes. */
void control_leave(struct control *control);

/* It has gone without having served, and may have taken our place already: a new socket, published. */
int control_come_back(struct control *control);

/* Answers all who wait; takes the reference. */
void control_settle(struct control *control, json_t *answer);

/* Removes the file, unless another process has taken its place. Accepts NULL. */
void control_close(struct control *control);

/* Fills at most CONTROL_POLL_MAX entries, returns how many. */
size_t control_poll_fds(const struct control *control, struct pollfd *fds);

/* When control_on_poll is due without an event, in ms; -1: never. */
int control_timeout_ms(const struct control *control);

/* After poll: reads, answers, writes, drops who is late. `fds` as control_poll_fds filled them. */
void control_on_poll(struct control *control, const struct pollfd *fds, size_t count);

#endif
