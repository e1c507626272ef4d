/*
 * cert_check: what is wrong with a certificate chain and its key, before a client finds out.
 *
 * Role    the list of findings that `hopgate check` prints and that the log shows at start
 * Owns    nothing
 * Thread  any
 */
#ifndef TLS_CERT_CHECK_H
#define TLS_CERT_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "tls/cert_report.h"
#include "tls/tls.h"

/* now_s: seconds since 1970. Fills a fresh report. 0 or -ENOMEM (the report must still be done). */
int cert_check(const struct tls_pem_pair *pair, int64_t now_s, struct cert_report *ret_report);

/*
 * A warning for each server name that the leaf does not cover. "example.*" is left out: no
 * certificate can have such a name. Adds to a report that cert_check filled. 0 or -ENOMEM.
 */
int cert_check_names(const struct tls_pem_pair *pair, const char *const *snis, size_t count,
                     struct cert_report *report);

/*
 * A bundle of authorities that a verifier is to trust: readable, each of them an authority, valid.
 * Fills a fresh report. 0 or -ENOMEM.
 */
int cert_check_authorities(const char *pem, int64_t now_s, struct cert_report *ret_report);

/* What clients are verified with: CAs that are none, expired or missing, CRLs likewise. Fills a fresh
 * report. 0 or -ENOMEM. */
int cert_check_policy(const struct tls_policy *policy, int64_t now_s,
                      struct cert_report *ret_report);

/* A warning when others than owner and group may use the key in that file. Adds. 0 or -ENOMEM. */
int cert_check_key_file(const char *path, struct cert_report *report);

#endif
