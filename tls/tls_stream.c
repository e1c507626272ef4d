#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tls/tls_context_priv.h"
#include "tls/tls_stream_priv.h"

/* What one pull may take from below: bounds the ciphertext that waits here while the owner pauses.
 */
enum { PULL_BYTES_MAX = 64 * 1024 };

static struct tls_stream *of(struct stream *stream)
{
    return (struct tls_stream *)stream;
}

void tls_stream_count_memory(struct tls_stream *tls, uint32_t heap_bytes)
{
    uint32_t bytes = heap_bytes > 0 ? (uint32_t)sizeof(*tls) + heap_bytes : 0;

    memory_account_add(chunk_pool_account(tls->engine.in.pool), MEMORY_TLS,
                       (int64_t)bytes - tls->counted_bytes);
    tls->counted_bytes = bytes;
}

void tls_stream_fail(struct tls_stream *tls, enum stream_step step, int error, const char *detail)
{
    const struct client_facts *facts = tls->engine.facts;

    if (tls->failure.step != STREAM_STEP_NONE) /* the first failure explains the others */
        return;
    tls->failure = (struct stream_failure){ step, error, detail, NULL };
    if (facts && facts->is_complete)
        tls->failure.tls = &facts->failure;
}

void tls_stream_push(struct tls_stream *tls)
{
    int r;

    if (buf_is_empty(&tls->engine.out))
        return;
    r = tls->write_error ? tls->write_error : stream_write(tls->lower, &tls->engine.out);
    if (r == 0)
        return;
    tls->write_error = r;
    buf_done(&tls->engine.out);
}

long tls_stream_pull(struct tls_stream *tls)
{
    long n;

    if (tls->lower_ended)
        return tls->lower_end;
    n = stream_read(tls->lower, &tls->engine.in, PULL_BYTES_MAX);
    if (n > 0 || n == -EAGAIN)
        return n;
    tls->lower_ended = true;
    tls->lower_end = n;
    tls->engine.input_ended = true;
    return n;
}

bool tls_stream_is_to(const struct stream *stream, const char *server_name)
{
    return tls_engine_expects(&((const struct tls_stream *)stream)->engine, server_name);
}

/* what has to wait */

static void fail_writing(struct tls_stream *tls, int error)
{
    if (!tls->write_error)
        tls->write_error = error;
    tls_stream_fail(tls, STREAM_STEP_WRITE, error, error == -EPROTO ? tls->engine.error : NULL);
    stream_break_writing(tls->lower, error);
}

/* Encrypts; what has to wait stays in `from`. 0, -EAGAIN, or a failure. */
static int encrypt(struct tls_stream *tls, struct buf *from)
{
    for (;;) {
        int r = tls_engine_write(&tls->engine, from);
        long pulled;

        tls_stream_push(tls);
        if (r != -EAGAIN)
            return r ? r : tls->write_error;
        pulled = tls_stream_pull(tls);
        if (pulled == -EAGAIN)
            return -EAGAIN;
        if (pulled <= 0)
            return pulled == 0 ? -EPIPE : (int)pulled;
    }
}

static size_t held_bytes(const struct tls_stream *tls)
{
    return tls->held ? tls->held->length : 0;
}

static int hold(struct tls_stream *tls, struct buf *from)
{
    if (!tls->held) {
        tls->held = malloc(sizeof(*tls->held));
        if (!tls->held)
            return -ENOMEM;
        buf_init(tls->held, tls->engine.in.pool);
    }
    return buf_move(tls->held, from, from->length);
}

static void write_held(struct tls_stream *tls)
{
    int r;

    if (held_bytes(tls) == 0 || tls->write_error || tls->engine.failed)
        return;
    r = encrypt(tls, tls->held);
    if (r < 0 && r != -EAGAIN)
        fail_writing(tls, r);
}

/* close_notify behind everything that was written. false: something must still wait. */
static bool end_writing(struct tls_stream *tls)
{
    write_held(tls);
    if (held_bytes(tls) > 0)
        return false;
    if (tls->state == TLS_STREAM_OPEN && !tls->write_error)
        tls_engine_end_writing(&tls->engine);
    tls_stream_push(tls);
    return true;
}

/* More input came: what had to wait may be possible now, and the end of writing behind it. */
static void resume_writing(struct tls_stream *tls)
{
    if (held_bytes(tls) == 0)
        return;
    write_held(tls);
    if (held_bytes(tls) == 0 && tls->write_shut && end_writing(tls))
        stream_shutdown_write(tls->lower);
}

/* reading */

