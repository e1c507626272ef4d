#include "tls/tls_engine_priv.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tls/openssl_error_priv.h"
#include "tls/sni_priv.h"

/* BIO: `in` and `out` of the engine as OpenSSL sees them */

static int bio_read(BIO *bio, char *into, int length)
{
    struct tls_engine *engine = BIO_get_data(bio);
    size_t copied = buf_peek(&engine->in, into, (size_t)length);

    BIO_clear_retry_flags(bio);
    if (copied == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    buf_consume(&engine->in, copied);
    return (int)copied;
}

/* Always accepts: the limiter is the writer above, who watches stream_queued. */
static int bio_write(BIO *bio, const char *from, int length)
{
    struct tls_engine *engine = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (buf_append_bytes(&engine->out, from, (size_t)length) < 0) {
        engine->out_of_memory = true;
        return -1;
    }
    return length;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    const struct tls_engine *engine = BIO_get_data(bio);

    (void)number;
    (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return engine->input_ended && buf_is_empty(&engine->in);
    case BIO_CTRL_PENDING:
        return (long)engine->in.length;
    default:
        return 0;
    }
}

static BIO_METHOD *engine_method;

/* Lives as long as the process. */
static void engine_method_create(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tls_engine");

    if (method && BIO_meth_set_read(method, bio_read) == 1 &&
        BIO_meth_set_write(method, bio_write) == 1 && BIO_meth_set_ctrl(method, bio_ctrl) == 1)
        engine_method = method;
    else
        BIO_meth_free(method);
}

int tls_engine_init(struct tls_engine *engine, SSL_CTX *context, struct chunk_pool *pool,
                    bool is_server)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    BIO *bio;

    *engine = (struct tls_engine){ 0 };
    buf_init(&engine->in, pool);
    buf_init(&engine->out, pool);
    if (pthread_once(&once, engine_method_create) != 0 || !engine_method)
        return -ENOMEM;
    engine->ssl = SSL_new(context);
    bio = BIO_new(engine_method);
    if (!engine->ssl || !bio) {
        BIO_free(bio);
        ERR_clear_error();
        return -ENOMEM;
    }
    BIO_set_data(bio, engine);
    BIO_set_init(bio, 1);
    SSL_set_bio(engine->ssl, bio, bio);
    if (SSL_set_app_data(engine->ssl, engine) != 1) { /* callbacks would not find us */
        ERR_clear_error();
        return -ENOMEM;
    }
    engine->ramps = is_server;
    if (is_server)
        SSL_set_accept_state(engine->ssl);
    else
        SSL_set_connect_state(engine->ssl);
    return 0;
}

