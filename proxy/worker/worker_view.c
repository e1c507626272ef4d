#include "proxy/worker/worker_view.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/exchange/exchange.h"
#include "proxy/worker/worker.h"

static const char *state_text(enum client_conn_state state)
{
    switch (state) {
    case CLIENT_CONN_CONNECTED:
        return "connected";
    case CLIENT_CONN_PROXY_HEADER:
        return "reading PROXY header";
    case CLIENT_CONN_HANDSHAKE:
        return "handshake";
    case CLIENT_CONN_IDLE:
        return "idle";
    case CLIENT_CONN_HEAD:
        return "reading head";
    case CLIENT_CONN_EXCHANGE:
        return "exchange";
    }
    return "?";
}

static const char *back_text(const struct exchange *exchange)
{
    switch (exchange->back_request) {
    case BACK_REQUEST_NONE:
        return "reading request";
    case BACK_REQUEST_CONNECT:
        return "connecting to target";
    case BACK_REQUEST_HANDSHAKE:
        return "TLS with target";
    case BACK_REQUEST_SENDING:
        return "sending request";
    case BACK_REQUEST_SENT:
    case BACK_REQUEST_STOPPED:
        break;
    }
    return "waiting for response head";
}

static const char *phase_text(const struct exchange *exchange)
{
    if (exchange->tunnel.is_open)
        return "tunnel";
    switch (exchange->front_response) {
    case FRONT_RESPONSE_NONE:
        break;
    case FRONT_RESPONSE_BODY:
        return exchange->back_waits ? "waiting for content" : "sending response";
    case FRONT_RESPONSE_LOCAL:
        return "answering";
    case FRONT_RESPONSE_ENDED:
        return "flushing response";
    }
    return exchange->front_request == FRONT_REQUEST_HEAD ? "reading head" : back_text(exchange);
}

static void copy_text(struct slice text, char *into, size_t size)
{
    size_t n = text.len < size - 1 ? text.len : size - 1;

    if (n > 0)
        memcpy(into, text.ptr, n);
    into[n] = '\0';
}

static void view_exchange(const struct exchange *exchange, struct exchange_view *view)
{
    const struct exchange_record *record = &exchange->record;
    const struct try_record *attempt = exchange_record_peek_try(record);

    view->number = record->number;
    view->connection_id = record->client_connection_id;
    memcpy(view->request_id, record->request_id, sizeof(view->request_id));
    view->age_ms = (exchange->worker->loop->now_us - record->started_at_us) / 1000;
    view->phase = phase_text(exchange);
    view->client = record->client_peer;
    view->tries_count = record->tries_count;
    view->status = record->status;
    view->request_bytes = exchange->front->received_bytes;
    view->response_bytes = exchange->front->sent_bytes;
    if (record->request) {
        copy_text(record->request->method_name, view->method, sizeof(view->method));
        copy_text(record->request->path, view->target, sizeof(view->target));
    }
    if (record->route && record->route->name)
        copy_text(slice_of(record->route->name), view->route, sizeof(view->route));
    if (record->service && record->service->name)
        copy_text(slice_of(record->service->name), view->service, sizeof(view->service));
    if (attempt) {
        view->upstream = attempt->target;
        view->upstream_local = attempt->local;
    }
}

static void view_connection(const struct client_conn *conn, struct connection_view *view)
{
    const struct stream_endpoint *endpoint = conn->endpoint.http.endpoint;

    view->id = endpoint->connection_id;
    view->state = state_text(conn->state);
    view->age_ms = conn->worker->loop->now_ms - conn->accepted_at_ms;
    view->requests_count = conn->requests_count;
    view->over_tls = conn->over_tls;
    view->peer = endpoint->peer;
    view->local = endpoint->local;
    view->received_bytes = endpoint->bytes_received;
    view->sent_bytes = endpoint->bytes_sent;
}

static void fill(struct worker *worker, void *argument)
{
    struct worker_view *view = argument;

    view->connections = calloc(worker->clients_count + 1, sizeof(*view->connections));
    view->exchanges = calloc(worker->clients_count + 1, sizeof(*view->exchanges));
    view->lacks_memory = !view->connections || !view->exchanges;
    for (const struct client_conn *conn = worker->clients; conn && !view->lacks_memory;
         conn = conn->next) {
        view_connection(conn, &view->connections[view->connections_count++]);
        if (conn->exchange)
            view_exchange(conn->exchange, &view->exchanges[view->exchanges_count++]);
    }
    view->chunk_bytes = chunk_pool_bytes_in_use(worker->loop->pool);
    view->client_conn_bytes = worker->clients_count * sizeof(struct client_conn);
    view->exchange_bytes =
        (worker->exchanges_count + worker->spare_exchanges_count) * sizeof(struct exchange);
    view->spare_exchanges_count = worker->spare_exchanges_count;
    view->idle_upstream_count = (uint32_t)conn_pool_idle_count(worker->pool);
    view->configuration = worker->newest->snapshot->generation;
    for (int i = 0; i < RING_RECV_SIZES; i++)
        view->receive_buffers_held[i] =
            ring_buffers_held(worker->loop->ring, (enum ring_recv_size)i);
    view->ring = *ring_stats(worker->loop->ring);
}

bool worker_view_take(struct worker *worker, struct worker_view *view)
{
    *view = (struct worker_view){ 0 };
    return worker_call(worker, fill, view);
}

void worker_view_done(struct worker_view *view)
{
    free(view->connections);
    free(view->exchanges);
}
