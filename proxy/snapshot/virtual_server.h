/*
 * virtual_server: one address to listen on, with its TLS and its persona.
 *
 * Role    what a client connection is served by
 * Owns    the TLS configuration reference; the descriptors until a worker takes its own
 * Thread  built on the main thread, read by all workers
 */
#ifndef PROXY_VIRTUAL_SERVER_H
#define PROXY_VIRTUAL_SERVER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "proxy/persona/persona.h"
#include "tls/tls.h"

enum virtual_server_kind {
    VIRTUAL_SERVER_PROXY,       /* requests are routed to targets */
    VIRTUAL_SERVER_PASSTHROUGH, /* of stream_listen: TLS is not ended here */
    VIRTUAL_SERVER_TCP, /* of proxy_listen, with a persona of layer tcp: bytes are relayed, see passthrough */
    VIRTUAL_SERVER_STATUS, /* requests are answered here: status_api.h */
    VIRTUAL_SERVER_ADMIN,  /* and these by the config thread: config/admin/admin.h */
};

/* Requests are answered by the hop itself, as an operator wants it. */
static inline bool virtual_server_kind_is_local(enum virtual_server_kind kind)
{
    return kind == VIRTUAL_SERVER_STATUS || kind == VIRTUAL_SERVER_ADMIN;
}

struct virtual_server {
    enum virtual_server_kind kind;
    struct sockaddr_storage configured; /* as it was asked for, port 0 included */
    struct sockaddr_storage address;    /* port filled in when the system chose it */
    uint16_t port;                      /* what clients believe it to be (port_maps) */
    const struct persona *persona;
    struct tls_server_config *tls; /* NULL: plain HTTP */
    bool proxy_protocol;           /* connections begin with its header, and from trusted_ips */
    bool draws_on_reserve; /* of connections: still served when clients have taken the rest */
    int backlog;
    int *fds; /* of a new address; number i is for worker i % workers_count, -1 once taken; NULL:
               * inherited */
    unsigned fds_count; /* one per worker; more when a former process had more workers */
    size_t heir_of;     /* inherited: index in the former snapshot's virtual servers */
};

#endif
