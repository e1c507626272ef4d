/*
 * tls_context: what every OpenSSL context of this program has in common, and the two
 * configurations made of contexts.
 *
 * Role    versions, ciphers, modes (DESIGN of the write path: small writes, released buffers)
 * Owns    see the structs
 * Thread  built by one thread, then read-only
 */
#ifndef TLS_TLS_CONTEXT_PRIV_H
#define TLS_TLS_CONTEXT_PRIV_H

#include <openssl/ssl.h>

#include <stdatomic.h>

#include "tls/client_policy_priv.h"
#include "tls/sni_priv.h"
#include "tls/tls.h"

struct tls_context_settings {
    enum tls_version min_version, max_version;
    enum tls_cipher_profile cipher_profile;
    const char *ciphers, *groups; /* NULL: the profile's */
    bool server_preference;
};

/* ALPN protocol list as on the wire: length byte, name, ... (RFC 7301 3.1) */
struct tls_alpn {
    unsigned char *wire; /* NULL: no ALPN */
    unsigned length;
};

struct ocsp_staple;

struct server_context {
    SSL_CTX *context;
    STACK_OF(X509) * leaves; /* one per pair; to look at them in the context would change it */
    unsigned char digest[SHA256_DIGEST_LENGTH]; /* of the leaves */
    struct ocsp_staple *staples;                /* one per pair; NULL: none are sent */
    size_t staples_count;
};

struct tls_server_config {
    atomic_uint refs;
    unsigned char identity[SHA256_DIGEST_LENGTH]; /* see tls_server_identify */
    struct server_context *contexts;              /* one per certificate */
    size_t contexts_count;
    size_t default_context;
    struct sni_map names;           /* -> index into contexts */
    struct client_policy *policies; /* [0]: of the listener; the others by name */
    size_t policies_count;
    struct sni_map policy_names; /* -> index into policies */
    struct tls_alpn alpn;
    bool alpn_required;
    enum tls_unknown_sni unknown_sni, missing_sni;
    struct tls_ticket_keys *ticket_keys;  /* borrowed; NULL: none */
    struct tls_server_sessions *sessions; /* the same */
};

struct tls_client_config {
    atomic_uint refs;
    uint64_t identity_word; /* of the next, never 0 */
    char identity[65]; /* SHA-256 of the settings in hex: sessions never cross different ones */
    SSL_CTX *context;
    bool verify, sessions_off;
    char *trust_label;
};

/* A digest of all that the configuration is made from. False: no memory. */
bool tls_server_identify(const struct tls_server_settings *settings,
                         unsigned char ret[SHA256_DIGEST_LENGTH]);

/* Fills in identity and identity_word. False: reterr. */
bool tls_client_identify(struct tls_client_config *config,
                         const struct tls_client_settings *settings, struct tls_error *reterr);
const char *tls_trust_label(const struct tls_client_settings *settings);

/* Length and bytes, so that no two lists of texts look the same; absent (NULL) is not empty. */
bool tls_digest_text(EVP_MD_CTX *digest, const char *text);

/* What is asked of clients that want this host (no port): the listener's, or its own. */
const struct client_policy *tls_server_config_policy(const struct tls_server_config *config,
                                                     struct slice host);

/* NULL: reterr. */
SSL_CTX *tls_context_create(const SSL_METHOD *method, const struct tls_context_settings *settings,
                            struct tls_error *reterr);

/* Certificate, issuers in sending order, key. 0 or -EINVAL with reterr. label: for messages. */
int tls_context_use_pair(SSL_CTX *context, const struct tls_pem_pair *pair, const char *label,
                         struct tls_error *reterr);

/* 0, -ENOMEM, or -EINVAL (a name of 0 or more than 255 bytes), both with reterr. */
int tls_alpn_init(struct tls_alpn *alpn, const char *const *names, size_t count,
                  struct tls_error *reterr);
void tls_alpn_done(struct tls_alpn *alpn);

__attribute__((format(printf, 2, 3))) void tls_error_set(struct tls_error *error,
                                                         const char *format, ...);

#endif
