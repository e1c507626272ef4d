/*
 * client_conn_priv: the inside of a client_conn.
 *
 * Role    what client_conn.c (requests, one after the other) and client_opening.c (what comes before
 *         the first: PROXY protocol header, TLS handshake) say to each other; client_conn.h has the
 *         states
 * Owns    nothing
 * Thread  one worker
 */
#ifndef PROXY_CLIENT_CONN_PRIV_H
#define PROXY_CLIENT_CONN_PRIV_H

#include "proxy/client/client_conn.h"
#include "proxy/snapshot/virtual_server.h"

static inline const struct persona_client *client_conn_policy(const struct client_conn *conn)
{
    return &conn->virtual_server->persona->client;
}

/* ---- client_conn.c ---- */

/* Frees the connection. It has no exchange any more. */
void client_conn_close(struct client_conn *conn, enum stream_close how);

/* The owner's side of the stream. */
void client_conn_on_event(void *owner, unsigned events);

/* In `state`, with the time that a client has for its first bytes. */
void client_conn_wait_for_request(struct client_conn *conn, enum client_conn_state state);

/* In IDLE. Ends the connection when that is what there is to read. */
void client_conn_start_reading(struct client_conn *conn);

/* False: no memory, and the connection is gone. */
bool client_conn_open_exchange(struct client_conn *conn, bool pipelined);

/* ---- client_opening.c; each may end the connection, with a line in the error log ---- */

void client_opening_begin(struct client_conn *conn);

/* CONNECTED, and the first byte of TLS is here. */
void client_opening_go_on(struct client_conn *conn);

/* STREAM_OPEN: the PROXY protocol header, or the handshake, is complete. */
void client_opening_done(struct client_conn *conn);

/* STREAM_OPEN_FAILED */
void client_opening_failed(struct client_conn *conn);

void client_opening_timed_out(struct client_conn *conn);

#endif
