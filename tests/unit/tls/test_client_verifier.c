/*
 * test_client_verifier: a certificate that a hop handed on is judged as one in a handshake, and the
 * judgement is not remembered longer, or for more, than it holds.
 */
#include "tls/client_verifier.h"

#include <errno.h>
#include <time.h>

#include "tests/unit/tls/scene.h"

static const struct pki_cert *const nothing_above[] = { NULL };

/* secure.test asks for certificates of the stranger; everybody else for those of the root. ciphers: of
 * a custom profile, NULL: the usual. */
static struct tls_server_config *server_with(struct tls_policy listener, const char *ciphers)
{
    static const char *const secure[] = { "secure.test" };
    const struct pki_shelf *shelf = pki_shelf();
    const struct tls_certificate certificate = { .label = "www",
                                                 .pair = { shelf->www_chain, shelf->www.key_pem } };
    struct tls_policy policies[2] = { listener,
                                      { .mode = TLS_VERIFY_REQUIRED,
                                        .ca_pem = shelf->stranger.pem,
                                        .depth = -1,
                                        .snis = secure,
                                        .snis_count = 1 } };

    if (!policies[0].ca_pem)
        policies[0].ca_pem = shelf->root.pem;
    return server_config_of(&(struct tls_server_settings){
        .certificates = &certificate,
        .certificates_count = 1,
        .policies = policies,
        .policies_count = 2,
        .cipher_profile = ciphers ? TLS_CIPHERS_CUSTOM : TLS_CIPHERS_INTERMEDIATE,
        .ciphers = ciphers });
}

static struct tls_server_config *server(struct tls_policy listener)
{
    return server_with(listener, NULL);
}

struct hearing {
    struct tls_client_verifier *verifier;
    struct tls_server_config *config;
    const char *host;
    int64_t now_s;
};

static struct hearing hearing_of(struct tls_policy policy, size_t judgements_max)
{
    return (struct hearing){ .verifier = tls_client_verifier_create(judgements_max),
                             .config = server(policy),
                             .host = "www.example.com",
                             .now_s = (int64_t)time(NULL) };
}

static void hearing_done(struct hearing *h)
{
    tls_client_verifier_free(h->verifier);
    tls_server_config_unref(h->config);
}

static struct tls_der der_of(const struct pki_cert *cert)
{
    unsigned char *bytes = NULL;
    int length = i2d_X509(cert->x509, &bytes);

    CHECK(length > 0);
    return (struct tls_der){ bytes, (size_t)length };
}

/* leaf NULL: none. above ends with NULL. */
static struct tls_judgement *judge(struct hearing *h, const struct pki_cert *leaf,
                                   const struct pki_cert *const *above)
{
    struct tls_der certificates[8];
    struct tls_judgement *judgement = NULL;
    size_t count = 0, bad;

    if (leaf)
        certificates[count++] = der_of(leaf);
    for (; *above; above++)
        certificates[count++] = der_of(*above);
    CHECK_INT(tls_client_verifier_judge(h->verifier,
                                        &(struct tls_presented){ .config = h->config,
                                                                 .host = slice_of(h->host),
                                                                 .certificates = certificates,
                                                                 .count = count,
                                                                 .now_s = h->now_s },
                                        &judgement, &bad),
              0);
    for (size_t i = 0; i < count; i++)
        OPENSSL_free((void *)certificates[i].bytes);
    return judgement;
}

static void check_verdict(struct hearing *h, const struct pki_cert *leaf,
                          const struct pki_cert *const *above, enum tls_client_verdict verdict,
                          const char *verify, const char *error)
{
    struct tls_judgement *judgement = judge(h, leaf, above);
    const struct tls_client_identity *identity = tls_judgement_identity(judgement);

    CHECK_INT(identity->verdict, verdict);
    CHECK_STR(identity->verify, verify);
    CHECK_STR(identity->verify_error, error);
    CHECK_INT(identity->certificate != NULL, strcmp(verify, "NONE") != 0);
    tls_judgement_release(judgement);
}

