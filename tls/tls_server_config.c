#include "tls/tls_context_priv.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <errno.h>
#include <stdlib.h>

#include "tls/ticket_keys_priv.h"
#include "tls/tls_engine_priv.h"

enum { SESSION_TIMEOUT_DEFAULT_S = 24 * 60 * 60 };

/*
 * Which certificate and policy this connection gets. Here and not in the servername callback: that
 * one runs after a session was resumed, too late to keep it out of another policy.
 */
static void connection_use_context(SSL *ssl, SSL_CTX *context)
{
    /* takes over certificates and the session id context; the rest is ours to copy */
    SSL_set_SSL_CTX(ssl, context);
    SSL_set_verify(ssl, SSL_CTX_get_verify_mode(context), SSL_CTX_get_verify_callback(context));
    SSL_set_verify_depth(ssl, SSL_CTX_get_verify_depth(context));
    SSL_clear_options(ssl, SSL_get_options(ssl) & ~SSL_CTX_get_options(context));
    SSL_set_options(ssl, SSL_CTX_get_options(context));
}

static int on_client_hello(SSL *ssl, int *ret_alert, void *arg)
{
    const struct tls_server_config *config = arg;
    const unsigned char *extension;
    size_t length, index = config->default_context;
    struct slice sent = { NULL, 0 };
    char name[SNI_NAME_MAX + 1];
    bool known = false;
    enum tls_unknown_sni otherwise = config->missing_sni;

    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &extension, &length) == 1) {
        sent = sni_from_extension(extension, length);
        otherwise = config->unknown_sni;
    }
    if (sni_normalise(sent, name)) {
        known = sni_map_find(&config->names, slice_of(name), &index);
        if (tls_engine_note_server_name(SSL_get_app_data(ssl), name) < 0) {
            *ret_alert = SSL_AD_INTERNAL_ERROR;
            return SSL_CLIENT_HELLO_ERROR;
        }
    }
    if (!known && otherwise == TLS_UNKNOWN_SNI_REFUSE) {
        *ret_alert = SSL_AD_UNRECOGNIZED_NAME;
        return SSL_CLIENT_HELLO_ERROR;
    }
    connection_use_context(ssl, config->contexts[index]);
    return SSL_CLIENT_HELLO_SUCCESS;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_length,
                   const unsigned char *in, unsigned in_length, void *arg)
{
    const struct tls_server_config *config = arg;
    unsigned char *selected;

    (void)ssl;
    if (SSL_select_next_proto(&selected, out_length, config->alpn.wire, config->alpn.length, in,
                              in_length) == OPENSSL_NPN_NEGOTIATED) {
        *out = selected;
        return SSL_TLSEXT_ERR_OK;
    }
    return config->alpn_required ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int sealing)
{
    const struct tls_server_config *config = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct ticket_crypto crypto = { name, iv, cipher, mac };

    return sealing ? tls_ticket_keys_seal(config->ticket_keys, &crypto)
                   : tls_ticket_keys_open(config->ticket_keys, &crypto);
}

static bool digest_certificates(EVP_MD_CTX *digest, SSL_CTX *context)
{
    long more = SSL_CTX_set_current_cert(context, SSL_CERT_SET_FIRST);

    while (more == 1) {
        unsigned char fingerprint[EVP_MAX_MD_SIZE];
        unsigned length;

        if (X509_digest(SSL_CTX_get0_certificate(context), EVP_sha256(), fingerprint, &length) !=
                1 ||
            EVP_DigestUpdate(digest, fingerprint, length) != 1)
            return false;
        more = SSL_CTX_set_current_cert(context, SSL_CERT_SET_NEXT);
    }
    return true;
}

/*
 * The session id context is hash(policy, certificates): a ticket opens only for a name that has the
 * same of both, though all names share the ticket keys. Otherwise a session of a name that asks for
 * no client certificate would be a way into one that does (CVE-2025-23419).
 */
static bool set_session_policy(SSL_CTX *context, const struct tls_policy *policy)
{
    const char *id = policy ? policy->id : "";
    unsigned char sid[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool done;

    done = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
           EVP_DigestUpdate(digest, id, strlen(id) + 1) == 1 &&
           digest_certificates(digest, context) && EVP_DigestFinal_ex(digest, sid, &length) == 1 &&
           SSL_CTX_set_session_id_context(context, sid, length) == 1;
    EVP_MD_CTX_free(digest);
    return done;
}

static void set_sessions(SSL_CTX *context, const struct tls_server_settings *settings)
{
    long timeout =
        settings->session_timeout_s ? (long)settings->session_timeout_s : SESSION_TIMEOUT_DEFAULT_S;

    /* tickets only: OpenSSL's own cache is a lock that all workers would share */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(context, timeout);
    if (settings->ticket_keys) {
        SSL_CTX_set_num_tickets(context, 1);
        SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket);
    } else {
        SSL_CTX_set_num_tickets(context, 0);
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    }
}

