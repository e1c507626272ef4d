#include "proxy/worker/memory_relief.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/conn.h"
#include "core/log.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/response_store.h"
#include "proxy/exchange/stored_content.h"
#include "proxy/report/metrics.h"
#include "proxy/worker/worker.h"

enum {
    PASS_INTERVAL_MS = 20,
    PATIENCE_MS = 2000,        /* exchanges are let end by themselves, below CUT */
    REST_MS = 10000,           /* who makes memory short again sooner meets no new patience */
    IDLE_PER_PASS = 64,        /* connections closed; so many of each kind */
    LOOKED_AT_PER_PASS = 8192, /* clients, in search of idle ones */
    CUT_PER_PASS = 64,
    HELD_MIN_BYTES =
        16 * 1024, /* what everybody needs; who holds less goes only when nobody holds more */
    FLUSHING_BYTES_MIN = 16 * 1024, /* of a closed connection that is cut: not a mere error page */
    /* A new connection has so long to send its first request before it counts as idle. */
    FIRST_REQUEST_MS = 1000,
    /* What holding a connection costs beside the bytes that can be seen: what was received and is not
     * read yet, OpenSSL's own. */
    UNSEEN_BYTES = 64 * 1024,
    HANDSHAKE_BYTES = 48 * 1024,
};

/* ---- who goes ------------------------------------------------------------------------------ */

double memory_relief_worth(uint64_t held_bytes, uint64_t moved_bytes, uint64_t age_ms)
{
    double held = (double)held_bytes, part = held / (double)(moved_bytes + 1);

    return held * (double)(age_ms + 1) * (part < 1 ? part : 1);
}

/* One of the two. */
struct holder {
    struct client_conn *client;
    struct passthrough *passthrough;
    uint64_t held_bytes, age_ms;
    double worth;
};

struct holders {
    uint64_t held_min_bytes; /* others are not considered */
    size_t count;            /* sorted, the worst first */
    struct holder items[CUT_PER_PASS];
};

