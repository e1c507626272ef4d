#include "lb/conn_pool.h"

#include <errno.h>
#include <stdlib.h>

#include "core/addr.h"

enum { LOOKS_PER_MS = 64 };

/* Places in pool->slots; each is in `free`, or in `by_age` and in the chain of its key. */
struct idle {
    struct conn_pool *pool;
    struct conn_pool_key key;
    struct conn_pool_conn conn;
    struct idle *newer, *older; /* by_age */
    struct idle *next_in_chain; /* newest first; in `free`: the next free place */
};

struct conn_pool {
    struct conn_pool_options options;
    struct idle *slots; /* idle_max of them */
    struct idle *free;
    struct idle **chains; /* hash of key -> idle connections, newest first */
    size_t chains_mask;
    struct idle *newest, *oldest;
    size_t idle_count;
    struct buf scrap; /* where unasked bytes go before their connection is closed */
};

static bool is_same_target(const struct conn_pool *pool, const struct target *a,
                           const struct target *b)
{
    return a == b || (pool->options.by_address && addr_equal(&a->address, &b->address));
}

static bool key_equal(const struct conn_pool *pool, const struct conn_pool_key *a,
                      const struct conn_pool_key *b)
{
    return a->tls_profile == b->tls_profile && a->server_name_hash == b->server_name_hash &&
           is_same_target(pool, a->target, b->target);
}

static uint64_t target_hash(const struct conn_pool *pool, const struct target *target)
{
    return pool->options.by_address ? addr_hash(&target->address) : (uint64_t)(uintptr_t)target;
}

static struct idle **chain_of(struct conn_pool *pool, const struct conn_pool_key *key)
{
    uint64_t hash = target_hash(pool, key->target);

    hash = (hash ^ hash >> 32) * 0x9e3779b97f4a7c15u + key->tls_profile;
    hash = (hash ^ hash >> 32) * 0x9e3779b97f4a7c15u + key->server_name_hash;
    hash = (hash ^ hash >> 32) * 0x9e3779b97f4a7c15u;
    return &pool->chains[(hash >> 32) & pool->chains_mask];
}

static void enlist(struct conn_pool *pool, struct idle *idle)
{
    struct idle **chain = chain_of(pool, &idle->key);

    idle->next_in_chain = *chain;
    *chain = idle;
    idle->newer = NULL;
    idle->older = pool->newest;
    if (pool->newest)
        pool->newest->newer = idle;
    else
        pool->oldest = idle;
    pool->newest = idle;
    pool->idle_count++;
}

static void delist(struct conn_pool *pool, struct idle *idle)
{
    struct idle **link = chain_of(pool, &idle->key);

    while (*link != idle)
        link = &(*link)->next_in_chain;
    *link = idle->next_in_chain;
    *(idle->newer ? &idle->newer->older : &pool->newest) = idle->older;
    *(idle->older ? &idle->older->newer : &pool->oldest) = idle->newer;
    idle->next_in_chain = pool->free;
    pool->free = idle;
    pool->idle_count--;
}

static void close_idle(struct idle *idle, enum stream_close how)
{
    struct stream *stream = idle->conn.stream;

    delist(idle->pool, idle);
    stream_close(stream, how);
}

enum silence { SILENT, ENDED, SPOILT };

/* Asks for a byte that must not be there; while the stream is silent this arms its read. */
static enum silence listen_to(struct conn_pool *pool, struct stream *stream)
{
    long got = stream_read(stream, &pool->scrap, 1);

    if (got == -EAGAIN)
        return SILENT;
    buf_done(&pool->scrap);
    return got == 0 ? ENDED : SPOILT;
}

/* After an orderly end we say goodbye in kind; to anything else there is nothing left to say. */
static enum stream_close close_after(enum silence silence)
{
    return silence == SPOILT ? STREAM_CLOSE_ABORT : STREAM_CLOSE_FLUSH;
}