static const struct pki_cert *const *by_intermediate(void)
{
    static const struct pki_cert *above[] = { NULL, NULL };

    above[0] = &pki_shelf()->intermediate;
    return above;
}

/* ---- as in a handshake ---- */

TEST(verdicts_are_those_of_a_handshake)
{
    const struct pki_shelf *shelf = pki_shelf();
    struct hearing h =
        hearing_of((struct tls_policy){ .mode = TLS_VERIFY_OPTIONAL, .depth = -1 }, 8);

    check_verdict(&h, NULL, nothing_above, TLS_CLIENT_ACCEPTED, "NONE", "");
    check_verdict(&h, &shelf->www, by_intermediate(), TLS_CLIENT_ACCEPTED, "SUCCESS", "");
    check_verdict(&h, &shelf->expired, by_intermediate(), TLS_CLIENT_CERTIFICATE_REFUSED,
                  "FAILED:certificate has expired", "10:certificate has expired");
    check_verdict(&h, &shelf->www, nothing_above, TLS_CLIENT_CERTIFICATE_REFUSED,
                  "FAILED:unable to verify the first certificate",
                  "21:unable to verify the first certificate");
    check_verdict(&h, &shelf->self_signed, nothing_above, TLS_CLIENT_CERTIFICATE_REFUSED,
                  "FAILED:self-signed certificate", "18:self-signed certificate");
    hearing_done(&h);
}

TEST(required_misses_what_is_not_there)
{
    struct hearing h =
        hearing_of((struct tls_policy){ .mode = TLS_VERIFY_REQUIRED, .depth = -1 }, 8);

    check_verdict(&h, NULL, nothing_above, TLS_CLIENT_CERTIFICATE_MISSING, "NONE", "");
    hearing_done(&h);
}

TEST(off_looks_at_no_certificate)
{
    struct hearing h = hearing_of((struct tls_policy){ .mode = TLS_VERIFY_OFF }, 8);

    check_verdict(&h, &pki_shelf()->expired, nothing_above, TLS_CLIENT_ACCEPTED, "NONE", "");
    hearing_done(&h);
}

TEST(optional_no_ca_overlooks_the_issuer_and_nothing_else)
{
    const struct pki_shelf *shelf = pki_shelf();
    struct hearing h =
        hearing_of((struct tls_policy){ .mode = TLS_VERIFY_OPTIONAL_NO_CA, .depth = -1 }, 8);

    check_verdict(&h, &shelf->www, nothing_above, TLS_CLIENT_ACCEPTED,
                  "FAILED:unable to verify the first certificate",
                  "21:unable to verify the first certificate");
    check_verdict(&h, &shelf->expired, nothing_above, TLS_CLIENT_CERTIFICATE_REFUSED,
                  "FAILED:certificate has expired", "10:certificate has expired");
    hearing_done(&h);
}

TEST(depth_counts_the_intermediates)
{
    struct hearing h =
        hearing_of((struct tls_policy){ .mode = TLS_VERIFY_REQUIRED, .depth = 0 }, 8);
    struct tls_judgement *judgement = judge(&h, &pki_shelf()->www, by_intermediate());

    CHECK_INT(tls_judgement_identity(judgement)->verdict, TLS_CLIENT_CERTIFICATE_REFUSED);
    tls_judgement_release(judgement);
    hearing_done(&h);
}

TEST(a_server_certificate_is_no_client_certificate)
{
    static struct pki_cert cert;
    struct hearing h =
        hearing_of((struct tls_policy){ .mode = TLS_VERIFY_REQUIRED, .depth = -1 }, 8);
    const struct pki_shelf *shelf = pki_shelf();

    cert = pki_make(&(struct pki_request){ .name = "server only", .issuer = &shelf->root });
    pki_extension(cert.x509, shelf->root.x509, NID_ext_key_usage, "serverAuth");
    CHECK(X509_sign(cert.x509, shelf->root.key, EVP_sha256()) > 0);
    check_verdict(&h, &cert, nothing_above, TLS_CLIENT_CERTIFICATE_REFUSED,
                  "FAILED:unsuitable certificate purpose", "26:unsuitable certificate purpose");
    hearing_done(&h);
}

