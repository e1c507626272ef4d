#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tools/probe/wire.h"

double wire_now_exact_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail: the clock exists */
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

uint64_t wire_now_ms(void)
{
    return (uint64_t)wire_now_exact_ms();
}

static void note_time(struct probe_result *result, enum probe_phase phase, double begin_ms)
{
    result->phases[phase] = (struct probe_timing){ true, wire_now_exact_ms() - begin_ms };
}

/* ---- connect ------------------------------------------------------------------------------- */

static const char *host_of(const struct probe_options *options)
{
    return options->connect_host ? options->connect_host : options->host;
}

static const char *port_of(const struct probe_options *options)
{
    return options->connect_host ? options->connect_port : options->port;
}

static struct addrinfo *resolve(const struct probe_options *options, struct probe_result *result)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    struct addrinfo *list = NULL;
    double begin = wire_now_exact_ms();
    int r = getaddrinfo(host_of(options), port_of(options), &hints, &list);

    note_time(result, PROBE_DNS, begin);
    if (r == 0)
        return list;
    probe_fail(result, "dns",
               "the name \"%s\" cannot be resolved: %s; check its spelling, or name "
               "an address with --connect",
               host_of(options), r == EAI_SYSTEM ? strerror(errno) : gai_strerror(r));
    return NULL;
}

static void note_address(const struct addrinfo *address, struct probe_result *result)
{
    char host[64], port[8];

    if (getnameinfo(address->ai_addr, address->ai_addrlen, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        snprintf(result->address, sizeof(result->address),
                 address->ai_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

/* The socket, or a negative errno. */
static int connect_one(const struct addrinfo *address, uint64_t timeout_ms)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct pollfd entry = { .fd = fd, .events = POLLOUT };
    int error = 0, ready;
    socklen_t length = sizeof(error);

    if (fd < 0)
        return -errno;
    if (connect(fd, address->ai_addr, address->ai_addrlen) < 0 && errno != EINPROGRESS) {
        error = errno;
    } else {
        ready = poll(&entry, 1, (int)timeout_ms);
        if (ready < 0)
            error = errno;
        else if (ready == 0)
            error = ETIMEDOUT;
        else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
            error = errno;
    }
    if (error == 0)
        return fd;
    (void)close(fd); /* nothing was sent on it */
    return -error;
}

static void explain_connect(const struct probe_options *options, int error,
                            struct probe_result *result)
{
    const char *where = result->address;

    switch (error) {
    case ECONNREFUSED:
        probe_fail(result, "refused",
                   "%s refuses the connection: nothing listens there, or a "
                   "firewall rejects it; is the server running, and is the port right?",
                   where);
        return;
    case ETIMEDOUT:
        probe_fail(result, "connect-timeout",
                   "%s does not answer within %.1f s: the host is down, "
                   "a firewall drops the packets, or the server's accept queue is full",
                   where, (double)options->timeout_ms / 1000);
        return;
    case EHOSTUNREACH:
    case ENETUNREACH:
        probe_fail(result, "unreachable",
                   "there is no route to %s (%s); check the address and the "
                   "network",
                   where, strerror(error));
        return;
    default:
        probe_fail(result, "connect", "cannot connect to %s: %s", where, strerror(error));
    }
}

int wire_connect(const struct probe_options *options, struct wire *ret_wire,
                 struct probe_result *result)
{
    struct addrinfo *list = resolve(options, result);
    double begin = wire_now_exact_ms();
    int fd = -ENOENT;

    *ret_wire = (struct wire){ .fd = -1 };
    for (const struct addrinfo *at = list; at && fd < 0; at = at->ai_next) {
        note_address(at, result);
        fd = connect_one(at, options->timeout_ms);
    }
    if (list) {
        note_time(result, PROBE_CONNECT, begin);
        if (fd < 0)
            explain_connect(options, -fd, result);
        freeaddrinfo(list);
    }
    if (fd < 0)
        return -1;
    ret_wire->fd = fd;
    return 0;
}

void wire_close(struct wire *wire)
{
    tls_probe_close(wire->tls);
    if (wire->fd >= 0)
        (void)close(wire->fd); /* all that counts has been read */
    *wire = (struct wire){ .fd = -1 };
}

/* ---- bytes --------------------------------------------------------------------------------- */

static int fail(struct tls_probe_failure *reterr, const char *kind, const char *text)
{
    reterr->kind = kind;
    snprintf(reterr->text, sizeof(reterr->text), "%s", text);
    return -1;
}

/* After an errno: 0: try again. */
static int wait_plain(int fd, short events, uint64_t deadline_ms, struct tls_probe_failure *reterr)
{
    struct pollfd entry = { .fd = fd, .events = events };
    uint64_t now = wire_now_ms();
    int error = errno;

    if (error == ECONNRESET || error == EPIPE)
        return fail(reterr, "reset", "the server reset the connection");
    if (error != EAGAIN && error != EINTR)
        return fail(reterr, "closed", strerror(error));
    if (poll(&entry, 1, now >= deadline_ms ? 0 : (int)(deadline_ms - now)) == 0)
        return fail(reterr, "timeout", "nothing came in time");
    return 0;
}

long wire_read(struct wire *wire, void *into, size_t size, uint64_t deadline_ms,
               struct tls_probe_failure *reterr)
{
    if (wire->tls)
        return tls_probe_read(wire->tls, into, size, deadline_ms, reterr);
    for (;;) {
        ssize_t n = recv(wire->fd, into, size, 0);

        if (n >= 0)
            return n;
        if (wait_plain(wire->fd, POLLIN, deadline_ms, reterr) < 0)
            return -1;
    }
}

int wire_write(struct wire *wire, const char *bytes, size_t length, uint64_t deadline_ms,
               struct tls_probe_failure *reterr)
{
    if (wire->tls)
        return tls_probe_write(wire->tls, bytes, length, deadline_ms, reterr);
    while (length > 0) {
        ssize_t n = send(wire->fd, bytes, length, MSG_NOSIGNAL);

        if (n >= 0) {
            bytes += n;
            length -= (size_t)n;
        } else if (wait_plain(wire->fd, POLLOUT, deadline_ms, reterr) < 0) {
            return -1;
        }
    }
    return 0;
}
