#include "tls/client_policy_priv.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <errno.h>
#include <string.h>
#include <time.h>

#include "tls/cert_chain_priv.h"
#include "tls/openssl_error_priv.h"
#include "tls/tls_context_priv.h"
#include "tls/tls_engine_priv.h"

/* ---- building ------------------------------------------------------------------------------ */

static int trust(struct client_policy *policy, const char *ca_pem, struct tls_error *reterr)
{
    struct tls_error inner = { "" };
    STACK_OF(X509) *bundle = cert_bundle_parse(ca_pem, inner.text, sizeof(inner.text));
    int r = 0;

    if (!bundle) {
        tls_error_set(reterr, "the CA bundle cannot be read: %.400s", inner.text);
        return -EINVAL;
    }
    policy->ca_names = sk_X509_NAME_new_null();
    for (int i = 0; r == 0 && i < sk_X509_num(bundle); i++) {
        X509 *ca = sk_X509_value(bundle, i);
        X509_NAME *name = X509_NAME_dup(X509_get_subject_name(ca));

        if (!name || !sk_X509_NAME_push(policy->ca_names, name)) {
            X509_NAME_free(name);
            r = -ENOMEM;
        } else if (X509_STORE_add_cert(policy->store, ca) != 1) {
            r = -ENOMEM;
        }
    }
    if (r < 0) {
        tls_error_set(reterr, "out of memory");
    } else if (sk_X509_num(bundle) == 0) {
        tls_error_set(reterr, "the CA bundle has no certificate: no client could be verified");
        r = -EINVAL;
    }
    sk_X509_pop_free(bundle, X509_free);
    return r;
}

