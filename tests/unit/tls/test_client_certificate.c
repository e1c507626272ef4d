#include "tls/client_certificate.h"

#include <string.h>
#include <time.h>

#include "tests/unit/tls/scene.h"

/* A server that asks for certificates of the shelf's root. */
static struct tls_server_config *asking_server(enum tls_verify_mode mode, const char *ca_pem)
{
    const struct pki_shelf *shelf = pki_shelf();
    const struct tls_certificate certificate = { .label = "www",
                                                 .pair = { shelf->www_chain, shelf->www.key_pem } };
    const struct tls_policy policy = { .mode = mode, .ca_pem = ca_pem, .depth = 1 };

    return server_config_of(&(struct tls_server_settings){ .certificates = &certificate,
                                                           .certificates_count = 1,
                                                           .policies = &policy,
                                                           .policies_count = 1 });
}

/* A client that shows `chain`, or nothing when it is NULL. */
static void meet(struct scene *scene, struct tls_server_config *server, const char *chain,
                 const char *key)
{
    const struct tls_client_settings settings = { .certificate = { chain, key } };

    scene_init(scene, server);
    scene_start_server(scene);
    scene_start_client(scene, client_config_of(&settings),
                       &(struct tls_connect_options){ .server_name = "www.example.com" });
    scene_run(scene);
    CHECK(scene->server.open);
}

static void check_fingerprint(const char *text, const X509 *x509, const EVP_MD *digest)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    char want[2 * EVP_MAX_MD_SIZE + 1];
    unsigned length;

    CHECK_INT(X509_digest(x509, digest, bytes, &length), 1);
    for (unsigned i = 0; i < length; i++)
        snprintf(want + 2 * i, 3, "%02x", bytes[i]);
    CHECK_STR(text, want);
}

TEST(a_certificate_is_told_in_every_spelling)
{
    const struct pki_shelf *shelf = pki_shelf();
    static struct pki_cert alice; /* until the end, as those of the shelf */
    const struct tls_client_certificate *seen;
    const struct tls_session_info *info;
    struct scene scene;
    char *chain;

    alice = pki_make(&(struct pki_request){
        .name = "alice, \"the\" client",
        .san = "DNS:alice.example.com,URI:spiffe://example.com/alice,IP:127.0.0.1",
        .issuer = &shelf->intermediate });
    chain = pki_join(alice.pem, shelf->intermediate.pem, NULL, NULL);
    meet(&scene, asking_server(TLS_VERIFY_REQUIRED, shelf->root.pem), chain, alice.key_pem);
    info = stream_tls_info(scene.server.stream);
    CHECK_INT(info->client.verdict, TLS_CLIENT_ACCEPTED);
    CHECK_STR(info->client.verify, "SUCCESS");
    CHECK_STR(info->client.verify_error, "");
    seen = info->client.certificate;
    CHECK(seen);
    CHECK_STR(seen->subject, "CN=alice\\, \\\"the\\\" client");
    CHECK_STR(seen->issuer, "CN=Test Intermediate");
    CHECK_INT(strlen(seen->serial) % 2, 0);
    CHECK_INT(strtol(seen->serial, NULL, 16), ASN1_INTEGER_get(X509_get0_serialNumber(alice.x509)));
    check_fingerprint(seen->sha1, alice.x509, EVP_sha1());
    check_fingerprint(seen->sha256, alice.x509, EVP_sha256());
    CHECK_STR(seen->pem, alice.pem);
    CHECK(strstr(seen->not_after, " GMT"));
    CHECK(seen->not_before_s < time(NULL) && seen->not_after_s > time(NULL));
    CHECK_INT(seen->dns_names.count, 1);
    CHECK_STR(seen->dns_names.items[0], "alice.example.com");
    CHECK_INT(seen->uris.count, 1);
    CHECK_STR(seen->uris.items[0], "spiffe://example.com/alice");
    CHECK_INT(seen->der.length, i2d_X509(alice.x509, NULL));
    CHECK_INT(seen->chain_count, 1);
    CHECK_INT(seen->chain[0].length, i2d_X509(shelf->intermediate.x509, NULL));
    scene_done(&scene);
    free(chain);
}

TEST(a_refused_certificate_is_told_too)
{
    const struct pki_shelf *shelf = pki_shelf();
    const struct tls_session_info *info;
    struct scene scene;

    meet(&scene, asking_server(TLS_VERIFY_OPTIONAL, shelf->stranger.pem), shelf->www.pem,
         shelf->www.key_pem);
    info = stream_tls_info(scene.server.stream);
    CHECK_INT(info->client.verdict, TLS_CLIENT_CERTIFICATE_REFUSED);
    CHECK_STR(info->client.verify, "FAILED:unable to verify the first certificate");
    CHECK_STR(info->client.verify_error, "21:unable to verify the first certificate");
    CHECK_STR(info->client.certificate->subject, "CN=www");
    CHECK_INT(info->client.certificate->chain_count, 0);
    scene_done(&scene);
}

TEST(without_a_certificate_there_is_none)
{
    static const struct {
        enum tls_verify_mode mode;
        enum tls_client_verdict verdict;
    } cases[] = { { TLS_VERIFY_OFF, TLS_CLIENT_ACCEPTED },
                  { TLS_VERIFY_OPTIONAL, TLS_CLIENT_ACCEPTED },
                  { TLS_VERIFY_OPTIONAL_NO_CA, TLS_CLIENT_ACCEPTED },
                  { TLS_VERIFY_REQUIRED, TLS_CLIENT_CERTIFICATE_MISSING } };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct tls_session_info *info;
        struct scene scene;

        meet(&scene, asking_server(cases[i].mode, pki_shelf()->root.pem), NULL, NULL);
        info = stream_tls_info(scene.server.stream);
        CHECK_INT(info->client.verdict, cases[i].verdict);
        CHECK_STR(info->client.verify, "NONE");
        CHECK(!info->client.certificate);
        scene_done(&scene);
    }
}

TESTS(TEST_CASE(a_certificate_is_told_in_every_spelling),
      TEST_CASE(a_refused_certificate_is_told_too), TEST_CASE(without_a_certificate_there_is_none))
