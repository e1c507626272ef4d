/*
 * cert_check: what is wrong with a certificate chain and its key, before a client finds out.
 *
 * Role    the list of findings that `hopgate check` prints and that the log shows at start
 * Owns    the texts of the report
 * Thread  any
 */
#ifndef TLS_CERT_CHECK_H
#define TLS_CERT_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "tls/tls.h"

enum cert_severity {
    CERT_ERROR,   /* the pair cannot be served */
    CERT_WARNING, /* it can, but some clients will not like it, now or soon */
};

struct cert_problem {
    enum cert_severity severity;
    char *text; /* one sentence: which certificate, what, the fix */
};

struct cert_report {
    struct cert_problem *problems;
    size_t count, capacity;
};

enum { CERT_EXPIRY_WARNING_DAYS = 30 };

/* now_s: seconds since 1970. Fills a fresh report. 0 or -ENOMEM (the report must still be done). */
int cert_check(const struct tls_pem_pair *pair, int64_t now_s, struct cert_report *ret_report);

/*
 * A warning for each server name that the leaf does not cover. "example.*" is left out: no
 * certificate can have such a name. Adds to a report that cert_check filled. 0 or -ENOMEM.
 */
int cert_check_names(const struct tls_pem_pair *pair, const char *const *snis, size_t count,
                     struct cert_report *report);

void cert_report_done(struct cert_report *report);

#endif
