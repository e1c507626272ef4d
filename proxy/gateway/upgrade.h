/*
 * upgrade: another binary takes this process's place, and no client notices.
 *
 * Role    starts the new process, hands it sockets, lock and keys, gives way when it can serve
 * Owns    the new process until it serves; what it says on standard error until then
 * Thread  the main thread; never waits for the new process
 *
 *   STARTING --hello--> PREPARING --prepared--> GOING --serving--> LEFT
 *       \------------------ \------------------- \--> gone        the new process has ended, is late,
 *                                                               or this hop is told to end
 *
 * In each state but the last this process accepts and serves as ever; what fails before is told to
 * whoever asked, with the new process's own words, and changes nothing. In GOING both accept. In LEFT
 * this one cancels its accepts, serves what they had brought, closes its copies of the sockets (their
 * queues live on in the new process) and drains; its end is the new process's business.
 *
 * The new process is started with this one's arguments, environment, working directory and standard
 * streams, and as its user: the binary and the files of the configuration must be readable for that
 * user, and a sandbox must let it execve the binary (a seccomp filter and Landlock rules stay in force
 * across that) and fork. It has another pid: systemd is told by MAINPID=, from here.
 */
#ifndef PROXY_UPGRADE_H
#define PROXY_UPGRADE_H

#include <jansson.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

struct gateway;
struct upgrade;

enum { UPGRADE_POLL_MAX = 3, UPGRADE_TIMEOUT_S = 60, UPGRADE_TIMEOUT_S_MAX = 100 };

/*
 * The verb of the control socket: {"binary": path (optional, absolute), "timeout_s": 1 to 100
 * (optional)}. null: it has begun, and control_settle will be called.
 */
json_t *upgrade_answer(struct gateway *gateway, const json_t *request);

/* USR2. The log says how it goes. */
void upgrade_on_signal(struct gateway *gateway);

/* One has begun, and this process may still stay. */
bool upgrade_is_under_way(const struct gateway *gateway);

/* This hop ends: the new process shall not take its place. Nothing when it has already. */
void upgrade_cancel(struct gateway *gateway);

/* Fills at most UPGRADE_POLL_MAX entries, returns how many; when upgrade_on_poll is due without an
 * event, in ms, -1: never; after poll. */
size_t upgrade_poll_fds(const struct upgrade *upgrade, struct pollfd *fds);
int upgrade_timeout_ms(const struct upgrade *upgrade);
void upgrade_on_poll(struct gateway *gateway, const struct pollfd *fds, size_t count);

/* Accepts NULL. */
void upgrade_free(struct upgrade *upgrade);

#endif