static const struct pki_cert *weak_certificate(void)
{
    static struct pki_cert cert;
    EVP_PKEY *weak;

    if (cert.x509)
        return &cert;
    weak = EVP_RSA_gen(1024);
    cert = pki_make(&(struct pki_request){ .name = "weak", .issuer = &pki_shelf()->root });
    CHECK_INT(X509_set_pubkey(cert.x509, weak), 1);
    CHECK(X509_sign(cert.x509, pki_shelf()->root.key, EVP_sha256()) > 0);
    EVP_PKEY_free(weak);
    return &cert;
}

TEST(a_weak_key_is_refused_as_the_security_level_says)
{
    struct hearing h =
        hearing_of((struct tls_policy){ .mode = TLS_VERIFY_REQUIRED, .depth = -1 }, 8);

    check_verdict(&h, weak_certificate(), nothing_above, TLS_CLIENT_CERTIFICATE_REFUSED,
                  "FAILED:EE certificate key too weak", "66:EE certificate key too weak");
    hearing_done(&h);
}

TEST(the_host_chooses_the_policy)
{
    const struct pki_shelf *shelf = pki_shelf();
    struct hearing h =
        hearing_of((struct tls_policy){ .mode = TLS_VERIFY_OPTIONAL, .depth = -1 }, 8);

    check_verdict(&h, &shelf->www, by_intermediate(), TLS_CLIENT_ACCEPTED, "SUCCESS", "");
    h.host = "SECURE.test.";
    check_verdict(&h, &shelf->www, by_intermediate(), TLS_CLIENT_CERTIFICATE_REFUSED,
                  "FAILED:unable to get local issuer certificate",
                  "20:unable to get local issuer certificate");
    check_verdict(&h, NULL, nothing_above, TLS_CLIENT_CERTIFICATE_MISSING, "NONE", "");
    hearing_done(&h);
}

TEST(what_is_no_certificate_is_named)
{
    struct hearing h =
        hearing_of((struct tls_policy){ .mode = TLS_VERIFY_REQUIRED, .depth = -1 }, 8);
    struct tls_der good = der_of(&pki_shelf()->www);
    unsigned char longer[4096] = { 0 };
    const struct tls_der bad[] = { { (const unsigned char *)"abc", 3 },
                                   { longer, good.length + 1 },
                                   { good.bytes, good.length - 1 },
                                   { good.bytes, 0 } };

    CHECK(good.length < sizeof(longer));
    memcpy(longer, good.bytes, good.length);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        for (size_t at = 0; at < 2; at++) {
            const struct tls_der certificates[] = { at == 0 ? bad[i] : good, bad[i] };
            struct tls_judgement *judgement = NULL;
            size_t index = 9;

            CHECK_INT(
                tls_client_verifier_judge(h.verifier,
                                          &(struct tls_presented){ .config = h.config,
                                                                   .host = SLICE("h"),
                                                                   .certificates = certificates,
                                                                   .count = 2,
                                                                   .now_s = h.now_s },
                                          &judgement, &index),
                -EINVAL);
            CHECK_INT(index, at);
            CHECK(judgement == NULL);
        }
    OPENSSL_free((void *)good.bytes);
    hearing_done(&h);
}

/* ---- what is remembered ---- */

static bool is_new_with(struct hearing *h, const struct pki_cert *leaf,
                        const struct pki_cert *const *above)
{
    struct tls_judgement *judgement = judge(h, leaf, above);
    bool result = tls_judgement_is_new(judgement);

    tls_judgement_release(judgement);
    return result;
}

static bool is_new(struct hearing *h, const struct pki_cert *leaf)
{
    return is_new_with(h, leaf, by_intermediate());
}