static void on_event(void *owner, unsigned events)
{
    struct idle *idle = owner;
    const struct conn_pool_options *options = &idle->pool->options;
    enum stream_close how = STREAM_CLOSE_ABORT;
    enum silence silence;

    if (!(events & (STREAM_WRITE_FAILED | STREAM_OPEN_FAILED))) {
        if (!(events & STREAM_READABLE))
            return;
        silence =
            listen_to(idle->pool, idle->conn.stream); /* TLS may have read a ticket for itself */
        if (silence == SILENT)
            return;
        how = close_after(silence);
    }
    close_idle(idle, how);
    if (options->on_ended)
        options->on_ended(options->owner); /* last touch */
}

struct conn_pool *conn_pool_create(const struct conn_pool_options *options,
                                   struct chunk_pool *chunk_pool)
{
    struct conn_pool *pool = calloc(1, sizeof(*pool));
    size_t chains = 1;

    if (!pool)
        return NULL;
    pool->options = *options;
    buf_init(&pool->scrap, chunk_pool);
    while (chains < options->idle_max)
        chains *= 2;
    pool->chains_mask = chains - 1;
    pool->chains = calloc(chains, sizeof(struct idle *));
    pool->slots = calloc(options->idle_max + 1, sizeof(*pool->slots)); /* never 0 bytes */
    if (!pool->chains || !pool->slots)
        goto fail;
    for (size_t i = 0; i < options->idle_max; i++) {
        pool->slots[i] = (struct idle){ .pool = pool, .next_in_chain = pool->free };
        pool->free = &pool->slots[i];
    }
    return pool;
fail:
    conn_pool_free(pool);
    return NULL;
}

int conn_pool_set_options(struct conn_pool *pool, const struct conn_pool_options *options)
{
    if (options->idle_max != pool->options.idle_max ||
        options->by_address != pool->options.by_address)
        return -EINVAL;
    pool->options = *options;
    return 0;
}

