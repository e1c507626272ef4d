#include "tls/tls.h"

#include "tests/unit/tls/raw_peer.h"
#include "tests/unit/tls/scene.h"
#include "tls/ticket_keys.h"

static struct tls_server_config *server_of(const char *chain_pem, const char *key_pem,
                                           struct tls_ticket_keys *keys)
{
    const struct tls_certificate certificate = { .pair = { chain_pem, key_pem } };

    return server_config_of(&(struct tls_server_settings){
        .certificates = &certificate, .certificates_count = 1, .ticket_keys = keys });
}

/* Takes both configurations. */
static void meet(struct scene *scene, struct tls_server_config *server,
                 struct tls_client_config *client, const struct tls_connect_options *options)
{
    scene_init(scene, server);
    scene_start_server(scene);
    scene_start_client(scene, client, options);
    scene_run(scene);
}

static void check_verify_failure(struct tls_server_config *server, const char *want)
{
    struct scene scene;

    meet(&scene, server, verifying_client(), to_www());
    CHECK(scene.client.open_failed && !scene.client.open);
    CHECK_INT(scene.client.failed_step, STREAM_STEP_TLS_VERIFY);
    CHECK_STR(scene.client.failed_detail, want);
    CHECK(!scene.server.open || scene.server.ended); /* the alert reached the server */
    scene_done(&scene);
}

TEST(failed_verifications_have_nginx_texts)
{
    const struct pki_shelf *shelf = pki_shelf();
    char *stranger_chain;
    struct pki_cert strange = pki_make(&(struct pki_request){
        .name = "strange", .san = "DNS:www.example.com", .issuer = &shelf->stranger });

    check_verify_failure(server_of(shelf->self_signed.pem, shelf->self_signed.key_pem, NULL),
                         "18:self-signed certificate");
    check_verify_failure(server_of(strange.pem, strange.key_pem, NULL),
                         "20:unable to get local issuer certificate");
    /* the intermediate is missing */
    check_verify_failure(server_of(shelf->www.pem, shelf->www.key_pem, NULL),
                         "20:unable to get local issuer certificate");
    check_verify_failure(server_of(shelf->expired_chain, shelf->expired.key_pem, NULL),
                         "10:certificate has expired");
    stranger_chain = strange.pem;
    free(stranger_chain);
    free(strange.key_pem);
    X509_free(strange.x509);
    EVP_PKEY_free(strange.key);
}

static void check_explained(struct tls_server_config *server, enum tls_cause cause,
                            const char *words)
{
    struct scene scene;

    meet(&scene, server, verifying_client(), to_www());
    CHECK_INT(scene.client.failed_tls.cause, cause);
    if (!strstr(scene.client.explanation, words))
        fail_msg("\"%s\" is not in \"%s\"", words, scene.client.explanation);
    CHECK(strstr(scene.client.explanation, "; trusted: the system's certificates"));
    scene_done(&scene);
}

TEST(each_failed_verification_has_a_cause_and_an_explanation)
{
    const struct pki_shelf *shelf = pki_shelf();

    check_explained(server_of(shelf->self_signed.pem, shelf->self_signed.key_pem, NULL),
                    TLS_CAUSE_SELF_SIGNED, "certificate \"CN=self\" is self-signed");
    check_explained(server_of(shelf->www.pem, shelf->www.key_pem, NULL), TLS_CAUSE_UNKNOWN_ISSUER,
                    "the issuer \"CN=Test Intermediate\" of certificate \"CN=www\" was not sent");
    check_explained(server_of(shelf->expired_chain, shelf->expired.key_pem, NULL),
                    TLS_CAUSE_EXPIRED, "certificate \"CN=expired\" expired on ");
    check_explained(server_of(shelf->wild_chain, shelf->wild.key_pem, NULL), TLS_CAUSE_NAME,
                    "not for \"www.example.com\", it is for *.example.org");
}

/* A server that wants certificates from one authority, which it names. */
static SSL_CTX *demanding_context(int version)
{
    const struct pki_shelf *shelf = pki_shelf();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    assert(context && SSL_CTX_use_certificate(context, shelf->www.x509) == 1 &&
           SSL_CTX_use_PrivateKey(context, shelf->www.key) == 1 &&
           SSL_CTX_add_client_CA(context, shelf->stranger.x509) == 1);
    SSL_CTX_set_min_proto_version(context, version);
    SSL_CTX_set_max_proto_version(context, version);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return context;
}

