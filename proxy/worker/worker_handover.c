#include "proxy/worker/worker_handover.h"

#include <errno.h>
#include <unistd.h>

#include "proxy/worker/worker.h"
#include "proxy/worker/worker_drain.h"

/* ---- the new process ----------------------------------------------------------------------- */

static void begin_to_accept(struct worker *worker, void *argument)
{
    *(bool *)argument = worker_start_listeners(worker);
}

bool worker_accept(struct worker *worker)
{
    bool done = false;

    (void)worker_call(worker, begin_to_accept, &done); /* a worker that has ended accepts nothing */
    return done;
}

/* ---- the former process -------------------------------------------------------------------- */

struct copying {
    size_t virtual_server;
    int *fds;
    unsigned max;
    int result; /* as of worker_copy_sockets */
};

static void copy_sockets(struct worker *worker, void *argument)
{
    struct copying *copying = argument;
    const struct worker_listener *listener = worker->newest->listeners[copying->virtual_server];

    copying->result = listener->sockets_count <= copying->max ? 0 : -ENOSPC;
    for (unsigned k = 0; copying->result >= 0 && k < listener->sockets_count; k++) {
        int fd = listener->sockets[k] ? listener_copy_fd(listener->sockets[k]) : -EBADF;

        if (fd >= 0) {
            copying->fds[copying->result++] = fd;
            continue;
        }
        while (copying->result > 0)
            (void)close(copying->fds[--copying->result]);
        copying->result = fd;
    }
}

int worker_copy_sockets(struct worker *worker, size_t virtual_server, int *ret_fds, unsigned max)
{
    struct copying copying = { virtual_server, ret_fds, max, -ESRCH };

    (void)worker_call(worker, copy_sockets, &copying); /* ended: the result says so */
    return copying.result;
}

static void leave_sockets(struct worker *worker, void *argument)
{
    const bool *taken = argument;
    const struct snapshot *snapshot = worker->newest->snapshot;

    worker->hands_over = true;
    for (size_t i = 0; i < snapshot->virtual_servers_count; i++) {
        struct worker_listener *listener = worker->newest->listeners[i];

        for (unsigned k = 0; taken[i] && k < listener->sockets_count; k++)
            if (listener->sockets[k])
                listener_share(listener->sockets[k]);
        /* the other process answers for the hop from now on */
        if (snapshot->virtual_servers[i].kind == VIRTUAL_SERVER_STATUS)
            worker_finish_listener(listener);
    }
}

void worker_hand_over(struct worker *worker, const bool *taken)
{
    (void)worker_call(worker, leave_sockets, (void *)taken); /* a worker that has ended has left */
    worker_drain(worker);
}
