#include "lb/resolve.h"

#include <ares.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/addr.h"
#include "core/clock.h"

/* Questions at a time: a burst for every name of a large file would overrun the socket's buffer. */
enum { IN_FLIGHT_MAX = 64 };

struct resolution {
    const struct resolve_options *options;
    ares_channel channel;
    const char *const *names;
    struct resolve_result *results;
    size_t count, next; /* names; the first not asked for yet */
    size_t in_flight;
};

/* One question, and where its answer goes. */
struct question {
    struct resolution *resolution;
    struct resolve_result *result;
};

static const char *error_text(int status)
{
    switch (status) {
    case ARES_ENOTFOUND:
        return "NXDOMAIN";
    case ARES_ENODATA:
        return "no address";
    case ARES_ETIMEOUT:
    case ARES_ECANCELLED: /* by our deadline */
        return "timeout";
    case ARES_ECONNREFUSED: /* c-ares went on to the next server after each, until none was left */
        return "every DNS server was unreachable, failed or refused";
    case ARES_EBADNAME:
        return "not a host name";
    default:
        return ares_strerror(status);
    }
}

static int add_address(struct resolve_result *result, const struct sockaddr *address, size_t bytes)
{
    struct sockaddr_storage *grown =
        reallocarray(result->addresses, result->count + 1, sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    result->addresses = grown;
    memset(&grown[result->count], 0, sizeof(*grown));
    memcpy(&grown[result->count++], address, bytes);
    return 0;
}

static int add_addresses(struct resolve_result *result, const struct ares_addrinfo *info)
{
    for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next) {
        if (node->ai_family != AF_INET && node->ai_family != AF_INET6)
            continue;
        if (add_address(result, node->ai_addr, node->ai_addrlen) < 0)
            return -ENOMEM;
    }
    return 0;
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct question *question = arg;
    struct resolve_result *result = question->result;

    (void)timeouts; /* the last server's answer counts, however many were silent before */
    question->resolution->in_flight--;
    if (status == ARES_SUCCESS && add_addresses(result, info) < 0) {
        resolve_result_done(result);
        status = ARES_ENOMEM;
    }
    if (info)
        ares_freeaddrinfo(info);
    if (result->count == 0)
        result->error = error_text(status == ARES_SUCCESS ? ARES_ENODATA : status);
    free(question);
}

static bool is_settled(const struct resolve_result *result)
{
    return result->count > 0 || result->error;
}

/*
 * "localhost" is the loopback address whatever a server would say (RFC 6761 section 6.3), and also
 * where there is no hosts file, as in some containers.
 */
static const char *literal_of(const char *name, int family)
{
    if (strcasecmp(name, "localhost") != 0)
        return name;
    return family == AF_INET6 ? "::1" : "127.0.0.1";
}

static void settle_literals(struct resolution *resolution)
{
    struct sockaddr_storage address;

    for (size_t i = 0; i < resolution->count; i++) {
        const char *literal = literal_of(resolution->names[i], resolution->options->family);
        struct resolve_result *result = &resolution->results[i];

        if (addr_parse_ip(slice_of(literal), 0, &address) == 0 &&
            add_address(result, (struct sockaddr *)&address, sizeof(address)) < 0)
            result->error = error_text(ARES_ENOMEM);
    }
}

/* Starts on names[next]; its answer may come before this returns. */
static void ask_next(struct resolution *resolution)
{
    const struct ares_addrinfo_hints hints = { .ai_family = resolution->options->family,
                                               .ai_flags = ARES_AI_NOSORT };
    const char *name = resolution->names[resolution->next];
    struct resolve_result *result = &resolution->results[resolution->next++];
    struct question *question;

    if (is_settled(result))
        return;
    question = malloc(sizeof(*question));
    if (!question) {
        result->error = error_text(ARES_ENOMEM);
        return;
    }
    *question = (struct question){ .resolution = resolution, .result = result };
    resolution->in_flight++;
    ares_getaddrinfo(resolution->channel, name, NULL, &hints, on_answer, question);
}

/*
 * Waits for the sockets of c-ares, or stop_fd unless that is negative, and lets it work. It has one UDP and one TCP socket per server,
 * so its limit of 16 suffices for the 3 servers of resolv.conf.
 */
