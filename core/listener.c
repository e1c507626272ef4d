#include "core/listener.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/addr.h"
#include "core/conn.h"
#include "core/log.h"
#include "core/log_rate.h"

enum {
    ACCEPTED_PER_TURN_MAX = 64, /* the rest waits one turn, so that traffic goes on */
    REARM_PAUSE_MS = 50,        /* after the descriptors or the room ran out */
    LOOK_AGAIN_MS = 100,        /* at a queue that another process may have been woken for */
};

struct listener {
    struct ring_user user;
    struct loop *loop;
    int fd;
    bool stopping;
    bool is_shared;                  /* another process accepts from the socket, too */
    void (*on_stopped)(void *owner); /* finishing; else NULL */
    bool multishot, cancelling;      /* of the accept in flight */
    struct sockaddr_storage local;
    bool local_is_exact; /* bound to one address: connections need not be asked for theirs */
    int *accepted;       /* descriptors waiting for their turn */
    unsigned accepted_first, accepted_end, accepted_capacity;
    void *owner;
    void (*on_accept)(void *owner, struct stream *stream);
    size_t (*room)(void *owner); /* NULL: any number */
    struct log_rate failures_told;
    struct task task, next_turn_task;
    struct timer rearm_timer, look_timer;
    const _Atomic bool *is_shared_yet; /* of look_timer; NULL: not so */
    struct deferred deferred;
};

/* ---- binding ------------------------------------------------------------------------------- */

static int open_bound(const struct sockaddr_storage *address, bool shared, bool ipv6_only)
{
    const int on = 1, low_water = CONN_NOT_SENT_LOW_WATER, only = ipv6_only;
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (shared)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (address->ss_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
    /* accepted sockets inherit both */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &low_water, sizeof(low_water));
    if (bind(fd, (const struct sockaddr *)address, addr_length(address)) < 0) {
        int r = -errno;

        (void)close(fd);
        return r;
    }
    return fd;
}

/* SO_REUSEADDR lets two sockets bind the same address as long as neither listens; listening on the
 * unshared one is what detects a rival. */
static int probe(struct sockaddr_storage *address, const struct listener_options *options)
{
    socklen_t length = sizeof(*address);
    int fd = open_bound(address, false, options->ipv6_only);
    int r = 0;

    if (fd < 0)
        return fd;
    if (listen(fd, 1) < 0 || getsockname(fd, (struct sockaddr *)address, &length) < 0)
        r = -errno;
    (void)close(fd);
    return r;
}

int listener_bind(struct sockaddr_storage *address, const struct listener_options *options,
                  int *fds, unsigned count)
{
    int r = probe(address, options);
    unsigned opened = 0;

    while (r == 0 && opened < count) {
        int fd = open_bound(address, true, options->ipv6_only);

        if (fd < 0) {
            r = fd;
            break;
        }
        fds[opened++] = fd;
        if (listen(fd, options->backlog) < 0)
            r = -errno;
    }
    while (r < 0 && opened > 0)
        (void)close(fds[--opened]);
    return r;
}

int listener_join(const struct sockaddr_storage *address, const struct listener_options *options)
{
    return open_bound(address, true, options->ipv6_only);
}

/* ---- accepting ----------------------------------------------------------------------------- */

static size_t room_of(const struct listener *listener)
{
    return listener->room ? listener->room(listener->owner) : SIZE_MAX;
}

/* A multishot accept takes whatever comes until it is cancelled: with little room one at a time. */
static void arm_accept(struct listener *listener, size_t room)
{
    listener->multishot = room > LISTENER_BURST_MAX;
    listener->cancelling = false;
    if (ring_accept(listener->loop->ring, &listener->user, listener->fd, listener->multishot) < 0)
        loop_timer_set(listener->loop, &listener->rearm_timer, REARM_PAUSE_MS);
}

static void cancel_accept(struct listener *listener)
{
    if (listener->cancelling)
        return;
    listener->cancelling = ring_cancel_fd(listener->loop->ring, &listener->user, listener->fd) == 0;
    if (!listener->cancelling) /* the submission queue was full */
        loop_post_flush(listener->loop, &listener->next_turn_task);
}

static void tell_failure(struct listener *listener, int error)
{
    uint64_t untold;

    if (log_rate_allows(&listener->failures_told, listener->loop->now_ms, &untold))
        log_error(LOG_LEVEL_CRIT, "accept4() failed (%d: %s), %llu more since the last such line",
                  error, strerror(error), (unsigned long long)untold);
}

