#include "tls/cert_check.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/unit/tls/pki.h"
#include "tls/pki_lab.h"

static void check(const char *chain_pem, const char *key_pem, struct cert_report *ret_report)
{
    const struct tls_pem_pair pair = { chain_pem, key_pem };

    CHECK_INT(cert_check(&pair, (int64_t)time(NULL), ret_report), 0);
    CHECK_INT(ERR_peek_error(), 0);
}

/* One finding, and its text has `want` in it. Leaves nothing behind. */
static void check_one(const char *chain_pem, const char *key_pem, enum cert_severity severity,
                      const char *want)
{
    struct cert_report report;

    check(chain_pem, key_pem, &report);
    if (report.count != 1)
        fail_msg("%zu findings, want one: %s", report.count,
                 report.count ? report.problems[1].text : want);
    if (!strstr(report.problems[0].text, want))
        fail_msg("got \"%s\", want \"%s\"", report.problems[0].text, want);
    CHECK_INT(report.problems[0].severity, severity);
    cert_report_done(&report);
}

static void check_clean(const char *chain_pem, const char *key_pem)
{
    struct cert_report report;

    check(chain_pem, key_pem, &report);
    if (report.count != 0)
        fail_msg("finding: %s", report.problems[0].text);
    cert_report_done(&report);
}

TEST(a_complete_chain_has_no_findings)
{
    const struct pki_shelf *shelf = pki_shelf();
    char *with_root = pki_join(shelf->www_chain, shelf->root.pem, NULL, NULL);

    check_clean(shelf->www_chain, shelf->www.key_pem);
    check_one(with_root, shelf->www.key_pem, CERT_WARNING,
              "the root \"CN=Test Root\" is in the file, and is not sent");
    check_clean(shelf->self_signed.pem, shelf->self_signed.key_pem);
    free(with_root);
}

TEST(a_missing_intermediate_is_named)
{
    const struct pki_shelf *shelf = pki_shelf();

    check_one(shelf->www.pem, shelf->www.key_pem, CERT_WARNING,
              "certificate \"CN=www\": the issuing certificate \"CN=Test Intermediate\" is missing "
              "from the chain; clients without it cannot verify; append it to the file");
}

TEST(an_unrelated_certificate_does_not_hide_the_missing_one)
{
    const struct pki_shelf *shelf = pki_shelf();
    char *chain = pki_join(shelf->www.pem, shelf->stranger.pem, NULL, NULL);
    struct cert_report report;

    check(chain, shelf->www.key_pem, &report);
    CHECK_INT(report.count, 2);
    CHECK(
        strstr(report.problems[0].text, "1 certificate in the file of certificate \"CN=www\" did"));
    CHECK(strstr(report.problems[1].text, "\"CN=Test Intermediate\" is missing"));
    cert_report_done(&report);
    free(chain);
}

TEST(an_intermediate_of_the_same_name_with_another_key_is_not_the_issuer)
{
    const struct pki_shelf *shelf = pki_shelf();
    struct pki_cert renewed = pki_make(&(struct pki_request){
        .name = "Test Intermediate", .issuer = &shelf->root, .is_ca = true });
    char *chain = pki_join(shelf->www.pem, renewed.pem, NULL, NULL);
    struct cert_report report;

    check(chain, shelf->www.key_pem, &report);
    CHECK_INT(report.count, 2); /* unrelated, missing */
    cert_report_done(&report);
    free(chain);
    free(renewed.pem);
    free(renewed.key_pem);
    X509_free(renewed.x509);
    EVP_PKEY_free(renewed.key);
}

TEST(order_and_duplicates_are_warnings)
{
    const struct pki_shelf *shelf = pki_shelf();
    char *shuffled = pki_join(shelf->intermediate.pem, shelf->www.pem, NULL, NULL);
    char *twice = pki_join(shelf->www_chain, shelf->intermediate.pem, NULL, NULL);

    check_one(shuffled, shelf->www.key_pem, CERT_WARNING,
              "the chain of certificate \"CN=www\" is in the wrong order");
    check_one(twice, shelf->www.key_pem, CERT_WARNING, "has 1 duplicate certificate;");
    free(shuffled);
    free(twice);
}

TEST(a_key_of_another_certificate_is_an_error)
{
    const struct pki_shelf *shelf = pki_shelf();

    check_one(shelf->www_chain, shelf->other.key_pem, CERT_ERROR,
              "the private key does not belong to certificate \"CN=www\"");
    check_one(shelf->www_chain, shelf->www_rsa.key_pem, CERT_ERROR,
              "the private key does not belong to certificate \"CN=www\"");
}

TEST(texts_without_what_they_should_have)
{
    const struct pki_shelf *shelf = pki_shelf();

    check_one("", shelf->www.key_pem, CERT_ERROR, "there is no certificate in the text");
    check_one(shelf->www.key_pem, shelf->www.key_pem, CERT_ERROR, "there is no certificate");
    check_one(shelf->www_chain, "", CERT_ERROR, "the text has no private key");
    check_one(shelf->www_chain, shelf->www_chain, CERT_ERROR, "the text has no private key");
}

