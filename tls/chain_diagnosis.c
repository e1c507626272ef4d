#include "tls/chain_diagnosis_priv.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tls/chain_facts_priv.h"

static const char *subject_text(const X509 *certificate, char *into)
{
    return cert_name_text(X509_get_subject_name(certificate), into, CHAIN_NAME_MAX);
}

static const char *issuer_text(const X509 *certificate, char *into)
{
    return cert_name_text(X509_get_issuer_name(certificate), into, CHAIN_NAME_MAX);
}

/* ---- order and completeness ---------------------------------------------------------------- */

static bool same_authority(X509 *a, X509 *b)
{
    const EVP_PKEY *key_a = X509_get0_pubkey(a), *key_b = X509_get0_pubkey(b);

    return X509_NAME_cmp(X509_get_subject_name(a), X509_get_subject_name(b)) == 0 && key_a &&
           key_b && EVP_PKEY_eq(key_a, key_b) == 1;
}

static bool is_in_chain(const struct cert_chain *chain, X509 *certificate)
{
    if (certificate == chain->leaf || certificate == chain->root)
        return true;
    for (int i = 0; i < sk_X509_num(chain->above); i++)
        if (sk_X509_value(chain->above, i) == certificate)
            return true;
    return false;
}

/* The member of the chain that `certificate` is another certificate of; NULL: none. */
static X509 *cross_signed_of(const struct cert_chain *chain, X509 *certificate)
{
    for (int i = 0; i < sk_X509_num(chain->above); i++)
        if (same_authority(sk_X509_value(chain->above, i), certificate))
            return sk_X509_value(chain->above, i);
    return NULL;
}

/* It signed what is there, so it belongs to it, though it may be no authority (CA:FALSE). */
static bool has_signed(X509 *signer, X509 *certificate)
{
    bool signed_it =
        X509_NAME_cmp(X509_get_subject_name(signer), X509_get_issuer_name(certificate)) == 0 &&
        X509_verify(certificate, X509_get0_pubkey(signer)) == 1;

    ERR_clear_error();
    return signed_it;
}

static bool has_signed_any(const struct cert_chain *chain, X509 *signer)
{
    for (int i = 0; i < sk_X509_num(chain->found); i++)
        if (sk_X509_value(chain->found, i) != signer &&
            has_signed(signer, sk_X509_value(chain->found, i)))
            return true;
    return false;
}

static int diagnose_leftovers(const struct cert_chain *chain, const struct chain_question *question,
                              struct cert_report *report)
{
    char subject[CHAIN_NAME_MAX], issuer[CHAIN_NAME_MAX];
    size_t unrelated = 0;
    int r = 0;

    for (int i = 0; r == 0 && i < sk_X509_num(chain->found); i++) {
        X509 *certificate = sk_X509_value(chain->found, i);

        if (is_in_chain(chain, certificate))
            continue;
        if (!cross_signed_of(chain, certificate))
            unrelated += !has_signed_any(chain, certificate);
        else if (!question->received)
            r = cert_report_add(report, CERT_PROBLEM_CROSS_SIGNED,
                                "a second certificate of \"%s\", by \"%s\", is in the file and is "
                                "not sent: one path is; put the one that your clients need first "
                                "and remove the other",
                                subject_text(certificate, subject),
                                issuer_text(certificate, issuer));
    }
    if (r < 0 || unrelated == 0)
        return r;
    subject_text(chain->leaf, subject);
    if (question->received)
        return cert_report_add(report, CERT_PROBLEM_UNRELATED,
                               "%zu certificate%s sent along with \"%s\" did not issue it; remove "
                               "%s from the file",
                               unrelated, unrelated == 1 ? "" : "s", subject,
                               unrelated == 1 ? "it" : "them");
    return cert_report_add(
        report, CERT_PROBLEM_UNRELATED,
        "%zu certificate%s in the file of certificate \"%s\" did not issue it and %s not sent; "
        "remove %s",
        unrelated, unrelated == 1 ? "" : "s", subject, unrelated == 1 ? "is" : "are",
        unrelated == 1 ? "it" : "them");
}