static int remember(struct listener *listener, int fd)
{
    if (listener->accepted_end == listener->accepted_capacity) {
        unsigned capacity = listener->accepted_capacity ? listener->accepted_capacity * 2 : 64;
        int *grown = realloc(listener->accepted, capacity * sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        listener->accepted = grown;
        listener->accepted_capacity = capacity;
    }
    listener->accepted[listener->accepted_end++] = fd;
    return 0;
}

static void on_completion(struct ring_user *user, const struct completion *completion)
{
    struct listener *listener = (struct listener *)((char *)user - offsetof(struct listener, user));

    if (completion->kind == OP_ACCEPT && completion->result >= 0 &&
        (listener->stopping || remember(listener, completion->result) < 0))
        (void)close(completion->result);
    /* out of descriptors or memory ends the accept; a moment later there may be some again */
    if (completion->kind == OP_ACCEPT && completion->result < 0 && !completion->more &&
        !listener->stopping && !listener->on_stopped && !listener->cancelling) {
        tell_failure(listener, -completion->result);
        loop_timer_set(listener->loop, &listener->rearm_timer, REARM_PAUSE_MS);
    }
    loop_post(listener->loop, &listener->task);
}

static void hand_over_one(struct listener *listener, int fd)
{
    struct stream *stream =
        conn_accepted(listener->loop, fd, listener->local_is_exact ? &listener->local : NULL);

    if (stream)
        listener->on_accept(listener->owner, stream);
}

/* Each is taken out before on_accept sees it, which may stop this listener and thereby come back. */
static void hand_over(struct listener *listener, unsigned count_max)
{
    while (count_max-- > 0 && listener->accepted_first < listener->accepted_end &&
           (listener->stopping || listener->on_stopped || room_of(listener) > 0))
        hand_over_one(listener, listener->accepted[listener->accepted_first++]);
    if (listener->accepted_first == listener->accepted_end)
        listener->accepted_first = listener->accepted_end = 0;
}

static void free_listener(struct deferred *deferred)
{
    struct listener *listener =
        (struct listener *)((char *)deferred - offsetof(struct listener, deferred));

    listener->loop->objects--;
    free(listener->accepted);
    free(listener);
}

static void finish_if_idle(struct listener *listener)
{
    if (listener->user.ops_in_flight > 0 || listener->fd < 0)
        return;
    (void)close(listener->fd);
    listener->fd = -1;
    timer_cancel(&listener->rearm_timer);
    timer_cancel(&listener->look_timer);
    ring_leave(listener->loop->ring, &listener->user);
    loop_forget(listener->loop, &listener->task);
    loop_forget(listener->loop, &listener->next_turn_task);
    loop_free_later(listener->loop, &listener->deferred);
}

static void accept_as_room_allows(struct listener *listener)
{
    size_t room = room_of(listener);
    bool in_flight = listener->user.ops_in_flight > 0;

    if (in_flight && room <= LISTENER_BURST_MAX && (listener->multishot || room == 0))
        cancel_accept(listener);
    if (room == 0)
        loop_timer_set(listener->loop, &listener->rearm_timer, REARM_PAUSE_MS);
    else if (listener->accepted_end > 0)
        loop_post_flush(listener->loop, &listener->next_turn_task);
    else if (!in_flight && !timer_is_armed(&listener->rearm_timer))
        arm_accept(listener, room);
}

/*
 * Nothing but closing ends a listening socket, and closing it resets what is in its queue. So first no
 * SYN passes any more (its sender tries again a second later, and is refused then). A handshake that
 * has begun may still be completed.
 */
static int drop_syns(int fd)
{
    enum { TCP_FLAGS_OFFSET = 13 }; /* a filter sees the TCP header first */
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, TCP_FLAGS_OFFSET),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, TH_SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    const struct sock_fprog filter = { .len = sizeof(steps) / sizeof(steps[0]), .filter = steps };

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0 ? -errno : 0;
}

int listener_set_silent(struct listener *listener, bool is_silent)
{
    const int unused = 0;

    if (is_silent)
        return drop_syns(listener->fd);
    if (setsockopt(listener->fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)) < 0)
        return errno == ENOENT ? 0 : -errno;
    return 0;
}

static void take_from_kernel(struct listener *listener)
{
    int fd;

    if (fcntl(listener->fd, F_SETFL, O_NONBLOCK) < 0)
        return;
    while (room_of(listener) > 0) {
        fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            hand_over_one(listener, fd);
        else if (errno != ECONNABORTED)
            return;
    }
}

