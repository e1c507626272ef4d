/*
 * tunnel: what follows a 101: bytes in both directions, until both have ended.
 *
 * The same back-pressure as for content: a side is read only while the other's queue has room. The end
 * of one direction is passed on as an end (FIN, close_notify) and leaves the other open; a failure of
 * either side ends both. Kong's two idle gaps: the service's read timeout without a byte in either
 * direction, its write timeout without a byte taken by a target that has some to take; a client that
 * takes none has the persona's send timeout.
 */
#include <errno.h>

#include "proxy/exchange/exchange.h"
#include "proxy/worker/worker.h"

static struct http_stream *back_of(struct exchange *exchange)
{
    return &exchange->back.endpoint.http;
}

/* Moves what can be moved. Negative: one of the two failed. */
static long move(struct exchange *exchange, struct http_stream *from, struct http_stream *to,
                 bool *ended)
{
    long moved = 0;

    while (!*ended) {
        size_t queued = to->ops->queued(to);
        long n;

        if (queued >= STREAM_QUEUE_HIGH)
            return moved;
        n = from->ops->read_content(from, &exchange->pass, STREAM_QUEUE_HIGH - queued);
        if (n == -EAGAIN)
            return moved;
        if (n < 0)
            return n;
        exchange->tunnel.active_at_ms = exchange->worker->loop->now_ms;
        *ended = n == 0;
        if ((n == 0 ? to->ops->send_end(to, NULL) : to->ops->send_content(to, &exchange->pass)) < 0)
            return -EIO;
        if (n >= CHUNK_SMALL_BYTES)
            from->ops->expect_bulk(from);
        moved += n;
    }
    return moved;
}

/* Both sides are reset, so that neither takes a part for the whole. `otherwise`: the reason when no
 * stream has one (it took no more bytes). */
static void tear(struct exchange *exchange, enum end_reason otherwise)
{
    struct http_failure failure = back_of(exchange)->failure;

    if (exchange->front->failure.reason != END_OK)
        failure = exchange->front->failure;
    exchange_set_reason(exchange, failure.reason != END_OK ? failure.reason : otherwise,
                        failure.detail);
    exchange->record.truncated = true;
    exchange_hang_up(exchange, STREAM_CLOSE_ABORT);
}

static void end_in_order(struct exchange *exchange)
{
    struct try_record *attempt = exchange_record_last_try(&exchange->record);

    exchange_end_try(exchange, attempt);
    upstream_conn_release(&exchange->back, NULL);
    exchange_hang_up(exchange, STREAM_CLOSE_FLUSH);
}

static void run(struct exchange *exchange)
{
    struct http_stream *front = exchange->front, *back = back_of(exchange);
    struct tunnel *tunnel = &exchange->tunnel;
    long up = move(exchange, front, back, &tunnel->client_ended);
    long down = up < 0 ? up : move(exchange, back, front, &tunnel->target_ended);

    if (down < 0) {
        tear(exchange, END_UPSTREAM_BODY_CLOSED);
        return;
    }
    exchange->request_content_bytes += (uint64_t)up;
    exchange->record.response_content_bytes += (uint64_t)down;
    (void)front->ops->flush(front); /* failures come as events */
    (void)back->ops->flush(back);
    if (tunnel->client_ended && tunnel->target_ended && front->ops->queued(front) == 0 &&
        back->ops->queued(back) == 0)
        end_in_order(exchange);
    else
        exchange_update_timers(exchange);
}

void tunnel_open(struct exchange *exchange)
{
    exchange->client_keep_alive = false;
    exchange->tunnel.is_open = true;
    exchange->tunnel.active_at_ms = exchange->worker->loop->now_ms;
    exchange->front->ops->become_tunnel(exchange->front);
    back_of(exchange)->ops->become_tunnel(back_of(exchange));
    run(exchange);
}

void tunnel_on_front(struct exchange *exchange, unsigned events)
{
    if (events & (HTTP_STREAM_FAILED | HTTP_STREAM_SEND_FAILED))
        tear(exchange, END_CLIENT_ABORTED);
    else
        run(exchange);
}

void tunnel_on_back(struct exchange *exchange, unsigned events)
{
    if (events & (HTTP_STREAM_FAILED | HTTP_STREAM_SEND_FAILED))
        tear(exchange, END_UPSTREAM_SEND_FAILED);
    else
        run(exchange);
}

static uint64_t active_at_ms(const struct exchange *exchange)
{
    uint64_t at_ms = exchange->tunnel.active_at_ms;
    uint64_t front_at_ms = exchange->front->endpoint->send_progress_at_ms;
    uint64_t back_at_ms = exchange->back.endpoint.http.endpoint->send_progress_at_ms;

    if (front_at_ms > at_ms)
        at_ms = front_at_ms;
    return back_at_ms > at_ms ? back_at_ms : at_ms;
}

/* nginx src/http/ngx_http_upstream.c, ngx_http_upstream_process_upgraded: any event re-arms both. */
uint64_t tunnel_deadline_ms(const struct exchange *exchange)
{
    const struct http_stream *back = &exchange->back.endpoint.http;
    const struct config_service *service = exchange->record.service;
    uint64_t deadline_ms = active_at_ms(exchange) + service->read_timeout_ms;
    uint64_t write_ms = back->endpoint->send_progress_at_ms + service->write_timeout_ms;

    return back->ops->queued(back) > 0 && write_ms < deadline_ms ? write_ms : deadline_ms;
}

void tunnel_on_timeout(struct exchange *exchange)
{
    exchange_set_reason(exchange, END_TUNNEL_TIMEOUT, (struct slice){ NULL, 0 });
    exchange->record.truncated = true;
    exchange_hang_up(exchange, STREAM_CLOSE_FLUSH);
}
