#include "tls/chain_diagnosis_priv.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/check.h"
#include "tls/pki_lab.h"

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

static const char *lab_text(const char *path)
{
    const struct pki_file *file = pki_lab_find(lab(), path);

    if (!file)
        fail_msg("there is no %s", path);
    return (const char *)file->bytes;
}

static X509_STORE *anchors_of(const char *path)
{
    X509_STORE *store = X509_STORE_new();
    char error[256];
    STACK_OF(X509) *found = cert_bundle_parse(lab_text(path), error, sizeof(error));

    CHECK(store && found && X509_STORE_add_cert(store, sk_X509_value(found, 0)) == 1);
    sk_X509_pop_free(found, X509_free);
    return store;
}

/* The chain as a client with that trust sees it. The verdict must be done. */
static void diagnose(const char *situation, const char *trust, struct cert_report *report,
                     struct chain_verdict *ret_verdict)
{
    char path[128], error[256];
    struct cert_chain chain;
    struct chain_question question = { .now_s = (int64_t)time(NULL),
                                       .anchors = anchors_of(trust),
                                       .name = "shelf.test",
                                       .received = true };

    snprintf(path, sizeof(path), "%s/chain.pem", situation);
    CHECK_INT(cert_chain_parse(&chain, lab_text(path), NULL, error, sizeof(error)), 0);
    CHECK_INT(chain_diagnose(&chain, &question, report, ret_verdict), 0);
    CHECK_INT(ERR_peek_error(), 0);
    cert_chain_done(&chain);
    X509_STORE_free(question.anchors);
}

static const struct {
    const char *situation, *trust;
    int verify_error;
    const char *kinds;
    const char *text; /* in the first finding; NULL: none is wanted */
} rows[] = {
    { "good", "ca.pem", 0, "", NULL },
    { "expired", "ca.pem", X509_V_ERR_CERT_HAS_EXPIRED, "expired",
      "certificate \"CN=shelf.test\" expired on 2" },
    { "expired-intermediate", "ca.pem", X509_V_ERR_CERT_HAS_EXPIRED, "expired",
      "certificate \"CN=Shelf Expired Intermediate\" expired on 2" },
    { "expiring", "ca.pem", 0, "expires-soon", "renew it now" },
    { "not-yet-valid", "ca.pem", X509_V_ERR_CERT_NOT_YET_VALID, "not-yet-valid",
      "is not valid before 2" },
    { "wrong-name", "ca.pem", X509_V_ERR_HOSTNAME_MISMATCH, "wrong-name",
      "does not cover \"shelf.test\", only DNS:wrong.invalid, DNS:*.wrong.invalid" },
    { "no-san", "ca.pem", X509_V_ERR_HOSTNAME_MISMATCH, "no-san", "has no subjectAltName" },
    { "wrong-ca", "ca.pem", X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "unknown-issuer",
      "the chain ends at \"CN=Stranger Intermediate\", and its issuer \"CN=Stranger Root\" is" },
    { "wrong-ca", "stranger-ca.pem", 0, "", NULL },
    { "wrong-ca-with-root", "ca.pem", X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
      "root-included untrusted-root", "the root \"CN=Stranger Root\" is sent" },
    { "self-signed", "ca.pem", X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "self-signed",
      "is self-signed; no client trusts it" },
    { "missing-intermediate", "ca.pem", X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
      "missing-intermediate",
      "\"CN=Shelf Intermediate\" is missing from the chain; clients without it cannot verify; "
      "append it to the file, it is offered at http://ca.shelf.invalid/intermediate.cer" },
    { "missing-intermediate", "intermediate.pem", X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
      "missing-intermediate", "is missing from the chain" },
    { "missing-upper", "ca.pem", X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "unknown-issuer",
      "the chain ends at \"CN=Shelf Lower\", and its issuer \"CN=Shelf Upper\" is neither" },
    { "renewed-intermediate", "ca.pem", X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
      "unrelated missing-intermediate", "did not issue it; remove it" },
    { "shuffled", "ca.pem", 0, "wrong-order", "strict clients refuse that" },
    { "duplicate", "ca.pem", 0, "duplicate", "has 1 duplicate certificate; remove" },
    { "unrelated", "ca.pem", 0, "unrelated", "1 certificate sent along with" },
    { "root-sent", "ca.pem", 0, "root-included", "the root \"CN=Shelf Root\" is sent" },
    { "cross-signed", "ca.pem", X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "unknown-issuer",
      "its issuer \"CN=Shelf Old Root\" is neither in the chain nor trusted here" },
    { "cross-signed", "old-ca.pem", 0, "", NULL },
    { "cross-signed-both", "ca.pem", 0, "", NULL },
    { "cross-signed-both", "old-ca.pem", 0, "", NULL },
    { "cross-signed-twice", "ca.pem", 0, "", NULL },
    { "cross-signed-twice", "old-ca.pem", X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
      "unknown-issuer", "its issuer \"CN=Shelf Root\" is neither in the chain nor trusted here" },
    { "wrong-key-usage", "ca.pem", X509_V_ERR_INVALID_PURPOSE, "wrong-purpose",
      "its key usage has no digitalSignature" },
    { "client-eku", "ca.pem", X509_V_ERR_INVALID_PURPOSE, "wrong-purpose",
      "its extended key usage has no serverAuth" },
    { "issuer-not-ca", "ca.pem", X509_V_ERR_INVALID_CA, "issuer-not-ca",
      "certificate \"CN=shelf.test\" has issued" },
    { "must-staple", "ca.pem", 0, "not-stapled", "turn stapling on" },
    { "weak-key", "ca.pem", 0, "weak-key", "has a weak key, RSA 1024" },
    { "sha1", "ca.pem", 0, "weak-signature", "is signed with sha1" },
    { "path-length", "ca.pem", X509_V_ERR_PATH_LENGTH_EXCEEDED, "path-length",
      "certificate \"CN=Shelf Short\" has more authorities below it than its path length allows" },
    { "deep", "ca.pem", 0, "", NULL },
    { "name-constraint", "ca.pem", X509_V_ERR_PERMITTED_VIOLATION, "name-constraint",
      "certificate \"CN=shelf.test\" has a name that an authority above it may not issue" },
};

