#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls/cert_chain_priv.h"
#include "tls/chain_diagnosis_priv.h"
#include "tls/chain_facts_priv.h"
#include "tls/pki_identity_priv.h"
#include "tls/tls_probe_priv.h"

enum {
    HANDSHAKE_CHAIN_MAX = 100 * 1024, /* bytes; OpenSSL's default for a Certificate message */
    CERTIFICATES_MAX = 256,           /* ordering a chain may verify a signature per pair of them */
    CLOCK_SLACK_S = 300,              /* OCSP: a responder's clock may be ahead */
};

static int add_text(char ***list, size_t *count, const X509_NAME *name)
{
    char text[CHAIN_NAME_MAX];
    char **grown = realloc(*list, (*count + 1) * sizeof(**list));

    if (!grown)
        return -ENOMEM;
    *list = grown;
    grown[*count] = strdup(cert_name_text(name, text, sizeof(text)));
    if (!grown[*count])
        return -ENOMEM;
    (*count)++;
    return 0;
}

/* ---- the connection ------------------------------------------------------------------------ */

static void read_agreement(struct tls_probe_conn *conn, struct tls_probe_report *report)
{
    const unsigned char *alpn;
    unsigned length;
    int group = (int)SSL_get_negotiated_group(conn->ssl);
    const char *group_name = group ? SSL_group_to_name(conn->ssl, group) : NULL;

    report->version = SSL_get_version(conn->ssl);
    report->cipher = SSL_CIPHER_get_name(SSL_get_current_cipher(conn->ssl));
    report->group = group_name ? group_name : "";
    SSL_get0_alpn_selected(conn->ssl, &alpn, &length);
    snprintf(report->alpn, sizeof(report->alpn), "%.*s", (int)length, (const char *)alpn);
    report->resumed = SSL_session_reused(conn->ssl) == 1;
    report->certificate_requested = conn->certificate_requested;
}

static int read_authorities(struct tls_probe_conn *conn, struct tls_probe_report *report)
{
    const STACK_OF(X509_NAME) *names = SSL_get0_peer_CA_list(conn->ssl);
    int r = 0;

    for (int i = 0; r == 0 && conn->certificate_requested && i < sk_X509_NAME_num(names); i++)
        r = add_text(&report->authorities, &report->authorities_count,
                     sk_X509_NAME_value(names, i));
    return r;
}

/* ---- the staple ---------------------------------------------------------------------------- */

static void copy_time(const ASN1_GENERALIZEDTIME *at, char *into, size_t size)
{
    if (at)
        chain_date_text(at, into, size);
}

static enum tls_staple_status status_of(int status)
{
    switch (status) {
    case V_OCSP_CERTSTATUS_GOOD:
        return TLS_STAPLE_GOOD;
    case V_OCSP_CERTSTATUS_REVOKED:
        return TLS_STAPLE_REVOKED;
    default:
        return TLS_STAPLE_UNKNOWN;
    }
}

/* Without the issuer nobody can say whom the answer is about: then its only entry is taken. */
static OCSP_SINGLERESP *find_answer(OCSP_BASICRESP *basic, X509 *leaf, X509 *issuer)
{
    OCSP_CERTID *id = issuer ? OCSP_cert_to_id(NULL, leaf, issuer) : NULL;
    int at = id ? OCSP_resp_find(basic, id, -1) : 0;

    OCSP_CERTID_free(id);
    return at < 0 ? NULL : OCSP_resp_get0(basic, at);
}

