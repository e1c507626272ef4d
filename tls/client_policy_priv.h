/*
 * client_policy: what a server asks of its clients' certificates, ready for connections.
 *
 * Role    a struct tls_policy as OpenSSL objects; set on each connection once its server name is
 *         known, so that certificates and policies combine freely
 * Owns    trust store (CAs, CRLs), the CA names sent to clients
 * Thread  built by one thread, then read-only
 */
#ifndef TLS_CLIENT_POLICY_PRIV_H
#define TLS_CLIENT_POLICY_PRIV_H

#include <openssl/sha.h>
#include <openssl/ssl.h>

#include <stdbool.h>
#include <time.h>

#include "tls/tls.h"

struct client_policy {
    enum tls_verify_mode mode;
    enum tls_client_refusal refusal;
    int depth;
    X509_STORE *store;                          /* NULL: mode off */
    STACK_OF(X509_NAME) * ca_names;             /* NULL: none are named */
    unsigned char digest[SHA256_DIGEST_LENGTH]; /* of everything that makes it differ from others */
};

/* wanted NULL: no client is asked. 0 or -EINVAL with reterr; in both cases it must be done. */
int client_policy_init(struct client_policy *policy, const struct tls_policy *wanted,
                       struct tls_error *reterr);
void client_policy_done(struct client_policy *policy);

/*
 * In the client_hello callback, after SSL_set_SSL_CTX. context_digest: of the certificates; the
 * session id context becomes a mix of both. false: out of memory, or OpenSSL refuses.
 */
bool client_policy_apply(const struct client_policy *policy, SSL *ssl,
                         const unsigned char context_digest[SHA256_DIGEST_LENGTH]);

/* What a verification result (X509_V_...) means. */
enum tls_client_verdict client_policy_judge(const struct client_policy *policy,
                                            bool has_certificate, long verify_result);

/*
 * Outside of a handshake, with the result that a handshake would have that refuses by a page:
 * ret_result is the last error of the chain that the mode does not overlook, else the last, else
 * X509_V_OK. 0 or -ENOMEM.
 */
struct client_chain {
    X509 *leaf;
    STACK_OF(X509) * others; /* NULL: none */
    int auth_level;          /* see X509_VERIFY_PARAM_set_auth_level */
    time_t now_s;
};
int client_policy_verify(const struct client_policy *policy, const struct client_chain *chain,
                         long *ret_result);

#endif
