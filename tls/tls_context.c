#include "tls/tls_context_priv.h"

#include <openssl/core_names.h>
#include <openssl/err.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tls/cert_chain_priv.h"
#include "tls/openssl_error_priv.h"

#define AEAD_SUITES                                              \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:" \
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305"

#define OLD_SUITES                                                                             \
    AEAD_SUITES                                                                                \
    ":ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA:"               \
    "ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:"                  \
    "ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:DHE-RSA-AES128-SHA256:DHE-RSA-AES256-SHA256:" \
    "AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA256:AES256-SHA256:AES128-SHA:AES256-SHA"

#define FIPS_SUITES                                              \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384"

static const char fips_tls13_suites[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384";
static const char tls13_suites[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

/* The order of enum tls_cipher_profile. */
static const struct cipher_profile {
    const char *name;
    const char *suites; /* TLS 1.2 */
    int min_version;
    bool server_preference;
} profiles[] = {
    [TLS_CIPHERS_INTERMEDIATE] = { "intermediate", AEAD_SUITES, TLS1_2_VERSION, false },
    [TLS_CIPHERS_MODERN] = { "modern", AEAD_SUITES, TLS1_3_VERSION, false },
    [TLS_CIPHERS_OLD] = { "old", OLD_SUITES, TLS1_2_VERSION, true },
    [TLS_CIPHERS_FIPS] = { "fips", FIPS_SUITES, TLS1_2_VERSION, true },
    [TLS_CIPHERS_CUSTOM] = { "custom", AEAD_SUITES, TLS1_2_VERSION, false },
};

bool tls_cipher_profile_parse(const char *name, enum tls_cipher_profile *ret_profile)
{
    for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
        if (strcmp(profiles[i].name, name) != 0)
            continue;
        *ret_profile = (enum tls_cipher_profile)i;
        return true;
    }
    return false;
}

void tls_error_set(struct tls_error *error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error->text, sizeof(error->text), format, arguments);
    va_end(arguments);
}

static int version_number(enum tls_version version, int by_default)
{
    switch (version) {
    case TLS_VERSION_DEFAULT:
        return by_default;
    case TLS_VERSION_1_2:
        return TLS1_2_VERSION;
    case TLS_VERSION_1_3:
        return TLS1_3_VERSION;
    }
    return by_default;
}

static bool set_versions(SSL_CTX *context, const struct tls_context_settings *settings)
{
    const struct cipher_profile *profile = &profiles[settings->cipher_profile];
    int min = version_number(settings->min_version, profile->min_version);
    int max = version_number(settings->max_version, TLS1_3_VERSION);

    return min <= max && SSL_CTX_set_min_proto_version(context, min) == 1 &&
           SSL_CTX_set_max_proto_version(context, max) == 1;
}

/* Kong's intermediate suite: DHE with the group of RFC 7919 that every scanner knows. */
static bool set_dh_group(SSL_CTX *context)
{
    EVP_PKEY_CTX *generator = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)"ffdhe2048", 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *group = NULL;
    bool done;

    done = generator && EVP_PKEY_paramgen_init(generator) == 1 &&
           EVP_PKEY_CTX_set_params(generator, params) == 1 &&
           EVP_PKEY_paramgen(generator, &group) == 1 &&
           SSL_CTX_set0_tmp_dh_pkey(context, group) == 1;
    if (!done)
        EVP_PKEY_free(group);
    EVP_PKEY_CTX_free(generator);
    return done;
}

/*
 * RELEASE_BUFFERS with writes of at most 16384 bytes halves an idle connection's memory; moving
 * buffers because a write that could not be done at once is repeated from other memory; no
 * automatic chain because ours is already in order and must not be completed from the trust store.
 */
static void set_modes(SSL_CTX *context, bool server_preference)
{
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    if (server_preference)
        SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_read_ahead(context, 0);
    SSL_CTX_set_max_early_data(context, 0);
}

static bool set_ciphers(SSL_CTX *context, const struct tls_context_settings *settings)
{
    bool fips = settings->cipher_profile == TLS_CIPHERS_FIPS;
    const char *suites =
        settings->ciphers ? settings->ciphers : profiles[settings->cipher_profile].suites;

    return SSL_CTX_set_cipher_list(context, suites) == 1 &&
           SSL_CTX_set_ciphersuites(context, fips ? fips_tls13_suites : tls13_suites) == 1;
}

static bool set_groups(SSL_CTX *context, const struct tls_context_settings *settings)
{
    const char *standard =
        settings->cipher_profile == TLS_CIPHERS_FIPS ? "P-256:P-384" : "X25519:P-256:P-384";

    return SSL_CTX_set1_groups_list(context, settings->groups ? settings->groups : standard) == 1;
}

SSL_CTX *tls_context_create(const SSL_METHOD *method, const struct tls_context_settings *settings,
                            struct tls_error *reterr)
{
    const struct cipher_profile *profile = &profiles[settings->cipher_profile];
    SSL_CTX *context;
    char reason[128];

