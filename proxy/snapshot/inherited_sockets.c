#include "proxy/snapshot/inherited_sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/addr.h"
#include "core/cleanup.h"
#include "core/listener.h"

/* The rule of reload, too: several may be configured with port 0, and are told apart by their kind
 * and order. */
static struct inherited_address *find(struct inherited_sockets *sockets,
                                      const struct virtual_server *wanted)
{
    for (size_t i = 0; i < sockets->count; i++) {
        struct inherited_address *item = &sockets->items[i];

        if (!item->is_taken && addr_equal(&item->configured, &wanted->configured) &&
            (addr_port(&wanted->configured) != 0 || item->kind == wanted->kind))
            return item;
    }
    return NULL;
}

/* Where this user may not bind the address (a hop that began as root and is not any more), the worker
 * shares a socket. */
static int one_more(const struct virtual_server *virtual_server, bool ipv6_only, unsigned number)
{
    const struct listener_options options = { .backlog = virtual_server->backlog,
                                              .ipv6_only = ipv6_only };
    int fd = listener_join(&virtual_server->address, &options);

    if (fd < 0)
        fd = fcntl(virtual_server->fds[number], F_DUPFD_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

int inherited_sockets_take(struct inherited_sockets *sockets, struct virtual_server *virtual_server,
                           bool ipv6_only, unsigned workers_count)
{
    struct inherited_address *item = find(sockets, virtual_server);
    unsigned count;
    int *grown;

    if (!item)
        return -ENOENT;
    count = item->fds_count > workers_count ? item->fds_count : workers_count;
    grown = realloc(item->fds, count * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    item->fds = NULL;
    item->is_taken = true;
    virtual_server->fds = grown;
    virtual_server->fds_count = item->fds_count;
    virtual_server->address = item->address;
    while (virtual_server->fds_count < count) {
        int fd = one_more(virtual_server, ipv6_only, virtual_server->fds_count - item->fds_count);

        if (fd < 0)
            return fd;
        virtual_server->fds[virtual_server->fds_count++] = fd;
    }
    return 0;
}

int inherited_sockets_listen(const struct virtual_server *virtual_servers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (unsigned k = 0; virtual_servers[i].fds && k < virtual_servers[i].fds_count; k++)
            if (listen(virtual_servers[i].fds[k], virtual_servers[i].backlog) < 0)
                return -errno;
    return 0;
}

void inherited_sockets_close_rest(struct inherited_sockets *sockets)
{
    for (size_t i = 0; i < sockets->count; i++) {
        struct inherited_address *item = &sockets->items[i];

        for (unsigned k = 0; item->fds && k < item->fds_count; k++)
            if (item->fds[k] >= 0)
                (void)close(item->fds[k]);
        free(TAKE(item->fds));
    }
}

void inherited_sockets_done(struct inherited_sockets *sockets)
{
    inherited_sockets_close_rest(sockets);
    free(sockets->items);
    *sockets = (struct inherited_sockets){ 0 };
}
