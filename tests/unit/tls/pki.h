/*
 * pki: certificates for tests, made while the test runs.
 *
 * Role    a root, an intermediate and leaves of every kind, as PEM texts
 * Owns    what it made, until the process ends: one shelf per test program
 * Thread  the test
 */
#ifndef TESTS_UNIT_TLS_PKI_H
#define TESTS_UNIT_TLS_PKI_H

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

enum { PKI_DAY_S = 24 * 60 * 60 };

struct pki_cert {
    X509 *x509;
    EVP_PKEY *key;
    char *pem;
    char *key_pem;
};

struct pki_request {
    const char *name;              /* CN */
    const char *san;               /* "DNS:a,IP:127.0.0.1"; NULL: none */
    const struct pki_cert *issuer; /* NULL: self-signed */
    bool is_ca;
    bool rsa;
    long from_days, to_days; /* from now; both 0: yesterday to in 90 days */
};

static inline char *pki_bio_text(BIO *bio)
{
    char *bytes;
    long length = BIO_get_mem_data(bio, &bytes);
    char *text = strndup(bytes, (size_t)length);

    BIO_free(bio);
    return text;
}

static inline void pki_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, x509, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert(extension && X509_add_ext(x509, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static inline void pki_texts(struct pki_cert *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());

    assert(bio && PEM_write_bio_X509(bio, cert->x509) == 1);
    cert->pem = pki_bio_text(bio);
    bio = BIO_new(BIO_s_mem());
    assert(bio && PEM_write_bio_PrivateKey(bio, cert->key, NULL, NULL, 0, NULL, NULL) == 1);
    cert->key_pem = pki_bio_text(bio);
}

static inline struct pki_cert pki_make(const struct pki_request *request)
{
    static long serial = 1;
    struct pki_cert cert = { .x509 = X509_new() };
    long from = request->from_days, to = request->to_days;
    X509 *issuer = request->issuer ? request->issuer->x509 : cert.x509;
    X509_NAME *name;

    cert.key = request->rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    assert(cert.x509 && cert.key);
    if (from == 0 && to == 0) {
        from = -1;
        to = 90;
    }
    X509_set_version(cert.x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert.x509), serial++);
    X509_gmtime_adj(X509_getm_notBefore(cert.x509), from * PKI_DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(cert.x509), to * PKI_DAY_S);
    name = X509_get_subject_name(cert.x509);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)request->name, -1,
                               -1, 0);
    X509_set_issuer_name(cert.x509, X509_get_subject_name(issuer));
    X509_set_pubkey(cert.x509, cert.key);
    pki_extension(cert.x509, issuer, NID_basic_constraints,
                  request->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    pki_extension(cert.x509, issuer, NID_subject_key_identifier, "hash");
    if (request->san)
        pki_extension(cert.x509, issuer, NID_subject_alt_name, request->san);
    assert(X509_sign(cert.x509, request->issuer ? request->issuer->key : cert.key, EVP_sha256()) >
           0);
    pki_texts(&cert);
    ERR_clear_error();
    return cert;
}

/* A list of nothing revoked, good for next_days (negative: it has ended). Heap. */
static inline char *pki_crl(const struct pki_cert *issuer, long next_days)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *last = X509_gmtime_adj(NULL, -100 * (long)PKI_DAY_S);
    ASN1_TIME *next = X509_gmtime_adj(NULL, next_days * PKI_DAY_S);
    BIO *bio = BIO_new(BIO_s_mem());

    assert(crl && last && next && bio && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
           X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->x509)) == 1 &&
           X509_CRL_set1_lastUpdate(crl, last) == 1 && X509_CRL_set1_nextUpdate(crl, next) == 1 &&
           X509_CRL_sign(crl, issuer->key, EVP_sha256()) > 0 &&
           PEM_write_bio_X509_CRL(bio, crl) == 1);
    ASN1_TIME_free(last);
    ASN1_TIME_free(next);
    X509_CRL_free(crl);
    return pki_bio_text(bio);
}

/* The concatenation of up to four PEM texts; NULL: absent. Heap. */
static inline char *pki_join(const char *a, const char *b, const char *c, const char *d)
{
    char *text = NULL;

    assert(asprintf(&text, "%s%s%s%s", a ? a : "", b ? b : "", c ? c : "", d ? d : "") >= 0);
    return text;
}

/* The certificates that most tests use. */
struct pki_shelf {
    struct pki_cert root, intermediate, www, www_rsa, wild, other, expired, self_signed, stranger;
    char *www_chain; /* leaf, intermediate */
    char *www_rsa_chain, *wild_chain, *other_chain, *expired_chain;
};

static inline const struct pki_shelf *pki_shelf(void)
{
    static struct pki_shelf shelf;
    const struct pki_cert *ca = &shelf.intermediate;

    if (shelf.root.x509)
        return &shelf;
    shelf.root = pki_make(&(struct pki_request){ .name = "Test Root", .is_ca = true });
    shelf.intermediate = pki_make(
        &(struct pki_request){ .name = "Test Intermediate", .issuer = &shelf.root, .is_ca = true });
    shelf.www = pki_make(&(struct pki_request){
        .name = "www", .san = "DNS:www.example.com,IP:127.0.0.1", .issuer = ca });
    shelf.www_rsa = pki_make(&(struct pki_request){
        .name = "www rsa", .san = "DNS:www.example.com", .issuer = ca, .rsa = true });
    shelf.wild =
        pki_make(&(struct pki_request){ .name = "wild", .san = "DNS:*.example.org", .issuer = ca });
    shelf.other = pki_make(
        &(struct pki_request){ .name = "other", .san = "DNS:other.example.com", .issuer = ca });
    shelf.expired = pki_make(&(struct pki_request){ .name = "expired",
                                                    .san = "DNS:www.example.com",
                                                    .issuer = ca,
                                                    .from_days = -20,
                                                    .to_days = -10 });
    shelf.self_signed =
        pki_make(&(struct pki_request){ .name = "self", .san = "DNS:www.example.com" });
    shelf.stranger = pki_make(&(struct pki_request){ .name = "Stranger Root", .is_ca = true });
    shelf.www_chain = pki_join(shelf.www.pem, ca->pem, NULL, NULL);
    shelf.www_rsa_chain = pki_join(shelf.www_rsa.pem, ca->pem, NULL, NULL);
    shelf.wild_chain = pki_join(shelf.wild.pem, ca->pem, NULL, NULL);
    shelf.other_chain = pki_join(shelf.other.pem, ca->pem, NULL, NULL);
    shelf.expired_chain = pki_join(shelf.expired.pem, ca->pem, NULL, NULL);
    return &shelf;
}

#endif