static void consider(struct holders *holders, const struct holder *holder)
{
    size_t at = holders->count;

    if (holder->held_bytes < holders->held_min_bytes)
        return;
    while (at > 0 && holders->items[at - 1].worth < holder->worth)
        at--;
    if (at == CUT_PER_PASS)
        return;
    if (holders->count < CUT_PER_PASS)
        holders->count++;
    for (size_t i = holders->count - 1; i > at; i--)
        holders->items[i] = holders->items[i - 1];
    holders->items[at] = *holder;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static void measure_exchange(const struct exchange *exchange, struct holder *holder,
                             uint64_t *ret_moved)
{
    const struct http_stream *front = exchange->front;
    const struct http1_endpoint *back = &exchange->back.endpoint;
    uint64_t to_client = front->ops->queued(front), to_target = 0;
    bool is_held_up = exchange->front_response == FRONT_RESPONSE_BODY &&
                      exchange->back_response == BACK_RESPONSE_BODY && !exchange->back_waits;

    *ret_moved = less(front->sent_bytes, to_client);
    if (back->stream) {
        to_target = back->http.ops->queued(&back->http);
        *ret_moved += less(back->http.sent_bytes, to_target);
    }
    holder->held_bytes = to_client + to_target + back->in.length + exchange->arena.bytes +
                         exchange->replay.length + (is_held_up ? UNSEEN_BYTES : 0);
    if (exchange->stored)
        holder->held_bytes += exchange->stored->memory.length;
    holder->held_bytes += exchange->flow.held.length;
    if (exchange->flow.store)
        holder->held_bytes += exchange->flow.store->memory.length;
}

static void consider_client(struct holders *holders, struct client_conn *conn)
{
    const struct stream_endpoint *endpoint = conn->endpoint.http.endpoint;
    struct loop *loop = conn->worker->loop;
    struct holder holder = { .client = conn, .age_ms = loop->now_ms - conn->accepted_at_ms };
    uint64_t moved = 0;

    if (!conn->holds_up_drain)
        return; /* not traffic */
    switch (conn->state) {
    case CLIENT_CONN_PROXY_HEADER:
    case CLIENT_CONN_CONNECTED:
    case CLIENT_CONN_IDLE:
        return; /* costs little, and goes for being idle */
    case CLIENT_CONN_HANDSHAKE:
        holder.held_bytes = HANDSHAKE_BYTES;
        moved = endpoint->bytes_received;
        break;
    case CLIENT_CONN_HEAD:
    case CLIENT_CONN_EXCHANGE:
        measure_exchange(conn->exchange, &holder, &moved);
        holder.age_ms = (loop->now_us - conn->exchange->record.started_at_us) / 1000;
        holder.held_bytes += conn->endpoint.in.length;
        break;
    }
    holder.worth = memory_relief_worth(holder.held_bytes, moved, holder.age_ms);
    consider(holders, &holder);
}

static void consider_passthrough(struct holders *holders, struct passthrough *self,
                                 const struct loop *loop)
{
    struct holder holder = { .passthrough = self, .age_ms = loop->now_ms - self->started_at_ms };
    uint64_t moved;

    if (self->state ==
        PASSTHROUGH_FORGOTTEN) /* holds next to nothing, and not both ends for sure */
        return;
    moved = self->client->endpoint->bytes_sent;
    holder.held_bytes = self->hello.length + stream_queued(self->client);
    if (self->target) {
        holder.held_bytes += stream_queued(self->target);
        moved += self->target->endpoint->bytes_sent;
    }
    holder.worth = memory_relief_worth(holder.held_bytes, moved, holder.age_ms);
    consider(holders, &holder);
}

static void cut(struct worker *worker, const struct holder *holder)
{
    char detail[96];

    (void)snprintf(detail, sizeof(detail), "it held about %" PRIu64 " KiB after %" PRIu64 " ms",
                   holder->held_bytes / 1024, holder->age_ms); /* fits */
    metrics_count_one(worker->metrics, METRICS_MEMORY_CUT);
    worker->relief.cut_count++;
    if (holder->client)
        client_conn_cut(holder->client, detail);
    else
        passthrough_cut(holder->passthrough, detail);
}

static void tell_cut(struct worker *worker)
{
    struct memory_relief *relief = &worker->relief;
    uint64_t untold;

    if (relief->cut_count == 0 ||
        !log_rate_allows(&relief->cut_told, worker->loop->now_ms, &untold))
        return;
    log_error(LOG_LEVEL_WARN,
              "memory: worker %u ended %u exchanges and connections that made little of what they "
              "held",
              worker->index, relief->cut_count);
    relief->cut_count = 0;
}

static void find_holders(struct worker *worker, uint64_t held_min_bytes, struct holders *holders)
{
    holders->held_min_bytes = held_min_bytes;
    holders->count = 0;
    for (struct client_conn *conn = worker->clients; conn; conn = conn->next)
        consider_client(holders, conn);
    for (struct passthrough *self = worker->passthroughs; self; self = self->next)
        consider_passthrough(holders, self, worker->loop);
}

/* Ends the worst until `bytes` of them are gone; a further pass takes what is still missing. */
static void cut_worst(struct worker *worker, uint64_t bytes)
{
    struct holders holders;
    uint64_t freed = 0;

    find_holders(worker, HELD_MIN_BYTES, &holders);
    if (holders.count == 0)
        find_holders(worker, 0, &holders);
    for (size_t i = 0; i < holders.count && freed < bytes; i++) {
        freed += holders.items[i].held_bytes;
        cut(worker, &holders.items[i]);
    }
    tell_cut(worker);
}

/* ---- passes -------------------------------------------------------------------------------- */

static void close_idle_clients(struct worker *worker)
{
    struct client_conn *previous;
    unsigned closed = 0, looked_at = 0;

    for (struct client_conn *conn = worker->clients_last;
         conn && closed < IDLE_PER_PASS && looked_at++ < LOOKED_AT_PER_PASS; conn = previous) {
        previous = conn->prev;
        if (conn->holds_up_drain && client_conn_close_if_idle(conn, FIRST_REQUEST_MS)) {
            metrics_count_one(worker->metrics, METRICS_MEMORY_IDLE_CLOSED);
            closed++;
        }
    }
}

/* This worker's part of what must go. */
static uint64_t share_of(const struct memory_account *account, uint64_t excess)
{
    double used = (double)memory_budget_used(account->budget);
    double own = (double)memory_account_used(account);

    return used > 0 ? (uint64_t)((double)excess * (own / used)) + 1 : 0;
}

static void cut_as_needed(struct worker *worker, enum memory_level level)
{
    struct memory_relief *relief = &worker->relief;
    const struct memory_budget *budget = relief->account->budget;
    uint64_t patience_ms = worker->newest->snapshot->settings->memory_patience_ms;

    if (level >= MEMORY_CUT) {
        conn_abort_flushing(worker->loop, FLUSHING_BYTES_MIN);
        cut_worst(worker, share_of(relief->account, memory_budget_excess(budget, MEMORY_CUT)));
    } else if (worker->loop->now_ms - relief->short_since_ms >= patience_ms) {
        conn_abort_flushing(worker->loop, FLUSHING_BYTES_MIN);
        cut_worst(worker, share_of(relief->account, memory_budget_excess(budget, MEMORY_SOFT)));
    }
}

static void pass(struct worker *worker)
{
    struct memory_relief *relief = &worker->relief;
    enum memory_level level;

    memory_account_report(relief->account);
    level = memory_account_level(relief->account);
    if (level == MEMORY_NORMAL)
        return;
    if (relief->short_since_ms == 0 || worker->loop->now_ms - relief->last_short_at_ms > REST_MS)
        relief->short_since_ms = worker->loop->now_ms;
    relief->last_short_at_ms = worker->loop->now_ms;
    chunk_pool_trim(worker->loop->pool);
    chunk_pool_trim(worker->local_memory);
    exchange_free_spares(worker);
    conn_pool_give_up(worker->pool, IDLE_PER_PASS);
    close_idle_clients(worker);
    cut_as_needed(worker, level);
    loop_timer_set(worker->loop, &relief->timer, PASS_INTERVAL_MS);
}

static void run_task(struct task *task)
{
    struct worker *worker = (struct worker *)((char *)task - offsetof(struct worker, relief.task));

    if (!timer_is_armed(&worker->relief.timer) && !worker->ending)
        pass(worker);
}

static void on_timer(struct timer *timer)
{
    pass((struct worker *)((char *)timer - offsetof(struct worker, relief.timer)));
}

void memory_relief_begin(struct worker *worker)
{
    if (worker->ending) /* all is given back anyway, and part of it is gone already */
        return;
    loop_post(worker->loop, &worker->relief.task);
}

static void on_pressure(void *owner)
{
    struct worker *worker = owner;

    if (!timer_is_armed(&worker->relief.timer))
        memory_relief_begin(worker);
}

void memory_relief_init(struct worker *worker, struct memory_account *account)
{
    worker->relief.account = account;
    task_init(&worker->relief.task, run_task);
    timer_init(&worker->relief.timer, on_timer);
    account->owner = worker;
    account->on_pressure = on_pressure;
}

void memory_relief_end(struct worker *worker)
{
    if (worker->relief.account)
        worker->relief.account->on_pressure = NULL;
    timer_cancel(&worker->relief.timer);
    loop_forget(worker->loop, &worker->relief.task);
}

/* ---- the level ----------------------------------------------------------------------------- */

static const char *meaning(enum memory_level level)
{
    switch (level) {
    case MEMORY_NORMAL:
        return "all is as usual again";
    case MEMORY_SOFT:
        return "no keep-alive, no new connections, idle ones are closed";
    case MEMORY_HARD:
        return "new requests get 503";
    case MEMORY_CUT:
        return "exchanges that make the least of what they hold are ended";
    case MEMORY_FULL:
        return "no further memory is given";
    }
    return "";
}

void memory_relief_on_level(void *owner, enum memory_level from, enum memory_level to)
{
    const struct hop *hop = owner;
    const struct memory_budget *budget = hop->memory;
    char owners[256];
    size_t n = 0;

    owners[0] = '\0';
    for (int i = 0; i < MEMORY_OWNERS && n < sizeof(owners); i++)
        n += (size_t)snprintf(owners + n, sizeof(owners) - n, "%s%s %" PRIu64, i ? ", " : "",
                              memory_owner_text((enum memory_owner)i),
                              memory_budget_used_by(budget, (enum memory_owner)i) / 1024);
    log_error(to > from ? LOG_LEVEL_WARN : LOG_LEVEL_NOTICE,
              "memory: level %s (was %s): %s; %" PRIu64 " KiB of hopgate_memory_limit's %" PRIu64
              " are in use (KiB: %s)",
              memory_level_text(to), memory_level_text(from), meaning(to),
              memory_budget_used(budget) / 1024, memory_budget_limit(budget) / 1024, owners);
    hop_ring_doorbell(hop);
}
