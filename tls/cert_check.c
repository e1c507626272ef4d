#include "tls/cert_check.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "tls/cert_chain_priv.h"
#include "tls/chain_diagnosis_priv.h"

enum { NAME_TEXT_MAX = 256 };

static const char *subject_text(const X509 *certificate, char *into)
{
    return cert_name_text(X509_get_subject_name(certificate), into, NAME_TEXT_MAX);
}

static int check_key(const struct cert_chain *chain, EVP_PKEY *key, struct cert_report *report)
{
    char name[NAME_TEXT_MAX];

    if (X509_check_private_key(chain->leaf, key) == 1)
        return 0;
    ERR_clear_error();
    return cert_report_add(
        report, CERT_PROBLEM_KEY_MISMATCH,
        "the private key does not belong to certificate \"%s\" nor to any other of the "
        "chain; give the key that the certificate was requested with",
        subject_text(chain->leaf, name));
}

static int check_parsed(const struct cert_chain *chain, EVP_PKEY *key, int64_t now_s,
                        struct cert_report *report)
{
    int r = 0;

    if (!chain->leaf)
        return cert_report_add(report, CERT_PROBLEM_NO_CERTIFICATE,
                               "there is no certificate in the text; it must begin with "
                               "-----BEGIN CERTIFICATE-----");
    if (key)
        r = check_key(chain, key, report);
    if (r == 0)
        r = chain_diagnose(chain, &(struct chain_question){ .now_s = now_s }, report, NULL);
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
        r = cert_report_add(ret_report, CERT_PROBLEM_NO_KEY, "%s", text);
    if (r < 0)
        return r;
    r = cert_chain_parse(&chain, pair->chain_pem ? pair->chain_pem : "", key, text, sizeof(text));
    if (r == -EINVAL)
        r = cert_report_add(ret_report, CERT_PROBLEM_DAMAGED, "%s", text);
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
    return chain_leaf_covers(chain->leaf, sni);
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
                r = cert_report_add(
                    report, CERT_PROBLEM_NOT_COVERED,
                    "certificate \"%s\" does not cover the server name \"%s\"; clients "
                    "refuse it there: add the name to the certificate or remove the SNI",
                    subject_text(chain.leaf, subject), snis[i]);
        cert_chain_done(&chain);
    }
    EVP_PKEY_free(key);
    ERR_clear_error();
    return r;
}

/* ---- authorities --------------------------------------------------------------------------- */

static int check_authority(X509 *certificate, int64_t now_s, struct cert_report *report)
{
    char name[NAME_TEXT_MAX];
    int r = 0;

    if (X509_check_ca(certificate) == 0)
        r = cert_report_add(report, CERT_PROBLEM_NOT_AN_AUTHORITY,
                            "certificate \"%s\" is no authority (CA:FALSE): nothing that it issued "
                            "will verify; give the certificate of its issuer",
                            subject_text(certificate, name));
    if (r == 0)
        r = chain_diagnose_dates(certificate, now_s, report);
    if (r == 0)
        r = chain_diagnose_strength(certificate, report);
    return r;
}

int cert_check_authorities(const char *pem, int64_t now_s, struct cert_report *ret_report)
{
    char text[256];
    STACK_OF(X509) *found = cert_bundle_parse(pem, text, sizeof(text));
    int r = 0;

    *ret_report = (struct cert_report){ 0 };
    if (!found)
        return cert_report_add(ret_report, CERT_PROBLEM_DAMAGED, "%s", text);
    if (sk_X509_num(found) == 0)
        r = cert_report_add(ret_report, CERT_PROBLEM_NO_CERTIFICATE,
                            "there is no certificate in the text; it must begin with "
                            "-----BEGIN CERTIFICATE-----");
    for (int i = 0; r == 0 && i < sk_X509_num(found); i++)
        r = check_authority(sk_X509_value(found, i), now_s, ret_report);
    sk_X509_pop_free(found, X509_free);
    ERR_clear_error();
    return r;
}

/* ---- files --------------------------------------------------------------------------------- */

/* The group is left alone: many systems let a group of servers read keys. */
int cert_check_key_file(const char *path, struct cert_report *report)
{
    struct stat status;

    if (stat(path, &status) < 0 || !S_ISREG(status.st_mode) ||
        !(status.st_mode & (S_IROTH | S_IWOTH)))
        return 0; /* what cannot be read is reported by who reads it */
    return cert_report_add(report, CERT_PROBLEM_KEY_FILE,
                           "everybody on this machine can %s the private key in %s; chmod o= %s",
                           status.st_mode & S_IROTH ? "read" : "replace", path, path);
}