static SSL_CTX *context_create(struct tls_server_config *config,
                               const struct tls_server_settings *settings,
                               const struct tls_certificate *certificate, struct tls_error *reterr)
{
    const struct tls_context_settings common = { settings->min_version, settings->max_version,
                                                 settings->cipher_profile };
    SSL_CTX *context = tls_context_create(TLS_server_method(), &common, reterr);

    if (!context)
        return NULL;
    if (tls_context_use_pair(context, &certificate->pair, certificate->label, reterr) < 0)
        goto fail;
    if (certificate->alternative.chain_pem &&
        tls_context_use_pair(context, &certificate->alternative, certificate->label, reterr) < 0)
        goto fail;
    if (!set_session_policy(context, certificate->policy)) {
        tls_error_set(reterr, "out of memory");
        goto fail;
    }
    set_sessions(context, settings);
    SSL_CTX_set_app_data(context, config);
    /* each context has it: after a HelloRetryRequest the second hello is asked from the chosen one
     */
    SSL_CTX_set_client_hello_cb(context, on_client_hello, config);
    if (config->alpn.wire)
        SSL_CTX_set_alpn_select_cb(context, on_alpn, config);
    return context;
fail:
    SSL_CTX_free(context);
    ERR_clear_error();
    return NULL;
}

static int add_names(struct tls_server_config *config, const struct tls_certificate *certificate,
                     size_t index, struct tls_error *reterr)
{
    for (size_t i = 0; i < certificate->snis_count; i++) {
        int r = sni_map_add(&config->names, certificate->snis[i], index);

        if (r == -EINVAL)
            tls_error_set(reterr,
                          "%s: \"%.200s\" is no server name; use a host name, \"*.example.com\" or "
                          "\"example.*\"",
                          certificate->label ? certificate->label : "certificate",
                          certificate->snis[i]);
        else if (r < 0)
            tls_error_set(reterr, "out of memory");
        if (r < 0)
            return r;
    }
    return 0;
}

static int build(struct tls_server_config *config, const struct tls_server_settings *settings,
                 struct tls_error *reterr)
{
    const char *twice;
    int r = tls_alpn_init(&config->alpn, settings->alpn, settings->alpn_count, reterr);

    if (r < 0)
        return r;
    for (size_t i = 0; i < settings->certificates_count; i++) {
        const struct tls_certificate *certificate = &settings->certificates[i];

        config->contexts[i] = context_create(config, settings, certificate, reterr);
        if (!config->contexts[i])
            return -EINVAL;
        config->contexts_count = i + 1;
        r = add_names(config, certificate, i, reterr);
        if (r < 0)
            return r;
    }
    twice = sni_map_seal(&config->names);
    if (twice) {
        tls_error_set(reterr, "server name \"%s\" is given twice; give it to one certificate",
                      twice);
        return -EINVAL;
    }
    return 0;
}

struct tls_server_config *tls_server_config_create(const struct tls_server_settings *settings,
                                                   struct tls_error *reterr)
{
    struct tls_server_config *config;

    if (settings->default_certificate >= settings->certificates_count) {
        tls_error_set(reterr, "a TLS listener needs a certificate");
        return NULL;
    }
    config = calloc(1, sizeof(*config));
    if (config)
        config->contexts = calloc(settings->certificates_count, sizeof(config->contexts[0]));
    if (!config || !config->contexts) {
        tls_error_set(reterr, "out of memory");
        free(config);
        return NULL;
    }
    atomic_init(&config->refs, 1);
    config->default_context = settings->default_certificate;
    config->alpn_required = settings->alpn_required;
    config->unknown_sni = settings->unknown_sni;
    config->missing_sni = settings->missing_sni;
    config->ticket_keys = settings->ticket_keys;
    if (build(config, settings, reterr) < 0) {
        tls_server_config_unref(config);
        return NULL;
    }
    return config;
}

struct tls_server_config *tls_server_config_ref(struct tls_server_config *config)
{
    atomic_fetch_add_explicit(&config->refs, 1, memory_order_relaxed);
    return config;
}

void tls_server_config_unref(struct tls_server_config *config)
{
    if (!config || atomic_fetch_sub_explicit(&config->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < config->contexts_count; i++)
        SSL_CTX_free(config->contexts[i]);
    free(config->contexts);
    sni_map_done(&config->names);
    tls_alpn_done(&config->alpn);
    free(config);
}
