#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <time.h>

#include "tls/chain_diagnosis_priv.h"
#include "tls/chain_facts_priv.h"

enum { SECONDS_PER_DAY = 86400, WEAK_BELOW_BITS = 112 /* of security: RSA 2048, EC 224 */ };

static const char *subject_text(const X509 *certificate, char *into)
{
    return cert_name_text(X509_get_subject_name(certificate), into, CHAIN_NAME_MAX);
}

/* ---- one certificate ----------------------------------------------------------------------- */

/* How soon, and how urgent: the first row that fits. */
static const struct {
    int days;
    const char *advice;
} expiry_steps[] = { { 3, "renew it at once" }, { 14, "renew it now" }, { 30, "renew it" } };

static int diagnose_expiry(X509 *certificate, int64_t now_s, struct cert_report *report)
{
    char name[CHAIN_NAME_MAX], date[64];
    const ASN1_TIME *end = X509_get0_notAfter(certificate);

    for (size_t i = 0; i < sizeof(expiry_steps) / sizeof(expiry_steps[0]); i++) {
        time_t step = (time_t)(now_s + (int64_t)expiry_steps[i].days * SECONDS_PER_DAY);
        int days = 0, seconds = 0;
        ASN1_TIME *now;

        if (X509_cmp_time(end, &step) > 0)
            continue;
        now = ASN1_TIME_set(NULL, (time_t)now_s);
        if (!now)
            return -ENOMEM;
        (void)ASN1_TIME_diff(&days, &seconds, now, end); /* unreadable: 0 days is the alarm */
        ASN1_TIME_free(now);
        return cert_report_add(report, CERT_PROBLEM_EXPIRES_SOON,
                               "certificate \"%s\" expires in %d day%s, on %s; %s",
                               subject_text(certificate, name), days, days == 1 ? "" : "s",
                               chain_date_text(end, date, sizeof(date)), expiry_steps[i].advice);
    }
    return 0;
}

int chain_diagnose_dates(X509 *certificate, int64_t now_s, struct cert_report *report)
{
    const ASN1_TIME *begin = X509_get0_notBefore(certificate);
    const ASN1_TIME *end = X509_get0_notAfter(certificate);
    time_t now = (time_t)now_s;
    char name[CHAIN_NAME_MAX], date[64];

    if (X509_cmp_time(begin, &now) > 0)
        return cert_report_add(report, CERT_PROBLEM_NOT_YET_VALID,
                               "certificate \"%s\" is not valid before %s; check the clock or wait",
                               subject_text(certificate, name),
                               chain_date_text(begin, date, sizeof(date)));
    if (X509_cmp_time(end, &now) < 0)
        return cert_report_add(
            report, CERT_PROBLEM_EXPIRED, "certificate \"%s\" expired on %s; renew it",
            subject_text(certificate, name), chain_date_text(end, date, sizeof(date)));
    return diagnose_expiry(certificate, now_s, report);
}

int chain_diagnose_strength(X509 *certificate, struct cert_report *report)
{
    static const int broken[] = { NID_md2, NID_md4, NID_md5, NID_md5_sha1, NID_sha1 };
    const EVP_PKEY *key = X509_get0_pubkey(certificate);
    char name[CHAIN_NAME_MAX], text[64];
    int digest = NID_undef, r = 0;

    if (key && EVP_PKEY_get_security_bits(key) < WEAK_BELOW_BITS)
        r = cert_report_add(report, CERT_PROBLEM_WEAK_KEY,
                            "certificate \"%s\" has a weak key, %s; clients refuse it: have it "
                            "reissued for a new key, ECDSA P-256 or RSA 2048",
                            subject_text(certificate, name),
                            chain_key_text(certificate, text, sizeof(text)));
    /* nobody verifies the signature of a root */
    if (X509_self_signed(certificate, 0) == 1)
        return r;
    (void)X509_get_signature_info(certificate, &digest, NULL, NULL, NULL); /* unknown: undefined */
    for (size_t i = 0; r == 0 && i < sizeof(broken) / sizeof(broken[0]); i++)
        if (digest == broken[i])
            r = cert_report_add(report, CERT_PROBLEM_WEAK_SIGNATURE,
                                "certificate \"%s\" is signed with %s; clients refuse that: have "
                                "it reissued with SHA-256",
                                subject_text(certificate, name), OBJ_nid2ln(digest));
    return r;
}

