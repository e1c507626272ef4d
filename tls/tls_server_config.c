#include "tls/tls_context_priv.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <stdlib.h>

#include "core/addr.h"
#include "tls/client_session_priv.h"
#include "tls/ocsp_priv.h"
#include "tls/server_sessions_priv.h"
#include "tls/ticket_keys_priv.h"
#include "tls/tls_engine_priv.h"

enum {
    SESSION_TIMEOUT_DEFAULT_S = 24 * 60 * 60,
    CLIENT_CHAIN_BYTES_MAX = 32 * 1024, /* room for ten RSA-4096 certificates */
};

/* takes over the certificates; the rest is ours to copy */
static bool connection_use_context(SSL *ssl, SSL_CTX *context)
{
    if (SSL_set_SSL_CTX(ssl, context) != context)
        return false; /* no memory: the certificate would be another name's */
    SSL_clear_options(ssl, SSL_get_options(ssl) & ~SSL_CTX_get_options(context));
    SSL_set_options(ssl, SSL_CTX_get_options(context));
    return true;
}

/*
 * Names in the default certificate need no SNI entry to be ours. An address is no server name (RFC
 * 6066 3), but clients send it, and where the certificate has it there is nothing to refuse.
 */
static bool default_certificate_covers(const struct tls_server_config *config, struct slice sent)
{
    const struct server_context *context = &config->contexts[config->default_context];
    char name[SNI_NAME_MAX + 1];

    if (sent.len == 0 || sent.len > SNI_NAME_MAX || memchr(sent.ptr, '\0', sent.len))
        return false;
    memcpy(name, sent.ptr, sent.len);
    name[sent.len] = '\0';
    for (int i = 0; i < sk_X509_num(context->leaves); i++) {
        X509 *leaf = sk_X509_value(context->leaves, i);

        if (X509_check_host(leaf, name, sent.len, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) ==
                1 ||
            X509_check_ip_asc(leaf, name, 0) == 1)
            return true;
    }
    return false;
}

#define POLICY_NONE SIZE_MAX

static size_t policy_of_name(const struct tls_server_config *config, struct slice name)
{
    size_t index = 0;

    (void)sni_map_find_deep(&config->policy_names, name, &index); /* none: the listener's */
    return index;
}

/* false: this name is refused. */
static bool find_context(const struct tls_server_config *config, struct slice sent,
                         const char *name, size_t *ret_index)
{
    enum tls_unknown_sni otherwise = sent.ptr ? config->unknown_sni : config->missing_sni;

    *ret_index = config->default_context;
    if (name[0] && sni_map_find(&config->names, slice_of(name), ret_index))
        return true;
    if (otherwise == TLS_UNKNOWN_SNI_DEFAULT)
        return true;
    return default_certificate_covers(config, sent);
}

/*
 * Which certificate and policy this connection gets. Here and not in the servername callback: that
 * one runs after a session was resumed, too late to keep it out of another policy.
 */
static int on_client_hello(SSL *ssl, int *ret_alert, void *arg)
{
    const struct tls_server_config *config = arg;
    struct tls_engine *engine = SSL_get_app_data(ssl);
    const unsigned char *extension;
    struct slice sent = { NULL, 0 };
    char name[SNI_NAME_MAX + 1] = "";
    size_t length, index;

    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &extension, &length) == 1) {
        sent = sni_from_extension(extension, length);
        sent.ptr = sent.ptr ? sent.ptr : ""; /* malformed: sent, and matches nothing */
    }
    if (!sni_normalise(sent, name))
        name[0] = '\0';
    if (!find_context(config, sent, name, &index)) {
        *ret_alert = SSL_AD_UNRECOGNIZED_NAME;
        return SSL_CLIENT_HELLO_ERROR;
    }
    engine->policy_index = policy_of_name(config, slice_of(name));
    engine->policy = &config->policies[engine->policy_index];
    if (!connection_use_context(ssl, config->contexts[index].context) ||
        (name[0] && tls_engine_note_server_name(engine, name) < 0) ||
        !client_policy_apply(engine->policy, ssl, config->contexts[index].digest)) {
        *ret_alert = SSL_AD_INTERNAL_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }
    return SSL_CLIENT_HELLO_SUCCESS;
}

static bool is_address(struct slice host)
{
    struct sockaddr_storage address;

    if (host.len > 2 && host.ptr[0] == '[')
        host = (struct slice){ host.ptr + 1, host.len - 2 };
    return addr_parse_ip(host, 0, &address) == 0;
}

/*
 * POLICY_NONE: a host that is neither a name nor an address, such as one with escapes. A route may lead
 * it somewhere all the same, so it must not pass as one that nobody guards.
 */
