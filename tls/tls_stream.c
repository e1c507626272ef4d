#include "tls/tls_stream.h"

#include <openssl/x509.h>

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tls/tls_context_priv.h"
#include "tls/tls_engine_priv.h"

/* What one pull may take from below: bounds the ciphertext that waits here while the owner pauses.
 */
enum { PULL_BYTES_MAX = 64 * 1024 };

/* What OpenSSL takes from the heap, for the memory budget: its buffers are there until a handshake is
 * over, and from then on only while a record is worked on. Measured with OpenSSL 3.0, TLS 1.2 and 1.3. */
enum { HANDSHAKE_HEAP_BYTES = 46 * 1024, OPEN_HEAP_BYTES = 15 * 1024 };

/*  HANDSHAKE -> OPEN      handshake_done: STREAM_OPEN
 *      '-----> BROKEN     handshake_fail: STREAM_OPEN_FAILED; only failure and close make sense
 *  An open stream stays OPEN: its two directions end one by one, see read_end and write_error. */
enum tls_stream_state { TLS_STREAM_HANDSHAKE, TLS_STREAM_OPEN, TLS_STREAM_BROKEN };

struct tls_stream {
    struct stream base; /* first: a stream pointer is a tls_stream pointer */
    struct stream *lower;
    struct tls_engine engine;
    struct tls_server_config *server; /* one of the two, a reference */
    struct tls_client_config *client;
    enum tls_stream_state state;
    bool first_bytes_seen;
    bool lower_ended; /* lower_end is what its read said */
    bool read_ended;  /* read_end is what our read says from now on */
    bool write_shut;
    uint32_t counted_bytes; /* in the memory budget */
    bool above_high;        /* the writer was told to wait for STREAM_WRITABLE */
    int write_error;
    long lower_end, read_end;
    /* Plain text that OpenSSL takes only after the rest of a handshake message that the other side
     * has begun (a KeyUpdate cut in two). Heap; NULL in all normal lives. */
    struct buf *held;
    struct stream_failure failure;
    char *failure_text; /* heap, behind failure.detail */
    struct tls_session_info info;
};

static struct tls_stream *of(struct stream *stream)
{
    return (struct tls_stream *)stream;
}

static void count_memory(struct tls_stream *tls, uint32_t bytes)
{
    memory_account_add(chunk_pool_account(tls->engine.in.pool), MEMORY_TLS,
                       (int64_t)bytes - tls->counted_bytes);
    tls->counted_bytes = bytes;
}

static void fail_with(struct tls_stream *tls, enum stream_step step, int error, const char *detail)
{
    const struct client_facts *facts = tls->engine.facts;

    if (tls->failure.step != STREAM_STEP_NONE) /* the first failure explains the others */
        return;
    tls->failure = (struct stream_failure){ step, error, detail, NULL };
    if (facts && facts->is_complete)
        tls->failure.tls = &facts->failure;
}

/* Hands records to the stream below. */
static void push(struct tls_stream *tls)
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

/* > 0: more ciphertext; -EAGAIN: the receive below is armed; else lower_end, its end. */
static long pull(struct tls_stream *tls)
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

/* handshake */

static unsigned handshake_done(struct tls_stream *tls)
{
    if (tls_engine_info(&tls->engine, &tls->info) < 0) {
        tls->state = TLS_STREAM_BROKEN;
        fail_with(tls, STREAM_STEP_TLS_HANDSHAKE, -ENOMEM, "out of memory");
        return STREAM_OPEN_FAILED;
    }
    tls->info.server = tls->server;
    count_memory(tls, sizeof(*tls) + OPEN_HEAP_BYTES);
    tls->state = TLS_STREAM_OPEN;
    return STREAM_OPEN;
}

/* true when the failure is the server's certificate, and then it is recorded. */
static bool fail_with_verification(struct tls_stream *tls)
{
    long result;

    if (!tls->client || !tls->client->verify)
        return false;
    result = SSL_get_verify_result(tls->engine.ssl);
    if (result == X509_V_OK)
        return false;
    if (result == X509_V_ERR_HOSTNAME_MISMATCH || result == X509_V_ERR_IP_ADDRESS_MISMATCH) {
        fail_with(tls, STREAM_STEP_TLS_NAME, -EPROTO, tls->failure_text);
        return true;
    }
    free(tls->failure_text);
    if (asprintf(&tls->failure_text, "%ld:%s", result, X509_verify_cert_error_string(result)) < 0)
        tls->failure_text = NULL;
    fail_with(tls, STREAM_STEP_TLS_VERIFY, -EPROTO, tls->failure_text);
    return true;
}

/* FIN, reset or close_notify where a client still waits for the server's word. */
static void note_close(struct tls_stream *tls)
{
    struct client_facts *facts = tls_engine_facts(&tls->engine);

    if (facts)
        client_facts_note_close(facts, tls->engine.ssl, tls->first_bytes_seen);
}

