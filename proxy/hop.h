/*
 * hop: everything of this process that does not change while it serves.
 *
 * Role    settings, persona, entities and what is compiled from them, shared by all workers
 * Owns    all it points to, until hop_done
 * Thread  built on the main thread before the workers start, then read-only
 */
#ifndef PROXY_HOP_H
#define PROXY_HOP_H

#include <stdatomic.h>
#include <stdbool.h>

#include "config/config.h"
#include "core/log.h"
#include "proxy/persona.h"
#include "proxy/real_ip.h"
#include "proxy/virtual_server.h"

struct access_log_format;
struct router;
struct service_plan;
struct hop {
    const struct settings *settings; /* borrowed from the caller of gateway_run */
    const struct config *config;     /* likewise */
    struct persona *persona;
    struct slice name;
    struct router *router;
    struct service_plan *services; /* parallel to config->services */
    struct real_ip_settings real_ip;
    struct sockaddr_storage upstream_bind; /* source address; AF_UNSPEC: none */
    uint64_t drain_timeout_ms;
    uint32_t tick_ms; /* of timers */
    struct virtual_server *virtual_servers;
    size_t virtual_servers_count;
    unsigned workers_count;
    struct tls_ticket_keys *ticket_keys;
    struct log_file *access_log, *error_log;
    const struct access_log_format *access_log_format;
    _Atomic uint64_t exchanges_count; /* numbers given out */
};

#endif
