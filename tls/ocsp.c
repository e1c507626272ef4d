#include "tls/ocsp_priv.h"

#include <openssl/err.h>
#include <openssl/http.h>
#include <openssl/ocsp.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "tls/cert_chain_priv.h"
#include "tls/openssl_error_priv.h"
#include "tls/tls_context_priv.h"

enum { CLOCK_SKEW_S = 300, RESPONSE_BYTES_MAX = 64 * 1024, LIFE_WITHOUT_END_S = 3600 };

int ocsp_staple_init(struct ocsp_staple *staple, const struct tls_pem_pair *pair)
{
    char text[256];
    struct cert_chain chain;
    EVP_PKEY *key = cert_key_parse(pair->key_pem ? pair->key_pem : "", text, sizeof(text));
    int r = cert_chain_parse(&chain, pair->chain_pem, key, text, sizeof(text));

    EVP_PKEY_free(key);
    if (r < 0)
        return -EINVAL;
    staple->leaf = chain.leaf;
    staple->issuer = sk_X509_num(chain.above) > 0 ? sk_X509_value(chain.above, 0) : chain.root;
    if (staple->leaf)
        X509_up_ref(staple->leaf);
    if (staple->issuer)
        X509_up_ref(staple->issuer);
    cert_chain_done(&chain);
    return staple->leaf ? 0 : -EINVAL;
}

void ocsp_staple_done(struct ocsp_staple *staple)
{
    OPENSSL_free(staple->der);
    X509_free(staple->leaf);
    X509_free(staple->issuer);
    *staple = (struct ocsp_staple){ .leaf = NULL };
}

static bool try_enter(struct ocsp_staple *staple)
{
    return !atomic_flag_test_and_set_explicit(&staple->busy, memory_order_acquire);
}

static void leave(struct ocsp_staple *staple)
{
    atomic_flag_clear_explicit(&staple->busy, memory_order_release);
}

/* ---- checking ------------------------------------------------------------------------------ */

/* By the issuer, or by a responder that the issuer has certified (RFC 6960 4.2.2.2). */
static bool is_signed_by_issuer(OCSP_BASICRESP *basic, X509 *issuer)
{
    STACK_OF(X509) *certificates = sk_X509_new_null();
    X509_STORE *store = X509_STORE_new();
    bool done;

    done = certificates && store && sk_X509_push(certificates, issuer) > 0 &&
           X509_STORE_add_cert(store, issuer) == 1 &&
           X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1 &&
           OCSP_basic_verify(basic, certificates, store, 0) == 1;
    X509_STORE_free(store);
    sk_X509_free(certificates);
    return done;
}

static const char *judge_status(OCSP_BASICRESP *basic, OCSP_CERTID *id, time_t now_s,
                                time_t *ret_expires_at)
{
    ASN1_GENERALIZEDTIME *this_update, *next_update;
    int status, reason, days = 0, seconds = 0;
    ASN1_TIME *now;

    if (OCSP_resp_find_status(basic, id, &status, &reason, NULL, &this_update, &next_update) != 1)
        return "it is about another certificate";
    if (status != V_OCSP_CERTSTATUS_GOOD)
        return status == V_OCSP_CERTSTATUS_REVOKED ? "it says that the certificate is revoked"
                                                   : "it says that the certificate is unknown";
    if (OCSP_check_validity(this_update, next_update, CLOCK_SKEW_S, -1) != 1)
        return "it is not valid now; get a new one";
    *ret_expires_at = now_s + LIFE_WITHOUT_END_S;
    now = ASN1_TIME_set(NULL, now_s);
    if (next_update && now && ASN1_TIME_diff(&days, &seconds, now, next_update) == 1)
        *ret_expires_at = now_s + (time_t)days * 86400 + seconds;
    ASN1_TIME_free(now);
    return NULL;
}

