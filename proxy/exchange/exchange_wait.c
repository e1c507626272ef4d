/*
 * Places at targets: an exchange takes one, or waits in its upstream's line (lb/waiting_line) while
 * all usable targets are full, or is turned away.
 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>

#include "lb/waiting_line.h"
#include "proxy/exchange/exchange.h"
#include "proxy/report/metrics.h"
#include "proxy/snapshot/service_plan.h"
#include "proxy/worker/worker.h"

static const struct config_balancing *balancing_of(const struct exchange *exchange)
{
    const struct config_upstream *upstream = exchange->record.service->upstream;
    static const struct config_balancing none;

    return upstream ? &upstream->balancing : &none;
}

static struct waiting_line *line_of(const struct exchange *exchange)
{
    return upstream_targets_of(exchange->upstream->upstream)->line;
}

static void refuse(struct exchange *exchange, struct slice limit)
{
    exchange_answer(exchange, END_LIMIT_REACHED,
                    arena_printf(&exchange->arena, "%.*s of upstream %s", (int)limit.len, limit.ptr,
                                 upstream_targets_of(exchange->upstream->upstream)->name));
}

static void refuse_to_wait(struct exchange *exchange, struct slice limit)
{
    metrics_count_one(exchange->worker->metrics, METRICS_QUEUE_REFUSED);
    refuse(exchange, limit);
}

/* ---- waiting ------------------------------------------------------------------------------- */

static void leave(struct exchange *exchange)
{
    exchange->queued_us += exchange->worker->loop->now_us - exchange->queued_at_us;
    exchange_stop_waiting(exchange);
}

void exchange_stop_waiting(struct exchange *exchange)
{
    waiting_line_leave(&exchange->waiter);
    exchange->queue_until_ms = 0;
}

static bool on_turn(struct waiter *waiter)
{
    struct exchange *exchange =
        (struct exchange *)((char *)waiter - offsetof(struct exchange, waiter));
    int r = exchange_pick(exchange);

    if (r == -EBUSY)
        return false;
    leave(exchange);
    exchange_begin_try(exchange, r);
    return true;
}

/* False: it was answered instead. */
static bool join(struct exchange *exchange)
{
    const struct config_balancing *balancing = balancing_of(exchange);
    struct loop *loop = exchange->worker->loop;

    exchange->waiter.on_turn = on_turn;
    if (!waiting_line_join(line_of(exchange), exchange->worker->index, &exchange->waiter,
                           balancing->queue_max)) {
        refuse_to_wait(exchange,
                       arena_printf(&exchange->arena, "queue.max %" PRIu32, balancing->queue_max));
        return false;
    }
    exchange->queued_at_us = loop->now_us;
    exchange->queue_until_ms = loop->now_ms + balancing->queue_timeout_ms;
    return true;
}

/* Whose configuration has no queue never waits, whoever does. */
static bool may_wait(const struct exchange *exchange)
{
    return balancing_of(exchange)->queue_max > 0 && line_of(exchange);
}

bool exchange_take_place(struct exchange *exchange, int *ret)
{
    int r = -EBUSY;

    if (!may_wait(exchange)) {
        r = exchange_pick(exchange);
        if (r != -EBUSY) {
            *ret = r;
            return true;
        }
        refuse(exchange, SLICE("max_requests of every usable target"));
        return false;
    }
    if (waiting_line_count(line_of(exchange)) == 0) /* else it is not its turn */
        r = exchange_pick(exchange);
    if (r == -EBUSY) {
        if (!join(exchange))
            return false;
        /* a place may have come free before it was in the line */
        if (waiting_line_is_first(&exchange->waiter))
            r = exchange_pick(exchange);
        if (r != -EBUSY)
            leave(exchange);
    }
    if (r == -EBUSY) {
        metrics_count_one(exchange->worker->metrics, METRICS_QUEUED);
        exchange_update_timers(exchange);
        return false;
    }
    *ret = r;
    return true;
}

void exchange_on_queue_timeout(struct exchange *exchange)
{
    const struct config_balancing *balancing = balancing_of(exchange);
    uint64_t stated_ms = balancing->queue_timeout_stated_ms;

    leave(exchange);
    refuse_to_wait(exchange, arena_printf(&exchange->arena, "queue.timeout_ms %" PRIu64,
                                          stated_ms > 0 ? stated_ms : balancing->queue_timeout_ms));
}