/* end: 0, STREAM_TRUNCATED or a negative errno. */
static void end_reading(struct tls_stream *tls, long end)
{
    tls->read_ended = true;
    tls->read_end = end;
    if (end < 0)
        tls_stream_fail(tls, STREAM_STEP_READ, end == STREAM_TRUNCATED ? 0 : (int)end,
                        end == -EPROTO ? tls->engine.error : NULL);
}

static long tls_stream_read(struct stream *stream, struct buf *into, size_t max)
{
    struct tls_stream *tls = of(stream);
    size_t total = 0;

    if (tls->state != TLS_STREAM_OPEN)
        return tls->state == TLS_STREAM_HANDSHAKE ? -EAGAIN : -EPROTO;
    if (tls->engine.failed && !tls->read_ended)
        end_reading(tls, -EPROTO);
    while (total < max && !tls->read_ended) {
        long n = tls_engine_read(&tls->engine, into, max - total);

        if (n > 0) {
            total += (size_t)n;
            continue;
        }
        if (n != -EAGAIN) {
            end_reading(tls, n);
            break;
        }
        n = tls_stream_pull(tls);
        if (n == -EAGAIN)
            break;
        if (n <= 0)
            end_reading(tls, n == 0 ? STREAM_TRUNCATED : n);
    }
    tls_stream_push(tls);
    resume_writing(tls);
    if (total > 0)
        return (long)total;
    return tls->read_ended ? tls->read_end : -EAGAIN;
}

/* writing */

static size_t tls_stream_queued(const struct stream *stream)
{
    const struct tls_stream *tls = (const struct tls_stream *)stream;

    return held_bytes(tls) + tls->engine.out.length + stream_queued(tls->lower);
}

static int tls_stream_write(struct stream *stream, struct buf *from)
{
    struct tls_stream *tls = of(stream);
    int r;

    if (tls->state != TLS_STREAM_OPEN)
        return -ENOTCONN;
    if (tls->write_error || tls->engine.failed)
        return tls->write_error ? tls->write_error : -EPROTO;
    assert(!tls->write_shut && "write after shutdown_write");
    r = held_bytes(tls) == 0 ? encrypt(tls, from) : -EAGAIN;
    if (r == -EAGAIN)
        r = hold(tls, from);
    if (r < 0)
        fail_writing(tls, r);
    if (tls_stream_queued(stream) >= STREAM_QUEUE_HIGH)
        tls->above_high = true;
    return r;
}

static void tls_stream_set_read_size(struct stream *stream, enum stream_read_size size)
{
    struct tls_stream *tls = of(stream);

    tls->engine.bulk = size == STREAM_READ_BULK;
    stream_set_read_size(tls->lower, size);
}

static void tls_stream_break_writing(struct stream *stream, int error)
{
    fail_writing(of(stream), error);
}

static void tls_stream_shutdown_write(struct stream *stream)
{
    struct tls_stream *tls = of(stream);

    tls->write_shut = true;
    if (end_writing(tls))
        stream_shutdown_write(tls->lower);
}

/* events */

/*
 * The stream below announces its own queue only. While plain text is held here, "drained" would be
 * a lie; and the writer may wait for WRITABLE although the queue below never was above its mark.
 */
static unsigned write_events(struct tls_stream *tls, unsigned events)
{
    unsigned up = 0;

    if ((events & STREAM_DRAINED) && held_bytes(tls) == 0)
        up |= STREAM_DRAINED;
    if (tls->above_high && tls_stream_queued(&tls->base) <= STREAM_QUEUE_LOW) {
        tls->above_high = false;
        up |= STREAM_WRITABLE;
    }
    return up;
}

static unsigned open_events(struct tls_stream *tls, unsigned events)
{
    unsigned up = events & (STREAM_READABLE | STREAM_WRITE_FAILED);
    bool was_broken = tls->write_error != 0;

    if (events & STREAM_READABLE)
        resume_writing(tls);
    if (tls->write_error && !was_broken)
        up |= STREAM_WRITE_FAILED;
    return up | write_events(tls, events);
}

static void on_lower_event(void *owner, unsigned events)
{
    struct tls_stream *tls = owner;
    unsigned up = 0;

    switch (tls->state) {
    case TLS_STREAM_HANDSHAKE:
        if (events & STREAM_OPEN_FAILED) {
            tls->state = TLS_STREAM_BROKEN; /* stream_failure: the one of the stream below */
            up = STREAM_OPEN_FAILED;
        } else {
            up = tls_stream_handshake(tls);
        }
        break;
    case TLS_STREAM_OPEN:
        up = open_events(tls, events);
        break;
    case TLS_STREAM_BROKEN:
        break; /* the owner knows and is about to close */
    }
    if (up && tls->base.on_event)
        tls->base.on_event(tls->base.owner, up); /* may close us: last touch */
}

/* end of life */