/* What is untidy but can be understood; {from a file, as received}: there it is mended by us. */
static int diagnose_order(const struct cert_chain *chain, const struct chain_question *question,
                          struct cert_report *report)
{
    char subject[CHAIN_NAME_MAX], root[CHAIN_NAME_MAX];
    int r = 0;

    subject_text(chain->leaf, subject);
    if (chain->duplicate_count > 0)
        r = cert_report_add(
            report, CERT_PROBLEM_DUPLICATE,
            "the chain of certificate \"%s\" has %zu duplicate certificate%s; %sremove the copies",
            subject, chain->duplicate_count, chain->duplicate_count == 1 ? "" : "s",
            question->received ? "" : "it is sent once, ");
    if (r == 0 && chain->shuffled)
        r = cert_report_add(report, CERT_PROBLEM_WRONG_ORDER,
                            "the chain of certificate \"%s\" is in the wrong order; %s: put the "
                            "certificate first, then its issuer, then the issuer's issuer",
                            subject,
                            question->received
                                ? "strict clients refuse that"
                                : "it is sent in the right one, other servers may not");
    if (r == 0 && chain->root && chain->root != chain->leaf)
        r = cert_report_add(report, CERT_PROBLEM_ROOT_INCLUDED,
                            "the root \"%s\" is %s; clients trust only their own copy of it: "
                            "remove it from the file",
                            subject_text(chain->root, root),
                            question->received ? "sent" : "in the file, and is not sent");
    if (r == 0)
        r = diagnose_leftovers(chain, question, report);
    return r;
}

/* The end of what is there. */
static X509 *chain_top(const struct cert_chain *chain)
{
    int count = sk_X509_num(chain->above);

    if (chain->root)
        return chain->root;
    return count > 0 ? sk_X509_value(chain->above, count - 1) : chain->leaf;
}

/* One of the issuer's name that is not in the chain: it did not sign, or is no authority. */
static X509 *find_namesake_of_issuer(const struct cert_chain *chain, const X509 *top)
{
    for (int i = 0; i < sk_X509_num(chain->found); i++)
        if (X509_NAME_cmp(X509_get_subject_name(sk_X509_value(chain->found, i)),
                          X509_get_issuer_name(top)) == 0)
            return sk_X509_value(chain->found, i);
    return NULL;
}

/* The chain's end is no root and its issuer is not there; `top` may be the leaf. */
static int report_missing_issuer(const struct cert_chain *chain, X509 *top,
                                 struct cert_report *report)
{
    char subject[CHAIN_NAME_MAX], issuer[CHAIN_NAME_MAX], url[CHAIN_URL_MAX];
    X509 *namesake = find_namesake_of_issuer(chain, top);

    if (cert_report_has(report, CERT_PROBLEM_NOT_AN_AUTHORITY))
        return 0; /* the issuer is there, and was refused */
    subject_text(top, subject);
    issuer_text(top, issuer);
    chain_access_url(top, NID_ad_ca_issuers, url, sizeof(url));
    if (namesake && has_signed(namesake, top))
        return cert_report_add(report, CERT_PROBLEM_NOT_AN_AUTHORITY,
                               "certificate \"%s\" has issued \"%s\" but is no authority "
                               "(CA:FALSE, or without keyCertSign); have that one reissued by an "
                               "authority",
                               issuer, subject);
    if (top == chain->leaf)
        return cert_report_add(
            report, CERT_PROBLEM_MISSING_ISSUER,
            "certificate \"%s\": the issuing certificate \"%s\" is missing from the chain; clients "
            "without it cannot verify; append it to the file%s%s%s",
            subject, issuer, url[0] ? ", it is offered at " : "", url,
            namesake ? "; the certificate of that name in the chain has another key: replace it"
                     : "");
    return cert_report_add(
        report, CERT_PROBLEM_UNKNOWN_ISSUER,
        "the chain ends at \"%s\", and its issuer \"%s\" is neither in the chain nor trusted here; "
        "if that is an intermediate, append it to the file%s%s; if it is a root, trust it or get a "
        "certificate from a trusted authority",
        subject, issuer, url[0] ? ", it is offered at " : "", url);
}