void conn_pool_free(struct conn_pool *pool)
{
    if (!pool)
        return;
    while (pool->oldest)
        close_idle(pool->oldest, STREAM_CLOSE_FLUSH);
    buf_done(&pool->scrap);
    free(pool->chains);
    free(pool->slots);
    free(pool);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* When its time is over. */
static uint64_t end_of(const struct conn_pool *pool, const struct conn_pool_conn *conn)
{
    const struct conn_pool_options *options = &pool->options;
    uint64_t end = CONN_POOL_NEVER;

    if (options->idle_timeout_ms > 0)
        end = conn->idle_since_ms + options->idle_timeout_ms;
    if (conn->idle_timeout_ms > 0)
        end = earlier(end, conn->idle_since_ms + conn->idle_timeout_ms);
    if (options->age_max_ms > 0)
        end = earlier(end, conn->created_at_ms + options->age_max_ms);
    return end;
}

bool conn_pool_lease(struct conn_pool *pool, const struct conn_pool_key *key, uint64_t now_ms,
                     struct conn_pool_conn *ret_conn)
{
    struct idle *idle = *chain_of(pool, key);

    while (idle) {
        struct idle *next = idle->next_in_chain;

        if (key_equal(pool, &idle->key, key) && end_of(pool, &idle->conn) <= now_ms) {
            close_idle(idle, STREAM_CLOSE_FLUSH); /* the timer is not that punctual */
        } else if (key_equal(pool, &idle->key, key)) {
            /* its end may have arrived already, with the event still waiting in the loop */
            enum silence silence = listen_to(pool, idle->conn.stream);

            if (silence == SILENT) {
                *ret_conn = idle->conn;
                stream_set_owner(idle->conn.stream, NULL, NULL);
                delist(pool, idle);
                return true;
            }
            close_idle(idle, close_after(silence));
        }
        idle = next;
    }
    return false;
}

static bool may_be_kept(const struct conn_pool *pool, const struct conn_pool_conn *conn)
{
    const struct conn_pool_options *options = &pool->options;

    return options->idle_max > 0 &&
           (conn->requests_max == 0 || conn->requests_count < conn->requests_max) &&
           (options->requests_max == 0 || conn->requests_count < options->requests_max);
}

/* So that one target does not take all places. The chain is newest first. */
static void make_room_in_key(struct conn_pool *pool, const struct conn_pool_key *key)
{
    struct idle *oldest = NULL;
    uint32_t count = 0;

    if (pool->options.per_key_max == 0)
        return;
    for (struct idle *idle = *chain_of(pool, key); idle; idle = idle->next_in_chain) {
        if (!key_equal(pool, &idle->key, key))
            continue;
        oldest = idle;
        count++;
    }
    if (count >= pool->options.per_key_max)
        close_idle(oldest, STREAM_CLOSE_FLUSH);
}

static bool is_too_old(const struct conn_pool *pool, const struct conn_pool_conn *conn,
                       uint64_t now_ms)
{
    return pool->options.age_max_ms > 0 && conn->created_at_ms + pool->options.age_max_ms <= now_ms;
}

static bool is_down(const struct target *target)
{
    uint64_t word = target_health_word(target);

    return !health_word_is_usable(word) && health_word_forced(word) != HEALTH_FORCED_DRAIN;
}

uint64_t conn_pool_release(struct conn_pool *pool, const struct conn_pool_key *key,
                           const struct conn_pool_conn *conn, uint64_t now_ms)
{
    struct idle *idle;
    enum silence silence;

    if (!may_be_kept(pool, conn) || is_too_old(pool, conn, now_ms) || is_down(key->target)) {
        stream_close(conn->stream, STREAM_CLOSE_FLUSH);
        return CONN_POOL_NEVER;
    }
    stream_set_read_size(conn->stream, STREAM_READ_SMALL);
    silence = listen_to(pool, conn->stream);
    if (silence != SILENT) {
        stream_close(conn->stream, close_after(silence));
        return CONN_POOL_NEVER;
    }
    make_room_in_key(pool, key);
    if (!pool->free)
        close_idle(pool->oldest, STREAM_CLOSE_FLUSH);
    idle = pool->free;
    pool->free = idle->next_in_chain;
    idle->key = *key;
    idle->conn = *conn;
    idle->conn.idle_since_ms = now_ms;
    enlist(pool, idle);
    stream_set_owner(conn->stream, idle, on_event);
    return end_of(pool, &idle->conn);
}

/* Ends are not in the order of age: each connection is looked at. */
uint64_t conn_pool_expire(struct conn_pool *pool, uint64_t now_ms)
{
    uint64_t next = CONN_POOL_NEVER, wait_ms;
    struct idle *newer;

    for (struct idle *idle = pool->oldest; idle; idle = newer) {
        uint64_t end = end_of(pool, &idle->conn);

        newer = idle->newer;
        if (end <= now_ms)
            close_idle(idle, STREAM_CLOSE_FLUSH);
        else
            next = earlier(next, end);
    }
    /* many that end one after another are no reason to look at all of them each time */
    wait_ms = pool->idle_count / LOOKS_PER_MS;
    return next != CONN_POOL_NEVER && next < now_ms + wait_ms ? now_ms + wait_ms : next;
}

void conn_pool_give_up(struct conn_pool *pool, size_t count)
{
    while (pool->oldest && count-- > 0)
        close_idle(pool->oldest, STREAM_CLOSE_ABORT);
}

void conn_pool_close_target(struct conn_pool *pool, const struct target *target)
{
    struct idle *idle = pool->oldest;

    while (idle) {
        struct idle *newer = idle->newer;

        if (idle->key.target == target)
            close_idle(idle, STREAM_CLOSE_FLUSH);
        idle = newer;
    }
}

void conn_pool_close_down(struct conn_pool *pool)
{
    struct idle *idle = pool->oldest;

    while (idle) {
        struct idle *newer = idle->newer;

        if (is_down(idle->key.target))
            close_idle(idle, STREAM_CLOSE_FLUSH);
        idle = newer;
    }
}

size_t conn_pool_idle_count(const struct conn_pool *pool)
{
    return pool->idle_count;
}