/* NULL: it may be sent. */
static const char *judge(const struct ocsp_staple *staple, OCSP_RESPONSE *response, time_t now_s,
                         time_t *ret_expires_at)
{
    OCSP_BASICRESP *basic;
    OCSP_CERTID *id;
    const char *fault;

    if (!response)
        return "it is no OCSP response in DER";
    if (OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
        return OCSP_response_status_str(OCSP_response_status(response));
    if (!staple->issuer)
        return "the issuer's certificate is missing from the chain, so it cannot be checked";
    basic = OCSP_response_get1_basic(response);
    id = OCSP_cert_to_id(NULL, staple->leaf, staple->issuer);
    if (!basic || !id)
        fault = "it cannot be read";
    else if (!is_signed_by_issuer(basic, staple->issuer))
        fault = "it is not signed by the certificate's issuer";
    else
        fault = judge_status(basic, id, now_s, ret_expires_at);
    OCSP_CERTID_free(id);
    OCSP_BASICRESP_free(basic);
    return fault;
}

int ocsp_staple_set(struct ocsp_staple *staple, struct slice der, time_t now_s,
                    struct tls_error *reterr)
{
    const unsigned char *at = (const unsigned char *)der.ptr;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)der.len);
    time_t expires_at = 0;
    const char *fault = judge(staple, response, now_s, &expires_at);
    unsigned char *copy;

    OCSP_RESPONSE_free(response);
    ERR_clear_error();
    if (fault) {
        tls_error_set(reterr, "the OCSP response is not used: %s", fault);
        return -EINVAL;
    }
    copy = OPENSSL_memdup(der.ptr, der.len);
    if (!copy || !try_enter(staple)) {
        tls_error_set(reterr, "the OCSP response is not used: %s",
                      copy ? "the old one is being sent" : "out of memory");
        OPENSSL_free(copy);
        return -EBUSY;
    }
    OPENSSL_free(staple->der);
    staple->der = copy;
    staple->length = der.len;
    staple->expires_at = expires_at;
    leave(staple);
    return 0;
}

/* ---- fetching ------------------------------------------------------------------------------ */

bool ocsp_staple_is_due(struct ocsp_staple *staple, time_t now_s)
{
    bool due;

    if (!try_enter(staple))
        return false;
    due = !staple->der || staple->expires_at - now_s < LIFE_WITHOUT_END_S;
    leave(staple);
    return due;
}

static BIO *make_request(const struct ocsp_staple *staple)
{
    OCSP_REQUEST *request = OCSP_REQUEST_new();
    OCSP_CERTID *id = OCSP_cert_to_id(NULL, staple->leaf, staple->issuer);
    BIO *bio = BIO_new(BIO_s_mem());

    if (!request || !id || !bio || !OCSP_request_add0_id(request, id)) {
        OCSP_CERTID_free(id);
        BIO_free(bio);
        bio = NULL;
    } else if (i2d_OCSP_REQUEST_bio(bio, request) != 1) {
        BIO_free(bio);
        bio = NULL;
    }
    OCSP_REQUEST_free(request);
    return bio;
}

struct responder {
    char *host, *port, *path;
};

/* What one question needs. */
struct ocsp_call {
    const struct tls_stapling_fetch *fetch;
    uint64_t deadline_ms;
    int fd;
    BIO *answer;
};

/* -EAGAIN: the transfer may go on. */
static int wait_for(int fd, short events, uint64_t deadline_ms, int stop_fd)
{
    struct pollfd fds[] = { { .fd = fd, .events = events }, { .fd = stop_fd, .events = POLLIN } };
    uint64_t now_ms = clock_now_ms();

    if (now_ms >= deadline_ms)
        return -ETIMEDOUT;
    (void)poll(fds, 2, (int)(deadline_ms - now_ms)); /* interrupted: we come here again */
    return fds[1].revents ? -ECANCELED : -EAGAIN;
}

/* One request and its answer on that socket. 0, or a negative errno; -EPROTO: OpenSSL's queue says
 * why. */