static size_t policy_of_host(const struct tls_server_config *config, struct slice host)
{
    char name[SNI_NAME_MAX + 1];

    /* a final dot is the same host (RFC 9110 4.2.3 leaves it to the scheme; DNS says so) */
    if (host.len > 1 && host.ptr[host.len - 1] == '.')
        host.len--;
    if (sni_normalise(host, name))
        return policy_of_name(config, slice_of(name));
    return host.len == 0 || is_address(host) ? 0 : POLICY_NONE;
}

bool tls_server_config_guards(const struct tls_server_config *config, struct slice host)
{
    return config->policies_count == 1 || policy_of_host(config, host) != POLICY_NONE;
}

const struct client_policy *tls_server_config_policy(const struct tls_server_config *config,
                                                     struct slice host)
{
    size_t index = policy_of_host(config, host);

    return &config->policies[index == POLICY_NONE ? 0 : index];
}

bool tls_session_may_serve(const struct tls_session_info *info, struct slice host)
{
    const struct tls_server_config *config = info->server;
    size_t index;

    if (!config || config->policies_count == 1)
        return true;
    index = policy_of_host(config, host);
    if (index == POLICY_NONE)
        return false;
    return index == info->policy ||
           memcmp(config->policies[index].digest, config->policies[info->policy].digest,
                  sizeof(config->policies[index].digest)) == 0;
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

static int on_ticket_made(SSL *ssl, void *arg)
{
    (void)arg;
    return client_session_keep_chain(ssl);
}

/* OpenSSL compares the session id context after this. */
static SSL_TICKET_RETURN on_ticket_opened(SSL *ssl, SSL_SESSION *session,
                                          const unsigned char *key_name, size_t key_name_length,
                                          SSL_TICKET_STATUS status, void *arg)
{
    const struct tls_engine *engine = SSL_get_app_data(ssl);
    bool opened = status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW;

    (void)key_name;
    (void)key_name_length;
    (void)arg;
    if (!opened || !client_session_may_resume(session, ssl, engine->policy))
        return SSL_TICKET_RETURN_IGNORE_RENEW; /* a full handshake, with a new ticket */
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

static bool list_leaves(struct server_context *context)
{
    long more = SSL_CTX_set_current_cert(context->context, SSL_CERT_SET_FIRST);

    context->leaves = sk_X509_new_null();
    while (context->leaves && more == 1) {
        X509 *leaf = SSL_CTX_get0_certificate(context->context);

        if (sk_X509_push(context->leaves, leaf) <= 0)
            return false;
        X509_up_ref(leaf);
        more = SSL_CTX_set_current_cert(context->context, SSL_CERT_SET_NEXT);
    }
    return context->leaves != NULL;
}

static bool digest_leaves(EVP_MD_CTX *digest, const STACK_OF(X509) * leaves)
{
    for (int i = 0; i < sk_X509_num(leaves); i++) {
        unsigned char fingerprint[EVP_MAX_MD_SIZE];
        unsigned length;

        if (X509_digest(sk_X509_value(leaves, i), EVP_sha256(), fingerprint, &length) != 1 ||
            EVP_DigestUpdate(digest, fingerprint, length) != 1)
            return false;
    }
    return true;
}

/*
 * The session id context is a mix of hash(policy), see client_policy_apply, and hash(certificates):
 * a ticket opens only for a name that has the same of both, though all names share the ticket keys.
 * Otherwise a session of a name that asks for no client certificate would be a way into one that
 * does (CVE-2025-23419).
 */
static bool digest_context(struct server_context *context)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool done;

    done = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
           digest_leaves(digest, context->leaves) &&
           EVP_DigestFinal_ex(digest, context->digest, NULL) == 1 &&
           SSL_CTX_set_session_id_context(context->context, context->digest,
                                          sizeof(context->digest)) == 1;
    EVP_MD_CTX_free(digest);
    return done;
}

/* 1 would mean that the reference is kept. */
static int on_session_made(SSL *ssl, SSL_SESSION *session)
{
    const struct tls_server_config *config = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const struct tls_engine *engine = SSL_get_app_data(ssl);
    bool has_certificate = SSL_get0_peer_certificate(ssl) != NULL;

    /* in TLS 1.3 the ticket is the session */
    if (SSL_version(ssl) == TLS1_2_VERSION &&
        client_policy_judge(engine->policy, has_certificate, SSL_get_verify_result(ssl)) ==
            TLS_CLIENT_ACCEPTED &&
        client_session_keep_chain(ssl))
        tls_server_sessions_put(config->sessions, session);
    return 0;
}

static SSL_SESSION *on_session_wanted(SSL *ssl, const unsigned char *id, int length, int *ret_copy)
{
    const struct tls_server_config *config = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const struct tls_engine *engine = SSL_get_app_data(ssl);
    SSL_SESSION *session = tls_server_sessions_get(
        config->sessions, (struct slice){ (const char *)id, (size_t)length });

    *ret_copy = 0; /* the reference goes to OpenSSL */
    if (!session || client_session_may_resume(session, ssl, engine->policy))
        return session;
    SSL_SESSION_free(session);
    return NULL;
}

static void set_sessions(SSL_CTX *context, const struct tls_server_settings *settings)
{
    long timeout =
        settings->session_timeout_s ? (long)settings->session_timeout_s : SESSION_TIMEOUT_DEFAULT_S;

    /* OpenSSL's own cache is a lock that all workers would share */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(context, timeout);
    if (settings->sessions) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL |
                                                    SSL_SESS_CACHE_NO_AUTO_CLEAR);
        SSL_CTX_sess_set_new_cb(context, on_session_made);
        SSL_CTX_sess_set_get_cb(context, on_session_wanted);
    }
    if (settings->ticket_keys) {
        SSL_CTX_set_num_tickets(context, 1);
        SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket);
        SSL_CTX_set_session_ticket_cb(context, on_ticket_made, on_ticket_opened, NULL);
    } else {
        SSL_CTX_set_num_tickets(context, 0);
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    }
}

