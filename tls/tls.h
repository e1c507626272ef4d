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
 * Also public: tls_stream.h (the connection), tls_failure.h, alert.h, client_certificate.h (who the
 * client is), client_verifier.h (the same from a hop before us), ticket_keys.h, server_sessions.h,
 * handshake_queue.h, stapling.h, cert_check.h, self_signed.h.
 */
#ifndef TLS_TLS_H
#define TLS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "core/slice.h"

struct tls_client_certificate;
struct tls_server_sessions;
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
    TLS_CIPHERS_FIPS, /* what FIPS 140 approves, without the exchanges that have no forward secrecy */
    TLS_CIPHERS_CUSTOM, /* the settings say it all: ciphers, versions, preference */
};

/* "modern", "intermediate", "old", "fips", "custom". false: not a name of a profile. */
bool tls_cipher_profile_parse(const char *name, enum tls_cipher_profile *ret_profile);

/* Certificate chain and private key as texts. chain_pem NULL: absent. */
struct tls_pem_pair {
    const char *chain_pem; /* leaf and intermediates, any order; a root in it is not sent */
    const char *key_pem;   /* not encrypted */
};

enum tls_verify_mode {
    TLS_VERIFY_OFF,      /* the client is not asked */
    TLS_VERIFY_OPTIONAL, /* none is fine; one that cannot be verified is not */
    TLS_VERIFY_REQUIRED,
    TLS_VERIFY_OPTIONAL_NO_CA, /* none is fine, so is one of an unknown issuer (nginx's word) */
};

/* What becomes of a client whose certificate is missing or wrong. */
enum tls_client_refusal {
    TLS_CLIENT_REFUSAL_PAGE, /* the handshake completes, the first request is answered: nginx */
    TLS_CLIENT_REFUSAL_ALERT,
};

/*
 * What clients must show, for all names of a listener or for some. Two policies are the same when
 * everything but label and snis is: a session made under one is resumed, and a request for a name of
 * one is served, only under the same.
 */
struct tls_policy {
    const char *label; /* for messages: "hopgate.mtls[0]" */
    enum tls_verify_mode mode;
    enum tls_client_refusal refusal;
    const char *ca_pem; /* trusted issuers; NULL only without verification, with no_ca, or below */
    const char
        *crl_pem;       /* for every issuer in a chain, or it is refused; NULL: none is asked for */
    int depth;          /* intermediates between leaf and root; negative: OpenSSL's 100 */
    bool partial_chain; /* a trusted certificate need not be a root */
    bool trusts_nobody; /* there are no issuers (yet): every certificate is refused */
    const char *const *snis; /* as in tls_certificate; count 0: the listener's own policy */
    size_t snis_count;
};

struct tls_certificate {
    const char *label; /* where it came from, for messages: "certificates[0]" */
    struct tls_pem_pair pair;
    struct tls_pem_pair alternative;   /* the same names with the other key type (RSA, ECDSA) */
    const struct tls_pem_pair *others; /* and with more of them (Ed25519); may be NULL */
    size_t others_count;
    const char *const *snis; /* "a.example.com", "*.example.com", "example.*" */
    size_t snis_count;
};

/* What a client gets whose server name has no certificate (or that sends none). */
enum tls_unknown_sni { TLS_UNKNOWN_SNI_DEFAULT, TLS_UNKNOWN_SNI_REFUSE /* unrecognized_name */ };

struct tls_server_settings {
    const struct tls_certificate *certificates;
    size_t certificates_count; /* at least 1 */
    size_t default_certificate;
    const struct tls_policy *policies; /* at most one without snis; none: no client is asked */
    size_t policies_count;
    enum tls_version min_version, max_version; /* TLS_VERSION_DEFAULT: the profile's */
    enum tls_cipher_profile cipher_profile;
    const char *ciphers;    /* TLS 1.2, OpenSSL's list, with profile custom; NULL: intermediate's */
    bool server_preference; /* with profile custom: our order of ciphers, not the client's */
    const char *groups;     /* "X25519:P-256"; NULL: X25519, P-256, P-384 */
    const char *const *alpn; /* in order of preference, "http/1.1"; count 0: no ALPN */
    size_t alpn_count;
    bool alpn_required; /* no common protocol: alert no_application_protocol, else go on without */
    enum tls_unknown_sni unknown_sni; /* the default certificate's own names are known, too */
    enum tls_unknown_sni missing_sni;
    uint32_t session_timeout_s; /* 0: one day */
    bool staples;               /* OCSP responses are sent, see tls/stapling.h */
    /* borrowed, outlives the configuration; NULL: no tickets */
    struct tls_ticket_keys *ticket_keys;
    /* the same; NULL: no sessions by id */
    struct tls_server_sessions *sessions;
};

