#include "proxy/gateway/tls_upkeep.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/addr.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/thread.h"
#include "lb/resolve.h"
#include "tls/stapling.h"

/* A certificate whose response could not be fetched is tried again at the next look. */
#define NEVER_MS UINT64_MAX
enum { OCSP_LOOK_INTERVAL_MS = 60 * 1000, OCSP_TIMEOUT_MS = 3000 };

struct tls_upkeep {
    struct tls_upkeep_wanted wanted;
    uint64_t rotate_at_ms, look_at_ms; /* or NEVER_MS */
    pthread_t thread;
    int stop_fd; /* eventfd: readable when it is time to end */
};

/* False: it is time to end. */
static bool wait_for_next(const struct tls_upkeep *upkeep)
{
    struct pollfd stop = { .fd = upkeep->stop_fd, .events = POLLIN };

    for (;;) {
        uint64_t at_ms =
            upkeep->rotate_at_ms < upkeep->look_at_ms ? upkeep->rotate_at_ms : upkeep->look_at_ms;
        uint64_t now_ms = clock_now_ms(), wait_ms = at_ms > now_ms ? at_ms - now_ms : 0;

        if (poll(&stop, 1, wait_ms < INT_MAX ? (int)wait_ms : INT_MAX) > 0)
            return false;
        if (clock_now_ms() >= at_ms)
            return true;
    }
}

static void rotate(struct tls_upkeep *upkeep)
{
    int r = tls_ticket_keys_rotate(upkeep->wanted.keys);

    upkeep->rotate_at_ms = clock_now_ms() + upkeep->wanted.ticket_key_lifetime_ms / 2;
    if (r < 0) { /* the present keys stay in force, and the next turn tries again */
        log_error(LOG_LEVEL_WARN, "session ticket keys were not rotated: %s",
                  r == -EBUSY ? "they are in use" : "no randomness");
        return;
    }
    log_error(LOG_LEVEL_INFO, "session ticket keys were rotated");
}

/* ---- OCSP ---------------------------------------------------------------------------------- */

/* 0, or a negative errno. */
static int wait_for_connection(int fd, uint64_t deadline_ms, int stop_fd)
{
    for (;;) {
        struct pollfd fds[] = { { .fd = fd, .events = POLLOUT },
                                { .fd = stop_fd, .events = POLLIN } };
        uint64_t now_ms = clock_now_ms();
        socklen_t length = sizeof(int);
        int error = 0;

        if (now_ms >= deadline_ms)
            return -ETIMEDOUT;
        if (poll(fds, 2, (int)(deadline_ms - now_ms)) <= 0)
            continue;
        if (fds[1].revents)
            return -ECANCELED;
        return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0 ? -errno : -error;
    }
}

static int connect_to(const struct sockaddr_storage *address, uint64_t deadline_ms, int stop_fd)
{
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r = 0;

    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)address, addr_length(address)) < 0)
        r = errno == EINPROGRESS ? wait_for_connection(fd, deadline_ms, stop_fd) : -errno;
    if (r == 0)
        return fd;
    (void)close(fd);
    return r;
}

/* The addresses of a responder, one after the other. */
static int reach(const char *host, const char *port, uint64_t deadline_ms, int stop_fd)
{
    uint64_t now_ms = clock_now_ms();
    struct resolve_options options = { .family = AF_UNSPEC, .stop_fd = &stop_fd };
    struct resolve_result found = { 0 };
    int r;

    options.deadline_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 0;
    r = resolve_names(&options, &host, 1, &found);
    if (r == 0 && found.count == 0)
        r = -EHOSTUNREACH;
    for (size_t i = 0; i < found.count; i++) {
        addr_set_port(&found.addresses[i], (uint16_t)strtoul(port, NULL, 10));
        r = connect_to(&found.addresses[i], deadline_ms, stop_fd);
        if (r >= 0 || r == -ECANCELED)
            break;
    }
    resolve_result_done(&found);
    return r;
}

static void told(const char *certificate, int result, const char *text)
{
    if (result == 0)
        log_error(LOG_LEVEL_INFO, "OCSP response for certificate \"%s\" was fetched", certificate);
    else
        log_error(LOG_LEVEL_WARN, "no OCSP response for certificate \"%s\": %s", certificate, text);
}

static void *run(void *argument)
{
    struct tls_upkeep *upkeep = argument;
    const struct tls_stapling_fetch fetch = {
        .timeout_ms = OCSP_TIMEOUT_MS, .stop_fd = upkeep->stop_fd, .connect = reach, .told = told
    };

    while (wait_for_next(upkeep)) {
        if (clock_now_ms() >= upkeep->rotate_at_ms)
            rotate(upkeep);
        if (clock_now_ms() >= upkeep->look_at_ms) {
            tls_stapling_refresh(upkeep->wanted.stapling, &fetch);
            upkeep->look_at_ms = clock_now_ms() + OCSP_LOOK_INTERVAL_MS;
        }
    }
    return NULL;
}

static void destroy(struct tls_upkeep *upkeep)
{
    if (upkeep->stop_fd >= 0)
        (void)close(upkeep->stop_fd);
    tls_server_config_unref(upkeep->wanted.stapling);
    free(upkeep);
}

/* The key may be older than this configuration, and than this process. */
static uint64_t rotation_due_at_ms(const struct tls_upkeep_wanted *wanted)
{
    uint64_t age_ms = tls_ticket_keys_age_ms(wanted->keys);
    uint64_t after_ms = wanted->keys_are_foreign ? 0 : wanted->ticket_key_lifetime_ms / 2;

    return clock_now_ms() + (after_ms > age_ms ? after_ms - age_ms : 0);
}

struct tls_upkeep *tls_upkeep_start(const struct tls_upkeep_wanted *wanted)
{
    struct tls_upkeep *upkeep = calloc(1, sizeof(*upkeep));

    if (!upkeep)
        return NULL;
    upkeep->wanted = *wanted;
    if (wanted->stapling)
        upkeep->wanted.stapling = tls_server_config_ref(wanted->stapling);
    upkeep->rotate_at_ms = wanted->keys ? rotation_due_at_ms(wanted) : NEVER_MS;
    upkeep->look_at_ms = wanted->stapling ? clock_now_ms() : NEVER_MS;
    upkeep->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (upkeep->stop_fd >= 0 && thread_start(&upkeep->thread, run, upkeep) == 0)
        return upkeep;
    destroy(upkeep);
    return NULL;
}

void tls_upkeep_stop(struct tls_upkeep *upkeep)
{
    const uint64_t one = 1;

    if (!upkeep)
        return;
    while (write(upkeep->stop_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
    pthread_join(upkeep->thread, NULL);
    destroy(upkeep);
}