/* ---- the leaf ------------------------------------------------------------------------------ */

bool chain_name_is_address(const char *name)
{
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(name);

    ASN1_OCTET_STRING_free(address);
    ERR_clear_error();
    return address != NULL;
}

/* The subject's CN never counts (RFC 9110 4.3.4): only OpenSSL still looks at it. */
bool chain_leaf_covers(X509 *leaf, const char *name)
{
    const unsigned flags =
        X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;

    if (chain_name_is_address(name))
        return X509_check_ip_asc(leaf, name, 0) == 1;
    return X509_check_host(leaf, name, 0, flags, NULL) == 1;
}

static int diagnose_names(X509 *leaf, const struct chain_question *question,
                          struct cert_report *report)
{
    char subject[CHAIN_NAME_MAX], names[CHAIN_NAMES_MAX];

    subject_text(leaf, subject);
    if (!chain_names_text(leaf, names, sizeof(names))[0])
        return cert_report_add(report, CERT_PROBLEM_NO_ALTERNATIVE_NAMES,
                               "certificate \"%s\" has no subjectAltName; browsers, Go and Python "
                               "ignore the name in the subject and refuse it: have it reissued "
                               "with its names",
                               subject);
    if (!question->name || chain_leaf_covers(leaf, question->name))
        return 0;
    return cert_report_add(report, CERT_PROBLEM_NOT_COVERED,
                           "certificate \"%s\" does not cover \"%s\", only %s; add the name to the "
                           "certificate, or use one of these",
                           subject, question->name, names);
}

static int diagnose_purpose(X509 *leaf, struct cert_report *report)
{
    const uint32_t serving = KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT | KU_KEY_AGREEMENT;
    char subject[CHAIN_NAME_MAX];

    /* both calls say "all" for an extension that is not there */
    if (!(X509_get_extended_key_usage(leaf) & (XKU_SSL_SERVER | XKU_ANYEKU)))
        return cert_report_add(report, CERT_PROBLEM_WRONG_PURPOSE,
                               "certificate \"%s\" is not for servers: its extended key usage has "
                               "no serverAuth; have it reissued with it",
                               subject_text(leaf, subject));
    if (!(X509_get_key_usage(leaf) & serving))
        return cert_report_add(report, CERT_PROBLEM_WRONG_PURPOSE,
                               "certificate \"%s\" is not for servers: its key usage has no "
                               "digitalSignature; have it reissued with it",
                               subject_text(leaf, subject));
    return 0;
}

static int diagnose_staple(X509 *leaf, const struct chain_question *question,
                           struct cert_report *report)
{
    char subject[CHAIN_NAME_MAX], url[CHAIN_URL_MAX];

    if (!question->received || question->staple_came || !chain_must_staple(leaf))
        return 0;
    chain_access_url(leaf, NID_ad_OCSP, url, sizeof(url));
    return cert_report_add(report, CERT_PROBLEM_NOT_STAPLED,
                           "certificate \"%s\" demands a stapled OCSP answer (must-staple) and the "
                           "server sends none; clients that know this refuse it: turn stapling "
                           "on%s%s",
                           subject_text(leaf, subject),
                           url[0] ? "; the answer is to be had at " : "", url);
}

int chain_diagnose_leaf(X509 *leaf, const struct chain_question *question,
                        struct cert_report *report)
{
    int r = diagnose_names(leaf, question, report);

    if (r == 0)
        r = diagnose_purpose(leaf, report);
    if (r == 0)
        r = diagnose_staple(leaf, question, report);
    return r;
}