static int use_pairs(SSL_CTX *context, const struct tls_certificate *certificate,
                     struct tls_error *reterr)
{
    int r = tls_context_use_pair(context, &certificate->pair, certificate->label, reterr);

    if (r == 0 && certificate->alternative.chain_pem)
        r = tls_context_use_pair(context, &certificate->alternative, certificate->label, reterr);
    for (size_t i = 0; r == 0 && i < certificate->others_count; i++)
        r = tls_context_use_pair(context, &certificate->others[i], certificate->label, reterr);
    return r;
}

static int on_status_wanted(SSL *ssl, void *arg)
{
    struct server_context *context = arg;
    X509 *chosen = SSL_get_certificate(ssl);

    for (size_t i = 0; chosen && i < context->staples_count; i++)
        if (X509_cmp(context->staples[i].leaf, chosen) == 0)
            return ocsp_staple_send(&context->staples[i], ssl);
    return SSL_TLSEXT_ERR_NOACK;
}

static bool add_staples(struct server_context *context, const struct tls_certificate *certificate)
{
    bool done;

    context->staples = calloc(certificate->others_count + 2, sizeof(*context->staples));
    if (!context->staples)
        return false;
    done = ocsp_staple_init(&context->staples[context->staples_count++], &certificate->pair) == 0;
    if (done && certificate->alternative.chain_pem)
        done = ocsp_staple_init(&context->staples[context->staples_count++],
                                &certificate->alternative) == 0;
    for (size_t i = 0; done && i < certificate->others_count; i++)
        done = ocsp_staple_init(&context->staples[context->staples_count++],
                                &certificate->others[i]) == 0;
    SSL_CTX_set_tlsext_status_cb(context->context, on_status_wanted);
    SSL_CTX_set_tlsext_status_arg(context->context, context);
    return done;
}

static void context_done(struct server_context *context)
{
    for (size_t i = 0; i < context->staples_count; i++)
        ocsp_staple_done(&context->staples[i]);
    free(context->staples);
    sk_X509_pop_free(context->leaves, X509_free);
    SSL_CTX_free(context->context);
}

static int context_init(struct server_context *into, struct tls_server_config *config,
                        const struct tls_server_settings *settings,
                        const struct tls_certificate *certificate, struct tls_error *reterr)
{
    const struct tls_context_settings common = { .min_version = settings->min_version,
                                                 .max_version = settings->max_version,
                                                 .cipher_profile = settings->cipher_profile,
                                                 .ciphers = settings->ciphers,
                                                 .groups = settings->groups,
                                                 .server_preference = settings->server_preference };
    SSL_CTX *context = into->context = tls_context_create(TLS_server_method(), &common, reterr);

    if (!context || use_pairs(context, certificate, reterr) < 0)
        return -EINVAL;
    if (!list_leaves(into) || !digest_context(into) ||
        (settings->staples && !add_staples(into, certificate))) {
        tls_error_set(reterr, "out of memory");
        return -EINVAL;
    }
    set_sessions(context, settings);
    SSL_CTX_set_max_cert_list(context, CLIENT_CHAIN_BYTES_MAX);
    if (SSL_CTX_set_app_data(context, config) != 1) {
        tls_error_set(reterr, "out of memory");
        return -EINVAL;
    }
    /* each context has it: after a HelloRetryRequest the second hello is asked from the chosen one
     */
    SSL_CTX_set_client_hello_cb(context, on_client_hello, config);
    if (config->alpn.wire)
        SSL_CTX_set_alpn_select_cb(context, on_alpn, config);
    return 0;
}

