#include "proxy/gateway/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/log_rate.h"

struct control_conn {
    int fd; /* -1: free */
    uint64_t deadline_ms;
    bool waits;    /* for control_settle */
    char *request; /* NULL once understood */
    size_t request_length;
    char *answer; /* NULL until then */
    size_t answer_length, answer_sent;
};

struct control {
    control_answer *answer;
    void *owner;
    int directory_fd; /* the prefix */
    int fd;           /* listens; -1: another process does */
    bool is_published;
    uint64_t accept_at_ms; /* not before: the last attempt failed, and another one would at once */
    struct log_rate refused_told;
    struct control_conn conns[CONTROL_CONNECTIONS_MAX];
};

/* ---- the socket ---------------------------------------------------------------------------- */

static const char unpublished[] = CONTROL_SOCKET ".new";

/* A prefix may be longer than sun_path: its descriptor names it in a few bytes. */
static int listen_below(int directory_fd)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;
    mode_t before;

    if (fd < 0)
        return -errno;
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", directory_fd,
             unpublished);
    (void)unlinkat(directory_fd, unpublished, 0); /* usually there is none */
    before = umask(0177); /* never reachable for others, not even at first */
    r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
    (void)umask(before);
    if (r == 0 && listen(fd, CONTROL_CONNECTIONS_MAX) < 0)
        r = -errno;
    if (r == 0)
        return fd;
    (void)close(fd);
    return r;
}

struct control *control_open(const char *prefix, control_answer *answer, void *owner, char *error,
                             size_t error_size)
{
    struct control *control = calloc(1, sizeof(*control));

    if (!control) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    control->answer = answer;
    control->owner = owner;
    for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
        control->conns[i].fd = -1;
    control->directory_fd = open(prefix, O_PATH | O_DIRECTORY | O_CLOEXEC);
    control->fd = control->directory_fd < 0 ? -errno : listen_below(control->directory_fd);
    if (control->fd >= 0)
        return control;
    snprintf(error, error_size, "cannot create %s/%s: %s", prefix, CONTROL_SOCKET,
             strerror(-control->fd));
    if (control->directory_fd >= 0)
        (void)close(control->directory_fd);
    free(control);
    return NULL;
}

static void drop(struct control_conn *conn)
{
    if (conn->fd < 0)
        return;
    (void)close(conn->fd);
    free(conn->request);
    free(conn->answer);
    *conn = (struct control_conn){ .fd = -1 };
}

void control_close(struct control *control)
{
    if (!control)
        return;
    for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
        drop(&control->conns[i]);
    if (control->fd >= 0) {
        (void)unlinkat(control->directory_fd, control->is_published ? CONTROL_SOCKET : unpublished,
                       0);
        (void)close(control->fd);
    }
    (void)close(control->directory_fd);
    free(control);
}

int control_publish(struct control *control)
{
    if (renameat(control->directory_fd, unpublished, control->directory_fd, CONTROL_SOCKET) < 0)
        return -errno;
    control->is_published = true;
    return 0;
}

void control_leave(struct control *control)
{
    (void)close(control->fd);
    control->fd = -1;
}

int control_come_back(struct control *control)
{
    int fd = listen_below(control->directory_fd);

    if (fd < 0)
        return fd;
    (void)close(control->fd);
    control->fd = fd;
    return control_publish(control);
}

/* ---- polling ------------------------------------------------------------------------------- */

static bool has_room(const struct control *control)
{
    for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
        if (control->conns[i].fd < 0)
            return true;
    return false;
}

static bool is_paused(const struct control *control)
{
    return clock_now_ms() < control->accept_at_ms;
}

size_t control_poll_fds(const struct control *control, struct pollfd *fds)
{
    size_t count = 0;

    for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
        const struct control_conn *conn = &control->conns[i];

        if (conn->fd >= 0)
            fds[count++] =
                (struct pollfd){ .fd = conn->fd,
                                 .events = conn->waits    ? 0 /* that it is gone is told unasked */
                                           : conn->answer ? POLLOUT
                                                          : POLLIN };
    }
    if (has_room(control) && control->fd >= 0 && !is_paused(control))
        fds[count++] = (struct pollfd){ .fd = control->fd, .events = POLLIN };
    return count;
}

int control_timeout_ms(const struct control *control)
{
    uint64_t now = clock_now_ms();
    uint64_t first = control->accept_at_ms > now ? control->accept_at_ms : UINT64_MAX;

    for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
        if (control->conns[i].fd >= 0 && control->conns[i].deadline_ms < first)
            first = control->conns[i].deadline_ms;
    if (first == UINT64_MAX)
        return -1;
    return first > now ? (int)(first - now) : 0;
}

