/* inherited_sockets: which listening socket of a former process goes where. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/addr.h"
#include "core/listener.h"
#include "proxy/snapshot/inherited_sockets.h"
#include "tests/check.h"

static struct sockaddr_storage loopback(uint16_t port)
{
    struct sockaddr_storage address;

    CHECK_INT(addr_parse_ip(slice_of("127.0.0.1"), port, &address), 0);
    return address;
}

/* One that listens on a port of the system's choice with `count` sockets. */
static struct inherited_address former_address(enum virtual_server_kind kind, unsigned count)
{
    const struct listener_options options = { .backlog = 16 };
    struct inherited_address item = { .kind = kind,
                                      .configured = loopback(0),
                                      .address = loopback(0),
                                      .fds = malloc(count * sizeof(int)),
                                      .fds_count = count };

    CHECK(item.fds != NULL);
    CHECK_INT(listener_bind(&item.address, &options, item.fds, count), 0);
    return item;
}

static struct inherited_sockets sockets_of(struct inherited_address first,
                                           struct inherited_address second)
{
    struct inherited_sockets sockets = { .items = calloc(2, sizeof(*sockets.items)), .count = 2 };

    CHECK(sockets.items != NULL);
    sockets.items[0] = first;
    sockets.items[1] = second;
    return sockets;
}

static struct virtual_server wanted(enum virtual_server_kind kind)
{
    return (struct virtual_server){ .kind = kind, .configured = loopback(0), .backlog = 32 };
}

static int is_listening(int fd)
{
    int value = 0;
    socklen_t length = sizeof(value);

    CHECK_INT(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &length), 0);
    return value;
}

static void close_all(struct virtual_server *virtual_server)
{
    for (unsigned i = 0; i < virtual_server->fds_count; i++)
        close(virtual_server->fds[i]);
    free(virtual_server->fds);
}

TEST(each_place_is_taken_once_by_kind_and_order)
{
    struct inherited_sockets sockets = sockets_of(former_address(VIRTUAL_SERVER_PROXY, 2),
                                                  former_address(VIRTUAL_SERVER_STATUS, 2));
    struct virtual_server status = wanted(VIRTUAL_SERVER_STATUS),
                          proxy = wanted(VIRTUAL_SERVER_PROXY), more = proxy, named = proxy;

    CHECK_INT(inherited_sockets_take(&sockets, &status, false, 2), 0);
    CHECK_INT(inherited_sockets_take(&sockets, &proxy, false, 2), 0);
    CHECK(addr_equal(&status.address, &sockets.items[1].address));
    CHECK(addr_equal(&proxy.address, &sockets.items[0].address));
    CHECK_INT(inherited_sockets_take(&sockets, &more, false, 2), -ENOENT);
    named.configured = proxy.address; /* asked for by another name than before */
    CHECK_INT(inherited_sockets_take(&sockets, &named, false, 2), -ENOENT);
    CHECK_INT(proxy.fds_count, 2);
    close_all(&status);
    close_all(&proxy);
    inherited_sockets_done(&sockets);
}

TEST(fewer_workers_keep_every_socket)
{
    struct inherited_sockets sockets = sockets_of(former_address(VIRTUAL_SERVER_PROXY, 5),
                                                  former_address(VIRTUAL_SERVER_STATUS, 1));
    struct virtual_server proxy = wanted(VIRTUAL_SERVER_PROXY);

    CHECK_INT(inherited_sockets_take(&sockets, &proxy, false, 2), 0);
    CHECK_INT(proxy.fds_count, 5);
    close_all(&proxy);
    inherited_sockets_done(&sockets);
}

TEST(more_workers_get_sockets_that_listen_when_there_is_no_way_back)
{
    struct inherited_sockets sockets = sockets_of(former_address(VIRTUAL_SERVER_PROXY, 2),
                                                  former_address(VIRTUAL_SERVER_STATUS, 1));
    struct virtual_server proxy = wanted(VIRTUAL_SERVER_PROXY);

    CHECK_INT(inherited_sockets_take(&sockets, &proxy, false, 3), 0);
    CHECK_INT(proxy.fds_count, 3);
    CHECK_INT(is_listening(proxy.fds[0]), 1);
    CHECK_INT(is_listening(proxy.fds[2]), 0);
    CHECK_INT(inherited_sockets_listen(&proxy, 1), 0);
    CHECK_INT(is_listening(proxy.fds[2]), 1);
    close_all(&proxy);
    inherited_sockets_done(&sockets);
}

/* Where the address cannot be bound once more, the workers share what there is. */
TEST(a_worker_shares_a_socket_that_cannot_be_joined)
{
    const struct listener_options options = { .backlog = 16 };
    struct inherited_sockets sockets = sockets_of(former_address(VIRTUAL_SERVER_PROXY, 1),
                                                  former_address(VIRTUAL_SERVER_STATUS, 1));
    struct virtual_server proxy = wanted(VIRTUAL_SERVER_PROXY);
    struct sockaddr_storage own = { 0 }, former = sockets.items[0].address;
    socklen_t length = sizeof(own);

    CHECK_INT(addr_parse_ip(slice_of("192.0.2.77"), 80, &sockets.items[0].address), 0);
    CHECK(listener_join(&sockets.items[0].address, &options) < 0);
    CHECK_INT(inherited_sockets_take(&sockets, &proxy, false, 2), 0);
    CHECK_INT(is_listening(proxy.fds[1]), 1);
    CHECK_INT(getsockname(proxy.fds[1], (struct sockaddr *)&own, &length), 0);
    CHECK(addr_equal(&own, &former));
    close_all(&proxy);
    inherited_sockets_done(&sockets);
}

TESTS(TEST_CASE(each_place_is_taken_once_by_kind_and_order),
      TEST_CASE(fewer_workers_keep_every_socket),
      TEST_CASE(more_workers_get_sockets_that_listen_when_there_is_no_way_back),
      TEST_CASE(a_worker_shares_a_socket_that_cannot_be_joined))