/* What names are mapped to an index, and by whom. */
struct naming {
    const char *label; /* or NULL */
    const char *const *snis;
    size_t snis_count;
    size_t index;
};

static int add_names(struct sni_map *map, const struct naming *naming, struct tls_error *reterr)
{
    for (size_t i = 0; i < naming->snis_count; i++) {
        int r = sni_map_add(map, naming->snis[i], naming->index);

        if (r == -EINVAL)
            tls_error_set(reterr,
                          "%s: \"%.200s\" is no server name; use a host name, \"*.example.com\" or "
                          "\"example.*\"",
                          naming->label ? naming->label : "certificate", naming->snis[i]);
        else if (r < 0)
            tls_error_set(reterr, "out of memory");
        if (r < 0)
            return r;
    }
    return 0;
}

static int seal_names(struct sni_map *map, const char *what, struct tls_error *reterr)
{
    const char *twice = sni_map_seal(map);

    if (!twice)
        return 0;
    tls_error_set(reterr, "server name \"%s\" is given twice; give it to one %s", twice, what);
    return -EINVAL;
}

static int build_contexts(struct tls_server_config *config,
                          const struct tls_server_settings *settings, struct tls_error *reterr)
{
    int r;

    for (size_t i = 0; i < settings->certificates_count; i++) {
        const struct tls_certificate *certificate = &settings->certificates[i];
        const struct naming naming = { certificate->label, certificate->snis,
                                       certificate->snis_count, i };

        config->contexts_count = i + 1;
        r = context_init(&config->contexts[i], config, settings, certificate, reterr);
        if (r == 0)
            r = add_names(&config->names, &naming, reterr);
        if (r < 0)
            return r;
    }
    return seal_names(&config->names, "certificate", reterr);
}

static int build_policies(struct tls_server_config *config,
                          const struct tls_server_settings *settings, struct tls_error *reterr)
{
    const struct tls_policy *listeners = NULL;
    int r;

    for (size_t i = 0; i < settings->policies_count; i++) {
        const struct tls_policy *policy = &settings->policies[i];
        const struct naming naming = { policy->label, policy->snis, policy->snis_count,
                                       config->policies_count };

        if (policy->snis_count == 0) {
            listeners = policy;
            continue;
        }
        r = client_policy_init(&config->policies[config->policies_count++], policy, reterr);
        if (r == 0)
            r = add_names(&config->policy_names, &naming, reterr);
        if (r < 0)
            return r;
    }
    r = client_policy_init(&config->policies[0], listeners, reterr);
    return r < 0 ? r : seal_names(&config->policy_names, "client verification", reterr);
}

static int build(struct tls_server_config *config, const struct tls_server_settings *settings,
                 struct tls_error *reterr)
{
    int r = tls_alpn_init(&config->alpn, settings->alpn, settings->alpn_count, reterr);

    if (r == 0)
        r = build_contexts(config, settings, reterr);
    return r < 0 ? r : build_policies(config, settings, reterr);
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
    if (!config) {
        tls_error_set(reterr, "out of memory");
        return NULL;
    }
    atomic_init(&config->refs, 1);
    config->contexts = calloc(settings->certificates_count, sizeof(config->contexts[0]));
    config->policies = calloc(settings->policies_count + 1, sizeof(config->policies[0]));
    config->policies_count = 1;
    config->default_context = settings->default_certificate;
    config->alpn_required = settings->alpn_required;
    config->unknown_sni = settings->unknown_sni;
    config->missing_sni = settings->missing_sni;
    config->ticket_keys = settings->ticket_keys;
    config->sessions = settings->sessions;
    if (!config->contexts || !config->policies || !tls_server_identify(settings, config->identity))
        tls_error_set(reterr, "out of memory");
    else if (build(config, settings, reterr) == 0)
        return config;
    ERR_clear_error();
    tls_server_config_unref(config);
    return NULL;
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
        context_done(&config->contexts[i]);
    for (size_t i = 0; config->policies && i < config->policies_count; i++)
        client_policy_done(&config->policies[i]);
    free(config->contexts);
    free(config->policies);
    sni_map_done(&config->names);
    sni_map_done(&config->policy_names);
    tls_alpn_done(&config->alpn);
    free(config);
}