/* ---- the path ------------------------------------------------------------------------------ */

/* What OpenSSL objects to and what it means. Others are told in its own words. */
static const struct {
    int error;
    enum cert_problem_kind kind;
    const char *text; /* behind `certificate "…"` */
} objections[] = {
    { X509_V_ERR_INVALID_CA, CERT_PROBLEM_NOT_AN_AUTHORITY,
      "has issued another one but is no authority (CA:FALSE, or without keyCertSign); have that "
      "one reissued by an authority" },
    { X509_V_ERR_PATH_LENGTH_EXCEEDED, CERT_PROBLEM_PATH_LENGTH,
      "has more authorities below it than its path length allows; have the leaf issued further "
      "up" },
    { X509_V_ERR_PERMITTED_VIOLATION, CERT_PROBLEM_NAME_CONSTRAINT,
      "has a name that an authority above it may not issue (name constraints); get it from "
      "another authority" },
    { X509_V_ERR_EXCLUDED_VIOLATION, CERT_PROBLEM_NAME_CONSTRAINT,
      "has a name that an authority above it must not issue (name constraints); get it from "
      "another authority" },
    { X509_V_ERR_CERT_REVOKED, CERT_PROBLEM_REVOKED, "is revoked; replace it" },
    { X509_V_ERR_CERT_CHAIN_TOO_LONG, CERT_PROBLEM_TOO_LONG,
      "has more authorities above it than the limit; use a shorter chain" },
};

/* Told by steps of their own, with what they can name. */
static bool is_told_elsewhere(int error, int depth)
{
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return true;
    case X509_V_ERR_INVALID_PURPOSE:
        return depth == 0;
    default:
        return false;
    }
}

struct walk {
    const struct cert_chain *chain;
    const struct chain_question *question;
    struct cert_report *report;
    int first_error, first_depth;
    int result; /* 0 or -ENOMEM */
};

static int report_objection(struct walk *walk, X509 *certificate, int error)
{
    char subject[CHAIN_NAME_MAX];

    /* what is no authority fails in other ways too */
    if (cert_report_has(walk->report, CERT_PROBLEM_NOT_AN_AUTHORITY))
        return 0;
    subject_text(certificate, subject);
    for (size_t i = 0; i < sizeof(objections) / sizeof(objections[0]); i++)
        if (objections[i].error == error)
            return cert_report_add(walk->report, objections[i].kind, "certificate \"%s\" %s",
                                   subject, objections[i].text);
    return cert_report_add(walk->report, CERT_PROBLEM_REFUSED, "certificate \"%s\": %s", subject,
                           X509_verify_cert_error_string(error));
}

/* Goes on after each objection: all of them are wanted. */
static int on_verify(int satisfied, X509_STORE_CTX *ctx)
{
    struct walk *walk = X509_STORE_CTX_get_app_data(ctx);
    int error = X509_STORE_CTX_get_error(ctx), depth = X509_STORE_CTX_get_error_depth(ctx);
    X509 *certificate = X509_STORE_CTX_get_current_cert(ctx);

    if (satisfied)
        return 1;
    if (walk->first_error == X509_V_OK) {
        walk->first_error = error;
        walk->first_depth = depth;
    }
    if (walk->result == 0 && certificate && !is_told_elsewhere(error, depth))
        walk->result = report_objection(walk, certificate, error);
    return 1;
}

/* Without anchors the end of the chain is taken for trusted, so that the inside can be judged. */
static X509_STORE *store_of(const struct walk *walk)
{
    X509_STORE *store = walk->question->anchors;

    if (store) {
        X509_STORE_up_ref(store);
        return store;
    }
    store = X509_STORE_new();
    if (store && X509_STORE_add_cert(store, chain_top(walk->chain)) == 1)
        return store;
    X509_STORE_free(store);
    return NULL;
}