/* ---- a connection -------------------------------------------------------------------------- */

/* Who waits stays in the backlog, and poll would say so without end. */
static void pause_accept(struct control *control, int error)
{
    uint64_t now_ms = clock_now_ms(), untold;

    control->accept_at_ms = now_ms + CONTROL_ACCEPT_PAUSE_MS;
    if (log_rate_allows(&control->refused_told, now_ms, &untold))
        log_error(
            LOG_LEVEL_WARN,
            "nobody is let in at %s: %s, %llu more since the last such line; the limit of open "
            "files may be too low (ulimit -n, LimitNOFILE=)",
            CONTROL_SOCKET, strerror(error), (unsigned long long)untold);
}

static void accept_one(struct control *control)
{
    int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
        pause_accept(control, errno);
    for (size_t i = 0; fd >= 0 && i < CONTROL_CONNECTIONS_MAX; i++) {
        struct control_conn *conn = &control->conns[i];

        if (conn->fd >= 0)
            continue;
        conn->request = malloc(CONTROL_REQUEST_MAX);
        if (!conn->request)
            break;
        conn->fd = fd;
        conn->deadline_ms = clock_now_ms() + CONTROL_TIMEOUT_MS;
        return;
    }
    if (fd >= 0)
        (void)close(fd);
}

json_t *control_refuse(const char *reason)
{
    return json_pack("{s:b, s:s}", "ok", 0, "error", reason);
}

static json_t *answer_to(struct control *control, const char *text, size_t length)
{
    json_error_t error;
    json_t *request = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error), *answer;

    if (!json_is_object(request)) {
        json_decref(request);
        return control_refuse("the request is no JSON object");
    }
    answer = control->answer(control->owner, request);
    json_decref(request);
    return answer ? answer : control_refuse("out of memory");
}

/* Takes the answer. */
static void set_answer(struct control_conn *conn, json_t *answer)
{
    conn->waits = false;
    conn->answer = json_dumps(answer, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(answer);
    if (!conn->answer) {
        drop(conn);
        return;
    }
    conn->answer_length = strlen(conn->answer);
    conn->deadline_ms =
        clock_now_ms() + CONTROL_TIMEOUT_MS; /* what the hop took is not the client's */
}

static void answer_request(struct control *control, struct control_conn *conn)
{
    json_t *answer = answer_to(control, conn->request, conn->request_length);

    free(TAKE(conn->request));
    if (!json_is_null(answer)) {
        set_answer(conn, answer);
        return;
    }
    conn->waits = true;
    conn->deadline_ms = UINT64_MAX;
    json_decref(answer);
}

static void send_answer(struct control_conn *conn)
{
    while (conn->answer_sent < conn->answer_length) {
        ssize_t n = send(conn->fd, conn->answer + conn->answer_sent,
                         conn->answer_length - conn->answer_sent, MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            break;
        conn->answer_sent += (size_t)n;
    }
    drop(conn);
}

static void read_request(struct control *control, struct control_conn *conn)
{
    size_t room = CONTROL_REQUEST_MAX - conn->request_length;
    ssize_t n = recv(conn->fd, conn->request + conn->request_length, room, 0);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        drop(conn);
        return;
    }
    conn->request_length += (size_t)n;
    if (!memchr(conn->request, '\n', conn->request_length)) {
        if (conn->request_length == CONTROL_REQUEST_MAX)
            drop(conn);
        return;
    }
    answer_request(control, conn);
    if (conn->answer)
        send_answer(conn);
}

void control_settle(struct control *control, json_t *answer)
{
    for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
        struct control_conn *conn = &control->conns[i];

        if (conn->fd < 0 || !conn->waits)
            continue;
        set_answer(conn, json_incref(answer));
        if (conn->answer)
            send_answer(conn);
    }
    json_decref(answer);
}

void control_on_poll(struct control *control, const struct pollfd *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!fds[i].revents)
            continue;
        if (fds[i].fd == control->fd) {
            accept_one(control);
            continue;
        }
        for (size_t k = 0; k < CONTROL_CONNECTIONS_MAX; k++) {
            struct control_conn *conn = &control->conns[k];

            if (conn->fd != fds[i].fd)
                continue;
            if (conn->waits)
                drop(conn); /* it has gone */
            else if (conn->answer)
                send_answer(conn);
            else
                read_request(control, conn);
            break;
        }
    }
    for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
        if (control->conns[i].fd >= 0 && clock_now_ms() >= control->conns[i].deadline_ms)
            drop(&control->conns[i]);
}
