/* listener: an address of the origin: who connects is accepted, refused, or never answered. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/addr.h"
#include "core/cleanup.h"
#include "tools/origin/origin_priv.h"

enum { BACKLOG = 4096 };

static const struct listener_options options = { .backlog = BACKLOG };

static void on_accept(void *owner, struct stream *stream)
{
    origin_conn_begin(owner, stream);
}

static size_t room(void *owner)
{
    const struct origin *origin = ((struct origin_listener *)owner)->origin;

    return origin->conns_count < origin->conns_max ? origin->conns_max - origin->conns_count : 0;
}

int origin_listener_open(struct origin_listener *listener, char *error, size_t error_size)
{
    char text[ADDR_TEXT_MAX];
    int listening, r = listener_bind(&listener->address, &options, &listening, 1);

    listener->fd = -1;
    if (r == 0) {
        (void)close(listening); /* whether anybody listens is the script's to say */
        listener->fd = listener_join(&listener->address, &options);
        r = listener->fd < 0 ? listener->fd : origin_listener_follow(listener);
    }
    if (r == 0)
        return 0;
    snprintf(error, error_size, "cannot listen on %s: %s",
             addr_format(&listener->address, text, sizeof(text)), strerror(-r));
    return -1;
}

static int start(struct origin_listener *listener)
{
    int fd;

    if (listener->listener)
        return 0;
    fd = listener_join(&listener->address, &options);
    if (fd < 0)
        return fd;
    if (listen(fd, BACKLOG) < 0) {
        int r = -errno;

        (void)close(fd);
        return r;
    }
    listener->has_small_buffer = false;
    listener->listener = listener_start(listener->origin->loop, fd, listener, on_accept);
    if (!listener->listener)
        return -ENOMEM;
    listener_set_room(listener->listener, room);
    return 0;
}

/* The loop closes its socket a little later; whoever said "refused" expects it with the next SYN. */
static void stop(struct origin_listener *listener)
{
    int fd = listener->listener ? listener_copy_fd(listener->listener) : -1;

    if (fd >= 0) {
        (void)shutdown(fd, SHUT_RDWR); /* Linux: it listens no more */
        (void)close(fd);
    }
    if (listener->listener)
        listener_stop(listener->listener);
    listener->listener = NULL;
}

/* A window that was offered cannot be taken back, so it must be small before anybody connects. */
static void set_receive_buffer(struct origin_listener *listener, const struct fault *fault)
{
    int bytes = fault ? (int)fault->receive_buffer_bytes : 0, fd;

    fd = bytes > 0 ? listener_copy_fd(listener->listener) : -1;
    if (fd < 0)
        return;
    listener->has_small_buffer = setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) == 0;
    (void)close(fd);
}

int origin_listener_follow(struct origin_listener *listener)
{
    const struct fault *fault = listener->script->fault;
    enum fault_listen listen = fault ? fault->listen : FAULT_LISTEN_TCP;
    int r;

    if (listen != FAULT_LISTEN_TCP && listen != FAULT_LISTEN_BLACKHOLE) {
        if (listener->listener)
            (void)logbook_count_fault(listener->origin->logbook, fault->name);
        stop(listener);
        return 0;
    }
    if (listener->has_small_buffer) /* the system's own size comes with a new socket only */
        stop(listener);
    r = start(listener);
    if (r < 0)
        return r;
    set_receive_buffer(listener, fault);
    return listener_set_silent(listener->listener, listen == FAULT_LISTEN_BLACKHOLE);
}

void origin_listener_set_script(struct origin_listener *listener, struct script *script)
{
    script_unref(listener->script);
    listener->script = script;
}

void origin_listener_close(struct origin_listener *listener)
{
    stop(listener);
    if (listener->fd >= 0)
        (void)close(listener->fd);
    script_unref(TAKE(listener->script));
    script_unref(TAKE(listener->first_script));
}