TEST(a_judgement_is_remembered_for_its_lifetime)
{
    struct hearing h =
        hearing_of((struct tls_policy){ .mode = TLS_VERIFY_REQUIRED, .depth = -1 }, 8);
    const struct pki_cert *www = &pki_shelf()->www;

    CHECK(is_new(&h, www));
    CHECK(!is_new(&h, www));
    h.now_s += TLS_JUDGEMENT_LIFETIME_S - 1;
    CHECK(!is_new(&h, www));
    h.now_s += 1;
    CHECK(is_new(&h, www));
    h.now_s -= 1; /* the clock was set back */
    CHECK(is_new(&h, www));
    hearing_done(&h);
}

TEST(what_has_expired_meanwhile_is_refused)
{
    struct hearing h =
        hearing_of((struct tls_policy){ .mode = TLS_VERIFY_REQUIRED, .depth = -1 }, 8);
    const struct pki_cert *www = &pki_shelf()->www;

    check_verdict(&h, www, by_intermediate(), TLS_CLIENT_ACCEPTED, "SUCCESS", "");
    h.now_s += (int64_t)91 * PKI_DAY_S;
    check_verdict(&h, www, by_intermediate(), TLS_CLIENT_CERTIFICATE_REFUSED,
                  "FAILED:certificate has expired", "10:certificate has expired");
    hearing_done(&h);
}

TEST(another_chain_or_policy_is_another_judgement)
{
    const struct pki_shelf *shelf = pki_shelf();
    struct hearing h =
        hearing_of((struct tls_policy){ .mode = TLS_VERIFY_REQUIRED, .depth = -1 }, 8);

    check_verdict(&h, &shelf->www, by_intermediate(), TLS_CLIENT_ACCEPTED, "SUCCESS", "");
    check_verdict(&h, &shelf->www, nothing_above, TLS_CLIENT_CERTIFICATE_REFUSED,
                  "FAILED:unable to verify the first certificate",
                  "21:unable to verify the first certificate");
    tls_server_config_unref(h.config); /* a reload: other CAs */
    h.config = server((struct tls_policy){
        .mode = TLS_VERIFY_REQUIRED, .depth = -1, .ca_pem = shelf->stranger.pem });
    check_verdict(&h, &shelf->www, by_intermediate(), TLS_CLIENT_CERTIFICATE_REFUSED,
                  "FAILED:unable to get local issuer certificate",
                  "20:unable to get local issuer certificate");
    hearing_done(&h);
}

TEST(another_security_level_is_another_judgement)
{
    const struct tls_policy policy = { .mode = TLS_VERIFY_REQUIRED, .depth = -1 };
    struct hearing h = hearing_of(policy, 8);

    tls_server_config_unref(h.config);
    h.config = server_with(policy, "ECDHE-ECDSA-AES128-GCM-SHA256:@SECLEVEL=0");
    check_verdict(&h, weak_certificate(), nothing_above, TLS_CLIENT_ACCEPTED, "SUCCESS", "");
    tls_server_config_unref(h.config); /* a reload: the same policy, stricter ciphers */
    h.config = server(policy);
    check_verdict(&h, weak_certificate(), nothing_above, TLS_CLIENT_CERTIFICATE_REFUSED,
                  "FAILED:EE certificate key too weak", "66:EE certificate key too weak");
    hearing_done(&h);
}

/* ends: the one of the chain that ends first. */
static void check_forgotten_at_end(struct hearing *h, const struct pki_cert *leaf,
                                   const struct pki_cert *above, const struct pki_cert *ends)
{
    const struct pki_cert *const chain[] = { above, NULL };
    struct tm end;

    CHECK_INT(ASN1_TIME_to_tm(X509_get0_notAfter(ends->x509), &end), 1);
    h->now_s = (int64_t)timegm(&end) - 10;
    check_verdict(h, leaf, chain, TLS_CLIENT_ACCEPTED, "SUCCESS", "");
    h->now_s += 9;
    CHECK(!is_new_with(h, leaf, chain));
    h->now_s += 1;
    check_verdict(h, leaf, chain, TLS_CLIENT_CERTIFICATE_REFUSED, "FAILED:certificate has expired",
                  "10:certificate has expired");
    h->now_s += 1;
    CHECK(!is_new_with(h, leaf, chain)); /* and that is remembered */
}

