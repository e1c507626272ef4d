#include "tls/pki_revocation.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stdlib.h>
#include <string.h>

#include "tls/openssl_error_priv.h"
#include "tls/pki_identity_priv.h"

static void set_error(struct tls_error *reterr, const char *what)
{
    char reason[128];

    openssl_error_reason(reason, sizeof(reason));
    snprintf(reterr->text, sizeof(reterr->text), "%s cannot be made: %s", what, reason);
}

/* ---- CRL ----------------------------------------------------------------------------------- */

static bool crl_add(X509_CRL *crl, X509 *certificate, const ASN1_TIME *at)
{
    X509_REVOKED *entry = X509_REVOKED_new();

    if (entry && X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(certificate)) == 1 &&
        X509_REVOKED_set_revocationDate(entry, (ASN1_TIME *)at) == 1 &&
        X509_CRL_add0_revoked(crl, entry) == 1)
        return true;
    X509_REVOKED_free(entry);
    return false;
}

/* RFC 5280 5.2: the key's identifier and a number must be there. */
static bool crl_add_extensions(X509_CRL *crl, X509 *issuer)
{
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    X509V3_CTX ctx;
    X509_EXTENSION *identifier;
    bool added;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, NULL, NULL, crl, 0);
    identifier = X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid");
    added = identifier && number && X509_CRL_add_ext(crl, identifier, -1) == 1 &&
            ASN1_INTEGER_set(number, 1) == 1 &&
            X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, 0) == 1;
    X509_EXTENSION_free(identifier);
    ASN1_INTEGER_free(number);
    return added;
}

static bool crl_fill(X509_CRL *crl, const struct pki_identity *issuer, struct pki_period period)
{
    ASN1_TIME *this_update = ASN1_TIME_set(NULL, (time_t)period.this_update_s);
    ASN1_TIME *next_update = ASN1_TIME_set(NULL, (time_t)period.next_update_s);
    bool filled = this_update && next_update &&
                  X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
                  X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->certificate)) == 1 &&
                  X509_CRL_set1_lastUpdate(crl, this_update) == 1 &&
                  X509_CRL_set1_nextUpdate(crl, next_update) == 1 &&
                  crl_add_extensions(crl, issuer->certificate);

    ASN1_TIME_free(this_update);
    ASN1_TIME_free(next_update);
    return filled;
}

char *pki_crl_create(const struct pki_identity *issuer, const struct pki_identity *const *revoked,
                     size_t count, struct pki_period period, struct tls_error *reterr)
{
    X509_CRL *crl = X509_CRL_new();
    BIO *bio = BIO_new(BIO_s_mem());
    bool made = crl && bio && crl_fill(crl, issuer, period);
    char *text = NULL;

    for (size_t i = 0; made && i < count; i++)
        made = crl_add(crl, revoked[i]->certificate, X509_CRL_get0_lastUpdate(crl));
    made = made && X509_CRL_sort(crl) == 1 && X509_CRL_sign(crl, issuer->key, EVP_sha256()) > 0 &&
           PEM_write_bio_X509_CRL(bio, crl) == 1;
    if (made)
        text = pki_bio_string(bio);
    if (!text)
        set_error(reterr, "the CRL");
    X509_CRL_free(crl);
    BIO_free(bio);
    return text;
}

/* ---- OCSP ---------------------------------------------------------------------------------- */

static OCSP_BASICRESP *ocsp_basic(const struct pki_ocsp_request *request)
{
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id =
        OCSP_cert_to_id(NULL, request->subject->certificate, request->issuer->certificate);
    ASN1_TIME *this_update = ASN1_TIME_set(NULL, (time_t)request->period.this_update_s);
    ASN1_TIME *next_update = ASN1_TIME_set(NULL, (time_t)request->period.next_update_s);
    int status = request->revoked ? V_OCSP_CERTSTATUS_REVOKED : V_OCSP_CERTSTATUS_GOOD;
    bool made =
        basic && id && this_update && next_update &&
        OCSP_basic_add1_status(basic, id, status, OCSP_REVOKED_STATUS_KEYCOMPROMISE,
                               request->revoked ? this_update : NULL, this_update, next_update) &&
        OCSP_basic_sign(basic, request->issuer->certificate, request->issuer->key, EVP_sha256(),
                        NULL, OCSP_NOCERTS) == 1;

    OCSP_CERTID_free(id);
    ASN1_TIME_free(this_update);
    ASN1_TIME_free(next_update);
    if (made)
        return basic;
    OCSP_BASICRESP_free(basic);
    return NULL;
}

unsigned char *pki_ocsp_create(const struct pki_ocsp_request *request, size_t *ret_length,
                               struct tls_error *reterr)
{
    OCSP_BASICRESP *basic = ocsp_basic(request);
    OCSP_RESPONSE *response =
        basic ? OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic) : NULL;
    unsigned char *bytes = NULL, *end;
    int length = response ? i2d_OCSP_RESPONSE(response, NULL) : -1;

    if (length > 0)
        bytes = malloc((size_t)length);
    if (bytes) {
        end = bytes;
        (void)i2d_OCSP_RESPONSE(response, &end); /* the length was asked for above */
        *ret_length = (size_t)length;
    } else {
        set_error(reterr, "the OCSP answer");
    }
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    return bytes;
}
