/*
 * chain_diagnosis: why a verifier will not like a chain, in sentences that name certificate and fix.
 *
 * Role    the one diagnosis behind `hopgate check` (files, before they are served) and
 *         `hopgate probe` (what a server sent)
 * Owns    nothing
 * Thread  any
 *
 * chain_certificate.c looks at one certificate at a time, chain_diagnosis.c at how they connect.
 */
#ifndef TLS_CHAIN_DIAGNOSIS_PRIV_H
#define TLS_CHAIN_DIAGNOSIS_PRIV_H

#include <openssl/x509.h>

#include <stdbool.h>
#include <stdint.h>

#include "tls/cert_chain_priv.h"
#include "tls/cert_report.h"

struct chain_question {
    int64_t now_s;       /* since 1970 */
    X509_STORE *anchors; /* NULL: whatever the chain leads to is taken for trusted */
    const char *name;    /* DNS name or address the leaf must have; NULL: not asked */
    bool received;       /* sent by a server, else read from a file */
    bool staple_came;    /* with received: an OCSP answer was stapled */
};

/* What the verifier of OpenSSL said; with anchors only. */
struct chain_verdict {
    int verify_error;      /* X509_V_ERR_* of the first objection, 0: none */
    int error_depth;       /* 0: the leaf */
    STACK_OF(X509) * path; /* leaf to trust anchor, as far as it got; NULL: nothing was built */
};

void chain_verdict_done(struct chain_verdict *verdict);

/*
 * Adds findings. The chain has a leaf. ret_verdict may be NULL; it is filled on success. 0 or
 * -ENOMEM.
 */
int chain_diagnose(const struct cert_chain *chain, const struct chain_question *question,
                   struct cert_report *report, struct chain_verdict *ret_verdict);

/* The dates of one certificate: expired, not yet valid, soon. 0 or -ENOMEM. */
int chain_diagnose_dates(X509 *certificate, int64_t now_s, struct cert_report *report);

/* Key and signature of one certificate. 0 or -ENOMEM. */
int chain_diagnose_strength(X509 *certificate, struct cert_report *report);

/* Names, purpose and staple of the leaf. 0 or -ENOMEM. */
int chain_diagnose_leaf(X509 *leaf, const struct chain_question *question,
                        struct cert_report *report);

bool chain_name_is_address(const char *name); /* IPv4 or IPv6 */

/* Whether the leaf is good for a DNS name or an IP address. A wildcard only covers itself. */
bool chain_leaf_covers(X509 *leaf, const char *name);

#endif
