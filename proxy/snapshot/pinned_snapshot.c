#include "proxy/snapshot/pinned_snapshot.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "proxy/worker/worker.h"

static bool make_destinations(struct pinned_snapshot *pinned)
{
    const struct snapshot *snapshot = pinned->snapshot;
    size_t count = snapshot->config->services_count;
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    pinned->destinations = calloc(count + 1, sizeof(*pinned->destinations));
    if (!pinned->destinations)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct destination *destination = &pinned->destinations[i];

        destination->plan = &snapshot->services[i];
        /* workers must not all begin with the same target */
        destination->present = worker_upstream_create(
            destination->plan->set, (uint64_t)now.tv_nsec * 31 + pinned->worker->index);
        if (!destination->present)
            return false;
    }
    return true;
}

static struct worker_listener *make_listener(struct pinned_snapshot *pinned,
                                             const struct virtual_server *virtual_server)
{
    const struct worker *worker = pinned->worker;
    unsigned workers_count = worker->hop->workers_count;
    unsigned count =
        (virtual_server->fds_count - worker->index + workers_count - 1) / workers_count;
    struct worker_listener *listener =
        calloc(1, sizeof(*listener) + count * sizeof(struct listener *));

    if (!listener)
        return NULL;
    listener->worker = pinned->worker;
    listener->pinned = pinned;
    listener->virtual_server = virtual_server;
    listener->holders = 1;
    listener->sockets_count = count;
    return listener;
}

static bool make_listeners(struct pinned_snapshot *pinned)
{
    const struct snapshot *snapshot = pinned->snapshot;

    pinned->listeners =
        calloc(snapshot->virtual_servers_count + 1, sizeof(struct worker_listener *));
    if (!pinned->listeners)
        return false;
    for (size_t i = 0; i < snapshot->virtual_servers_count; i++) {
        if (!snapshot->virtual_servers[i].fds)
            continue;
        pinned->listeners[i] = make_listener(pinned, &snapshot->virtual_servers[i]);
        if (!pinned->listeners[i])
            return false;
    }
    return true;
}

void worker_listener_release(struct worker_listener *listener)
{
    assert(listener->holders > 0);
    if (--listener->holders == 0)
        free(listener);
}

static void pinned_snapshot_free(struct pinned_snapshot *pinned)
{
    struct snapshot *snapshot = pinned->snapshot;
    /* else this is the main thread, and what is idle in the worker's pool is not ours to look at */
    struct worker *worker = pinned->was_seen ? pinned->worker : NULL;

    for (size_t i = 0; pinned->destinations && i < snapshot->config->services_count; i++)
        worker_upstream_release(pinned->destinations[i].present, worker);
    for (size_t i = 0; pinned->listeners && i < snapshot->virtual_servers_count; i++)
        if (pinned->listeners[i])
            worker_listener_release(pinned->listeners[i]);
    free(pinned->destinations);
    free(pinned->listeners);
    atomic_fetch_sub_explicit(&snapshot->workers_count, 1, memory_order_acq_rel);
    free(pinned);
}

struct pinned_snapshot *pinned_snapshot_create(struct snapshot *snapshot, struct worker *worker)
{
    struct pinned_snapshot *pinned = calloc(1, sizeof(*pinned));

    if (!pinned)
        return NULL;
    pinned->snapshot = snapshot;
    pinned->worker = worker;
    pinned->pins = 1;
    atomic_fetch_add_explicit(&snapshot->workers_count, 1, memory_order_relaxed);
    if (make_destinations(pinned) && make_listeners(pinned))
        return pinned;
    pinned_snapshot_free(pinned);
    return NULL;
}

void pinned_snapshot_unpin(struct pinned_snapshot *pinned)
{
    const struct hop *hop = pinned->worker->hop;

    assert(pinned->pins > 0);
    if (--pinned->pins > 0)
        return;
    pinned_snapshot_free(pinned);
    hop_ring_doorbell(hop);
}
