#include "proxy/gateway/former.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/addr.h"
#include "core/log.h"
#include "proxy/gateway/handover.h"

/* ---- meeting ------------------------------------------------------------------------------- */

/* The descriptor that the variable names; -1: there is none. */
static int find_socket(void)
{
    const char *text = getenv(HANDOVER_VARIABLE);
    char *end;
    long fd = text ? strtol(text, &end, 10) : -1;
    socklen_t length = sizeof(int);
    int type = 0;

    if (!text || end == text || *end || fd < 0)
        return -1;
    (void)unsetenv(HANDOVER_VARIABLE); /* there is no other thread yet */
    if (getsockopt((int)fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0 || type != SOCK_SEQPACKET ||
        fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
        return -1; /* the variable was set by hand */
    return (int)fd;
}

static bool read_address(const json_t *object, struct inherited_address *ret)
{
    const char *kind = "", *configured = "", *address = "";
    int sockets = 0;

    if (json_unpack((json_t *)object, "{s:s, s:s, s:s, s:i}", "kind", &kind, "configured",
                    &configured, "address", &address, "sockets", &sockets) < 0 ||
        handover_kind_of(kind) < 0 || sockets < 1 ||
        addr_parse(slice_of(configured), 0, &ret->configured) < 0 ||
        addr_parse(slice_of(address), 0, &ret->address) < 0)
        return false;
    ret->kind = (enum virtual_server_kind)handover_kind_of(kind);
    ret->fds = malloc((size_t)sockets * sizeof(*ret->fds));
    for (int i = 0; ret->fds && i < sockets; i++)
        ret->fds[i] = -1;
    ret->fds_count = (unsigned)sockets;
    return ret->fds != NULL;
}

static bool read_addresses(const json_t *list, struct inherited_sockets *ret)
{
    size_t count = json_array_size(list);

    ret->items = calloc(count + 1, sizeof(*ret->items));
    for (size_t i = 0; ret->items && i < count; i++) {
        if (!read_address(json_array_get(list, i), &ret->items[i]))
            return false;
        ret->count++;
    }
    return ret->items != NULL;
}

static bool take_sockets(struct former *former)
{
    struct handover_fds fds = { .count = 0 };
    size_t next = 0;

    for (size_t i = 0; i < former->sockets.count; i++)
        for (unsigned k = 0; k < former->sockets.items[i].fds_count; k++) {
            if (next == fds.count) {
                json_decref(handover_receive(former->socket, &fds));
                next = 0;
            }
            if (fds.count == 0)
                return false;
            former->sockets.items[i].fds[k] = fds.items[next++];
        }
    return next == fds.count;
}

static bool take_message(struct former *former)
{
    struct handover_fds fds;
    json_t *message = handover_receive(former->socket, &fds);
    json_int_t files = 0, age_ms = 0;
    int pid = 0;
    bool done;

    if (fds.count > 0)
        former->lock_fd = fds.items[0];
    if (fds.count > 1)
        former->stderr_fd = fds.items[1];
    done = fds.count == 2 && handover_says(message, "take") &&
           json_unpack(message, "{s:i, s:I, s:I}", "pid", &pid, "spool_files", &files,
                       "ticket_key_age_ms", &age_ms) == 0 &&
           read_addresses(json_object_get(message, "addresses"), &former->sockets);
    former->pid = pid;
    former->spool_files_count = (uint64_t)files;
    former->ticket_key_age_ms = (uint64_t)age_ms;
    json_decref(message);
    return done;
}

static bool take_keys(struct former *former)
{
    long n =
        handover_receive_bytes(former->socket, former->ticket_keys, sizeof(former->ticket_keys));

    former->ticket_keys_bytes = n > 0 ? (size_t)n : 0;
    return n > 0;
}

bool former_meet(struct former **ret, char *error, size_t error_size)
{
    int fd = find_socket();
    struct former *former;

    *ret = NULL;
    if (fd < 0)
        return true;
    former = calloc(1, sizeof(*former));
    if (!former) {
        (void)close(fd);
        return false;
    }
    former->socket = fd;
    former->lock_fd = former->stderr_fd = -1;
    *ret = former;
    if (handover_send(fd, json_pack("{s:s, s:[i]}", "say", "hello", "formats", HANDOVER_FORMAT),
                      NULL) == 0 &&
        take_message(former) && take_keys(former) && take_sockets(former))
        return true;
    snprintf(error, error_size, "upgrade: the former process hands nothing over, or no more");
    return false;
}

/* ---- taking its place ---------------------------------------------------------------------- */

static bool was_told_to_end(int signals_fd)
{
    struct signalfd_siginfo info;

    while (read(signals_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT || info.ssi_signo == SIGQUIT)
            return true;
    return false;
}

bool former_wait(struct former *former, int signals_fd, char *error, size_t error_size)
{
    struct pollfd fds[] = { { .fd = former->socket, .events = POLLIN },
                            { .fd = signals_fd, .events = POLLIN } };
    json_t *message;
    bool goes = handover_send(former->socket, json_pack("{s:s}", "say", "prepared"), NULL) == 0;

    while (goes && !fds[0].revents) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            goes = false;
        if (fds[1].revents && was_told_to_end(signals_fd)) {
            snprintf(error, error_size, "upgrade: told to end before this process served");
            return false;
        }
    }
    message = goes ? handover_receive(former->socket, NULL) : NULL;
    goes = handover_says(message, "go");
    json_decref(message);
    if (!goes)
        snprintf(error, error_size, "upgrade: the former process does not give way any more");
    else
        (void)dup2(former->stderr_fd, STDERR_FILENO); /* both are open: it cannot fail */
    return goes;
}

void former_replace(struct former *former)
{
    json_t *taken = json_array();

    for (size_t i = 0; i < former->sockets.count; i++)
        json_array_append_new(taken, json_boolean(former->sockets.items[i].is_taken));
    inherited_sockets_done(&former->sockets); /* before the other accepts from what it keeps */
    if (former->stderr_fd >= 0)
        (void)close(former->stderr_fd);
    former->stderr_fd = -1;
    /* when it has ended meanwhile, all the better */
    (void)handover_send(
        former->socket,
        json_pack("{s:s, s:o, s:s}", "say", "serving", "taken", taken, "version", HOPGATE_VERSION),
        NULL);
}

void former_on_poll(struct former *former)
{
    log_error(LOG_LEVEL_NOTICE, "upgrade: the former process, %d, has ended", (int)former->pid);
    (void)close(former->socket);
    former->socket = -1;
}

int former_fd(const struct former *former)
{
    return former ? former->socket : -1;
}

void former_stop(const struct former *former)
{
    if (former_fd(former) >= 0) /* it may end at this moment */
        (void)handover_send(former->socket, json_pack("{s:s}", "say", "stop"), NULL);
}

void former_free(struct former *former)
{
    if (!former)
        return;
    inherited_sockets_done(&former->sockets);
    explicit_bzero(former->ticket_keys, sizeof(former->ticket_keys));
    if (former->lock_fd >= 0)
        (void)close(former->lock_fd);
    if (former->stderr_fd >= 0)
        (void)close(former->stderr_fd);
    if (former->socket >= 0)
        (void)close(former->socket);
    free(former);
}
