#include "tls/tls_probe.h"

#include <openssl/err.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "tls/cert_chain_priv.h"
#include "tls/chain_diagnosis_priv.h"
#include "tls/openssl_error_priv.h"
#include "tls/tls_context_priv.h"
#include "tls/tls_probe_priv.h"

enum {
    CHAIN_BYTES_MAX = 1 << 20
}; /* ten times OpenSSL's default: a chain that is too long is told */

/* ---- the probe ----------------------------------------------------------------------------- */

static struct tls_probe_conn *conn_of(const SSL *ssl)
{
    return SSL_get_app_data(ssl);
}

static int accept_chain(X509_STORE_CTX *ctx, void *unused)
{
    (void)ctx;
    (void)unused;
    return 1; /* judged afterwards, by tls_probe_examine */
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_probe *probe = conn_of(ssl)->probe;

    SSL_SESSION_free(probe->session);
    probe->session = session;
    return 1; /* the reference is ours */
}

/* Only asked when the server wants a certificate; ours, if any, is already in the context. */
static int on_certificate_request(SSL *ssl, void *unused)
{
    (void)unused;
    conn_of(ssl)->certificate_requested = true;
    return 1;
}

static void on_info(const SSL *ssl, int where, int value)
{
    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT)
        conn_of(ssl)->alert = value & 0xff;
}

static bool set_anchors(struct tls_probe *probe, const char *ca_pem, struct tls_error *reterr)
{
    STACK_OF(X509) * found;
    bool done = true;

    probe->anchors = X509_STORE_new();
    if (!probe->anchors)
        return false;
    if (!ca_pem)
        return X509_STORE_set_default_paths(probe->anchors) == 1;
    found = cert_bundle_parse(ca_pem, reterr->text, sizeof(reterr->text));
    for (int i = 0; found && done && i < sk_X509_num(found); i++)
        done = X509_STORE_add_cert(probe->anchors, sk_X509_value(found, i)) == 1;
    if (found && sk_X509_num(found) == 0) {
        tls_error_set(reterr, "the file of trusted certificates has none");
        done = false;
    }
    done = done && found;
    sk_X509_pop_free(found, X509_free);
    return done;
}

static bool set_certificate(struct tls_probe *probe, const struct tls_pem_pair *pair,
                            struct tls_error *reterr)
{
    struct cert_chain chain;
    EVP_PKEY *key;
    bool done = false;

    if (!pair->chain_pem)
        return true;
    key = cert_key_parse(pair->key_pem ? pair->key_pem : "", reterr->text, sizeof(reterr->text));
    if (!key)
        return false;
    if (cert_chain_parse(&chain, pair->chain_pem, key, reterr->text, sizeof(reterr->text)) == 0) {
        tls_error_set(reterr, "the client certificate and its key do not belong together");
        done = chain.leaf && SSL_CTX_use_certificate(probe->context, chain.leaf) == 1 &&
               SSL_CTX_use_PrivateKey(probe->context, key) == 1 &&
               SSL_CTX_set1_chain(probe->context, chain.above) == 1;
        cert_chain_done(&chain);
    }
    EVP_PKEY_free(key);
    probe->has_certificate = done;
    return done;
}