/* In TLS 1.3 our handshake is complete when the alert comes: it is the first thing that is read. */
TEST(a_missing_client_certificate_is_named_in_each_version)
{
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct raw_peer peer;
        struct scene scene;

        scene_init(&scene, NULL);
        raw_peer_init(&peer, demanding_context(version), &scene.pair.ends[AT_SERVER].base,
                      scene.pool);
        SSL_set_accept_state(peer.ssl);
        scene_start_client(&scene, client_config_of(&(struct tls_client_settings){ 0 }), to_www());
        scene_run(&scene);
        (void)raw_peer_receive(&peer);
        (void)raw_peer_handshake(&peer, &scene.pair);
        CHECK_INT(scene.client.open, version == TLS1_3_VERSION);
        CHECK_INT(scene.client.failed_tls.cause, TLS_CAUSE_CLIENT_CERT);
        CHECK_INT(scene.client.failed_tls.alert, version == TLS1_3_VERSION
                                                     ? SSL_AD_CERTIFICATE_REQUIRED
                                                     : SSL_AD_HANDSHAKE_FAILURE);
        CHECK(strstr(scene.client.explanation,
                     "upstream requested a client certificate and none is configured"));
        CHECK(strstr(scene.client.explanation,
                     "it accepts certificates issued by \"CN=Stranger Root\""));
        scene_done(&scene);
        raw_peer_done(&peer);
    }
}

static void check_name(const char *name, bool matches)
{
    const struct pki_shelf *shelf = pki_shelf();
    struct scene scene;

    meet(&scene, server_of(shelf->www_chain, shelf->www.key_pem, NULL), verifying_client(),
         &(struct tls_connect_options){ .server_name = name });
    CHECK_INT(scene.client.open, matches);
    if (!matches) {
        CHECK_INT(scene.client.failed_step, STREAM_STEP_TLS_NAME);
        CHECK_STR(scene.client.failed_detail, name);
    }
    scene_done(&scene);
}

TEST(the_certificate_must_have_the_name_or_address)
{
    check_name("www.example.com", true);
    check_name("www.example.com.", true);
    check_name("127.0.0.1", true); /* in the SAN */
    check_name("wrong.example.com", false);
    check_name("127.0.0.2", false);
    check_name("[::1]", false);
}

TEST(an_address_is_not_sent_as_server_name)
{
    const struct pki_shelf *shelf = pki_shelf();
    struct scene scene;

    meet(&scene, server_of(shelf->www_chain, shelf->www.key_pem, NULL), verifying_client(),
         &(struct tls_connect_options){ .server_name = "127.0.0.1" });
    CHECK(scene.server.open);
    CHECK_STR(stream_tls_info(scene.server.stream)->server_name, "");
    CHECK_STR(stream_tls_info(scene.client.stream)->server_name, "");
    scene_done(&scene);
}

TEST(without_verification_any_certificate_will_do)
{
    const struct pki_shelf *shelf = pki_shelf();
    struct scene scene;

    meet(&scene, server_of(shelf->self_signed.pem, shelf->self_signed.key_pem, NULL),
         client_config_of(&(struct tls_client_settings){ 0 }),
         &(struct tls_connect_options){ .server_name = "nothing.example" });
    CHECK(scene.client.open);
    CHECK_STR(stream_tls_info(scene.server.stream)->server_name, "nothing.example");
    scene_done(&scene);
}

TEST(the_depth_limits_intermediates)
{
    const struct pki_shelf *shelf = pki_shelf();
    struct scene scene;

    for (int depth = 0; depth < 2; depth++) {
        meet(&scene, server_of(shelf->www_chain, shelf->www.key_pem, NULL),
             client_config_of(&(struct tls_client_settings){
                 .verify = true, .verify_depth = depth, .ca_pem = shelf->root.pem }),
             to_www());
        CHECK_INT(scene.client.open, depth == 1);
        if (depth == 0)
            CHECK_STR(scene.client.failed_detail, "22:certificate chain too long");
        scene_done(&scene);
    }
}

