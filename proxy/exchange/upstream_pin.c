#include "proxy/exchange/upstream_pin.h"

#include "lb/target.h"
#include "proxy/snapshot/target_set.h"
#include "proxy/worker/worker.h"

struct target *upstream_pin_target(const struct upstream_pin *pin,
                                   const struct worker_upstream *upstream, bool leaves_when_down)
{
    bool is_connected = pin->pool && conn_pool_idle_count(pin->pool) > 0;

    if (pin->upstream != upstream)
        return NULL;
    if (!target_is_usable(pin->target) && (leaves_when_down || !is_connected))
        return NULL;
    return pin->target;
}

void upstream_pin_choose(struct upstream_pin *pin, struct worker_upstream *upstream,
                         struct target *target)
{
    if (pin->upstream == upstream && pin->target == target)
        return;
    upstream_pin_drop(pin);
    pin->upstream = worker_upstream_hold(upstream);
    pin->target = target;
}

bool upstream_pin_lease(struct upstream_pin *pin, const struct conn_pool_key *key,
                        struct conn_pool_conn *ret_conn)
{
    return pin->pool && conn_pool_lease(pin->pool, key, pin->worker->loop->now_ms, ret_conn);
}

static void on_idle_ended(void *owner)
{
    struct upstream_pin *pin = owner;

    pin->has_ended = true;
    pin->on_ended(pin->owner); /* last touch */
}

void upstream_pin_keep(struct upstream_pin *pin, const struct conn_pool_key *key,
                       const struct conn_pool_conn *conn)
{
    const struct conn_pool_options options = { .idle_max = 1,
                                               .on_ended = on_idle_ended,
                                               .owner = pin };

    if (!pin->pool)
        pin->pool = conn_pool_create(&options, pin->worker->loop->pool);
    if (pin->pool && key->target == pin->target)
        (void)conn_pool_release(pin->pool, key, conn, pin->worker->loop->now_ms);
    else
        stream_close(conn->stream, STREAM_CLOSE_FLUSH);
    pin->has_ended = !pin->pool || conn_pool_idle_count(pin->pool) == 0;
}

void upstream_pin_drop(struct upstream_pin *pin)
{
    conn_pool_free(TAKE(pin->pool));
    worker_upstream_release(TAKE(pin->upstream), pin->worker);
    pin->target = NULL;
    pin->has_ended = false;
}