TEST(a_combined_file_is_taken_for_both)
{
    const struct pki_shelf *shelf = pki_shelf();
    char *combined = pki_join(shelf->www.key_pem, shelf->www_chain, NULL, NULL);

    check_clean(combined, combined);
    free(combined);
}

TEST(a_damaged_block_is_named_by_number)
{
    const struct pki_shelf *shelf = pki_shelf();
    const char *not_base64 = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    const char *not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    char *second = pki_join(shelf->www.pem, not_der, NULL, NULL);
    char *third = pki_join(shelf->www_chain, not_base64, NULL, NULL);
    char *cut = strndup(shelf->www.pem, strlen(shelf->www.pem) / 2);

    check_one(second, shelf->www.key_pem, CERT_ERROR,
              "PEM block 2 (CERTIFICATE) is not a certificate: ");
    check_one(third, shelf->www.key_pem, CERT_ERROR, "PEM block 3 is damaged: bad base64 decode");
    check_one(cut, shelf->www.key_pem, CERT_ERROR, "PEM block 1 is damaged: ");
    free(second);
    free(third);
    free(cut);
}

static char *encrypted_key(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());

    CHECK(bio &&
          PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL) == 1);
    return pki_bio_text(bio);
}

TEST(an_encrypted_key_is_an_error_and_never_a_question)
{
    const struct pki_shelf *shelf = pki_shelf();
    char *key = encrypted_key(shelf->www.key);

    check_one(shelf->www_chain, key, CERT_ERROR, "the private key is encrypted; store it without");
    free(key);
}

static void check_dates(long from_days, long to_days, const char *want)
{
    struct pki_cert cert = pki_make(&(struct pki_request){
        .name = "dated", .san = "DNS:dated", .from_days = from_days, .to_days = to_days });

    if (want)
        check_one(cert.pem, cert.key_pem, CERT_WARNING, want);
    else
        check_clean(cert.pem, cert.key_pem);
    free(cert.pem);
    free(cert.key_pem);
    X509_free(cert.x509);
    EVP_PKEY_free(cert.key);
}

TEST(dates_are_checked_against_now)
{
    check_dates(-20, -10, "certificate \"CN=dated\" expired on 2");
    check_dates(5, 90, "certificate \"CN=dated\" is not valid before 2");
    check_dates(-1, 10, "certificate \"CN=dated\" expires in ");
    check_dates(-1, 29, "expires in ");
    check_dates(-1, 32, NULL);
}

TEST(server_names_must_be_in_the_certificate)
{
    static const char *const names[] = { "www.example.com", "www.example.*", "*.example.com" };
    static const char *const wild[] = { "*.example.org", "a.example.org", "a.b.example.org" };
    const struct pki_shelf *shelf = pki_shelf();
    const struct tls_pem_pair www = { shelf->www_chain, shelf->www.key_pem };
    const struct tls_pem_pair wildcard = { shelf->wild_chain, shelf->wild.key_pem };
    const struct tls_pem_pair nothing = { NULL, NULL };
    struct cert_report report = { 0 };

    CHECK_INT(cert_check_names(&www, names, 3, &report), 0);
    CHECK_INT(cert_check_names(&wildcard, wild, 3, &report), 0);
    CHECK_INT(cert_check_names(&nothing, names, 3, &report), 0);
    CHECK_INT(report.count, 2);
    CHECK(strstr(report.problems[0].text,
                 "certificate \"CN=www\" does not cover the server name \"*.example.com\""));
    CHECK(strstr(report.problems[1].text, "\"a.b.example.org\""));
    cert_report_done(&report);
}

/* ---- the broken shelf ---------------------------------------------------------------------- */

static const struct pki_lab *lab(void)
{
    static struct pki_lab *made; /* kept to the end: half a second each */
    struct tls_error error = { "" };

    if (!made)
        made = pki_lab_create(&(struct pki_lab_settings){ .now_s = (int64_t)time(NULL) }, &error);
    if (!made)
        fail_msg("%s", error.text);
    return made;
}

static const char *lab_text(const char *folder, const char *name)
{
    char path[128];
    const struct pki_file *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = pki_lab_find(lab(), path);
    if (!file)
        fail_msg("there is no %s", path);
    return (const char *)file->bytes;
}

/* Every kind that was found, in order, divided by blanks. */
static const char *kinds_text(const struct cert_report *report, char *into, size_t size)
{
    into[0] = '\0';
    for (size_t i = 0; i < report->count; i++)
        snprintf(into + strlen(into), size - strlen(into), "%s%s", i ? " " : "",
                 cert_problem_name(report->problems[i].kind));
    return into;
}