static int transfer(const struct responder *responder, BIO *request, struct ocsp_call *call)
{
    BIO *bio = BIO_new_socket(call->fd, BIO_NOCLOSE);
    OSSL_HTTP_REQ_CTX *http = NULL;
    int r = -EPROTO, state = 0;

    if (bio)
        http = OSSL_HTTP_open(responder->host, responder->port, NULL, NULL, 0, bio, bio, NULL, NULL,
                              0, 0);
    if (http &&
        OSSL_HTTP_set1_request(http, responder->path, NULL, "application/ocsp-request", request,
                               "application/ocsp-response", 1, RESPONSE_BYTES_MAX, 0, 0) == 1) {
        r = -EAGAIN;
        while (r == -EAGAIN && (state = OSSL_HTTP_REQ_CTX_nbio(http)) == -1)
            r = wait_for(call->fd, BIO_should_write(bio) ? POLLOUT : POLLIN, call->deadline_ms,
                         call->fetch->stop_fd);
    }
    if (state == 1) {
        call->answer = OSSL_HTTP_REQ_CTX_get0_mem_bio(http);
        BIO_up_ref(call->answer);
    }
    OSSL_HTTP_REQ_CTX_free(http);
    BIO_free(bio);
    return state == 1 ? 0 : r == -EAGAIN ? -EPROTO : r;
}

static int ask(const struct responder *responder, BIO *request, struct ocsp_call *call)
{
    int r;

    call->deadline_ms = clock_now_ms() + call->fetch->timeout_ms;
    call->fd = call->fetch->connect(responder->host, responder->port, call->deadline_ms,
                                    call->fetch->stop_fd);
    if (call->fd < 0)
        return call->fd;
    r = transfer(responder, request, call);
    (void)close(call->fd);
    return r;
}

static int ask_and_set(struct ocsp_staple *staple, const struct responder *responder,
                       const struct tls_stapling_fetch *fetch, struct tls_error *reterr)
{
    struct ocsp_call call = { .fetch = fetch };
    BIO *request = make_request(staple);
    char reason[128], *bytes;
    int r = request ? ask(responder, request, &call) : -ENOMEM;
    long length = r == 0 ? BIO_get_mem_data(call.answer, &bytes) : 0;

    if (r == 0) {
        r = ocsp_staple_set(staple, (struct slice){ bytes, (size_t)length }, time(NULL), reterr);
    } else {
        openssl_error_reason(reason, sizeof(reason));
        tls_error_set(reterr, "OCSP responder %s:%s did not answer: %s", responder->host,
                      responder->port, r == -EPROTO ? reason : strerror(-r));
    }
    BIO_free(call.answer);
    BIO_free(request);
    ERR_clear_error();
    return r;
}

int ocsp_staple_fetch(struct ocsp_staple *staple, const struct tls_stapling_fetch *fetch,
                      struct tls_error *reterr)
{
    STACK_OF(OPENSSL_STRING) *urls = X509_get1_ocsp(staple->leaf);
    struct responder responder = { NULL, NULL, NULL };
    int uses_tls = 0, r = -ENOENT;

    tls_error_set(reterr, "the certificate names no OCSP responder with http");
    if (!staple->issuer)
        tls_error_set(reterr, "the issuer's certificate is missing from the chain");
    else if (sk_OPENSSL_STRING_num(urls) > 0 &&
             OSSL_HTTP_parse_url(sk_OPENSSL_STRING_value(urls, 0), &uses_tls, NULL, &responder.host,
                                 &responder.port, NULL, &responder.path, NULL, NULL) == 1 &&
             !uses_tls)
        r = ask_and_set(staple, &responder, fetch, reterr);
    OPENSSL_free(responder.host);
    OPENSSL_free(responder.port);
    OPENSSL_free(responder.path);
    X509_email_free(urls);
    ERR_clear_error();
    return r;
}

/* ---- sending ------------------------------------------------------------------------------- */

int ocsp_staple_send(struct ocsp_staple *staple, SSL *ssl)
{
    unsigned char *copy = NULL;
    size_t length = 0;

    if (!try_enter(staple))
        return SSL_TLSEXT_ERR_NOACK;
    if (staple->der && time(NULL) < staple->expires_at) {
        copy = OPENSSL_memdup(staple->der, staple->length);
        length = staple->length;
    }
    leave(staple);
    if (!copy || SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)length) != 1) {
        OPENSSL_free(copy);
        return SSL_TLSEXT_ERR_NOACK;
    }
    return SSL_TLSEXT_ERR_OK;
}
