#include "tls/tls_context_priv.h"

#include <openssl/err.h>

#include <stdlib.h>

#include "tls/cert_chain_priv.h"

static bool trust_bundle(SSL_CTX *context, const char *ca_pem, struct tls_error *reterr)
{
    struct tls_error inner;
    STACK_OF(X509) *bundle = cert_bundle_parse(ca_pem, inner.text, sizeof(inner.text));
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    int added = 0;

    if (!bundle) {
        tls_error_set(reterr, "the CA bundle cannot be read: %.400s", inner.text);
        return false;
    }
    for (int i = 0; i < sk_X509_num(bundle); i++)
        added += X509_STORE_add_cert(store, sk_X509_value(bundle, i)) == 1;
    if (added == 0)
        tls_error_set(reterr, "the CA bundle has no certificate: nothing could be verified");
    sk_X509_pop_free(bundle, X509_free);
    return added > 0;
}

static bool set_verification(SSL_CTX *context, const struct tls_client_settings *settings,
                             struct tls_error *reterr)
{
    if (!settings->verify) {
        SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
        return true;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (settings->verify_depth >= 0)
        SSL_CTX_set_verify_depth(context, settings->verify_depth);
    if (settings->ca_pem)
        return trust_bundle(context, settings->ca_pem, reterr);
    if (SSL_CTX_set_default_verify_paths(context) == 1)
        return true;
    tls_error_set(reterr, "the system's trusted certificates cannot be read");
    return false;
}

static bool build(struct tls_client_config *config, const struct tls_client_settings *settings,
                  struct tls_error *reterr)
{
    const struct tls_context_settings common = { settings->min_version, settings->max_version,
                                                 settings->cipher_profile };
    struct tls_alpn alpn;
    bool done;

    config->verify = settings->verify;
    config->context = tls_context_create(TLS_client_method(), &common, reterr);
    if (!config->context || !set_verification(config->context, settings, reterr))
        return false;
    if (settings->certificate.chain_pem &&
        tls_context_use_pair(config->context, &settings->certificate, "client certificate",
                             reterr) < 0)
        return false;
    if (tls_alpn_init(&alpn, settings->alpn, settings->alpn_count, reterr) < 0)
        return false;
    /* note: 0 is success here */
    done = !alpn.wire || SSL_CTX_set_alpn_protos(config->context, alpn.wire, alpn.length) == 0;
    if (!done)
        tls_error_set(reterr, "out of memory");
    tls_alpn_done(&alpn);
    SSL_CTX_set_session_cache_mode(config->context, SSL_SESS_CACHE_OFF); /* see keep_session */
    return done;
}

struct tls_client_config *tls_client_config_create(const struct tls_client_settings *settings,
                                                   struct tls_error *reterr)
{
    static _Atomic uint64_t last_id;
    struct tls_client_config *config = calloc(1, sizeof(*config));

    if (!config) {
        tls_error_set(reterr, "out of memory");
        return NULL;
    }
    atomic_init(&config->refs, 1);
    config->id = atomic_fetch_add(&last_id, 1) + 1;
    if (!build(config, settings, reterr)) {
        tls_client_config_unref(config);
        config = NULL;
    }
    ERR_clear_error();
    return config;
}

struct tls_client_config *tls_client_config_ref(struct tls_client_config *config)
{
    atomic_fetch_add_explicit(&config->refs, 1, memory_order_relaxed);
    return config;
}

void tls_client_config_unref(struct tls_client_config *config)
{
    if (!config || atomic_fetch_sub_explicit(&config->refs, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(config->context);
    free(config);
}