static int judge_staple(OCSP_SINGLERESP *answer, X509 *leaf, struct tls_probe_report *report)
{
    ASN1_GENERALIZEDTIME *this_update = NULL, *next_update = NULL;
    char subject[CHAIN_NAME_MAX];
    int r = 0;

    report->staple =
        status_of(OCSP_single_get0_status(answer, NULL, NULL, &this_update, &next_update));
    copy_time(this_update, report->staple_this_update, sizeof(report->staple_this_update));
    copy_time(next_update, report->staple_next_update, sizeof(report->staple_next_update));
    cert_name_text(X509_get_subject_name(leaf), subject, sizeof(subject));
    if (report->staple == TLS_STAPLE_REVOKED)
        r = cert_report_add(&report->problems, CERT_PROBLEM_REVOKED,
                            "certificate \"%s\" is revoked, says the stapled OCSP answer; replace "
                            "it",
                            subject);
    if (r == 0 && OCSP_check_validity(this_update, next_update, CLOCK_SLACK_S, -1) != 1)
        r = cert_report_add(&report->problems, CERT_PROBLEM_STAPLE,
                            "the stapled OCSP answer is not current (%s to %s); the server must "
                            "fetch a new one",
                            report->staple_this_update,
                            next_update ? report->staple_next_update : "any time");
    if (r == 0 && !report->staple_is_signed)
        r = cert_report_add(&report->problems, CERT_PROBLEM_STAPLE,
                            "the stapled OCSP answer is not signed by the issuer of certificate "
                            "\"%s\"; staple the answer that belongs to it",
                            subject);
    return r;
}

static int read_basic(OCSP_BASICRESP *basic, const struct cert_chain *chain,
                      const struct tls_probe *probe, struct tls_probe_report *report)
{
    X509 *issuer = sk_X509_num(chain->above) > 0 ? sk_X509_value(chain->above, 0) : chain->root;
    OCSP_SINGLERESP *answer = find_answer(basic, chain->leaf, issuer);

    /* trust in the issuer is judged elsewhere: here only whether it is the issuer's answer */
    report->staple_is_signed =
        OCSP_basic_verify(basic, chain->found, probe->anchors, OCSP_TRUSTOTHER) == 1 ||
        (issuer && OCSP_basic_verify(basic, chain->found, probe->anchors,
                                     OCSP_TRUSTOTHER | OCSP_NOVERIFY) == 1);
    ERR_clear_error();
    if (answer)
        return judge_staple(answer, chain->leaf, report);
    report->staple = TLS_STAPLE_UNREADABLE;
    return cert_report_add(&report->problems, CERT_PROBLEM_STAPLE,
                           "the stapled OCSP answer is about another certificate; staple the one "
                           "that belongs to this");
}

static int read_staple(struct tls_probe_conn *conn, const struct cert_chain *chain,
                       struct tls_probe_report *report)
{
    const unsigned char *bytes = NULL;
    long length = SSL_get_tlsext_status_ocsp_resp(conn->ssl, &bytes);
    OCSP_RESPONSE *response;
    OCSP_BASICRESP *basic;
    int r;

    if (length <= 0 || !bytes)
        return 0;
    response = d2i_OCSP_RESPONSE(NULL, &bytes, length);
    basic = response ? OCSP_response_get1_basic(response) : NULL;
    if (basic)
        r = read_basic(basic, chain, conn->probe, report);
    else {
        report->staple = TLS_STAPLE_UNREADABLE;
        r = cert_report_add(&report->problems, CERT_PROBLEM_STAPLE,
                            "the stapled OCSP answer has no status (it is an error of the "
                            "responder, or damaged); the server must fetch a new one");
    }
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
    return r;
}

/* ---- the chain ----------------------------------------------------------------------------- */

static int read_facts(const STACK_OF(X509) * sent, int64_t now_s, struct tls_probe_report *report)
{
    int count = sk_X509_num(sent);

    report->certificates = calloc((size_t)count, sizeof(*report->certificates));
    if (!report->certificates)
        return -ENOMEM;
    report->certificates_count = (size_t)count;
    for (int i = 0; i < count; i++) {
        int length = i2d_X509(sk_X509_value(sent, i), NULL);

        chain_facts_read(sk_X509_value(sent, i), now_s, &report->certificates[i]);
        report->chain_bytes += length > 0 ? (size_t)length : 0;
    }
    return 0;
}

