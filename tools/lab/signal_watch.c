#include "tools/lab/signal_watch.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct signal_watch {
    struct ring_user user;
    struct loop *loop;
    int fd;
    struct signalfd_siginfo info;
};

static void on_completion(struct ring_user *user, const struct completion *completion)
{
    struct signal_watch *watch =
        (struct signal_watch *)((char *)user - offsetof(struct signal_watch, user));

    if (completion->kind == OP_DOORBELL && completion->result > 0)
        loop_stop(watch->loop);
}

int signal_watch_start(struct loop *loop, struct signal_watch **ret)
{
    struct signal_watch *watch = calloc(1, sizeof(*watch));
    sigset_t set;
    int r;

    if (!watch)
        return -ENOMEM;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGQUIT);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    watch->loop = loop;
    watch->user.on_completion = on_completion;
    watch->fd = signalfd(-1, &set, SFD_CLOEXEC);
    r = watch->fd < 0 ? -errno : ring_join(loop->ring, &watch->user);
    if (r < 0) {
        if (watch->fd >= 0)
            (void)close(watch->fd);
        free(watch);
        return r;
    }
    r = ring_read(loop->ring, &watch->user, watch->fd, &watch->info, sizeof(watch->info));
    *ret = watch;
    if (r < 0) {
        signal_watch_stop(watch);
        *ret = NULL;
    }
    return r;
}

void signal_watch_stop(struct signal_watch *watch)
{
    if (!watch)
        return;
    if (watch->user.ops_in_flight > 0)
        (void)ring_cancel_fd(watch->loop->ring, &watch->user, watch->fd);
    while (watch->user.ops_in_flight > 0)
        if (ring_wait(watch->loop->ring, 1000) < 0)
            break;
    ring_leave(watch->loop->ring, &watch->user);
    (void)close(watch->fd);
    free(watch);
}

int signal_watch_signal(const struct signal_watch *watch)
{
    return (int)watch->info.ssi_signo;
}