TEST(a_judgement_ends_with_the_first_certificate_that_ends)
{
    static struct pki_cert ca, long_leaf, short_leaf; /* until the end, as those of the shelf */
    const struct pki_shelf *shelf = pki_shelf();
    struct hearing h =
        hearing_of((struct tls_policy){ .mode = TLS_VERIFY_REQUIRED, .depth = -1 }, 8);

    ca = pki_make(&(struct pki_request){ .name = "short CA",
                                         .issuer = &shelf->root,
                                         .is_ca = true,
                                         .from_days = -1,
                                         .to_days = 10 });
    long_leaf = pki_make(&(struct pki_request){ .name = "long leaf", .issuer = &ca });
    check_forgotten_at_end(&h, &long_leaf, &ca, &ca);
    short_leaf = pki_make(&(struct pki_request){
        .name = "short leaf", .issuer = &shelf->intermediate, .from_days = -1, .to_days = 10 });
    check_forgotten_at_end(&h, &short_leaf, &shelf->intermediate, &short_leaf);
    hearing_done(&h);
}

TEST(the_least_recently_used_makes_room)
{
    const struct pki_shelf *shelf = pki_shelf();
    struct hearing h =
        hearing_of((struct tls_policy){ .mode = TLS_VERIFY_REQUIRED, .depth = -1 }, 2);

    CHECK(is_new(&h, &shelf->www));
    CHECK(is_new(&h, &shelf->wild));
    CHECK(!is_new(&h, &shelf->www));
    CHECK(is_new(&h, &shelf->other)); /* instead of wild */
    CHECK(!is_new(&h, &shelf->www));
    CHECK(is_new(&h, &shelf->wild));
    hearing_done(&h);
}

TEST(a_judgement_outlives_its_place_and_the_verifier)
{
    const struct pki_shelf *shelf = pki_shelf();
    struct hearing h =
        hearing_of((struct tls_policy){ .mode = TLS_VERIFY_REQUIRED, .depth = -1 }, 1);
    struct tls_judgement *judgement = judge(&h, &shelf->www, by_intermediate());

    CHECK(is_new(&h, &shelf->wild));
    hearing_done(&h);
    CHECK_STR(tls_judgement_identity(judgement)->certificate->subject, "CN=www");
    CHECK_INT(tls_judgement_identity(judgement)->certificate->chain_count, 1);
    tls_judgement_release(judgement);
}

TESTS(TEST_CASE(verdicts_are_those_of_a_handshake), TEST_CASE(required_misses_what_is_not_there),
      TEST_CASE(off_looks_at_no_certificate),
      TEST_CASE(optional_no_ca_overlooks_the_issuer_and_nothing_else),
      TEST_CASE(depth_counts_the_intermediates),
      TEST_CASE(a_server_certificate_is_no_client_certificate),
      TEST_CASE(a_weak_key_is_refused_as_the_security_level_says),
      TEST_CASE(the_host_chooses_the_policy), TEST_CASE(what_is_no_certificate_is_named),
      TEST_CASE(a_judgement_is_remembered_for_its_lifetime),
      TEST_CASE(what_has_expired_meanwhile_is_refused),
      TEST_CASE(another_chain_or_policy_is_another_judgement),
      TEST_CASE(another_security_level_is_another_judgement),
      TEST_CASE(a_judgement_ends_with_the_first_certificate_that_ends),
      TEST_CASE(the_least_recently_used_makes_room),
      TEST_CASE(a_judgement_outlives_its_place_and_the_verifier))
