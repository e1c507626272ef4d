/*
 * conn_pool: idle connections to targets, kept for the next request.
 *
 * Role    lease, release, expire; the last connection released is the first leased again
 * Owns    every idle stream, from release to lease or close
 * Thread  one worker
 *
 * An idle stream keeps one read armed, so an end, an error or a byte that nobody asked for closes
 * it at once; the read stays armed over the lease and becomes the read of the next response.
 *
 * The limit is on all idle connections of the worker, whatever their target, as in Kong; the one
 * that was idle longest gives way. Beside it, each key may have a limit. Time is given by the caller.
 */
#ifndef LB_CONN_POOL_H
#define LB_CONN_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/chunk.h"
#include "core/cleanup.h"
#include "core/stream.h"
#include "lb/target.h"

struct conn_pool_options {
    size_t idle_max;          /* connections; 0: keep none */
    uint32_t requests_max;    /* a connection that served so many is not kept; 0: no limit */
    uint64_t idle_timeout_ms; /* 0: no limit */
    uint64_t age_max_ms;      /* since it was opened, for connections that idle; 0: no limit */
    uint32_t per_key_max;     /* idle connections of one key; 0: no limit of its own */
    bool by_address;          /* targets with equal addresses are one in a key */
    void (*on_ended)(
        void *owner); /* a target has ended an idle one, which is closed now; the pool may
                                    * be freed in it. NULL: nobody cares */
    void *owner;
};

/* Connections are interchangeable when all three are equal. */
struct conn_pool_key {
    const struct target *target;
    uint64_t tls_profile;      /* tls_client_config_identity; 0: plain */
    uint64_t server_name_hash; /* of the name that TLS sent and verified; 0: none */
};

/* A connection and what was done with it. */
struct conn_pool_conn {
    struct stream *stream;
    uint32_t requests_count; /* answered on it so far */
    uint64_t created_at_ms;
    uint64_t idle_timeout_ms; /* this one's own, beside the pool's; 0: none */
    uint32_t requests_max;    /* this one's own, beside the pool's; 0: none */
    uint64_t idle_since_ms;   /* set by release */
};

#define CONN_POOL_NEVER UINT64_MAX

struct conn_pool;

/* chunk_pool is borrowed until conn_pool_free. NULL: no memory. */
struct conn_pool *conn_pool_create(const struct conn_pool_options *options,
                                   struct chunk_pool *chunk_pool);

/* From now on. 0, or -EINVAL when idle_max or by_address is another: that needs another pool. */
int conn_pool_set_options(struct conn_pool *pool, const struct conn_pool_options *options);

/* Closes what is idle. Leased streams are the caller's and not touched. */
void conn_pool_free(struct conn_pool *pool);
DEFINE_SCOPED(conn_pool);

/*
 * True: ret_conn is the caller's now; set its owner before returning to the loop. Connections that
 * turn out to be dead, or whose time is over, are closed on the way. False: none, ret_conn is untouched.
 */
bool conn_pool_lease(struct conn_pool *pool, const struct conn_pool_key *key, uint64_t now_ms,
                     struct conn_pool_conn *ret_conn);

/*
 * Takes conn->stream, in a state in which the next request could be sent; its owner is the pool
 * from now on. Closed at once when a limit says so, when it is not silent or the target is down.
 * Returns when its time is over, or CONN_POOL_NEVER.
 */
uint64_t conn_pool_release(struct conn_pool *pool, const struct conn_pool_key *key,
                           const struct conn_pool_conn *conn, uint64_t now_ms);

/* Closes what was idle too long; returns when to call again, or CONN_POOL_NEVER. */
uint64_t conn_pool_expire(struct conn_pool *pool, uint64_t now_ms);

/* Closes up to count connections, those that were idle longest, to give their descriptors back; the
 * kernel does so in a later turn. */
void conn_pool_give_up(struct conn_pool *pool, size_t count);

/* Closes every idle connection to the target: it is down, or about to be freed. */
void conn_pool_close_target(struct conn_pool *pool, const struct target *target);

/* Closes the idle connections to all targets that are down, but not to those that only drain. */
void conn_pool_close_down(struct conn_pool *pool);

size_t conn_pool_idle_count(const struct conn_pool *pool);

#endif