struct tls_server_config;

/* NULL: see reterr. Nothing of the settings is referred to afterwards but ticket_keys and
 * sessions. */
struct tls_server_config *tls_server_config_create(const struct tls_server_settings *settings,
                                                   struct tls_error *reterr);

/*
 * A reference to `former` when it was made from equal settings, with what it has learnt since (OCSP
 * responses); else NULL. Accepts NULL. Labels of certificates need not be equal.
 */
struct tls_server_config *tls_server_config_reuse(struct tls_server_config *former,
                                                  const struct tls_server_settings *settings);
struct tls_server_config *tls_server_config_ref(struct tls_server_config *config);
void tls_server_config_unref(struct tls_server_config *config); /* accepts NULL */

struct tls_client_settings {
    bool verify;             /* chain and name of the server */
    int verify_depth;        /* intermediates between leaf and root; negative: OpenSSL's 100 */
    const char *ca_pem;      /* trusted certificates; NULL: the system's */
    const char *trust_label; /* what explanations call them; NULL: "the system's certificates" */
    struct tls_pem_pair certificate; /* what we show when asked; chain_pem NULL: nothing */
    enum tls_version min_version, max_version;
    enum tls_cipher_profile cipher_profile;
    const char *const *alpn;
    size_t alpn_count;
    bool sessions_off; /* every handshake is a full one */
};

struct tls_client_config;

struct tls_client_config *tls_client_config_create(const struct tls_client_settings *settings,
                                                   struct tls_error *reterr);
struct tls_client_config *tls_client_config_ref(struct tls_client_config *config);
void tls_client_config_unref(struct tls_client_config *config); /* accepts NULL */

/*
 * Equal for configurations made from equal settings, and for no others (part of a SHA-256; never 0):
 * what one of them verified may be used under the other, so connections and sessions outlive a reload.
 */
uint64_t tls_client_config_identity(const struct tls_client_config *config);

/*
 * The last session per upstream, so that the next connection to it resumes. One per worker, not
 * shared. Bounded: the entry that was used longest ago makes room.
 */
struct tls_session_cache;

struct tls_session_cache *tls_session_cache_create(size_t entries_max);
void tls_session_cache_free(struct tls_session_cache *cache); /* after the streams that use it */

/* What the client's certificate, or its absence, means under the policy of the name it asked for. */
enum tls_client_verdict {
    TLS_CLIENT_ACCEPTED,
    TLS_CLIENT_CERTIFICATE_REFUSED,
    TLS_CLIENT_CERTIFICATE_MISSING,
};

/* Who the client is, whether its certificate came in the handshake or by way of a hop before us
 * (tls/client_verifier.h). */
struct tls_client_identity {
    enum tls_verify_mode mode;       /* what the policy of the name asked for */
    enum tls_client_verdict verdict; /* whoever serves requests must look at it */
    const char *verify;       /* nginx's $ssl_client_verify: "NONE", "SUCCESS", "FAILED:reason" */
    const char *verify_error; /* "10:certificate has expired" or "" */
    const struct tls_client_certificate *certificate; /* NULL: none came */
};

/*
 * What the handshake agreed on. Good until the stream is closed. On a server that asks no client
 * for a certificate `client` costs nothing and says "NONE".
 */
struct tls_session_info {
    const char *version;     /* "TLSv1.3" */
    const char *cipher;      /* "TLS_AES_256_GCM_SHA384" */
    const char *server_name; /* SNI received or sent, lower case; "" when none */
    const char *alpn;        /* "" when none */
    bool resumed;
    struct tls_client_identity client;
    const struct tls_server_config *server; /* NULL: we are the client */
    size_t policy;                          /* private to tls_session_may_serve */
};

/*
 * Whether a request for `host` (no port) may be answered on this connection: what its clients must
 * show is the same as for the name in the handshake (else: 421).
 */
bool tls_session_may_serve(const struct tls_session_info *info, struct slice host);

/* False: the host is neither a name nor an address, and policies go by name: it is not served (421). */
bool tls_server_config_guards(const struct tls_server_config *config, struct slice host);

#endif
