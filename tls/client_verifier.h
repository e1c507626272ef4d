/*
 * client_verifier: a client certificate that did not come in a handshake of ours, judged as if it had.
 *
 * Role    a hop before us ended the client's TLS and hands its certificate on; what it must be is what
 *         our own listener asks of clients of that host
 * Owns    the judgements that it remembers
 * Thread  one worker
 *
 * A hop sends the same certificate with each request of its client, so judgements are kept, the
 * least recently used makes room. One is used again only for the same certificates under the same
 * policy and security level; not after one of them has ended; and not for long, because CRLs and the
 * CAs run on the clock, too.
 */
#ifndef TLS_CLIENT_VERIFIER_H
#define TLS_CLIENT_VERIFIER_H

#include "tls/client_certificate.h"
#include "tls/tls.h"

enum {
    TLS_JUDGEMENT_LIFETIME_S = 60,
    TLS_PRESENTED_MAX = 16, /* certificates, with the leaf */
};

struct tls_client_verifier;

struct tls_client_verifier *tls_client_verifier_create(size_t judgements_max);
void tls_client_verifier_free(struct tls_client_verifier *verifier); /* accepts NULL */

struct tls_presented {
    const struct tls_server_config *config;
    struct slice host;                  /* that the request is for; no port */
    const struct tls_der *certificates; /* the leaf first */
    size_t count;                       /* 0: the client showed none */
    int64_t now_s;
};

/* Counted within the worker: it may outlive its place in the verifier. */
struct tls_judgement;

/*
 * 0; -EINVAL: ret_bad is the index of what is no certificate, or is followed by more bytes; -ENOMEM.
 * Where clients are not asked for a certificate, none came, as in a handshake.
 */
int tls_client_verifier_judge(struct tls_client_verifier *verifier,
                              const struct tls_presented *presented, struct tls_judgement **ret,
                              size_t *ret_bad);

/* Good until the judgement is released. */
const struct tls_client_identity *tls_judgement_identity(const struct tls_judgement *judgement);

/* It was made by this call and not remembered. */
bool tls_judgement_is_new(const struct tls_judgement *judgement);

void tls_judgement_release(struct tls_judgement *judgement); /* accepts NULL */

#endif
