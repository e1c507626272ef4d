#include "tls/ocsp_priv.h"

#include <errno.h>

#include <openssl/ocsp.h>

#include "tests/check.h"
#include "tests/unit/tls/pki.h"

/* A response about www by `signer`, valid from an hour ago to next_s from now. */
static struct slice response_of(const struct pki_cert *signer, int status, long next_s)
{
    const struct pki_shelf *shelf = pki_shelf();
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(NULL, shelf->www.x509, shelf->intermediate.x509);
    ASN1_TIME *from = X509_gmtime_adj(NULL, -3600), *next = X509_gmtime_adj(NULL, next_s);
    OCSP_RESPONSE *response;
    unsigned char *der = NULL;
    int length;

    CHECK(OCSP_basic_add1_status(basic, id, status, 0, status ? from : NULL, from, next));
    CHECK_INT(OCSP_basic_sign(basic, signer->x509, signer->key, EVP_sha256(), NULL, 0), 1);
    response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    length = i2d_OCSP_RESPONSE(response, &der);
    CHECK(length > 0);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(from);
    ASN1_TIME_free(next);
    return (struct slice){ (const char *)der, (size_t)length };
}

static struct ocsp_staple staple_of_www(void)
{
    const struct tls_pem_pair pair = { pki_shelf()->www_chain, pki_shelf()->www.key_pem };
    struct ocsp_staple staple = { .leaf = NULL };

    CHECK_INT(ocsp_staple_init(&staple, &pair), 0);
    return staple;
}

static int set(struct ocsp_staple *staple, struct slice der, struct tls_error *reterr)
{
    int r = ocsp_staple_set(staple, der, time(NULL), reterr);

    OPENSSL_free((void *)der.ptr);
    return r;
}

static bool is_sent(struct ocsp_staple *staple)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL *ssl = SSL_new(context);
    bool sent = ocsp_staple_send(staple, ssl) == SSL_TLSEXT_ERR_OK;

    SSL_free(ssl);
    SSL_CTX_free(context);
    return sent;
}

TEST(a_good_response_is_sent_until_it_expires)
{
    const struct pki_cert *ca = &pki_shelf()->intermediate;
    struct ocsp_staple staple = staple_of_www();
    struct tls_error error = { "" };

    CHECK(!is_sent(&staple));
    CHECK(ocsp_staple_is_due(&staple, time(NULL)));
    CHECK_INT(set(&staple, response_of(ca, V_OCSP_CERTSTATUS_GOOD, 7 * 86400), &error), 0);
    CHECK(is_sent(&staple));
    CHECK(!ocsp_staple_is_due(&staple, time(NULL)));
    CHECK(ocsp_staple_is_due(&staple, time(NULL) + 7 * 86400 - 1800));
    /* our clock may be wrong by minutes, so it is taken, but nobody gets it any more */
    CHECK_INT(set(&staple, response_of(ca, V_OCSP_CERTSTATUS_GOOD, -60), &error), 0);
    CHECK(!is_sent(&staple));
    ocsp_staple_done(&staple);
}

TEST(a_response_of_no_use_leaves_the_good_one)
{
    const struct pki_cert *ca = &pki_shelf()->intermediate, *stranger = &pki_shelf()->stranger;
    const struct {
        struct slice der;
        const char *said;
    } cases[] = {
        { response_of(stranger, V_OCSP_CERTSTATUS_GOOD, 86400), "not signed by" },
        { response_of(ca, V_OCSP_CERTSTATUS_REVOKED, 86400), "is revoked" },
        { response_of(ca, V_OCSP_CERTSTATUS_UNKNOWN, 86400), "is unknown" },
        { response_of(ca, V_OCSP_CERTSTATUS_GOOD, -1000), "not valid now" },
    };
    struct ocsp_staple staple = staple_of_www();
    struct tls_error error = { "" };

    CHECK_INT(set(&staple, response_of(ca, V_OCSP_CERTSTATUS_GOOD, 86400), &error), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK_INT(set(&staple, cases[i].der, &error), -EINVAL);
        if (!strstr(error.text, cases[i].said))
            fail_msg("\"%s\" does not say \"%s\"", error.text, cases[i].said);
        CHECK(is_sent(&staple));
    }
    ocsp_staple_done(&staple);
}

TEST(a_staple_that_is_being_sent_is_not_replaced)
{
    const struct pki_cert *ca = &pki_shelf()->intermediate;
    struct ocsp_staple staple = staple_of_www();
    struct tls_error error = { "" };

    CHECK(!atomic_flag_test_and_set(&staple.busy)); /* as a worker that takes its copy */
    CHECK_INT(set(&staple, response_of(ca, V_OCSP_CERTSTATUS_GOOD, 86400), &error), -EBUSY);
    CHECK_STR(error.text, "the OCSP response is not used: the old one is being sent");
    CHECK(!is_sent(&staple));
    atomic_flag_clear(&staple.busy);
    CHECK_INT(set(&staple, response_of(ca, V_OCSP_CERTSTATUS_GOOD, 86400), &error), 0);
    CHECK(is_sent(&staple));
    ocsp_staple_done(&staple);
}

TESTS(TEST_CASE(a_good_response_is_sent_until_it_expires),
      TEST_CASE(a_response_of_no_use_leaves_the_good_one),
      TEST_CASE(a_staple_that_is_being_sent_is_not_replaced))
