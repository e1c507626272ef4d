#include "tls/cert_check.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tls/cert_chain_priv.h"

enum { NAME_TEXT_MAX = 256, SECONDS_PER_DAY = 86400 };

__attribute__((format(printf, 3, 4))) static int report_add(struct cert_report *report,
                                                            enum cert_severity severity,
                                                            const char *format, ...)
{
    va_list arguments;
    char *text;
    int length;

    if (report->count == report->capacity) {
        size_t capacity = report->capacity ? report->capacity * 2 : 4;
        struct cert_problem *problems =
            realloc(report->problems, capacity * sizeof(*report->problems));

        if (!problems)
            return -ENOMEM;
        report->problems = problems;
        report->capacity = capacity;
    }
    va_start(arguments, format);
    length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0)
        return -ENOMEM;
    report->problems[report->count++] = (struct cert_problem){ severity, text };
    return 0;
}

static const char *subject_text(const X509 *certificate, char *into)
{
    return cert_name_text(X509_get_subject_name(certificate), into, NAME_TEXT_MAX);
}

static const char *date_text(const ASN1_TIME *at, char *into, size_t size)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(at, &tm) != 1 || strftime(into, size, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
        snprintf(into, size, "an unreadable date");
    return into;
}

static int check_dates(X509 *certificate, int64_t now_s, struct cert_report *report)
{
    const ASN1_TIME *not_before = X509_get0_notBefore(certificate);
    const ASN1_TIME *not_after = X509_get0_notAfter(certificate);
    time_t now = (time_t)now_s;
    time_t soon = (time_t)(now_s + (int64_t)CERT_EXPIRY_WARNING_DAYS * SECONDS_PER_DAY);
    char name[NAME_TEXT_MAX], date[64];
    int days = 0, seconds = 0;
    ASN1_TIME *now_asn1;

    subject_text(certificate, name);
    if (X509_cmp_time(not_before, &now) > 0)
        return report_add(report, CERT_WARNING,
                          "certificate \"%s\" is not valid before %s; check the clock or wait",
                          name, date_text(not_before, date, sizeof(date)));
    if (X509_cmp_time(not_after, &now) < 0)
        return report_add(report, CERT_WARNING, "certificate \"%s\" expired on %s; renew it", name,
                          date_text(not_after, date, sizeof(date)));
    if (X509_cmp_time(not_after, &soon) > 0)
        return 0;
    now_asn1 = ASN1_TIME_set(NULL, now);
    if (!now_asn1)
        return -ENOMEM;
    (void)ASN1_TIME_diff(&days, &seconds, now_asn1,
                         not_after); /* unreadable: 0 days is the alarm */
    ASN1_TIME_free(now_asn1);
    return report_add(report, CERT_WARNING,
                      "certificate \"%s\" expires in %d days, on %s; renew it", name, days,
                      date_text(not_after, date, sizeof(date)));
}

static int check_key(const struct cert_chain *chain, EVP_PKEY *key, struct cert_report *report)
{
    char name[NAME_TEXT_MAX];

    if (X509_check_private_key(chain->leaf, key) == 1)
        return 0;
    ERR_clear_error();
    return report_add(
        report, CERT_ERROR,
        "the private key does not belong to certificate \"%s\" nor to any other of the "
        "chain; give the key that the certificate was requested with",
        subject_text(chain->leaf, name));
}