static bool walk_begin(struct walk *walk, X509_STORE_CTX *ctx)
{
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);

    X509_STORE_CTX_set_verify_cb(ctx, on_verify);
    X509_VERIFY_PARAM_set_time(param, (time_t)walk->question->now_s);
    (void)X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER); /* a known number */
    if (!walk->question->anchors)
        (void)X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN); /* a known flag */
    return X509_STORE_CTX_set_app_data(ctx, walk) == 1;
}

static void note_verdict(const struct walk *walk, X509_STORE_CTX *ctx,
                         struct chain_verdict *ret_verdict)
{
    *ret_verdict = (struct chain_verdict){ .verify_error = walk->first_error,
                                           .error_depth = walk->first_depth,
                                           .path = X509_STORE_CTX_get1_chain(ctx) };
    if (ret_verdict->verify_error == X509_V_OK && walk->question->name &&
        !chain_leaf_covers(walk->chain->leaf, walk->question->name))
        ret_verdict->verify_error = X509_V_ERR_HOSTNAME_MISMATCH;
}

static int verify_path(struct walk *walk, struct chain_verdict *ret_verdict)
{
    X509_STORE *store = store_of(walk);
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    int r = -ENOMEM;

    if (store && ctx &&
        X509_STORE_CTX_init(ctx, store, walk->chain->leaf, walk->chain->found) == 1 &&
        walk_begin(walk, ctx)) {
        r = X509_verify_cert(ctx) < 0 ? -ENOMEM : walk->result;
        if (r == 0 && ret_verdict)
            note_verdict(walk, ctx, ret_verdict);
    }
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    ERR_clear_error();
    return r;
}

/* Where the path broke off on its way to an anchor. */
static int diagnose_trust(const struct walk *walk)
{
    char name[CHAIN_NAME_MAX];
    X509 *top = chain_top(walk->chain);

    switch (walk->first_error) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return cert_report_add(walk->report, CERT_PROBLEM_SELF_SIGNED,
                               "certificate \"%s\" is self-signed; no client trusts it unless told "
                               "to: get one from an authority, or trust this one",
                               subject_text(walk->chain->leaf, name));
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return cert_report_add(walk->report, CERT_PROBLEM_UNTRUSTED_ROOT,
                               "the chain is complete but its root \"%s\" is not trusted here; "
                               "trust it, or get a certificate from a trusted authority",
                               subject_text(top, name));
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE: /* of the issuer's name, with another key */
        return report_missing_issuer(walk->chain, top, walk->report);
    default:
        return 0;
    }
}

/* A file: nobody is asked who is trusted, but a leaf alone is hardly ever enough. */
static int diagnose_incomplete_file(const struct walk *walk)
{
    const struct cert_chain *chain = walk->chain;

    if (sk_X509_num(chain->above) > 0 || chain->root || X509_self_signed(chain->leaf, 0) == 1)
        return 0;
    return report_missing_issuer(chain, chain->leaf, walk->report);
}

/* ---- all ----------------------------------------------------------------------------------- */

int chain_diagnose(const struct cert_chain *chain, const struct chain_question *question,
                   struct cert_report *report, struct chain_verdict *ret_verdict)
{
    struct walk walk = { .chain = chain, .question = question, .report = report };
    int r = diagnose_order(chain, question, report);

    if (r == 0)
        r = verify_path(&walk, ret_verdict);
    if (r == 0)
        r = question->anchors ? diagnose_trust(&walk) : diagnose_incomplete_file(&walk);
    for (int i = 0; r == 0 && i < sk_X509_num(chain->found); i++) {
        r = chain_diagnose_dates(sk_X509_value(chain->found, i), question->now_s, report);
        if (r == 0)
            r = chain_diagnose_strength(sk_X509_value(chain->found, i), report);
    }
    if (r == 0)
        r = chain_diagnose_leaf(chain->leaf, question, report);
    ERR_clear_error();
    return r;
}

void chain_verdict_done(struct chain_verdict *verdict)
{
    sk_X509_pop_free(verdict->path, X509_free);
    *verdict = (struct chain_verdict){ 0 };
}