TEST(each_situation_has_its_verdict_and_a_sentence_with_the_fix)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cert_report report = { 0 };
        struct chain_verdict verdict;
        char kinds[256] = "";

        diagnose(rows[i].situation, rows[i].trust, &report, &verdict);
        for (size_t j = 0; j < report.count; j++)
            snprintf(kinds + strlen(kinds), sizeof(kinds) - strlen(kinds), "%s%s", j ? " " : "",
                     cert_problem_name(report.problems[j].kind));
        if (verdict.verify_error != rows[i].verify_error || strcmp(kinds, rows[i].kinds) != 0)
            fail_msg("%s with %s: \"%s\" (%d), want \"%s\" (%d)", rows[i].situation, rows[i].trust,
                     kinds, verdict.verify_error, rows[i].kinds, rows[i].verify_error);
        if (rows[i].text && !strstr(report.problems[0].text, rows[i].text))
            fail_msg("%s: got \"%s\", want \"%s\"", rows[i].situation, report.problems[0].text,
                     rows[i].text);
        chain_verdict_done(&verdict);
        cert_report_done(&report);
    }
}

TEST(the_path_leads_from_the_leaf_to_the_anchor)
{
    static const char *const want[] = { "CN=shelf.test", "CN=Shelf Lower", "CN=Shelf Upper",
                                        "CN=Shelf Root" };
    struct cert_report report = { 0 };
    struct chain_verdict verdict;
    char text[256];

    diagnose("shuffled", "ca.pem", &report, &verdict);
    CHECK_INT(sk_X509_num(verdict.path), 4);
    for (int i = 0; i < 4; i++)
        CHECK_STR(cert_name_text(X509_get_subject_name(sk_X509_value(verdict.path, i)), text,
                                 sizeof(text)),
                  want[i]);
    chain_verdict_done(&verdict);
    cert_report_done(&report);
}

TEST(the_gravest_finding_is_the_verdict)
{
    struct cert_report report = { 0 };

    CHECK(cert_report_worst(&report) == NULL);
    CHECK_INT(cert_report_add(&report, CERT_PROBLEM_ROOT_INCLUDED, "root"), 0);
    CHECK_INT(cert_report_add(&report, CERT_PROBLEM_EXPIRED, "a\nb\x1b"), 0);
    CHECK_INT(cert_report_add(&report, CERT_PROBLEM_UNKNOWN_ISSUER, "issuer"), 0);
    CHECK_STR(cert_report_worst(&report)->text, "a?b?");
    CHECK(cert_report_has(&report, CERT_PROBLEM_ROOT_INCLUDED));
    CHECK(!cert_report_has(&report, CERT_PROBLEM_REVOKED));
    cert_report_done(&report);
}

TESTS(TEST_CASE(each_situation_has_its_verdict_and_a_sentence_with_the_fix),
      TEST_CASE(the_path_leads_from_the_leaf_to_the_anchor),
      TEST_CASE(the_gravest_finding_is_the_verdict))