/* As text, because that is what puts a chain in order. */
static char *pem_of(const STACK_OF(X509) * sent)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    bool written = bio != NULL;

    for (int i = 0; written && i < sk_X509_num(sent); i++)
        written = PEM_write_bio_X509(bio, sk_X509_value(sent, i)) == 1;
    if (written)
        text = pki_bio_string(bio);
    BIO_free(bio);
    return text;
}

static int judge(struct tls_probe_conn *conn, const struct cert_chain *chain,
                 struct tls_probe_report *report)
{
    const struct tls_probe *probe = conn->probe;
    const struct chain_question question = {
        .now_s = probe->now_s,
        .anchors = probe->anchors,
        .name = probe->expected_name,
        .received = true,
        .staple_came = report->staple != TLS_STAPLE_NONE,
    };
    struct chain_verdict verdict = { 0 };
    int r = chain_diagnose(chain, &question, &report->problems, &verdict);

    if (r == 0 && report->chain_bytes > HANDSHAKE_CHAIN_MAX)
        r = cert_report_add(&report->problems, CERT_PROBLEM_TOO_LONG,
                            "the chain of %zu certificates has %zu bytes; clients take 100 KiB at "
                            "most: send only what leads to the root",
                            report->certificates_count, report->chain_bytes);
    report->verify_error = verdict.verify_error;
    report->verify_depth = verdict.error_depth;
    report->verify_text =
        verdict.verify_error ? X509_verify_cert_error_string(verdict.verify_error) : "OK";
    for (int i = 0; r == 0 && i < sk_X509_num(verdict.path); i++)
        r = add_text(&report->path, &report->path_count,
                     X509_get_subject_name(sk_X509_value(verdict.path, i)));
    chain_verdict_done(&verdict);
    return r;
}

static int read_chain(struct tls_probe_conn *conn, struct tls_probe_report *report)
{
    STACK_OF(X509) *sent = SSL_get_peer_cert_chain(conn->ssl);
    struct cert_chain chain;
    char error[256];
    char *pem;
    int r;

    report->verify_text = "no certificate was sent";
    if (sk_X509_num(sent) <= 0)
        return 0;
    if (sk_X509_num(sent) > CERTIFICATES_MAX) {
        report->verify_error = X509_V_ERR_CERT_CHAIN_TOO_LONG;
        report->verify_text = X509_verify_cert_error_string(report->verify_error);
        return cert_report_add(&report->problems, CERT_PROBLEM_TOO_LONG,
                               "the server sends %d certificates, more than %d are not looked at: "
                               "send only what leads to the root",
                               sk_X509_num(sent), CERTIFICATES_MAX);
    }
    pem = pem_of(sent);
    r = pem ? read_facts(sent, conn->probe->now_s, report) : -ENOMEM;
    if (r == 0)
        r = cert_chain_parse(&chain, pem, NULL, error, sizeof(error));
    if (r == 0) {
        r = read_staple(conn, &chain, report);
        if (r == 0)
            r = judge(conn, &chain, report);
        cert_chain_done(&chain);
    }
    free(pem);
    return r;
}

int tls_probe_examine(struct tls_probe_conn *conn, struct tls_probe_report *ret_report)
{
    int r;

    *ret_report = (struct tls_probe_report){ 0 };
    read_agreement(conn, ret_report);
    r = read_authorities(conn, ret_report);
    if (r == 0)
        r = read_chain(conn, ret_report);
    ERR_clear_error();
    return r;
}

static void texts_done(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

void tls_probe_report_done(struct tls_probe_report *report)
{
    free(report->certificates);
    texts_done(report->path, report->path_count);
    texts_done(report->authorities, report->authorities_count);
    cert_report_done(&report->problems);
    *report = (struct tls_probe_report){ 0 };
}

const char *tls_staple_name(enum tls_staple_status status)
{
    switch (status) {
    case TLS_STAPLE_NONE:
        return "none";
    case TLS_STAPLE_GOOD:
        return "good";
    case TLS_STAPLE_REVOKED:
        return "revoked";
    case TLS_STAPLE_UNKNOWN:
        return "unknown";
    case TLS_STAPLE_UNREADABLE:
        return "unreadable";
    }
    return "unreadable";
}