static int check_chain(const struct cert_chain *chain, struct cert_report *report)
{
    char subject[NAME_TEXT_MAX], issuer[NAME_TEXT_MAX];
    int r = 0;

    subject_text(chain->leaf, subject);
    if (chain->duplicate_count > 0)
        r = report_add(
            report, CERT_WARNING,
            "the chain of certificate \"%s\" has %zu duplicate certificate%s; it is sent "
            "once, remove the copies",
            subject, chain->duplicate_count, chain->duplicate_count == 1 ? "" : "s");
    if (r == 0 && chain->shuffled)
        r = report_add(report, CERT_WARNING,
                       "the chain of certificate \"%s\" is in the wrong order; it is sent in the "
                       "right one, other servers may not: put the certificate first, then its "
                       "issuer, then the issuer's issuer",
                       subject);
    if (r == 0 && chain->unrelated_count > 0)
        r = report_add(
            report, CERT_WARNING,
            "%zu certificate%s in the file of certificate \"%s\" did not issue it and %s "
            "not sent; remove them",
            chain->unrelated_count, chain->unrelated_count == 1 ? "" : "s", subject,
            chain->unrelated_count == 1 ? "is" : "are");
    if (r == 0 && sk_X509_num(chain->above) == 0 && !chain->root &&
        X509_self_signed(chain->leaf, 0) != 1)
        r = report_add(report, CERT_WARNING,
                       "certificate \"%s\": the issuing certificate \"%s\" is missing from the "
                       "chain; clients without it cannot verify; append it to the file",
                       subject,
                       cert_name_text(X509_get_issuer_name(chain->leaf), issuer, sizeof(issuer)));
    return r;
}

static int check_parsed(const struct cert_chain *chain, EVP_PKEY *key, int64_t now_s,
                        struct cert_report *report)
{
    int r = 0;

    if (!chain->leaf)
        return report_add(report, CERT_ERROR,
                          "there is no certificate in the text; it must begin with -----BEGIN "
                          "CERTIFICATE-----");
    if (key)
        r = check_key(chain, key, report);
    if (r == 0)
        r = check_chain(chain, report);
    for (int i = 0; r == 0 && i < sk_X509_num(chain->found); i++)
        r = check_dates(sk_X509_value(chain->found, i), now_s, report);
    ERR_clear_error();
    return r;
}

int cert_check(const struct tls_pem_pair *pair, int64_t now_s, struct cert_report *ret_report)
{
    struct cert_chain chain;
    char text[256];
    EVP_PKEY *key;
    int r = 0;

    *ret_report = (struct cert_report){ 0 };
    key = cert_key_parse(pair->key_pem ? pair->key_pem : "", text, sizeof(text));
    if (!key)
        r = report_add(ret_report, CERT_ERROR, "%s", text);
    if (r < 0)
        return r;
    r = cert_chain_parse(&chain, pair->chain_pem ? pair->chain_pem : "", key, text, sizeof(text));
    if (r == -EINVAL)
        r = report_add(ret_report, CERT_ERROR, "%s", text);
    else if (r == 0) {
        r = check_parsed(&chain, key, now_s, ret_report);
        cert_chain_done(&chain);
    }
    EVP_PKEY_free(key);
    return r;
}

/* "*.example.com" as a name is covered by the same wildcard only: OpenSSL matches a literal star. */
static bool leaf_covers(const struct cert_chain *chain, const char *sni)
{
    size_t length = strlen(sni);

    if (length > 2 && strcmp(sni + length - 2, ".*") == 0)
        return true;
    return X509_check_host(chain->leaf, sni, length, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) ==
           1;
}

int cert_check_names(const struct tls_pem_pair *pair, const char *const *snis, size_t count,
                     struct cert_report *report)
{
    char text[256], subject[NAME_TEXT_MAX];
    EVP_PKEY *key = cert_key_parse(pair->key_pem ? pair->key_pem : "", text, sizeof(text));
    struct cert_chain chain;
    int r = 0;

    /* what cannot be parsed was reported by cert_check */
    if (cert_chain_parse(&chain, pair->chain_pem ? pair->chain_pem : "", key, text, sizeof(text)) ==
        0) {
        for (size_t i = 0; r == 0 && chain.leaf && i < count; i++)
            if (!leaf_covers(&chain, snis[i]))
                r = report_add(report, CERT_WARNING,
                               "certificate \"%s\" does not cover the server name \"%s\"; clients "
                               "refuse it there: add the name to the certificate or remove the SNI",
                               subject_text(chain.leaf, subject), snis[i]);
        cert_chain_done(&chain);
    }
    EVP_PKEY_free(key);
    ERR_clear_error();
    return r;
}

void cert_report_done(struct cert_report *report)
{
    for (size_t i = 0; i < report->count; i++)
        free(report->problems[i].text);
    free(report->problems);
    *report = (struct cert_report){ 0 };
}
