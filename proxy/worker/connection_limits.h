/*
 * connection_limits: how many client connections there may be, in total and of one address.
 *
 * Role    counts connections from accept until their descriptor is closed; says when there is no room
 * Owns    its counters, for the life of the process; the rules are the configuration's
 * Thread  created and freed by the main thread while no worker runs; the rest: any worker. Workers
 *         share one atomic count, and per address a table of 64 shards with a spinlock each, which
 *         is held for a few dozen instructions and only where there is a limit per address
 */
#ifndef PROXY_CONNECTION_LIMITS_H
#define PROXY_CONNECTION_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/addr.h"
#include "core/cleanup.h"

struct connection_limits;

struct connection_rules {
    uint32_t count_max;      /* connections of ordinary listeners */
    uint32_t reserved_count; /* more, for listeners that draw on the reserve */
    uint32_t address_max;    /* of one address; 0: no limit */
    /* addresses without such a limit: they stand for many clients. Borrowed; NULL: none */
    const struct addr_cidrs *exempt;
};

/* NULL: no memory. */
struct connection_limits *connection_limits_create(void);
void connection_limits_free(struct connection_limits *limits);
DEFINE_SCOPED(connection_limits);

/*
 * How many connections more a listener may accept. was_full: its last answer was 0; then it stays 0
 * until 5 % are free again. Two threads that ask at once get the same answer: the count may end up
 * one too high per thread.
 */
size_t connection_limits_room(const struct connection_limits *limits,
                              const struct connection_rules *rules, bool draws_on_reserve,
                              bool was_full);

/*
 * Counts a connection of peer. False when its address has as many as it may have; nothing is counted
 * then. *ret_ticket goes to connection_limits_leave. An IPv6 address stands for its /64: that is what
 * one customer gets, and who has it can use every address in it. Connections that came while there
 * was no limit per address are not counted in one that a reload brings.
 */
bool connection_limits_enter(struct connection_limits *limits, const struct connection_rules *rules,
                             const struct sockaddr_storage *peer, uint32_t *ret_ticket);

/* Its descriptor is closed. */
void connection_limits_leave(struct connection_limits *limits, uint32_t ticket);

/* Open now. */
uint32_t connection_limits_count(const struct connection_limits *limits);

/* ---- by the files that the process may open ---- */

struct connection_files {
    uint64_t own;            /* the process's, whoever connects */
    unsigned each;           /* a connection's: its own, one to a target ... */
    uint32_t reserved_count; /* connections on top */
};

/* The largest count_max that so many open files allow; never less than 16. */
uint32_t connection_limits_for_files(const struct connection_files *needs, uint64_t files);

/* How many files that many connections may need. */
uint64_t connection_limits_files(const struct connection_files *needs, uint32_t count_max);

#endif