/* What is in the queue of a shared socket is for the other process. */
static void go_on_finishing(struct listener *listener)
{
    void (*on_stopped)(void *owner) = listener->on_stopped;
    void *owner = listener->owner;

    if (listener->user.ops_in_flight > 0) {
        cancel_accept(listener);
        return;
    }
    if (!listener->is_shared)
        take_from_kernel(listener);
    listener->stopping = true;
    finish_if_idle(listener);
    on_stopped(owner);
}

static void run_task(struct task *task)
{
    struct listener *listener = (struct listener *)((char *)task - offsetof(struct listener, task));

    hand_over(listener, listener->on_stopped ? UINT_MAX : ACCEPTED_PER_TURN_MAX);
    if (listener->stopping)
        finish_if_idle(listener);
    else if (listener->on_stopped)
        go_on_finishing(listener);
    else
        accept_as_room_allows(listener);
}

/* A flush runs after everything that is ready, and what it posts waits for the next look at the
 * kernel: traffic of the connections accepted so far comes first. */
static void run_next_turn(struct task *task)
{
    struct listener *listener =
        (struct listener *)((char *)task - offsetof(struct listener, next_turn_task));

    loop_post(listener->loop, &listener->task);
}

static void on_rearm(struct timer *timer)
{
    struct listener *listener =
        (struct listener *)((char *)timer - offsetof(struct listener, rearm_timer));

    loop_post(listener->loop, &listener->task);
}

/* An accept that begins looks at the queue first. The last look comes after the other process has gone. */
static void on_look(struct timer *timer)
{
    struct listener *listener =
        (struct listener *)((char *)timer - offsetof(struct listener, look_timer));
    bool go_on = atomic_load(listener->is_shared_yet);

    if (listener->user.ops_in_flight > 0)
        cancel_accept(listener);
    if (go_on)
        loop_timer_set(listener->loop, &listener->look_timer, LOOK_AGAIN_MS);
}

struct listener *listener_start(struct loop *loop, int fd, void *owner,
                                void (*on_accept)(void *owner, struct stream *stream))
{
    struct listener *listener = calloc(1, sizeof(*listener));
    socklen_t length = sizeof(listener->local);

    if (!listener || ring_join(loop->ring, &listener->user) < 0) {
        free(listener);
        (void)close(fd);
        return NULL;
    }
    listener->user.on_completion = on_completion;
    listener->loop = loop;
    listener->fd = fd;
    listener->owner = owner;
    listener->on_accept = on_accept;
    task_init(&listener->task, run_task);
    task_init(&listener->next_turn_task, run_next_turn);
    timer_init(&listener->rearm_timer, on_rearm);
    timer_init(&listener->look_timer, on_look);
    listener->deferred.free = free_listener;
    if (getsockname(fd, (struct sockaddr *)&listener->local, &length) == 0) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&listener->local;
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&listener->local;

        listener->local_is_exact =
            (listener->local.ss_family == AF_INET && v4->sin_addr.s_addr != htonl(INADDR_ANY)) ||
            (listener->local.ss_family == AF_INET6 && !IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr));
    }
    loop->objects++;
    loop_post(loop, &listener->task);
    return listener;
}

void listener_set_room(struct listener *listener, size_t (*room)(void *owner))
{
    listener->room = room;
}

void listener_stop(struct listener *listener)
{
    assert(!listener->stopping && !listener->on_stopped);
    listener->stopping = true;
    hand_over(listener, UINT_MAX);
    timer_cancel(&listener->rearm_timer);
    timer_cancel(&listener->look_timer);
    if (listener->user.ops_in_flight > 0 &&
        ring_cancel_fd(listener->loop->ring, &listener->user, listener->fd) < 0)
        (void)shutdown(listener->fd, SHUT_RDWR);
    loop_post(listener->loop, &listener->task);
}

int listener_copy_fd(const struct listener *listener)
{
    int fd = fcntl(listener->fd, F_DUPFD_CLOEXEC, 0);

    return fd < 0 ? -errno : fd;
}

void listener_share(struct listener *listener)
{
    listener->is_shared = true;
}

void listener_look_again(struct listener *listener, const _Atomic bool *is_shared)
{
    listener->is_shared_yet = is_shared;
    loop_timer_set(listener->loop, &listener->look_timer, LOOK_AGAIN_MS);
}

void listener_finish(struct listener *listener, void (*on_stopped)(void *owner))
{
    assert(!listener->stopping && !listener->on_stopped);
    listener->on_stopped = on_stopped;
    timer_cancel(&listener->rearm_timer);
    timer_cancel(&listener->look_timer);
    /* without it who comes between the last accept and the close is reset, as anywhere else */
    if (!listener->is_shared)
        (void)drop_syns(listener->fd);
    loop_post(listener->loop, &listener->task);
}
