/* What is wrong with a client verification policy, before a client finds out. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tls/cert_chain_priv.h"
#include "tls/cert_check.h"

enum { NAME_TEXT_MAX = 256, DATE_TEXT_MAX = 64 };

static const char *date_text(const ASN1_TIME *at, char *into)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(at, &tm) != 1 ||
        strftime(into, DATE_TEXT_MAX, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
        snprintf(into, DATE_TEXT_MAX, "an unreadable date");
    return into;
}

static int check_ca(X509 *ca, const struct tls_policy *policy, time_t now,
                    struct cert_report *report)
{
    char name[NAME_TEXT_MAX], date[DATE_TEXT_MAX];

    cert_name_text(X509_get_subject_name(ca), name, sizeof(name));
    if (X509_check_ca(ca) == 0 && !policy->partial_chain)
        return cert_report_add(report, CERT_PROBLEM_CLIENT_CA,
                               "certificate \"%s\" is not a CA (basicConstraints CA:TRUE and "
                               "keyCertSign): it issued no client certificate; give its issuer's",
                               name);
    if (X509_cmp_time(X509_get0_notAfter(ca), &now) < 0)
        return cert_report_add(report, CERT_PROBLEM_EXPIRED,
                               "CA \"%s\" expired on %s: clients with certificates of it are "
                               "refused; renew it",
                               name, date_text(X509_get0_notAfter(ca), date));
    return 0;
}

static int check_cas(const struct tls_policy *policy, time_t now, struct cert_report *report)
{
    char text[256];
    STACK_OF(X509) *bundle = cert_bundle_parse(policy->ca_pem, text, sizeof(text));
    int r = 0;

    if (!bundle)
        return cert_report_add(report, CERT_PROBLEM_DAMAGED, "the CA bundle cannot be read: %s",
                               text);
    if (sk_X509_num(bundle) == 0)
        r = cert_report_add(report, CERT_PROBLEM_NO_CERTIFICATE,
                            "there is no certificate in the CA bundle; it must have a -----BEGIN "
                            "CERTIFICATE----- for each issuer of client certificates");
    for (int i = 0; r == 0 && i < sk_X509_num(bundle); i++)
        r = check_ca(sk_X509_value(bundle, i), policy, now, report);
    sk_X509_pop_free(bundle, X509_free);
    return r;
}

static int check_crl(X509_CRL *crl, time_t now, struct cert_report *report)
{
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);
    char name[NAME_TEXT_MAX], date[DATE_TEXT_MAX];

    cert_name_text(X509_CRL_get_issuer(crl), name, sizeof(name));
    if (!next)
        return cert_report_add(report, CERT_PROBLEM_CRL,
                               "the CRL of \"%s\" says no next update: it never expires here",
                               name);
    if (X509_cmp_time(next, &now) < 0)
        return cert_report_add(report, CERT_PROBLEM_CRL,
                               "the CRL of \"%s\" expired on %s: every client certificate of this "
                               "issuer is refused until there is a new one",
                               name, date_text(next, date));
    return 0;
}

static bool has_crl_of(const STACK_OF(X509_CRL) * crls, X509 *ca)
{
    for (int i = 0; i < sk_X509_CRL_num(crls); i++)
        if (X509_NAME_cmp(X509_CRL_get_issuer(sk_X509_CRL_value(crls, i)),
                          X509_get_subject_name(ca)) == 0)
            return true;
    return false;
}

/* An issuer without a CRL is refused, and so are all its clients. */
static int check_coverage(const STACK_OF(X509_CRL) * crls, const struct tls_policy *policy,
                          struct cert_report *report)
{
    char text[256];
    STACK_OF(X509) *bundle = cert_bundle_parse(policy->ca_pem, text, sizeof(text));
    int r = 0;

    for (int i = 0; r == 0 && i < sk_X509_num(bundle); i++)
        if (!has_crl_of(crls, sk_X509_value(bundle, i)))
            r = cert_report_add(
                report, CERT_PROBLEM_CRL,
                "there is no CRL of CA \"%s\": with a CRL file every issuer needs one, its "
                "clients are refused (3:unable to get certificate CRL); append it",
                cert_name_text(X509_get_subject_name(sk_X509_value(bundle, i)), text,
                               sizeof(text)));
    sk_X509_pop_free(bundle, X509_free);
    return r;
}

static int check_crls(const struct tls_policy *policy, time_t now, struct cert_report *report)
{
    STACK_OF(X509_CRL) *crls = sk_X509_CRL_new_null();
    BIO *bio = BIO_new_mem_buf(policy->crl_pem, -1);
    X509_CRL *crl;
    int r = crls && bio ? 0 : -ENOMEM;

    while (r == 0 && (crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) != NULL) {
        r = check_crl(crl, now, report);
        if (!sk_X509_CRL_push(crls, crl)) {
            X509_CRL_free(crl);
            r = -ENOMEM;
        }
    }
    BIO_free(bio);
    if (r == 0 && sk_X509_CRL_num(crls) == 0)
        r = cert_report_add(report, CERT_PROBLEM_NO_CRL,
                            "there is no CRL in the text; it must begin with -----BEGIN X509 "
                            "CRL-----");
    else if (r == 0 && policy->ca_pem)
        r = check_coverage(crls, policy, report);
    sk_X509_CRL_pop_free(crls, X509_CRL_free);
    return r;
}

int cert_check_policy(const struct tls_policy *policy, int64_t now_s,
                      struct cert_report *ret_report)
{
    int r = 0;

    *ret_report = (struct cert_report){ 0 };
    if (policy->mode == TLS_VERIFY_OFF)
        return 0;
    if (policy->ca_pem)
        r = check_cas(policy, (time_t)now_s, ret_report);
    else if (policy->mode != TLS_VERIFY_OPTIONAL_NO_CA && !policy->trusts_nobody)
        r = cert_report_add(ret_report, CERT_PROBLEM_CLIENT_CA,
                            "client certificates are verified but there is no CA to verify them "
                            "with; give the issuers' certificates, or use optional_no_ca");
    if (r == 0 && policy->crl_pem)
        r = check_crls(policy, (time_t)now_s, ret_report);
    ERR_clear_error();
    return r;
}