/* A file knows nothing of trust, names asked for or revocation: those rows are clean here. */
static const struct {
    const char *situation, *kinds;
} file_rows[] = {
    { "good", "" },
    { "good-rsa", "" },
    { "no-eku", "" },
    { "expired", "expired" },
    { "expired-intermediate", "expired" },
    { "expiring", "expires-soon" },
    { "not-yet-valid", "not-yet-valid" },
    { "wrong-name", "" },
    { "no-san", "no-san" },
    { "wrong-ca", "" },
    { "wrong-ca-with-root", "root-included" },
    { "self-signed", "" },
    { "missing-intermediate", "missing-intermediate" },
    { "renewed-intermediate", "unrelated missing-intermediate" },
    { "shuffled", "wrong-order" },
    { "leaf-last", "wrong-order" },
    { "duplicate", "duplicate" },
    { "unrelated", "unrelated" },
    { "root-sent", "root-included" },
    { "cross-signed", "" },
    { "cross-signed-both", "" },
    { "cross-signed-twice", "cross-signed" },
    { "wrong-key-usage", "wrong-purpose" },
    { "client-eku", "wrong-purpose" },
    { "issuer-not-ca", "issuer-not-ca" },
    { "revoked", "" },
    { "must-staple", "" },
    { "weak-key", "weak-key" },
    { "sha1", "weak-signature" },
    { "path-length", "path-length" },
    { "deep", "" },
    { "name-constraint", "name-constraint" },
    { "huge", "" },
    { "key-encrypted", "no-key" },
    { "key-mismatch", "key-mismatch" },
};

TEST(each_flaw_of_the_shelf_is_found_in_the_files_and_no_other)
{
    for (size_t i = 0; i < sizeof(file_rows) / sizeof(file_rows[0]); i++) {
        const char *name = file_rows[i].situation;
        struct cert_report report;
        char kinds[512];

        check(lab_text(name, "chain.pem"), lab_text(name, "key.pem"), &report);
        kinds_text(&report, kinds, sizeof(kinds));
        if (strcmp(kinds, file_rows[i].kinds) != 0)
            fail_msg("%s: found \"%s\", want \"%s\"", name, kinds, file_rows[i].kinds);
        cert_report_done(&report);
    }
}

static void check_authorities(const char *pem, const char *want)
{
    struct cert_report report;
    char kinds[512];

    CHECK_INT(cert_check_authorities(pem, (int64_t)time(NULL), &report), 0);
    CHECK_STR(kinds_text(&report, kinds, sizeof(kinds)), want);
    CHECK_INT(ERR_peek_error(), 0);
    cert_report_done(&report);
}

TEST(a_bundle_of_authorities_has_authorities_only)
{
    char *two = pki_join((const char *)pki_lab_find(lab(), "ca.pem")->bytes,
                         lab_text("missing-intermediate", "chain.pem"), NULL, NULL);

    check_authorities((const char *)pki_lab_find(lab(), "ca.pem")->bytes, "");
    check_authorities(two, "issuer-not-ca");
    check_authorities("", "no-certificate");
    check_authorities("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "damaged");
    free(two);
}

TEST(a_key_that_everybody_can_read_is_a_warning_with_the_command)
{
    char path[] = "/tmp/hopgate_key_XXXXXX";
    int fd = mkstemp(path);
    struct cert_report report = { 0 };

    CHECK(fd >= 0);
    CHECK_INT(fchmod(fd, 0640), 0);
    CHECK_INT(cert_check_key_file(path, &report), 0);
    CHECK_INT(report.count, 0);
    CHECK_INT(fchmod(fd, 0644), 0);
    CHECK_INT(cert_check_key_file(path, &report), 0);
    CHECK_INT(report.count, 1);
    CHECK_INT(report.problems[0].kind, CERT_PROBLEM_KEY_FILE);
    CHECK(strstr(report.problems[0].text, "chmod o= /tmp/hopgate_key_"));
    cert_report_done(&report);
    CHECK_INT(unlink(path), 0);
    CHECK_INT(cert_check_key_file(path, &report), 0);
    CHECK_INT(report.count, 0);
    close(fd);
}

TESTS(TEST_CASE(each_flaw_of_the_shelf_is_found_in_the_files_and_no_other),
      TEST_CASE(a_bundle_of_authorities_has_authorities_only),
      TEST_CASE(a_key_that_everybody_can_read_is_a_warning_with_the_command),
      TEST_CASE(a_complete_chain_has_no_findings), TEST_CASE(a_missing_intermediate_is_named),
      TEST_CASE(an_unrelated_certificate_does_not_hide_the_missing_one),
      TEST_CASE(an_intermediate_of_the_same_name_with_another_key_is_not_the_issuer),
      TEST_CASE(order_and_duplicates_are_warnings),
      TEST_CASE(a_key_of_another_certificate_is_an_error),
      TEST_CASE(texts_without_what_they_should_have), TEST_CASE(a_combined_file_is_taken_for_both),
      TEST_CASE(a_damaged_block_is_named_by_number),
      TEST_CASE(an_encrypted_key_is_an_error_and_never_a_question),
      TEST_CASE(dates_are_checked_against_now), TEST_CASE(server_names_must_be_in_the_certificate))
