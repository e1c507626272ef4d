#include "proxy/worker/worker_drain.h"

#include "proxy/worker/worker.h"

/* What those get who asked for the hop's state in its last moment, whatever they do. */
enum { FINISH_TIMEOUT_MS = 5000 };

/* At once: the rest of its queue is reset. */
void worker_stop_listeners(struct worker *worker)
{
    for (size_t i = 0; i < worker->newest->snapshot->virtual_servers_count; i++) {
        struct worker_listener *listener = worker->newest->listeners[i];

        for (unsigned k = 0; k < listener->sockets_count; k++)
            if (listener->sockets[k])
                listener_stop(TAKE(listener->sockets[k]));
    }
}

static void on_listener_stopped(void *owner)
{
    struct worker_listener *listener = owner;
    struct worker *worker = listener->worker;

    worker->listeners_finishing--;
    pinned_snapshot_unpin(listener->pinned);
    worker_listener_release(listener);
    worker_continue_drain(worker);
}

/* Those whose connections the kernel has completed are served; on_accept needs all that it has. */
void worker_finish_listener(struct worker_listener *listener)
{
    for (unsigned k = 0; k < listener->sockets_count; k++) {
        if (!listener->sockets[k])
            continue;
        listener->worker->listeners_finishing++;
        listener->holders++;
        pinned_snapshot_pin(listener->pinned);
        listener_finish(TAKE(listener->sockets[k]), on_listener_stopped);
    }
}

static void finish_listeners(struct worker *worker, bool traffic)
{
    const struct snapshot *snapshot = worker->newest->snapshot;

    for (size_t i = 0; i < snapshot->virtual_servers_count; i++)
        if ((snapshot->virtual_servers[i].kind != VIRTUAL_SERVER_STATUS) == traffic)
            worker_finish_listener(worker->newest->listeners[i]);
}

void worker_abort_clients(struct worker *worker)
{
    while (worker->clients)
        client_conn_abort(worker->clients);
    while (worker->passthroughs)
        passthrough_abort(worker->passthroughs);
}

static void end_now(struct worker *worker)
{
    if (worker->ending) /* the thread is past its loop: a stop would only make the rest spin */
        return;
    worker->draining = true;
    worker->ending = true;
    worker_stop_listeners(worker);
    worker_abort_clients(worker);
    loop_stop(worker->loop);
}

void worker_on_drain_timer(struct timer *timer)
{
    end_now((struct worker *)((char *)timer - offsetof(struct worker, drain_timer)));
}

uint64_t worker_drain_timeout_ms(const struct worker *worker)
{
    return worker->newest->snapshot->settings->hopgate_shutdown_timeout_ms;
}

static void drain_clients(struct worker *worker, bool traffic)
{
    struct client_conn *next;

    for (struct client_conn *conn = worker->clients; conn; conn = next) {
        next = conn->next;
        if (conn->holds_up_drain == traffic)
            client_conn_drain(conn);
    }
}

void worker_leave_traffic(struct worker *worker)
{
    if (!worker->has_traffic)
        return;
    worker->has_traffic = false;
    if (atomic_fetch_sub(&worker->hop->workers_with_traffic, 1) == 1)
        hop_ring_doorbell(worker->hop);
}

/* Traffic first, everywhere in the hop; who asks how it is doing is answered until there is none. */
void worker_continue_drain(struct worker *worker)
{
    if (!worker->draining || worker->listeners_finishing > 0 || worker->traffic_count > 0 ||
        worker->passthroughs)
        return;
    worker_leave_traffic(worker);
    if (worker->finishing && worker->clients_count == 0 && !worker->ending)
        loop_stop(worker->loop);
}

void worker_deliver_drain(struct mail *mail, struct loop *loop)
{
    struct worker *worker = ((struct worker_order *)mail)->worker;

    if (worker->draining)
        return;
    worker->draining = true;
    worker->drain_until_ms = loop->now_ms + worker_drain_timeout_ms(worker);
    timer_set(&loop->timers, &worker->drain_timer, worker->drain_until_ms);
    finish_listeners(worker, true);
    worker->traffic_count++; /* the list is walked: nobody else may take connections out of it */
    drain_clients(worker, true);
    for (struct passthrough *passthrough = worker->passthroughs; passthrough;
         passthrough = passthrough->next)
        passthrough_drain(passthrough);
    worker->traffic_count--;
    worker_continue_drain(worker);
}

void worker_deliver_finish(struct mail *mail, struct loop *loop)
{
    struct worker *worker = ((struct worker_order *)mail)->worker;
    uint64_t until_ms = loop->now_ms + FINISH_TIMEOUT_MS;

    if (worker->ending)
        return;
    worker->finishing = true;
    if (until_ms < worker->drain_until_ms)
        timer_set(&loop->timers, &worker->drain_timer, until_ms);
    finish_listeners(worker, false);
    worker->listeners_finishing++; /* as above */
    drain_clients(worker, false);
    worker->listeners_finishing--;
    worker_continue_drain(worker);
}

void worker_deliver_stop(struct mail *mail, struct loop *loop)
{
    (void)loop;
    end_now(((struct worker_order *)mail)->worker);
}
