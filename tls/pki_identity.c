#include "tls/pki_identity.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <stdlib.h>
#include <string.h>

#include "tls/openssl_error_priv.h"
#include "tls/pki_identity_priv.h"

enum { SERIAL_BITS = 127 };

char *pki_bio_string(BIO *bio)
{
    char *bytes;
    long length = BIO_get_mem_data(bio, &bytes);

    return strndup(bytes, (size_t)length);
}

bool pki_set_serial(ASN1_INTEGER *serial)
{
    BIGNUM *number = BN_new();
    bool set = number && BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
               BN_to_ASN1_INTEGER(number, serial) != NULL;

    BN_free(number);
    return set;
}

static EVP_PKEY *make_key(const struct pki_spec *spec)
{
    if (spec->key_of) {
        EVP_PKEY_up_ref(spec->key_of->key);
        return spec->key_of->key;
    }
    switch (spec->key_kind) {
    case PKI_KEY_P256:
        break;
    case PKI_KEY_RSA_2048:
        return EVP_RSA_gen(2048);
    case PKI_KEY_RSA_1024:
        return EVP_RSA_gen(1024);
    }
    return EVP_EC_gen("P-256");
}

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;
    bool added;

    if (!value || !value[0])
        return true;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    added = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

static bool add_extensions(X509 *certificate, X509 *issuer, const struct pki_spec *spec)
{
    const struct {
        int nid;
        const char *value;
    } extensions[] = {
        { NID_basic_constraints, spec->basic_constraints },
        { NID_subject_key_identifier, "hash" },
        { NID_authority_key_identifier, spec->issuer ? "keyid" : NULL },
        { NID_key_usage, spec->key_usage },
        { NID_ext_key_usage, spec->extended_key_usage },
        { NID_subject_alt_name, spec->alternative_names },
        { NID_name_constraints, spec->name_constraints },
        { NID_info_access, spec->authority_info },
        { NID_tlsfeature, spec->tls_feature },
        { NID_netscape_comment, spec->comment },
    };

    for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++)
        if (!add_extension(certificate, issuer, extensions[i].nid, extensions[i].value))
            return false;
    return true;
}

static bool fill(struct pki_identity *identity, const struct pki_spec *spec)
{
    X509 *certificate = identity->certificate;
    X509 *issuer = spec->issuer ? spec->issuer->certificate : certificate;
    EVP_PKEY *signing_key = spec->issuer ? spec->issuer->key : identity->key;
    X509_NAME *name = X509_get_subject_name(certificate);

    return X509_set_version(certificate, X509_VERSION_3) == 1 &&
           pki_set_serial(X509_get_serialNumber(certificate)) &&
           ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)spec->not_before_s) &&
           ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)spec->not_after_s) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                      (const unsigned char *)spec->common_name, -1, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
           X509_set_pubkey(certificate, identity->key) == 1 &&
           add_extensions(certificate, issuer, spec) &&
           X509_sign(certificate, signing_key, spec->sha1 ? EVP_sha1() : EVP_sha256()) > 0;
}

static bool write_texts(struct pki_identity *identity)
{
    BIO *certificate_bio = BIO_new(BIO_s_mem());
    BIO *key_bio = BIO_new(BIO_s_secmem());

    if (certificate_bio && key_bio &&
        PEM_write_bio_X509(certificate_bio, identity->certificate) == 1 &&
        PEM_write_bio_PrivateKey(key_bio, identity->key, NULL, NULL, 0, NULL, NULL) == 1) {
        identity->certificate_pem = pki_bio_string(certificate_bio);
        identity->key_pem = pki_bio_string(key_bio);
    }
    BIO_free(certificate_bio);
    BIO_free(key_bio);
    return identity->certificate_pem && identity->key_pem;
}

struct pki_identity *pki_identity_create(const struct pki_spec *spec, struct tls_error *reterr)
{
    SCOPED(pki_identity) identity = calloc(1, sizeof(*identity));
    char reason[128];

    ERR_clear_error();
    if (identity) {
        identity->key = make_key(spec);
        identity->certificate = X509_new();
        if (identity->key && identity->certificate && fill(identity, spec) && write_texts(identity))
            return TAKE(identity);
    }
    openssl_error_reason(reason, sizeof(reason));
    snprintf(reterr->text, sizeof(reterr->text), "certificate \"%s\" cannot be made: %s",
             spec->common_name, reason);
    return NULL;
}

void pki_identity_free(struct pki_identity *identity)
{
    if (!identity)
        return;
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
    free(identity->certificate_pem);
    if (identity->key_pem)
        OPENSSL_cleanse(identity->key_pem, strlen(identity->key_pem));
    free(identity->key_pem);
    free(identity);
}

const char *pki_identity_certificate_pem(const struct pki_identity *identity)
{
    return identity->certificate_pem;
}

const char *pki_identity_key_pem(const struct pki_identity *identity)
{
    return identity->key_pem;
}

char *pki_identity_encrypted_key_pem(const struct pki_identity *identity, const char *pass_phrase)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;

    if (bio && PEM_write_bio_PKCS8PrivateKey(bio, identity->key, EVP_aes_256_cbc(), pass_phrase,
                                             (int)strlen(pass_phrase), NULL, NULL) == 1)
        text = pki_bio_string(bio);
    BIO_free(bio);
    ERR_clear_error();
    return text;
}
