/*
 * client_conn: one accepted HTTP/1 connection of a client, from handshake to last response.
 *
 * Role    reads one request after the other (keep-alive, pipelining), gives each to an exchange,
 *         closes when a timer, the client, the hop or HTTP says so
 * Owns    its stream, and the exchange it serves at the moment
 * Thread  one worker
 *
 *   CONNECTED -> HANDSHAKE -> IDLE -> HEAD -> EXCHANGE -> IDLE ...
 *     [until IDLE: client_opening.c; then client_conn_open_exchange, read_head, done]
 *   any state -> closed and freed     [client_conn_close]
 *
 * A TLS connection is CONNECTED until its first byte: what a handshake needs is twenty times what an
 * idle connection does, and who opens thousands and says nothing is not to get it. Plain ones begin
 * in IDLE.
 *
 * While an exchange runs one receive stays armed: it tells when the client goes away; bytes of a
 * pipelined request are held (at most one read) and parsed when the exchange is over.
 */
#ifndef PROXY_CLIENT_CONN_H
#define PROXY_CLIENT_CONN_H

#include "core/loop.h"
#include "proxy/exchange/http1_endpoint.h"
#include "proxy/exchange/upstream_pin.h"

struct exchange;
struct persona_client;
struct pinned_snapshot;
struct proxy_protocol;
struct virtual_server;
struct worker;
struct worker_listener;

enum client_conn_state {
    CLIENT_CONN_PROXY_HEADER, /* waits for the PROXY protocol header */
    CLIENT_CONN_CONNECTED,    /* waits for the first byte of TLS */
    CLIENT_CONN_HANDSHAKE,
    CLIENT_CONN_IDLE,
    CLIENT_CONN_HEAD,
    CLIENT_CONN_EXCHANGE,
};

struct client_conn {
    struct http1_endpoint endpoint; /* first */
    struct worker *worker;
    struct chunk_pool *memory;                   /* what its bytes and its exchanges take from */
    struct worker_listener *listener;            /* that accepted it; held */
    struct pinned_snapshot *pinned;              /* of the next request */
    const struct virtual_server *virtual_server; /* of that snapshot */
    const struct proxy_protocol *proxy_header;   /* the stream's; NULL: none came */
    struct exchange *exchange;                   /* NULL unless HEAD or EXCHANGE */
    struct upstream_pin pin;                     /* its own connection to a target */
    enum client_conn_state state;
    uint32_t requests_count;
    uint64_t accepted_at_ms;
    bool over_tls;
    bool holds_up_drain; /* it carries traffic */
    struct timer timer;  /* handshake (from accept on), head or keep-alive: one at a time */
    struct task next_task;
    struct client_conn *next, *prev; /* in the worker's list */
    struct deferred deferred;
};

/* Takes the stream of a new connection. Without memory the connection is closed. */
void client_conn_start(struct worker_listener *listener, struct stream *stream);

/* Ends the connection and what it carries, at once. */
void client_conn_abort(struct client_conn *conn);

/* The same, because it holds memory that is needed: who got no part of an answer yet gets 503. detail
 * says how much, for the log. */
void client_conn_cut(struct client_conn *conn, const char *detail);

/* Between two requests it is closed, and before the first one when that has not come for so long.
 * False: it is not idle. */
bool client_conn_close_if_idle(struct client_conn *conn, uint64_t first_request_ms);

/* The hop drains: closes at once between two requests, else after the present one; a new connection
 * has a moment to send its first. */
void client_conn_drain(struct client_conn *conn);

/* How long a client may take for a handshake (in_tls: its ClientHello at least), or for its first
 * request. Shorter while the hop drains. */
uint64_t client_conn_first_bytes_timeout_ms(const struct worker *worker,
                                            const struct persona_client *policy, bool in_tls);

/* The worker has a new configuration. Between two requests the connection takes it up at once, else
 * after the present one; it ends where the address is not listened on any more. */
void client_conn_on_new_snapshot(struct client_conn *conn);

#endif
