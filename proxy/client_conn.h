/*
 * client_conn: one accepted HTTP/1 connection of a client, from handshake to last response.
 *
 * Role    reads one request after the other (keep-alive, pipelining), gives each to an exchange,
 *         closes when a timer, the client, the hop or HTTP says so
 * Owns    its stream, and the exchange it serves at the moment
 * Thread  one worker
 *
 *   HANDSHAKE -> IDLE -> HEAD -> EXCHANGE -> IDLE ...        [on_event, open_exchange, read_head, done]
 *   any state -> closed and freed                            [close_conn]
 *
 * While an exchange runs one receive stays armed: it tells when the client goes away; bytes of a
 * pipelined request are held (at most one read) and parsed when the exchange is over.
 */
#ifndef PROXY_CLIENT_CONN_H
#define PROXY_CLIENT_CONN_H

#include "core/loop.h"
#include "proxy/http1_endpoint.h"

struct exchange;
struct virtual_server;
struct worker;

enum client_conn_state {
    CLIENT_CONN_HANDSHAKE,
    CLIENT_CONN_IDLE,
    CLIENT_CONN_HEAD,
    CLIENT_CONN_EXCHANGE,
};

struct client_conn {
    struct http1_endpoint endpoint; /* first */
    struct worker *worker;
    const struct virtual_server *virtual_server;
    enum client_conn_state state;
    struct exchange *exchange; /* NULL unless HEAD or EXCHANGE */
    uint32_t requests_count;
    struct timer timer; /* handshake, head or keep-alive: one at a time */
    struct task next_task;
    struct client_conn *next, *prev; /* in the worker's list */
    struct deferred deferred;
};

/* Takes the stream of a new connection. Without memory the connection is closed. */
void client_conn_start(struct worker *worker, const struct virtual_server *virtual_server,
                       struct stream *stream);

/* Ends the connection and what it carries, at once. */
void client_conn_abort(struct client_conn *conn);

/* The hop drains: closes at once between two requests, else after the present one; a new connection
 * has a moment to send its first. */
void client_conn_drain(struct client_conn *conn);

#endif