/* All CRLs of the text. ret_count: how many were taken. true: no other is left in it. */
static bool read_crls(X509_STORE *store, BIO *text, size_t *ret_count)
{
    X509_CRL *crl;

    for (*ret_count = 0; (crl = PEM_read_bio_X509_CRL(text, NULL, NULL, NULL)); ++*ret_count) {
        bool added = X509_STORE_add_crl(store, crl) == 1;

        X509_CRL_free(crl);
        if (!added)
            return false;
    }
    return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

/* With a CRL each issuer of a chain must have one that has not expired: it fails closed. */
static int add_crls(struct client_policy *policy, const char *crl_pem, struct tls_error *reterr)
{
    BIO *bio = BIO_new_mem_buf(crl_pem, -1);
    size_t count = 0;
    bool ended;

    ERR_clear_error();
    ended = bio && read_crls(policy->store, bio, &count);
    BIO_free(bio);
    ERR_clear_error();
    if (!ended || count == 0) {
        tls_error_set(reterr,
                      ended ? "there is no CRL in the text (-----BEGIN X509 CRL-----)"
                            : "CRL %zu is damaged",
                      count + 1);
        return -EINVAL;
    }
    X509_STORE_set_flags(policy->store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return 0;
}

static bool digest_text(EVP_MD_CTX *digest, const char *text)
{
    size_t length = text ? strlen(text) + 1 : 0; /* an absent text differs from an empty one */

    return EVP_DigestUpdate(digest, &length, sizeof(length)) == 1 &&
           (length == 0 || EVP_DigestUpdate(digest, text, length) == 1);
}

static bool digest_policy(struct client_policy *policy, const struct tls_policy *wanted)
{
    const int numbers[] = { (int)wanted->mode, (int)wanted->refusal, wanted->depth,
                            wanted->partial_chain };
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool done;

    done = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
           EVP_DigestUpdate(digest, numbers, sizeof(numbers)) == 1 &&
           digest_text(digest, wanted->ca_pem) && digest_text(digest, wanted->crl_pem) &&
           EVP_DigestFinal_ex(digest, policy->digest, NULL) == 1;
    EVP_MD_CTX_free(digest);
    return done;
}

static int build(struct client_policy *policy, const struct tls_policy *wanted,
                 struct tls_error *reterr)
{
    int r = 0;

    policy->store = X509_STORE_new();
    if (!policy->store || !digest_policy(policy, wanted)) {
        tls_error_set(reterr, "out of memory");
        return -EINVAL;
    }
    if (!wanted->ca_pem && !wanted->trusts_nobody && wanted->mode != TLS_VERIFY_OPTIONAL_NO_CA) {
        tls_error_set(reterr, "client certificates are verified but there is no CA to verify them "
                              "with; give the issuers' certificates, or use optional_no_ca");
        return -EINVAL;
    }
    if (wanted->ca_pem)
        r = trust(policy, wanted->ca_pem, reterr);
    if (r == 0 && wanted->crl_pem)
        r = add_crls(policy, wanted->crl_pem, reterr);
    if (r == 0 && wanted->partial_chain)
        X509_STORE_set_flags(policy->store, X509_V_FLAG_PARTIAL_CHAIN);
    return r < 0 ? -EINVAL : 0;
}

int client_policy_init(struct client_policy *policy, const struct tls_policy *wanted,
                       struct tls_error *reterr)
{
    struct tls_error inner = { "" };
    int r;

    *policy = (struct client_policy){ .depth = -1 };
    if (!wanted || wanted->mode == TLS_VERIFY_OFF)
        return 0; /* a digest of zeros */
    policy->mode = wanted->mode;
    policy->refusal = wanted->refusal;
    policy->depth = wanted->depth < 0 ? -1 : wanted->depth;
    r = build(policy, wanted, &inner);
    if (r < 0)
        tls_error_set(reterr, "%s: %.400s", wanted->label ? wanted->label : "client verification",
                      inner.text);
    return r;
}

void client_policy_done(struct client_policy *policy)
{
    X509_STORE_free(policy->store);
    sk_X509_NAME_pop_free(policy->ca_names, X509_NAME_free);
    *policy = (struct client_policy){ 0 };
}

/* ---- judging ------------------------------------------------------------------------------- */

/* nginx's ngx_ssl_verify_error_optional: all that optional_no_ca overlooks. */
static bool is_unknown_issuer(long error)
{
    return error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
           error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
           error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
           error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE;
}

enum tls_client_verdict client_policy_judge(const struct client_policy *policy,
                                            bool has_certificate, long verify_result)
{
    if (policy->mode == TLS_VERIFY_OFF)
        return TLS_CLIENT_ACCEPTED;
    if (!has_certificate)
        return policy->mode == TLS_VERIFY_REQUIRED ? TLS_CLIENT_CERTIFICATE_MISSING
                                                   : TLS_CLIENT_ACCEPTED;
    if (verify_result == X509_V_OK ||
        (policy->mode == TLS_VERIFY_OPTIONAL_NO_CA && is_unknown_issuer(verify_result)))
        return TLS_CLIENT_ACCEPTED;
    return TLS_CLIENT_CERTIFICATE_REFUSED;
}

/*
 * An error of a verification. To answer with a page the verification must go on, so errors are
 * passed over and the last one is the result, as in nginx; but one that the mode overlooks (an
 * unknown issuer) must not replace one that it does not (expired). worst: the last of those; 0: none.
 * True: this one is overlooked.
 */
static bool note_error(const struct client_policy *policy, X509_STORE_CTX *verification,
                       long *worst)
{
    int error = X509_STORE_CTX_get_error(verification);
    bool overlooked = policy->mode == TLS_VERIFY_OPTIONAL_NO_CA && is_unknown_issuer(error);

    if (!overlooked)
        *worst = error;
    else if (*worst)
        X509_STORE_CTX_set_error(verification, (int)*worst);
    return overlooked;
}

/* Called at each step of the verification in a handshake. */
static int on_verify(int verified, X509_STORE_CTX *verification)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_engine *engine = SSL_get_app_data(ssl);

    return verified || note_error(engine->policy, verification, &engine->verify_error) ||
           engine->refuses_later || engine->policy->refusal == TLS_CLIENT_REFUSAL_PAGE;
}

/* A verification without a handshake. */
struct plain_verification {
    const struct client_policy *policy;
    long worst;
};

static int on_plain_verify(int verified, X509_STORE_CTX *verification)
{
    struct plain_verification *plain = X509_STORE_CTX_get_app_data(verification);

    if (!verified)
        (void)note_error(plain->policy, verification, &plain->worst); /* it goes on in any case */
    return 1;
}

/* Sets up what OpenSSL's ssl_verify_cert_chain does for a server, but for the clock and the callback:
 * there is no connection, so no error ends it. */
int client_policy_verify(const struct client_policy *policy, const struct client_chain *chain,
                         long *ret_result)
{
    struct plain_verification plain = { .policy = policy };
    X509_STORE_CTX *verification = X509_STORE_CTX_new();
    X509_VERIFY_PARAM *param;

    if (!verification ||
        X509_STORE_CTX_init(verification, policy->store, chain->leaf, chain->others) != 1 ||
        X509_STORE_CTX_set_app_data(verification, &plain) != 1 ||
        X509_STORE_CTX_set_default(verification, "ssl_client") != 1) {
        X509_STORE_CTX_free(verification);
        ERR_clear_error();
        return -ENOMEM;
    }
    param = X509_STORE_CTX_get0_param(verification);
    if (policy->depth >= 0)
        X509_VERIFY_PARAM_set_depth(param, policy->depth);
    X509_VERIFY_PARAM_set_auth_level(param, chain->auth_level);
    X509_VERIFY_PARAM_set_time(param, chain->now_s);
    X509_STORE_CTX_set_verify_cb(verification, on_plain_verify);
    if (X509_verify_cert(verification) != 1 && X509_STORE_CTX_get_error(verification) == X509_V_OK)
        X509_STORE_CTX_set_error(verification, X509_V_ERR_UNSPECIFIED);
    *ret_result = X509_STORE_CTX_get_error(verification);
    X509_STORE_CTX_free(verification);
    ERR_clear_error();
    return 0;
}

/* ---- a connection -------------------------------------------------------------------------- */

static int verify_flags(const struct client_policy *policy, bool refuses_later)
{
    switch (policy->mode) {
    case TLS_VERIFY_OFF:
        return SSL_VERIFY_NONE;
    case TLS_VERIFY_OPTIONAL:
    case TLS_VERIFY_OPTIONAL_NO_CA:
        return SSL_VERIFY_PEER;
    case TLS_VERIFY_REQUIRED:
        return policy->refusal == TLS_CLIENT_REFUSAL_ALERT && !refuses_later
                   ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                   : SSL_VERIFY_PEER;
    }
    return SSL_VERIFY_NONE;
}

bool client_policy_apply(const struct client_policy *policy, SSL *ssl,
                         const unsigned char context_digest[SHA256_DIGEST_LENGTH])
{
    const struct tls_engine *engine = SSL_get_app_data(ssl);
    STACK_OF(X509_NAME) *names = NULL;
    unsigned char sid[SHA256_DIGEST_LENGTH];

    /* two other digests with the same mix would be a collision of SHA-256; mode off has zeros, so
     * there it is the certificates' alone */
    for (size_t i = 0; i < sizeof(sid); i++)
        sid[i] = policy->digest[i] ^ context_digest[i];
    if (policy->ca_names) {
        names = sk_X509_NAME_deep_copy(policy->ca_names, X509_NAME_dup, X509_NAME_free);
        if (!names)
            return false;
    }
    /* each is set also when there is nothing to set: after a HelloRetryRequest this runs again, and
     * the second hello may name another server than the first */
    SSL_set0_CA_list(ssl, names);
    SSL_set_verify(ssl, verify_flags(policy, engine->refuses_later), on_verify);
    SSL_set_verify_depth(ssl, policy->depth);
    return SSL_set1_verify_cert_store(ssl, policy->store) == 1 &&
           SSL_set_session_id_context(ssl, sid, sizeof(sid)) == 1;
}