/* true when the failure is the client's certificate, or that it has none. */
static bool fail_with_client(struct tls_stream *tls)
{
    if (!tls->server || (!tls->engine.verify_error && !tls->engine.client_sent_no_certificate))
        return false;
    if (tls->engine.verify_error)
        tls->failure_text = tls_engine_verify_text(tls->engine.verify_error);
    fail_with(tls, STREAM_STEP_TLS_VERIFY, -EPROTO, tls->failure_text);
    return true;
}

static unsigned handshake_fail(struct tls_stream *tls, int error)
{
    tls->state = TLS_STREAM_BROKEN;
    if (error == -ECONNABORTED)
        note_close(tls);
    if (error == -ENOMEM)
        fail_with(tls, STREAM_STEP_TLS_HANDSHAKE, error, "out of memory");
    else if (error == -ECONNABORTED)
        fail_with(tls, STREAM_STEP_TLS_HANDSHAKE, 0, NULL);
    else if (!fail_with_verification(tls) && !fail_with_client(tls))
        fail_with(tls, STREAM_STEP_TLS_HANDSHAKE, error, tls->engine.error);
    return STREAM_OPEN_FAILED;
}

/* The stream below ended in the middle of the handshake. */
static unsigned handshake_cut(struct tls_stream *tls)
{
    tls->state = TLS_STREAM_BROKEN;
    note_close(tls);
    fail_with(tls, STREAM_STEP_TLS_HANDSHAKE,
              tls->lower_end == STREAM_TRUNCATED ? 0 : (int)tls->lower_end, NULL);
    return STREAM_OPEN_FAILED;
}

/* A server is looked at for what else it may be, should the handshake fail. */
static void look_at_server(struct tls_stream *tls)
{
    struct client_facts *facts;

    if (!client_facts_are_foreign(&tls->engine.in))
        return;
    facts = tls_engine_facts(&tls->engine);
    if (facts)
        client_facts_note_first_bytes(facts, &tls->engine.in);
}

/* No TLS record type is a letter (RFC 8446 5.1: 20 to 23), every method begins with one. */
static bool client_speaks_http(struct tls_stream *tls)
{
    char first = 0;

    if (tls->first_bytes_seen)
        return false;
    tls->first_bytes_seen = true;
    if (!tls->server) {
        look_at_server(tls);
        return false;
    }
    (void)buf_peek(&tls->engine.in, &first, 1); /* not empty: a pull just succeeded */
    return first >= 'A' && first <= 'Z';
}

static unsigned handshake_run(struct tls_stream *tls)
{
    for (;;) {
        int r = tls_engine_handshake(&tls->engine);
        long pulled;

        push(tls);
        if (r == 0)
            return handshake_done(tls);
        if (r != -EAGAIN)
            return handshake_fail(tls, r);
        pulled = pull(tls);
        if (pulled == -EAGAIN)
            return 0;
        if (pulled <= 0)
            return handshake_cut(tls);
        if (client_speaks_http(tls)) {
            tls->state = TLS_STREAM_BROKEN;
            fail_with(tls, STREAM_STEP_TLS_HANDSHAKE, -EPROTO, TLS_PLAIN_HTTP);
            return STREAM_OPEN_FAILED;
        }
    }
}

bool tls_stream_is_to(const struct stream *stream, const char *server_name)
{
    return tls_engine_expects(&((const struct tls_stream *)stream)->engine, server_name);
}

unsigned tls_stream_begin(struct stream *stream)
{
    struct tls_stream *tls = of(stream);

    return tls->state == TLS_STREAM_HANDSHAKE ? handshake_run(tls) : 0;
}

/* what has to wait */

static void fail_writing(struct tls_stream *tls, int error)
{
    if (!tls->write_error)
        tls->write_error = error;
    fail_with(tls, STREAM_STEP_WRITE, error, error == -EPROTO ? tls->engine.error : NULL);
    stream_break_writing(tls->lower, error);
}

/* Encrypts; what has to wait stays in `from`. 0, -EAGAIN, or a failure. */
static int encrypt(struct tls_stream *tls, struct buf *from)
{
    for (;;) {
        int r = tls_engine_write(&tls->engine, from);
        long pulled;

        push(tls);
        if (r != -EAGAIN)
            return r ? r : tls->write_error;
        pulled = pull(tls);
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
    push(tls);
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
        fail_with(tls, STREAM_STEP_READ, end == STREAM_TRUNCATED ? 0 : (int)end,
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
        n = pull(tls);
        if (n == -EAGAIN)
            break;
        if (n <= 0)
            end_reading(tls, n == 0 ? STREAM_TRUNCATED : n);
    }
    push(tls);
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
            up = handshake_run(tls);
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
    count_memory(tls, 0);
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

    assert(tls->state == TLS_STREAM_BROKEN);
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
        count_memory(tls, sizeof(*tls) + HANDSHAKE_HEAP_BYTES);
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
