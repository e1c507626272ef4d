/*
 * worker_view: what a worker carries at one instant, as copies.
 *
 * Role    what `hopgate show` prints: connections, exchanges, memory
 * Owns    its arrays
 * Thread  filled on the worker's thread (worker_call) with plain copies, so that it is held up as
 *         little as possible; read and freed on the main thread
 */
#ifndef PROXY_WORKER_VIEW_H
#define PROXY_WORKER_VIEW_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ring.h"

struct worker;

struct connection_view {
    uint64_t id;
    const char *state; /* static text */
    uint64_t age_ms;
    uint32_t requests_count;
    bool over_tls;
    struct sockaddr_storage peer, local;
    uint64_t received_bytes, sent_bytes; /* on the wire */
};

struct exchange_view {
    uint64_t number, connection_id;
    char request_id[33];
    uint64_t age_ms;
    const char *phase; /* static text: what is being waited for */
    char method[16], target[128];
    char route[64], service[64]; /* names; empty: none yet */
    struct sockaddr_storage client;
    struct sockaddr_storage upstream, upstream_local; /* AF_UNSPEC: none yet */
    uint32_t tries_count;
    uint16_t status; /* 0: none yet */
    uint64_t request_bytes, response_bytes;
};

struct worker_view {
    bool lacks_memory; /* some entries are missing */
    struct connection_view *connections;
    size_t connections_count;
    struct exchange_view *exchanges;
    size_t exchanges_count;
    /* bytes, but for the counts */
    size_t chunk_bytes, client_conn_bytes, exchange_bytes;
    uint32_t spare_exchanges_count, idle_upstream_count, receive_buffers_held[RING_RECV_SIZES];
    uint64_t configuration; /* generation in force */
    struct ring_stats ring;
};

/* False: the worker has ended. `view` is fresh memory of the caller; free with worker_view_done. */
bool worker_view_take(struct worker *worker, struct worker_view *view);
void worker_view_done(struct worker_view *view);

#endif