TEST(a_bundle_without_certificates_is_refused)
{
    struct tls_error error = { "" };

    CHECK(!tls_client_config_create(
        &(struct tls_client_settings){ .verify = true, .ca_pem = "nothing" }, &error));
    CHECK(strstr(error.text, "the CA bundle has no certificate"));
    CHECK(!tls_client_config_create(
        &(struct tls_client_settings){
            .verify = true,
            .ca_pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" },
        &error));
    CHECK(strstr(error.text, "PEM block 1 (CERTIFICATE) is not a certificate"));
}

static bool client_resumes(struct tls_server_config *server, struct tls_client_config *client,
                           const struct tls_connect_options *options)
{
    struct scene scene;
    bool resumed;

    meet(&scene, tls_server_config_ref(server), tls_client_config_ref(client), options);
    CHECK(scene.client.open && scene.server.open);
    resumed = stream_tls_info(scene.client.stream)->resumed;
    CHECK_INT(stream_tls_info(scene.server.stream)->resumed, resumed);
    /* an aborted connection must not cost the session */
    side_close(&scene.client, STREAM_CLOSE_ABORT);
    scene_done(&scene);
    return resumed;
}

static struct tls_client_config *client_of_version(enum tls_version version)
{
    return client_config_of(&(struct tls_client_settings){ .verify = true,
                                                           .verify_depth = -1,
                                                           .ca_pem = pki_shelf()->root.pem,
                                                           .min_version = version,
                                                           .max_version = version });
}

TEST(sessions_are_reused_per_configuration_name_and_key)
{
    const struct pki_shelf *shelf = pki_shelf();

    for (enum tls_version version = TLS_VERSION_1_2; version <= TLS_VERSION_1_3; version++) {
        SCOPED(tls_ticket_keys) keys = tls_ticket_keys_create();
        struct tls_server_config *server = server_of(shelf->www_chain, shelf->www.key_pem, keys);
        struct tls_client_config *client = client_of_version(version);
        struct tls_client_config *same = client_of_version(version);
        struct tls_client_config *another = client_config_of(&(struct tls_client_settings){
            .verify = false, .min_version = version, .max_version = version });
        struct tls_session_cache *cache = tls_session_cache_create(8);
        struct tls_connect_options options = { "www.example.com", cache, "10.0.0.1:443" };

        CHECK(!client_resumes(server, client, &options));
        CHECK(client_resumes(server, client, &options));
        CHECK(client_resumes(server, client, &options));
        options.session_key = "10.0.0.2:443";
        CHECK(!client_resumes(server, client, &options));
        options.server_name = "127.0.0.1";
        CHECK(!client_resumes(server, client, &options));
        options = (struct tls_connect_options){ "www.example.com", cache, "10.0.0.1:443" };
        CHECK(client_resumes(server, same, &options)); /* as after a reload */
        CHECK(tls_client_config_identity(same) == tls_client_config_identity(client));
        CHECK(tls_client_config_identity(another) != tls_client_config_identity(client));
        CHECK(!client_resumes(server, another, &options));
        options.sessions = NULL;
        CHECK(!client_resumes(server, client, &options));
        tls_session_cache_free(cache);
        tls_client_config_unref(client);
        tls_client_config_unref(same);
        tls_client_config_unref(another);
        tls_server_config_unref(server);
    }
}

TEST(alpn_is_agreed_between_both)
{
    static const char *const offer[] = { "h2", "http/1.1" };
    static const char *const ours[] = { "http/1.1" };
    const struct pki_shelf *shelf = pki_shelf();
    const struct tls_certificate certificate = { .pair = { shelf->www_chain, shelf->www.key_pem } };
    struct scene scene;

    meet(
        &scene,
        server_config_of(&(struct tls_server_settings){
            .certificates = &certificate, .certificates_count = 1, .alpn = ours, .alpn_count = 1 }),
        client_config_of(&(struct tls_client_settings){ .alpn = offer, .alpn_count = 2 }),
        to_www());
    CHECK(scene.client.open);
    CHECK_STR(stream_tls_info(scene.client.stream)->alpn, "http/1.1");
    CHECK_STR(stream_tls_info(scene.server.stream)->alpn, "http/1.1");
    scene_done(&scene);
}

TESTS(TEST_CASE(failed_verifications_have_nginx_texts),
      TEST_CASE(each_failed_verification_has_a_cause_and_an_explanation),
      TEST_CASE(a_missing_client_certificate_is_named_in_each_version),
      TEST_CASE(the_certificate_must_have_the_name_or_address),
      TEST_CASE(an_address_is_not_sent_as_server_name),
      TEST_CASE(without_verification_any_certificate_will_do),
      TEST_CASE(the_depth_limits_intermediates),
      TEST_CASE(a_bundle_without_certificates_is_refused),
      TEST_CASE(sessions_are_reused_per_configuration_name_and_key),
      TEST_CASE(alpn_is_agreed_between_both))
