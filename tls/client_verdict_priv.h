/*
 * client_verdict: what a client's certificate, or its absence, comes to under a policy.
 *
 * Role    the certificate, the verdict and its texts together, whether the certificate came in a
 *         handshake of ours or by way of a hop before us
 * Owns    the certificate and the texts
 * Thread  one worker
 */
#ifndef TLS_CLIENT_VERDICT_PRIV_H
#define TLS_CLIENT_VERDICT_PRIV_H

#include "tls/client_certificate_priv.h"
#include "tls/client_policy_priv.h"

struct client_verdict {
    struct tls_client_identity identity; /* points into the rest */
    struct tls_client_certificate *certificate;
    char *verify, *verify_error; /* heap; NULL: not refused */
};

/*
 * Takes the certificate; NULL: none came. verify_result: of its verification (X509_V_...).
 * 0 or -ENOMEM; in both cases it must be done.
 */
int client_verdict_init(struct client_verdict *verdict, const struct client_policy *policy,
                        struct tls_client_certificate **certificate, long verify_result);
void client_verdict_done(struct client_verdict *verdict);

/* "10:certificate has expired" as nginx logs it, heap; NULL: no memory. */
char *client_verdict_error_text(long verify_result);

#endif
