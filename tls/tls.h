/*
 * tls: the folder's face. Everything about OpenSSL is behind it; no other folder sees
 * <openssl/...>.
 *
 * Role    turns PEM texts and settings into configurations from which connections are made
 *         (tls/tls_stream.h); says afterwards what a handshake agreed on
 * Owns    a configuration owns its certificates, keys and contexts; it is counted, because a
 *         connection keeps the one it started with
 * Thread  built by one thread, read-only afterwards: any number of workers may use it at once
 *
 * Also public: tls_stream.h (the connection), ticket_keys.h, cert_check.h, self_signed.h.
 */
#ifndef TLS_TLS_H
#define TLS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"

struct tls_ticket_keys;

/* Why a configuration could not be built: names the certificate or setting, and the fix. */
struct tls_error {
    char text[512];
};

enum tls_version { TLS_VERSION_DEFAULT, TLS_VERSION_1_2, TLS_VERSION_1_3 };

/* Mozilla's server side lists (guideline 5.7), under the names of Kong's ssl_cipher_suite. */
enum tls_cipher_profile {
    TLS_CIPHERS_INTERMEDIATE,
    TLS_CIPHERS_MODERN, /* TLS 1.3 only */
    TLS_CIPHERS_OLD,    /* old suites too; versions stay at 1.2 and above */
};

/* "modern", "intermediate", "old". false: not a name of a profile. */
bool tls_cipher_profile_parse(const char *name, enum tls_cipher_profile *ret_profile);

/* Certificate chain and private key as texts. chain_pem NULL: absent. */
struct tls_pem_pair {
    const char *chain_pem; /* leaf and intermediates, any order; a root in it is not sent */
    const char *key_pem;   /* not encrypted */
};

/*
 * What a client must show, as far as it separates sessions: a session made under one policy is
 * never resumed under another.
 */
struct tls_policy {
    const char *id;
};

struct tls_certificate {
    const char *label; /* where it came from, for messages: "certificates[0]" */
    struct tls_pem_pair pair;
    struct tls_pem_pair alternative; /* the same names with the other key type (RSA, ECDSA) */
    const char *const *snis;         /* "a.example.com", "*.example.com", "example.*" */
    size_t snis_count;
    const struct tls_policy *policy; /* NULL: the policy with the empty id */
};

/* What a client gets whose server name has no certificate (or that sends none). */
enum tls_unknown_sni { TLS_UNKNOWN_SNI_DEFAULT, TLS_UNKNOWN_SNI_REFUSE /* unrecognized_name */ };

struct tls_server_settings {
    const struct tls_certificate *certificates;
    size_t certificates_count; /* at least 1 */
    size_t default_certificate;
    enum tls_version min_version, max_version; /* TLS_VERSION_DEFAULT: the profile's */
    enum tls_cipher_profile cipher_profile;
    const char *const *alpn; /* in order of preference, "http/1.1"; count 0: no ALPN */
    size_t alpn_count;
    bool alpn_required; /* no common protocol: alert no_application_protocol, else go on without */
    enum tls_unknown_sni unknown_sni;
    enum tls_unknown_sni missing_sni;
    uint32_t session_timeout_s; /* 0: one day */
    /* borrowed, outlives the configuration; NULL: no tickets */
    struct tls_ticket_keys *ticket_keys;
};

struct tls_server_config;

/* NULL: see reterr. Nothing of the settings is referred to afterwards but ticket_keys. */
struct tls_server_config *tls_server_config_create(const struct tls_server_settings *settings,
                                                   struct tls_error *reterr);
struct tls_server_config *tls_server_config_ref(struct tls_server_config *config);
void tls_server_config_unref(struct tls_server_config *config); /* accepts NULL */

struct tls_client_settings {
    bool verify;        /* chain and name of the server */
    int verify_depth;   /* intermediates between leaf and root; negative: OpenSSL's 100 */
    const char *ca_pem; /* trusted certificates; NULL: the system's */
    struct tls_pem_pair certificate; /* what we show when asked; chain_pem NULL: nothing */
    enum tls_version min_version, max_version;
    enum tls_cipher_profile cipher_profile;
    const char *const *alpn;
    size_t alpn_count;
};

struct tls_client_config;

struct tls_client_config *tls_client_config_create(const struct tls_client_settings *settings,
                                                   struct tls_error *reterr);
struct tls_client_config *tls_client_config_ref(struct tls_client_config *config);
void tls_client_config_unref(struct tls_client_config *config); /* accepts NULL */

/*
 * The last session per upstream, so that the next connection to it resumes. One per worker, not
 * shared. Bounded: the entry that was used longest ago makes room.
 */
struct tls_session_cache;

struct tls_session_cache *tls_session_cache_create(size_t entries_max);
void tls_session_cache_free(struct tls_session_cache *cache); /* after the streams that use it */

/* What the handshake agreed on. Good until the stream is closed. */
struct tls_session_info {
    const char *version;       /* "TLSv1.3" */
    const char *cipher;        /* "TLS_AES_256_GCM_SHA384" */
    const char *server_name;   /* SNI received or sent, lower case; "" when none */
    const char *alpn;          /* "" when none */
    const char *client_verify; /* nginx's $ssl_client_verify: "NONE" */
    bool resumed;
};

#endif