/* Whatever the server has: what is bad about it is said, not refused. */
static bool set_up(SSL_CTX *context, bool tls12_only)
{
    static const unsigned char alpn[] = "\x08http/1.1";

    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_options(context, SSL_OP_LEGACY_SERVER_CONNECT);
    SSL_CTX_set_read_ahead(context, 1); /* for on_wire_read: more than the five bytes of a header */
    SSL_CTX_set_max_cert_list(context, CHAIN_BYTES_MAX);
    SSL_CTX_set_cert_verify_callback(context, accept_chain, NULL);
    SSL_CTX_set_cert_cb(context, on_certificate_request, NULL);
    SSL_CTX_set_info_callback(context, on_info);
    SSL_CTX_set_session_cache_mode(context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context, on_session);
    return SSL_CTX_set_min_proto_version(context, TLS1_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(context, tls12_only ? TLS1_2_VERSION : 0) == 1 &&
           SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0") == 1 &&
           SSL_CTX_set_tlsext_status_type(context, TLSEXT_STATUSTYPE_ocsp) == 1 &&
           SSL_CTX_set_alpn_protos(context, alpn, sizeof(alpn) - 1) == 0;
}

static bool copy_name(const char *from, char **ret)
{
    if (!from)
        return true;
    *ret = strdup(from);
    return *ret != NULL;
}

struct tls_probe *tls_probe_create(const struct tls_probe_settings *settings,
                                   struct tls_error *reterr)
{
    SCOPED(tls_probe) probe = calloc(1, sizeof(*probe));

    tls_error_set(reterr, "out of memory, or OpenSSL cannot be set up");
    if (!probe)
        return NULL;
    probe->now_s = settings->now_s;
    probe->context = SSL_CTX_new(TLS_client_method());
    if (!probe->context || !set_up(probe->context, settings->tls12_only) ||
        !copy_name(settings->server_name, &probe->server_name) ||
        !copy_name(settings->expected_name, &probe->expected_name) ||
        !set_anchors(probe, settings->ca_pem, reterr) ||
        !set_certificate(probe, &settings->certificate, reterr)) {
        ERR_clear_error();
        return NULL;
    }
    return TAKE(probe);
}

void tls_probe_free(struct tls_probe *probe)
{
    if (!probe)
        return;
    SSL_SESSION_free(probe->session);
    SSL_CTX_free(probe->context);
    X509_STORE_free(probe->anchors);
    free(probe->server_name);
    free(probe->expected_name);
    free(probe);
}

bool tls_probe_has_session(const struct tls_probe *probe)
{
    return probe->session && SSL_SESSION_is_resumable(probe->session) == 1;
}

bool tls_probe_session_is_ticket(const struct tls_probe *probe)
{
    return probe->session && SSL_SESSION_has_ticket(probe->session) == 1;
}

/* ---- a connection -------------------------------------------------------------------------- */

/* False at the deadline. */
static bool wait_for(int fd, short events, uint64_t deadline_ms)
{
    struct pollfd entry = { .fd = fd, .events = events };

    for (;;) {
        uint64_t now = clock_now_ms();
        int r = poll(&entry, 1, now >= deadline_ms ? 0 : (int)(deadline_ms - now));

        if (r > 0)
            return true;
        if (r == 0 || errno != EINTR)
            return false;
    }
}

/* What the server says first: OpenSSL throws the bytes away when they are no TLS. */
static long on_wire_read(BIO *bio, int operation, const char *bytes, size_t size, int argi,
                         long argl, int result, size_t *processed)
{
    struct tls_probe_conn *conn = (struct tls_probe_conn *)(void *)BIO_get_callback_arg(bio);
    size_t room = sizeof(conn->first_bytes) - conn->first_length;

    (void)size;
    (void)argi;
    (void)argl;
    if (operation == (BIO_CB_READ | BIO_CB_RETURN) && result > 0 && room > 0) {
        size_t length = *processed < room ? *processed : room;

        memcpy(conn->first_bytes + conn->first_length, bytes, length);
        conn->first_length += length;
    }
    return result;
}

/* After a call that returned r <= 0: true: call again. */
static bool wait_to_retry(struct tls_probe_conn *conn, int r, uint64_t deadline_ms,
                          struct tls_probe_failure *reterr)
{
    int saved_errno = errno, code = SSL_get_error(conn->ssl, r);

    errno = saved_errno;
    if (code != SSL_ERROR_WANT_READ && code != SSL_ERROR_WANT_WRITE) {
        tls_probe_explain(conn, r, false, reterr);
        return false;
    }
    if (!wait_for(conn->fd, code == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline_ms)) {
        tls_probe_explain(conn, r, true, reterr);
        return false;
    }
    return true;
}

static bool conn_set_up(struct tls_probe_conn *conn)
{
    const struct tls_probe *probe = conn->probe;

    conn->ssl = SSL_new(probe->context);
    if (!conn->ssl || SSL_set_app_data(conn->ssl, conn) != 1 ||
        SSL_set_fd(conn->ssl, conn->fd) != 1)
        return false;
    BIO_set_callback_arg(SSL_get_rbio(conn->ssl), (char *)conn);
    BIO_set_callback_ex(SSL_get_rbio(conn->ssl), on_wire_read);
    /* RFC 6066 3: an address is no server name */
    if (probe->server_name && !chain_name_is_address(probe->server_name) &&
        SSL_set_tlsext_host_name(conn->ssl, probe->server_name) != 1)
        return false;
    return !tls_probe_has_session(probe) || SSL_set_session(conn->ssl, probe->session) == 1;
}

struct tls_probe_conn *tls_probe_open(struct tls_probe *probe, int fd, uint64_t deadline_ms,
                                      struct tls_probe_failure *reterr)
{
    struct tls_probe_conn *conn = calloc(1, sizeof(*conn));
    int r;

    *reterr = (struct tls_probe_failure){ .kind = "memory", .text = "out of memory" };
    if (!conn)
        return NULL;
    conn->probe = probe;
    conn->fd = fd;
    conn->alert = TLS_PROBE_NO_ALERT;
    if (!conn_set_up(conn)) {
        tls_probe_close(conn);
        return NULL;
    }
    do {
        ERR_clear_error();
        errno = 0;
        r = SSL_connect(conn->ssl);
        if (r == 1)
            return conn;
    } while (wait_to_retry(conn, r, deadline_ms, reterr));
    SSL_free(conn->ssl);
    free(conn);
    return NULL;
}

void tls_probe_close(struct tls_probe_conn *conn)
{
    if (!conn)
        return;
    ERR_clear_error();
    if (conn->ssl && SSL_is_init_finished(conn->ssl))
        (void)SSL_shutdown(conn->ssl); /* a courtesy */
    SSL_free(conn->ssl);
    ERR_clear_error();
    free(conn);
}

long tls_probe_read(struct tls_probe_conn *conn, void *into, size_t size, uint64_t deadline_ms,
                    struct tls_probe_failure *reterr)
{
    size_t n = 0;
    int r;

    for (;;) {
        ERR_clear_error();
        errno = 0;
        r = SSL_read_ex(conn->ssl, into, size, &n);
        if (r == 1)
            return (long)n;
        if (SSL_get_error(conn->ssl, r) == SSL_ERROR_ZERO_RETURN)
            return 0;
        if (!wait_to_retry(conn, r, deadline_ms, reterr))
            return -EIO;
    }
}

int tls_probe_write(struct tls_probe_conn *conn, const void *bytes, size_t length,
                    uint64_t deadline_ms, struct tls_probe_failure *reterr)
{
    size_t n = 0;
    int r;

    do {
        ERR_clear_error();
        errno = 0;
        r = SSL_write_ex(conn->ssl, bytes, length, &n);
        if (r == 1)
            return 0;
    } while (wait_to_retry(conn, r, deadline_ms, reterr));
    return -EIO;
}
