#include "tls/tls_context_priv.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls/cert_chain_priv.h"
#include "tls/tls_engine_priv.h"

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

/* What is refused is described while the certificates are at hand: OpenSSL keeps none of a server that
 * failed. */
static int on_verify(int is_good, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_engine *engine = SSL_get_app_data(ssl);
    struct client_facts *facts;

    if (is_good)
        return 1;
    facts = tls_engine_facts(engine);
    if (facts)
        client_facts_note_verification(facts, store, engine->expected_name);
    return 0;
}

/* The server asks for our certificate; whether there is one is OpenSSL's business. */
static int on_certificate_request(SSL *ssl, void *argument)
{
    struct client_facts *facts = tls_engine_facts(SSL_get_app_data(ssl));

    (void)argument;
    if (facts)
        facts->certificate_requested = true;
    return 1;
}

static bool set_verification(SSL_CTX *context, const struct tls_client_settings *settings,
                             struct tls_error *reterr)
{
    if (!settings->verify) {
        SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
        return true;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, on_verify);
    if (settings->verify_depth >= 0)
        SSL_CTX_set_verify_depth(context, settings->verify_depth);
    if (settings->ca_pem)
        return trust_bundle(context, settings->ca_pem, reterr);
    if (SSL_CTX_set_default_verify_paths(context) == 1)
        return true;
    tls_error_set(reterr, "the system's trusted certificates cannot be read");
    return false;
}

const char *tls_trust_label(const struct tls_client_settings *settings)
{
    return settings->trust_label ? settings->trust_label : "the system's certificates";
}

static bool build(struct tls_client_config *config, const struct tls_client_settings *settings,
                  struct tls_error *reterr)
{
    const struct tls_context_settings common = { .min_version = settings->min_version,
                                                 .max_version = settings->max_version,
                                                 .cipher_profile = settings->cipher_profile };
    struct tls_alpn alpn;
    bool done;

    config->verify = settings->verify;
    config->sessions_off = settings->sessions_off;
    config->trust_label = strdup(tls_trust_label(settings));
    if (!config->trust_label) {
        tls_error_set(reterr, "out of memory");
        return false;
    }
    config->context = tls_context_create(TLS_client_method(), &common, reterr);
    if (!config->context || !set_verification(config->context, settings, reterr))
        return false;
    SSL_CTX_set_cert_cb(config->context, on_certificate_request, NULL);
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

static bool digest_settings(EVP_MD_CTX *digest, const struct tls_client_settings *settings)
{
    const int numbers[] = {
        settings->verify,      settings->verify_depth,   settings->min_version,
        settings->max_version, settings->cipher_profile, settings->sessions_off
    };
    bool done = EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(digest, numbers, sizeof(numbers)) == 1 &&
                tls_digest_text(digest, settings->ca_pem) &&
                tls_digest_text(digest, settings->certificate.chain_pem) &&
                tls_digest_text(digest, settings->certificate.key_pem);

    for (size_t i = 0; done && i < settings->alpn_count; i++)
        done = tls_digest_text(digest, settings->alpn[i]);
    return done;
}

bool tls_client_identify(struct tls_client_config *config,
                         const struct tls_client_settings *settings, struct tls_error *reterr)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    unsigned char bytes[32];
    bool done =
        digest && digest_settings(digest, settings) && EVP_DigestFinal_ex(digest, bytes, NULL) == 1;

    EVP_MD_CTX_free(digest);
    if (!done) {
        tls_error_set(reterr, "out of memory");
        return false;
    }
    memcpy(&config->identity_word, bytes, sizeof(config->identity_word));
    config->identity_word |= 1;
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(config->identity + 2 * i, 3, "%02x", bytes[i]);
    return true;
}

uint64_t tls_client_config_identity(const struct tls_client_config *config)
{
    return config->identity_word;
}

struct tls_client_config *tls_client_config_create(const struct tls_client_settings *settings,
                                                   struct tls_error *reterr)
{
    struct tls_client_config *config = calloc(1, sizeof(*config));

    if (!config) {
        tls_error_set(reterr, "out of memory");
        return NULL;
    }
    atomic_init(&config->refs, 1);
    if (!tls_client_identify(config, settings, reterr) || !build(config, settings, reterr)) {
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
    free(config->trust_label);
    free(config);
}