void tls_engine_done(struct tls_engine *engine)
{
    /* an aborted connection is no reason for OpenSSL to distrust its session, a broken record is */
    if (engine->ssl && !engine->failed)
        SSL_set_shutdown(engine->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(engine->ssl);
    ERR_clear_error();
    buf_done(&engine->in);
    buf_done(&engine->out);
    free(engine->error);
    free(engine->server_name);
    free(engine->expected_name);
    free(engine->session_key);
    client_facts_free(engine->facts);
    client_verdict_done(&engine->verdict);
    *engine = (struct tls_engine){ 0 };
}

int tls_engine_note_server_name(struct tls_engine *engine, const char *name)
{
    char *copy = strdup(name);

    if (!copy)
        return -ENOMEM;
    free(engine->server_name);
    engine->server_name = copy;
    return 0;
}

void tls_engine_set_client(struct tls_engine *engine, const struct tls_client_config *config)
{
    engine->client = config;
}

struct client_facts *tls_engine_facts(struct tls_engine *engine)
{
    if (!engine->facts && engine->client)
        engine->facts = client_facts_create(engine->client);
    return engine->facts;
}

/* "[::1]" and "name." as they stand in a URL, to what a certificate says. */
static int plain_name(const char *name, char into[static SNI_NAME_MAX + 1])
{
    struct slice text = slice_of(name);

    if (text.len > 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')
        text = (struct slice){ text.ptr + 1, text.len - 2 };
    else if (text.len > 1 && text.ptr[text.len - 1] == '.')
        text.len--;
    if (text.len == 0 || text.len > SNI_NAME_MAX)
        return -EINVAL;
    memcpy(into, text.ptr, text.len);
    into[text.len] = '\0';
    return 0;
}

int tls_engine_expect_server(struct tls_engine *engine, const char *name, bool verify)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(engine->ssl);
    ASN1_OCTET_STRING *address;
    char text[SNI_NAME_MAX + 1];
    int r = plain_name(name, text);

    if (r < 0)
        return r;
    engine->expected_name = strdup(text);
    if (!engine->expected_name)
        return -ENOMEM;
    address = a2i_IPADDRESS(text);
    if (address) {
        ASN1_OCTET_STRING_free(address);
        /* RFC 6066 3: an IP literal is no server name */
        r = verify && X509_VERIFY_PARAM_set1_ip_asc(param, text) != 1 ? -ENOMEM : 0;
    } else {
        X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        if (SSL_set_tlsext_host_name(engine->ssl, text) != 1 ||
            (verify && X509_VERIFY_PARAM_set1_host(param, text, 0) != 1))
            r = -ENOMEM;
        else
            r = tls_engine_note_server_name(engine, text);
    }
    ERR_clear_error();
    return r;
}

bool tls_engine_expects(const struct tls_engine *engine, const char *name)
{
    char text[SNI_NAME_MAX + 1];

    return engine->expected_name && plain_name(name, text) == 0 &&
           strcasecmp(engine->expected_name, text) == 0;
}

void tls_engine_use_sessions(struct tls_engine *engine, struct tls_session_cache *sessions,
                             char *key)
{
    SSL_SESSION *session = tls_session_cache_get(sessions, key);

    engine->sessions = sessions;
    engine->session_key = key;
    engine->session_seen = session;
    if (session)
        (void)SSL_set_session(engine->ssl, session); /* refused: then it is a full handshake */
    ERR_clear_error();
}

/*
 * Looks whether the last call brought a session (TLS 1.3: any read may). OpenSSL's callback for that
 * works only with its own client cache switched on, and that makes a TLS 1.3 session, and those that
 * descend from it, not resumable after its first use.
 */
static void keep_session(struct tls_engine *engine)
{
    SSL_SESSION *session = engine->sessions ? SSL_get0_session(engine->ssl) : NULL;

    if (!session || session == engine->session_seen || !SSL_SESSION_is_resumable(session))
        return;
    engine->session_seen = session;
    SSL_SESSION_up_ref(session);
    tls_session_cache_put(engine->sessions, engine->session_key, session);
}

static int engine_fail(struct tls_engine *engine)
{
    unsigned long first = ERR_peek_error();
    struct client_facts *facts;
    char text[400];

    engine->failed = true;
    engine->client_sent_no_certificate =
        ERR_GET_REASON(ERR_peek_error()) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE;
    if (engine->sessions)
        tls_session_cache_forget(engine->sessions, engine->session_key);
    openssl_error_drain(text, sizeof(text));
    if (engine->out_of_memory || ERR_GET_REASON(first) == ERR_R_MALLOC_FAILURE)
        return -ENOMEM;
    free(engine->error);
    if (asprintf(&engine->error, "SSL: %s", text[0] ? text : "no reason given") < 0)
        engine->error = NULL;
    facts = tls_engine_facts(engine);
    if (facts)
        client_facts_note_error(facts, engine->ssl, first);
    return -EPROTO;
}

/* What a call that returned r <= 0 means; ret_ended says what close_notify is to the caller. */
static int engine_result(struct tls_engine *engine, int r, int ended)
{
    switch (SSL_get_error(engine->ssl, r)) {
    case SSL_ERROR_WANT_READ:
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return ended;
    default:
        return engine_fail(engine);
    }
}

/* SSL_get_error wants an empty queue. Clearing one that is empty already costs more than looking. */
static void forget_errors(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

int tls_engine_handshake(struct tls_engine *engine)
{
    int r;

    assert(!engine->failed);
    forget_errors();
    r = SSL_do_handshake(engine->ssl);
    if (r != 1)
        return engine_result(engine, r, -ECONNABORTED);
    keep_session(engine);
    return 0;
}

long tls_engine_read(struct tls_engine *engine, struct buf *into, size_t max)
{
    size_t wanted, room, done = 0;
    char *at;
    int r;

    assert(!engine->failed);
    /* do not take a chunk only to learn that there is nothing to put into it */
    if (buf_is_empty(&engine->in) && !SSL_has_pending(engine->ssl))
        return -EAGAIN;
    wanted = (size_t)SSL_pending(engine->ssl); /* the rest of a record that did not fit */
    if (wanted == 0)
        wanted = engine->bulk ? TLS_RECORD_CONTENT_MAX : 1;
    at = buf_reserve(into, wanted < max ? wanted : max, &room);
    if (!at)
        return -ENOMEM;
    forget_errors();
    r = SSL_read_ex(engine->ssl, at, room < max ? room : max, &done);
    buf_commit(into, r == 1 ? done : 0);
    keep_session(engine);
    return r == 1 ? (long)done : engine_result(engine, r, 0);
}

/*
 * A record can be read only when all of it has come. After a pause the window of TCP is small and
 * 16 KiB take several round trips, so a browser would wait for the first byte of a page: the first
 * records are small, and large once content flows. 4096 bytes are three packets.
 */
enum { RAMP_RECORD_BYTES = 4096, RAMP_BYTES = 64 * 1024, RAMP_PAUSE_MS = 1000 };

static uint64_t coarse_now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void note_pause(struct tls_engine *engine)
{
    uint64_t now_ms = coarse_now_ms();

    if (now_ms - engine->wrote_at_ms > RAMP_PAUSE_MS)
        engine->ramp_bytes = 0;
    engine->wrote_at_ms = now_ms;
}

static size_t record_limit(const struct tls_engine *engine)
{
    return engine->ramps && engine->ramp_bytes < RAMP_BYTES ? RAMP_RECORD_BYTES
                                                            : TLS_RECORD_CONTENT_MAX;
}

/* A head and a little content that were written together go out as one record. */
static struct slice next_record(const struct buf *from, size_t limit,
                                char copy[static TLS_RECORD_CONTENT_MAX])
{
    struct slice front = buf_front(from);

    if (front.len >= limit)
        return (struct slice){ front.ptr, limit };
    if (front.len == from->length)
        return front;
    return (struct slice){ copy, buf_peek(from, copy, limit) };
}

int tls_engine_write(struct tls_engine *engine, struct buf *from)
{
    char copy[TLS_RECORD_CONTENT_MAX];

    assert(!engine->failed);
    if (engine->ramps)
        note_pause(engine);
    while (!buf_is_empty(from)) {
        struct slice record = next_record(from, record_limit(engine), copy);
        size_t done = 0;
        int r;

        forget_errors();
        r = SSL_write_ex(engine->ssl, record.ptr, record.len, &done);
        if (r != 1)
            return engine_result(engine, r, -EPIPE);
        buf_consume(from, done);
        if (engine->ramp_bytes < RAMP_BYTES)
            engine->ramp_bytes += (uint32_t)done;
    }
    return 0;
}

void tls_engine_end_writing(struct tls_engine *engine)
{
    if (engine->failed || SSL_in_init(engine->ssl) ||
        (SSL_get_shutdown(engine->ssl) & SSL_SENT_SHUTDOWN))
        return;
    ERR_clear_error();
    (void)SSL_shutdown(engine->ssl); /* 0: sent, the other side's is still to come */
    ERR_clear_error();
}

/* What the client showed. Its certificate is read only if one came: others pay nothing. */
static int note_client(struct tls_engine *engine)
{
    struct tls_client_certificate *certificate = NULL;
    int r = 0;

    if (engine->policy->mode != TLS_VERIFY_OFF) {
        SSL_set0_CA_list(engine->ssl, NULL); /* was needed for the handshake only */
        r = tls_client_certificate_create(engine->ssl, &certificate);
    }
    return r < 0 ? r
                 : client_verdict_init(&engine->verdict, engine->policy, &certificate,
                                       SSL_get_verify_result(engine->ssl));
}

/* What we offer or accept: a protocol out of this list, and no copy of its name per connection. */
static const char *alpn_name(const unsigned char *bytes, unsigned length)
{
    static const char *const names[] = { "http/1.1", "http/1.0", "h2" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == length && memcmp(names[i], bytes, length) == 0)
            return names[i];
    return length > 0 ? "other" : "";
}

int tls_engine_info(struct tls_engine *engine, struct tls_session_info *ret_info)
{
    const unsigned char *alpn;
    unsigned length;
    int r;

    SSL_get0_alpn_selected(engine->ssl, &alpn, &length);
    *ret_info = (struct tls_session_info){
        .version = SSL_get_version(engine->ssl),
        .cipher = SSL_get_cipher_name(engine->ssl),
        .server_name = engine->server_name ? engine->server_name : "",
        .alpn = alpn_name(alpn, length),
        .resumed = SSL_session_reused(engine->ssl) == 1,
        .client = { .verify = "NONE", .verify_error = "" },
    };
    if (!engine->policy)
        return 0;
    ret_info->policy = engine->policy_index;
    r = note_client(engine);
    if (r == 0)
        ret_info->client = engine->verdict.identity;
    return r;
}