static void wait_and_process(ares_channel channel, int stop_fd, uint64_t wait_ms)
{
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    struct pollfd polls[ARES_GETSOCK_MAXNUM + 1];
    unsigned mask = (unsigned)ares_getsock(channel, sockets, ARES_GETSOCK_MAXNUM);
    struct timeval limit = { .tv_sec = (time_t)(wait_ms / 1000),
                             .tv_usec = (suseconds_t)(wait_ms % 1000 * 1000) };
    struct timeval room, *wait = ares_timeout(channel, &limit, &room);
    nfds_t count = 0;

    for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
        /* as ARES_GETSOCK_READABLE and _WRITABLE, whose shift into the sign bit is undefined */
        bool reads = mask >> i & 1, writes = mask >> (i + ARES_GETSOCK_MAXNUM) & 1;
        short events = (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0));

        if (events)
            polls[count++] = (struct pollfd){ .fd = sockets[i], .events = events };
    }
    polls[count] = (struct pollfd){ .fd = stop_fd, .events = POLLIN };
    /* interrupted or failed: the loop's deadline decides, revents are zero */
    (void)poll(polls, count + 1, (int)(wait->tv_sec * 1000 + (wait->tv_usec + 999) / 1000));
    for (nfds_t i = 0; i < count; i++)
        ares_process_fd(channel, polls[i].revents & ~POLLOUT ? polls[i].fd : ARES_SOCKET_BAD,
                        polls[i].revents & POLLOUT ? polls[i].fd : ARES_SOCKET_BAD);
    ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* timeouts */
}

static bool is_readable(int fd)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

    return fd >= 0 && poll(&poll_fd, 1, 0) > 0;
}

static void run(struct resolution *resolution)
{
    int stop_fd = resolution->options->stop_fd ? *resolution->options->stop_fd : -1;
    uint64_t now = clock_now_ms(), deadline = now + resolution->options->deadline_ms;

    for (;;) {
        while (resolution->next < resolution->count && resolution->in_flight < IN_FLIGHT_MAX)
            ask_next(resolution);
        if (resolution->in_flight == 0)
            return;
        now = clock_now_ms();
        if (now >= deadline || is_readable(stop_fd))
            break;
        wait_and_process(resolution->channel, stop_fd, deadline - now);
    }
    ares_cancel(resolution->channel); /* answers every open question with ARES_ECANCELLED */
    for (size_t i = resolution->next; i < resolution->count; i++) {
        if (!is_settled(&resolution->results[i]))
            resolution->results[i].error = error_text(ARES_ECANCELLED);
    }
}

static int open_channel(const struct resolve_options *options, ares_channel *ret_channel)
{
    struct ares_options settings = { .lookups = (char *)"fb" /* hosts file, then DNS */,
                                     .timeout = (int)options->timeout_ms,
                                     .tries = (int)options->tries };
    int mask = ARES_OPT_LOOKUPS;
    int status;

    if (options->timeout_ms > 0)
        mask |= ARES_OPT_TIMEOUTMS;
    if (options->tries > 0)
        mask |= ARES_OPT_TRIES;
    status = ares_init_options(ret_channel, &settings, mask);
    if (status != ARES_SUCCESS)
        return status == ARES_ENOMEM ? -ENOMEM : -EIO;
    if (options->servers) {
        status = ares_set_servers_ports_csv(*ret_channel, options->servers);
        if (status != ARES_SUCCESS) {
            ares_destroy(*ret_channel);
            return status == ARES_ENOMEM ? -ENOMEM : -EINVAL;
        }
    }
    return 0;
}

int resolve_names(const struct resolve_options *options, const char *const *names, size_t count,
                  struct resolve_result *results)
{
    struct resolution resolution = {
        .options = options, .names = names, .results = results, .count = count
    };
    int r = open_channel(options, &resolution.channel);

    if (r < 0)
        return r;
    memset(results, 0, count * sizeof(*results));
    settle_literals(&resolution);
    run(&resolution);
    ares_destroy(resolution.channel);
    return 0;
}

void resolve_result_done(struct resolve_result *result)
{
    free(result->addresses);
    *result = (struct resolve_result){ 0 };
}
