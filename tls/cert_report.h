/*
 * cert_report: a list of findings about certificates.
 *
 * Role    what the checks of tls/ fill; `check`, `probe` and the log print it
 * Owns    the texts
 * Thread  any
 */
#ifndef TLS_CERT_REPORT_H
#define TLS_CERT_REPORT_H

#include <stdbool.h>
#include <stddef.h>

enum cert_severity {
    CERT_ERROR,   /* the pair cannot be served */
    CERT_WARNING, /* it can, but some clients will not like it, now or soon */
};

enum cert_problem_kind {
#define CERT_PROBLEM(id, name, severity, breaks) CERT_PROBLEM_##id,
#include "tls/cert_problems.def"
#undef CERT_PROBLEM
};

struct cert_problem {
    enum cert_severity severity;
    enum cert_problem_kind kind;
    char *text; /* one sentence: which certificate, what, the fix; no control bytes */
};

struct cert_report {
    struct cert_problem *problems;
    size_t count, capacity;
};

/* 0 or -ENOMEM. */
__attribute__((format(printf, 3, 4))) int cert_report_add(struct cert_report *report,
                                                          enum cert_problem_kind kind,
                                                          const char *format, ...);

/* Whether there is one of that kind. */
bool cert_report_has(const struct cert_report *report, enum cert_problem_kind kind);

/* The gravest, by the order of cert_problems.def; NULL: nothing was found. */
const struct cert_problem *cert_report_worst(const struct cert_report *report);

void cert_report_done(struct cert_report *report);

const char *cert_problem_name(enum cert_problem_kind kind); /* "missing-intermediate" */
bool cert_problem_breaks(enum cert_problem_kind kind);      /* clients that verify refuse it */

#endif