static void tls_stream_free(struct tls_stream *tls)
{
    handshake_turn_leave(&tls->turn);
    tls_stream_count_memory(tls, 0);
    tls_engine_done(&tls->engine);
    if (tls->held)
        buf_done(tls->held);
    free(tls->held);
    tls_server_config_unref(tls->server);
    tls_client_config_unref(tls->client);
    free(tls->failure_text);
    free(tls);
}

static void tls_stream_close(struct stream *stream, enum stream_close how)
{
    struct tls_stream *tls = of(stream);
    struct stream *lower = tls->lower;

    bool orderly = how == STREAM_CLOSE_FLUSH || how == STREAM_CLOSE_LINGER;

    /* what cannot be sent whole must not look whole */
    if (orderly && !end_writing(tls))
        how = STREAM_CLOSE_ABORT;
    stream_set_owner(lower, NULL, NULL);
    tls_stream_free(tls);
    stream_close(lower, how);
}

struct stream *tls_stream_take_lower(struct stream *stream)
{
    struct tls_stream *tls = of(stream);
    struct stream *lower = tls->lower;

    stream_set_owner(lower, NULL, NULL);
    tls_stream_free(tls);
    return lower;
}

static struct stream_failure tls_stream_failure(const struct stream *stream)
{
    const struct tls_stream *tls = (const struct tls_stream *)stream;

    return tls->failure.step == STREAM_STEP_NONE ? stream_failure(tls->lower) : tls->failure;
}

static const struct tls_session_info *tls_stream_info(const struct stream *stream)
{
    const struct tls_stream *tls = (const struct tls_stream *)stream;

    return tls->state == TLS_STREAM_OPEN ? &tls->info : NULL;
}

static const struct stream_ops tls_stream_ops = {
    .name = "tls",
    .read = tls_stream_read,
    .write = tls_stream_write,
    .queued = tls_stream_queued,
    .set_read_size = tls_stream_set_read_size,
    .shutdown_write = tls_stream_shutdown_write,
    .break_writing = tls_stream_break_writing,
    .close = tls_stream_close,
    .failure = tls_stream_failure,
    .tls_info = tls_stream_info,
};

static struct tls_stream *tls_stream_create(struct chunk_pool *pool, SSL_CTX *context,
                                            bool is_server)
{
    struct tls_stream *tls = chunk_pool_is_full(pool) ? NULL : calloc(1, sizeof(*tls));

    if (!tls)
        return NULL;
    tls->base.ops = &tls_stream_ops;
    if (tls_engine_init(&tls->engine, context, pool, is_server) == 0) {
        tls_stream_count_memory(tls, TLS_HANDSHAKE_HEAP_BYTES);
        return tls;
    }
    tls_stream_free(tls);
    return NULL;
}

static struct stream *take_lower(struct tls_stream *tls, struct stream **lower)
{
    tls->lower = *lower;
    tls->base.endpoint = (*lower)->endpoint;
    stream_set_owner(*lower, tls, on_lower_event);
    *lower = NULL;
    return &tls->base;
}

struct stream *tls_stream_accept(struct stream **lower, struct chunk_pool *pool,
                                 struct tls_server_config *config)
{
    struct tls_stream *tls =
        tls_stream_create(pool, config->contexts[config->default_context].context, true);

    if (!tls)
        return NULL;
    tls->server = tls_server_config_ref(config);
    return take_lower(tls, lower);
}

void tls_stream_refuse_later(struct stream *stream)
{
    of(stream)->engine.refuses_later = true;
}

/* A session is resumed only by a connection that would have made the same one. */
static char *session_cache_key(const struct tls_client_config *config,
                               const struct tls_connect_options *options)
{
    char *key;

    if (asprintf(&key, "%s|%s|%s", config->identity, options->server_name,
                 options->session_key ? options->session_key : "") < 0)
        return NULL;
    return key;
}

struct stream *tls_stream_connect(struct stream **lower, struct chunk_pool *pool,
                                  struct tls_client_config *config,
                                  const struct tls_connect_options *options)
{
    struct tls_stream *tls = tls_stream_create(pool, config->context, false);
    char *key;

    if (!tls)
        return NULL;
    tls->client = tls_client_config_ref(config);
    tls_engine_set_client(&tls->engine, config);
    tls->failure_text = strdup(options->server_name); /* for STREAM_STEP_TLS_NAME */
    if (!tls->failure_text ||
        tls_engine_expect_server(&tls->engine, options->server_name, config->verify) < 0)
        goto fail;
    if (options->sessions && !config->sessions_off) {
        key = session_cache_key(config, options);
        if (!key)
            goto fail;
        tls_engine_use_sessions(&tls->engine, options->sessions, key);
    }
    return take_lower(tls, lower);
fail:
    tls_stream_free(tls);
    return NULL;
}