    ERR_clear_error();
    context = SSL_CTX_new(method);
    if (context && !set_versions(context, settings)) {
        tls_error_set(reterr,
                      "no TLS version is left: the lowest is above the highest (profile "
                      "\"%s\"); raise the highest or choose profile \"intermediate\"",
                      profile->name);
        SSL_CTX_free(context);
        ERR_clear_error();
        return NULL;
    }
    if (!context || !set_ciphers(context, settings) || !set_dh_group(context)) {
        openssl_error_reason(reason, sizeof(reason));
        tls_error_set(reterr, "OpenSSL refuses cipher profile \"%s\"%s%.200s%s: %s", profile->name,
                      settings->ciphers ? " with ciphers \"" : "",
                      settings->ciphers ? settings->ciphers : "", settings->ciphers ? "\"" : "",
                      reason);
        SSL_CTX_free(context);
        return NULL;
    }
    if (!set_groups(context, settings)) {
        tls_error_set(reterr, "OpenSSL knows no such curves: \"%.200s\"", settings->groups);
        SSL_CTX_free(context);
        ERR_clear_error();
        return NULL;
    }
    set_modes(context, profile->server_preference || settings->server_preference);
    return context;
}

static int use_parsed(SSL_CTX *context, const struct cert_chain *chain, EVP_PKEY *key,
                      struct tls_error *reterr)
{
    char reason[128], name[256];

    cert_name_text(X509_get_subject_name(chain->leaf), name, sizeof(name));
    if (X509_check_private_key(chain->leaf, key) != 1) {
        tls_error_set(reterr, "the private key does not belong to certificate \"%s\"", name);
        ERR_clear_error();
        return -EINVAL;
    }
    ERR_clear_error();
    /* without the right to override: a second one of the same key type would replace the first */
    if (SSL_CTX_use_cert_and_key(context, chain->leaf, key, chain->above, 0) != 1) {
        if (ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_NOT_REPLACING_CERTIFICATE) {
            tls_error_set(reterr,
                          "there is another certificate with this type of key beside \"%s\"; each "
                          "type (RSA, ECDSA, Ed25519) once, the others by server name",
                          name);
            ERR_clear_error();
            return -EINVAL;
        }
        openssl_error_reason(reason, sizeof(reason));
        tls_error_set(reterr, "certificate \"%s\" cannot be used: %s", name, reason);
        return -EINVAL;
    }
    return 0;
}

static int use_pair(SSL_CTX *context, const struct tls_pem_pair *pair, struct tls_error *reterr)
{
    EVP_PKEY *key =
        cert_key_parse(pair->key_pem ? pair->key_pem : "", reterr->text, sizeof(reterr->text));
    struct cert_chain chain;
    int r;

    if (!key)
        return -EINVAL;
    r = cert_chain_parse(&chain, pair->chain_pem, key, reterr->text, sizeof(reterr->text));
    if (r == 0) {
        if (chain.leaf)
            r = use_parsed(context, &chain, key, reterr);
        else {
            tls_error_set(reterr, "there is no certificate in the text");
            r = -EINVAL;
        }
        cert_chain_done(&chain);
    }
    EVP_PKEY_free(key);
    return r;
}

int tls_context_use_pair(SSL_CTX *context, const struct tls_pem_pair *pair, const char *label,
                         struct tls_error *reterr)
{
    struct tls_error inner = { "" };
    int r = use_pair(context, pair, &inner);

    if (r < 0)
        tls_error_set(reterr, "%s: %.400s", label ? label : "certificate", inner.text);
    return r;
}

int tls_alpn_init(struct tls_alpn *alpn, const char *const *names, size_t count,
                  struct tls_error *reterr)
{
    size_t length = 0;
    unsigned char *at;

    *alpn = (struct tls_alpn){ 0 };
    if (count == 0)
        return 0;
    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(names[i]);

        if (n == 0 || n > 255) {
            tls_error_set(reterr, "ALPN protocol name \"%s\" must have 1 to 255 bytes", names[i]);
            return -EINVAL;
        }
        length += 1 + n;
    }
    at = alpn->wire = malloc(length);
    if (!at) {
        tls_error_set(reterr, "out of memory");
        return -ENOMEM;
    }
    alpn->length = (unsigned)length;
    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(names[i]);

        *at++ = (unsigned char)n;
        memcpy(at, names[i], n);
        at += n;
    }
    return 0;
}

void tls_alpn_done(struct tls_alpn *alpn)
{
    free(alpn->wire);
    *alpn = (struct tls_alpn){ 0 };
}

bool tls_digest_text(EVP_MD_CTX *digest, const char *text)
{
    uint64_t length = text ? strlen(text) : UINT64_MAX;

    return EVP_DigestUpdate(digest, &length, sizeof(length)) == 1 &&
           (!text || EVP_DigestUpdate(digest, text, strlen(text)) == 1);
}
