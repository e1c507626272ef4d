/*
 * upstream_conn: the connection to a target for one try: from the pool or new, TCP then TLS.
 *
 * Role    the back stream of an exchange; connects, hands over heads and content through
 *         http1_endpoint, and gives a reusable connection to the pool at the end
 * Owns    its stream
 * Thread  one worker
 *
 *   CLOSED -> CONNECTING -> HANDSHAKE -> OPEN -> CLOSED    [open, TCP connected, TLS done, release]
 *   CLOSED -> OPEN                                         [open, an idle connection was leased]
 *   any    -> CLOSED                                       [upstream_conn_abort]
 */
#ifndef PROXY_UPSTREAM_CONN_H
#define PROXY_UPSTREAM_CONN_H

#include "proxy/exchange/http1_endpoint.h"
#include "proxy/exchange/keepalive_hint.h"
#include "proxy/exchange/upstream_pin.h"

struct target;
struct tls_client_config;
struct worker;

enum upstream_conn_state {
    UPSTREAM_CONN_CLOSED,
    UPSTREAM_CONN_CONNECTING,
    UPSTREAM_CONN_HANDSHAKE,
    UPSTREAM_CONN_OPEN,
};

/* Where one try goes. Strings are the exchange's. */
struct upstream_goal {
    struct target *target;
    struct tls_client_config *tls; /* NULL: plain */
    const char *server_name;       /* SNI and name to verify, NUL-terminated; NULL when plain */
    const struct sockaddr_storage *bind; /* source address, or NULL */
    bool may_reuse;                      /* an idle connection will do */
    bool may_connect;                    /* a new one will do */
    struct upstream_pin *pin;            /* whose connection it is; NULL: of all of the worker */
    struct slice
        preface; /* goes out first, before TLS; such a connection says who its client is, so it
                             serves no other. Empty: none */
};

struct upstream_conn {
    struct http1_endpoint endpoint; /* first */
    struct worker *worker;
    enum upstream_conn_state state;
    struct upstream_goal goal;
    bool reused;
    uint64_t idle_ms;        /* before it was reused */
    uint32_t requests_count; /* requests that this connection carried, the present one included */
    uint64_t opened_at_ms;
    uint64_t received_at_ms; /* the latest bytes, or the end, came then */
    struct sockaddr_storage local;
    uint64_t connection_id;
};

void upstream_conn_init(struct upstream_conn *conn, struct worker *worker);

/*
 * Starts a try. An event HTTP_STREAM_OPEN or HTTP_STREAM_FAILED follows; when false is returned the
 * try has failed already (http.failure says why, unless it was not to connect) and no event comes. state tells whether the
 * connection is open at once (leased).
 */
bool upstream_conn_open(struct upstream_conn *conn, const struct upstream_goal *goal);

/* The response is complete, and more bytes came. They belong to nobody. */
bool upstream_conn_has_surplus(const struct upstream_conn *conn);

/* The response is complete. Where the target has nothing against it, see keepalive_hint, the connection
 * goes back to the pool; closed if that is full. hint NULL: it serves no other request. */
void upstream_conn_release(struct upstream_conn *conn, const struct keepalive_hint *hint);

/* Resets the connection, whatever its state. Nothing happens when it is closed. */
void upstream_conn_abort(struct upstream_conn *conn);

/* Reads what there is of the response head and arms the receive; raises what it finds. */
void upstream_conn_read(struct upstream_conn *conn);

/* The handshake took too long: http.failure says so and how far it came. */
void upstream_conn_fail_handshake_timeout(struct upstream_conn *conn);

/* Something could not be opened. If that was for want of descriptors, some idle connections to targets
 * give theirs back, for the next one that needs one. error: a negative errno, or 0. */
void upstream_conn_make_room(struct worker *worker, int error);

/* A byte of the request was handed to the open connection: the target may have seen it. */
bool upstream_conn_has_sent(const struct upstream_conn *conn);

#endif
