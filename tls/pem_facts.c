#include "tls/pem_facts.h"

#include <errno.h>
#include <stdio.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "tls/cert_chain_priv.h"
#include "tls/openssl_error_priv.h"

/* NULL: reason. */
static X509 *read_certificate(const char *pem, char *reason)
{
    STACK_OF(X509) *found = cert_bundle_parse(pem, reason, PEM_REASON_MAX);
    X509 *first = NULL;

    if (!found)
        return NULL;
    first = sk_X509_shift(found);
    if (!first)
        (void)snprintf(reason, PEM_REASON_MAX, "the text has no certificate");
    sk_X509_pop_free(found, X509_free);
    return first;
}

static EVP_PKEY *read_public_key(const char *pem, char *reason)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;

    BIO_free(bio);
    if (!key)
        openssl_error_reason(reason, PEM_REASON_MAX);
    ERR_clear_error();
    return key;
}

static int64_t unix_time(const ASN1_TIME *time)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, seconds = 0;
    int known = epoch && ASN1_TIME_diff(&days, &seconds, epoch, time);

    ASN1_TIME_free(epoch);
    return known ? (int64_t)days * 86400 + seconds : 0;
}

static int digest_of(const X509 *certificate, char *into)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;

    if (!X509_digest(certificate, EVP_sha256(), digest, &length) || length * 2 > PEM_DIGEST_TEXT)
        return -ENOMEM;
    for (unsigned int i = 0; i < length; i++)
        (void)snprintf(into + 2 * (size_t)i, 3, "%02x", digest[i]);
    return 0;
}

int pem_certificate_facts(const char *pem, struct pem_certificate_facts *ret, char *reason)
{
    X509 *certificate;
    EVP_PKEY *key;
    int r;

    *ret = (struct pem_certificate_facts){ 0 };
    certificate = read_certificate(pem, reason);
    if (!certificate)
        return -EINVAL;
    r = digest_of(certificate, ret->sha256);
    ret->is_authority = X509_check_ca(certificate) == 1;
    ret->not_after_s = unix_time(X509_get0_notAfter(certificate));
    key = X509_get0_pubkey(certificate);
    ret->key_type = key ? EVP_PKEY_get_base_id(key) : 0;
    X509_free(certificate);
    ERR_clear_error();
    return r;
}

int pem_private_key_check(const char *pem, char *reason)
{
    EVP_PKEY *key = cert_key_parse(pem, reason, PEM_REASON_MAX);
    int r = key ? 0 : -EINVAL;

    EVP_PKEY_free(key);
    return r;
}

int pem_public_key_check(const char *pem, char *reason)
{
    EVP_PKEY *key = read_public_key(pem, reason);
    int r = key ? 0 : -EINVAL;

    EVP_PKEY_free(key);
    return r;
}

bool pem_key_is_of_certificate(const char *certificate_pem, const char *key_pem)
{
    char reason[PEM_REASON_MAX];
    X509 *certificate = read_certificate(certificate_pem, reason);
    EVP_PKEY *key = cert_key_parse(key_pem, reason, sizeof(reason));
    bool is = certificate && key && X509_check_private_key(certificate, key) == 1;

    EVP_PKEY_free(key);
    X509_free(certificate);
    ERR_clear_error();
    return is;
}

bool pem_keys_are_one_pair(const char *public_pem, const char *private_pem)
{
    char reason[PEM_REASON_MAX];
    EVP_PKEY *public_key = read_public_key(public_pem, reason);
    EVP_PKEY *private_key = cert_key_parse(private_pem, reason, sizeof(reason));
    bool are = public_key && private_key && EVP_PKEY_eq(public_key, private_key) == 1;

    EVP_PKEY_free(public_key);
    EVP_PKEY_free(private_key);
    ERR_clear_error();
    return are;
}
