/*
 * resolve: host names to addresses, many at once.
 *
 * Role    what targets and services resolve to before workers start; hosts file first, then DNS
 * Owns    the addresses in a result, until resolve_result_done
 * Thread  the calling one, which it blocks until the deadline at the latest: never a worker
 */
#ifndef LB_RESOLVE_H
#define LB_RESOLVE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct resolve_options {
    const char *servers;  /* "192.0.2.53,[2001:db8::53]:5353"; NULL: those of resolv.conf */
    int family;           /* AF_INET (Kong's default), AF_INET6 or AF_UNSPEC */
    uint64_t deadline_ms; /* for all names together, from the call */
    uint64_t timeout_ms;  /* for one question to one server; 0: resolv.conf's */
    unsigned tries;       /* of one question; 0: resolv.conf's */
    const int *stop_fd;   /* when it is readable, what is open ends as a timeout; NULL: none */
};

struct resolve_result {
    struct sockaddr_storage *addresses; /* port 0; in the order that DNS gave */
    size_t count;                       /* 0: see error */
    const char *error; /* static text: "NXDOMAIN", "no address", "timeout", …; NULL: none */
};

/*
 * Resolves names[i] into results[i]; literal addresses (IPv6 without brackets) and "localhost" need
 * no question. 0: every result is filled in, with addresses or an error. Negative errno: no resolver
 * could be set up (-EINVAL: options->servers), nothing was touched.
 */
int resolve_names(const struct resolve_options *options, const char *const *names, size_t count,
                  struct resolve_result *results);

void resolve_result_done(struct resolve_result *result);

#endif
