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

#include "proxy/persona.h"
#include "tls/tls.h"

struct virtual_server {
    struct sockaddr_storage address; /* port filled in when the system chose it */
    uint16_t port;                   /* what clients believe it to be (port_maps) */
    const struct persona *persona;
    struct tls_server_config *tls; /* NULL: plain HTTP */
    int *fds;                      /* one per worker; -1 once taken */
};

#endif
