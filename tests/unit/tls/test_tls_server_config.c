#include "tls/ticket_keys.h"
#include "tls/tls.h"

#include <openssl/ssl.h>

#include "tests/unit/tls/raw_peer.h"
#include "tests/unit/tls/scene.h"

/* Three certificates: 0 www (default), 1 *.example.org, 2 other.example.com:
 * the certificates of 0 under another policy. */
static struct tls_server_config *shop(struct tls_server_settings settings)
{
    static const char *const www[] = { "www.example.com" };
    static const char *const wild[] = { "*.example.org" };
    static const char *const other[] = { "other.example.com" };
    static struct tls_policy strict = { .label = "strict",
                                        .mode = TLS_VERIFY_OPTIONAL,
                                        .refusal = TLS_CLIENT_REFUSAL_ALERT,
                                        .depth = -1,
                                        .snis = other,
                                        .snis_count = 1 };
    const struct pki_shelf *shelf = pki_shelf();
    const struct tls_certificate certificates[] = {
        { .label = "www",
          .pair = { shelf->www_chain, shelf->www.key_pem },
          .alternative = { shelf->www_rsa_chain, shelf->www_rsa.key_pem },
          .snis = www,
          .snis_count = 1 },
        { .label = "wild",
          .pair = { shelf->wild_chain, shelf->wild.key_pem },
          .snis = wild,
          .snis_count = 1 },
        { .label = "other",
          .pair = { shelf->www_chain, shelf->www.key_pem },
          .alternative = { shelf->www_rsa_chain, shelf->www_rsa.key_pem },
          .snis = other,
          .snis_count = 1 },
    };

    strict.ca_pem = shelf->root.pem;
    settings.policies = &strict;
    settings.policies_count = 1;
    settings.certificates = certificates;
    settings.certificates_count = 3;
    return server_config_of(&settings);
}

struct visit {
    const char *server_name; /* SNI; NULL: none */
    const char *certificate; /* CN that the client saw; "" when the handshake failed */
    int chain_length;
    bool resumed;
    int reason; /* of the client's failure */
    char alpn[32];
};

struct visitor {
    int version;         /* 0: any */
    const char *ciphers; /* TLS 1.2; NULL: any */
    const unsigned char *alpn;
    unsigned alpn_length;
    SSL_SESSION *session; /* offered, and replaced by the newest; NULL: none */
};

static SSL_CTX *visitor_context(const struct visitor *visitor)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    CHECK(context);
    if (visitor->version) {
        SSL_CTX_set_min_proto_version(context, visitor->version);
        SSL_CTX_set_max_proto_version(context, visitor->version);
    }
    if (visitor->ciphers)
        CHECK_INT(SSL_CTX_set_cipher_list(context, visitor->ciphers), 1);
    if (visitor->alpn)
        CHECK_INT(SSL_CTX_set_alpn_protos(context, visitor->alpn, visitor->alpn_length), 0);
    return context;
}

static void note_certificate(struct visit *visit, SSL *ssl)
{
    static char name[256];
    X509 *leaf = SSL_get0_peer_certificate(ssl);

    visit->certificate = "";
    if (!leaf)
        return;
    X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, name, sizeof(name));
    visit->certificate = name;
    visit->chain_length = sk_X509_num(SSL_get_peer_cert_chain(ssl));
}

/* A plain OpenSSL client's visit. Leaves the configuration to the caller. */
static void pay_visit(struct tls_server_config *config, struct visitor *visitor,
                      struct visit *visit)
{
    struct scene scene;
    struct raw_peer peer;
    char byte;

    scene_init(&scene, tls_server_config_ref(config));
    scene_start_server(&scene);
    raw_peer_init(&peer, visitor_context(visitor), &scene.pair.ends[AT_CLIENT].base, scene.pool);
    SSL_set_connect_state(peer.ssl);
    if (visit->server_name)
        SSL_set_tlsext_host_name(peer.ssl, visit->server_name);
    if (visitor->session)
        SSL_set_session(peer.ssl, visitor->session);
    if (raw_peer_handshake(&peer, &scene.pair) == 1) {
        (void)SSL_read(peer.ssl, &byte, 1); /* takes the TLS 1.3 ticket */
        CHECK(scene.server.open);
        snprintf(visit->alpn, sizeof(visit->alpn), "%s",
                 stream_tls_info(scene.server.stream)->alpn);
        CHECK_STR(stream_tls_info(scene.server.stream)->server_name,
                  visit->server_name ? visit->server_name : "");
        SSL_SESSION_free(visitor->session);
        visitor->session = SSL_get1_session(peer.ssl);
    } else {
        CHECK(scene.server.open_failed);
    }
    note_certificate(visit, peer.ssl);
    visit->resumed = SSL_session_reused(peer.ssl) == 1;
    visit->reason = peer.reason;
    SSL_set_shutdown(peer.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    raw_peer_done(&peer);
    ERR_clear_error();
    scene_done(&scene);
}

static const char *certificate_for(struct tls_server_config *config, const char *name)
{
    struct visit visit = { .server_name = name };
    struct visitor visitor = { .ciphers = NULL };

    pay_visit(config, &visitor, &visit);
    SSL_SESSION_free(visitor.session);
    return visit.certificate;
}

TEST(server_names_choose_exact_then_wildcard_then_default)
{
    struct tls_server_config *config = shop((struct tls_server_settings){ 0 });

    CHECK_STR(certificate_for(config, "www.example.com"), "www");
    CHECK_STR(certificate_for(config, "shop.example.org"), "wild");
    CHECK_STR(certificate_for(config, "a.b.example.org"), "www");
    CHECK_STR(certificate_for(config, "unknown.example.net"), "www");
    CHECK_STR(certificate_for(config, NULL), "www");
    tls_server_config_unref(config);
}

TEST(unknown_and_missing_names_are_refused_when_asked)
{
    struct tls_server_config *config = shop((struct tls_server_settings){
        .unknown_sni = TLS_UNKNOWN_SNI_REFUSE, .missing_sni = TLS_UNKNOWN_SNI_REFUSE });
    struct visitor visitor = { 0 };
    struct visit unknown = { .server_name = "unknown.example.net" }, missing = { 0 };

    CHECK_STR(certificate_for(config, "www.example.com"), "www");
    pay_visit(config, &visitor, &unknown);
    CHECK_INT(unknown.reason, SSL_R_TLSV1_UNRECOGNIZED_NAME);
    pay_visit(config, &visitor, &missing);
    CHECK_INT(missing.reason, SSL_R_TLSV1_UNRECOGNIZED_NAME);
    tls_server_config_unref(config);
}

TEST(a_name_that_any_pair_of_the_default_certificate_has_is_known)
{
    const struct pki_shelf *shelf = pki_shelf();
    const struct tls_pem_pair pairs[] = { { shelf->wild_chain, shelf->wild.key_pem },
                                          { shelf->www_rsa_chain, shelf->www_rsa.key_pem } };

    for (size_t first = 0; first < 2; first++) {
        const struct tls_certificate certificate = { .pair = pairs[first],
                                                     .alternative = pairs[1 - first] };
        struct tls_server_config *config = server_config_of(
            &(struct tls_server_settings){ .certificates = &certificate,
                                           .certificates_count = 1,
                                           .unknown_sni = TLS_UNKNOWN_SNI_REFUSE });

        CHECK(strcmp(certificate_for(config, "a.example.org"), "") != 0);
        CHECK(strcmp(certificate_for(config, "www.example.com"), "") != 0);
        CHECK_STR(certificate_for(config, "nobody.example.net"), "");
        tls_server_config_unref(config);
    }
}

TEST(a_missing_name_is_a_setting_of_its_own)
{
    struct tls_server_config *config =
        shop((struct tls_server_settings){ .unknown_sni = TLS_UNKNOWN_SNI_REFUSE });

    CHECK_STR(certificate_for(config, NULL), "www");
    CHECK_STR(certificate_for(config, "unknown.example.net"), "");
    tls_server_config_unref(config);
}

TEST(an_rsa_client_gets_the_alternative_pair)
{
    struct tls_server_config *config = shop((struct tls_server_settings){ 0 });
    struct visitor visitor = { .version = TLS1_2_VERSION,
                               .ciphers = "ECDHE-RSA-AES128-GCM-SHA256" };
    struct visit visit = { .server_name = "www.example.com" };

    pay_visit(config, &visitor, &visit);
    CHECK_STR(visit.certificate, "www rsa");
    CHECK_INT(visit.chain_length, 2);
    SSL_SESSION_free(visitor.session);
    tls_server_config_unref(config);
}

TEST(the_chain_is_sent_in_order_without_root_from_a_shuffled_file)
{
    const struct pki_shelf *shelf = pki_shelf();
    char *shuffled =
        pki_join(shelf->root.pem, shelf->intermediate.pem, shelf->stranger.pem, shelf->www.pem);
    const struct tls_certificate certificate = { .pair = { shuffled, shelf->www.key_pem } };
    struct tls_server_config *config = server_config_of(
        &(struct tls_server_settings){ .certificates = &certificate, .certificates_count = 1 });
    struct visitor visitor = { 0 };
    struct visit visit = { 0 };

    pay_visit(config, &visitor, &visit);
    CHECK_STR(visit.certificate, "www");
    CHECK_INT(visit.chain_length, 2); /* leaf, intermediate */
    SSL_SESSION_free(visitor.session);
    tls_server_config_unref(config);
    free(shuffled);
}

/* Two visits; was the second one resumed? */
static bool is_resumed(struct tls_server_config *first_config, const char *first_name,
                       struct tls_server_config *second_config, const char *second_name,
                       int version)
{
    struct visitor visitor = { .version = version };
    struct visit first = { .server_name = first_name }, second = { .server_name = second_name };

    pay_visit(first_config, &visitor, &first);
    CHECK(!first.resumed);
    CHECK(visitor.session);
    pay_visit(second_config, &visitor, &second);
    CHECK_INT(second.reason, 0);
    SSL_SESSION_free(visitor.session);
    return second.resumed;
}

TEST(tickets_resume_in_both_versions_but_never_across_policies)
{
    SCOPED(tls_ticket_keys) keys = tls_ticket_keys_create();
    struct tls_server_config *config = shop((struct tls_server_settings){ .ticket_keys = keys });
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

    for (size_t i = 0; i < 2; i++) {
        int version = versions[i];

        CHECK(is_resumed(config, "www.example.com", config, "www.example.com", version));
        CHECK(is_resumed(config, "other.example.com", config, "other.example.com", version));
        /* same certificate and ticket keys, another policy */
        CHECK(!is_resumed(config, "www.example.com", config, "other.example.com", version));
        CHECK(!is_resumed(config, "other.example.com", config, "www.example.com", version));
        CHECK(!is_resumed(config, NULL, config, "other.example.com", version));
        /* same policy, another certificate */
        CHECK(!is_resumed(config, "www.example.com", config, "a.example.org", version));
    }
    tls_server_config_unref(config);
}

TEST(a_new_configuration_of_the_same_certificates_resumes_old_tickets)
{
    SCOPED(tls_ticket_keys) keys = tls_ticket_keys_create();
    struct tls_server_config *before = shop((struct tls_server_settings){ .ticket_keys = keys });
    struct tls_server_config *after = shop((struct tls_server_settings){ .ticket_keys = keys });

    CHECK(is_resumed(before, "www.example.com", after, "www.example.com", TLS1_3_VERSION));
    tls_server_config_unref(before);
    tls_server_config_unref(after);
}

TEST(a_ticket_of_the_previous_key_resumes_and_an_older_one_does_not)
{
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

    for (size_t i = 0; i < 2; i++) {
        SCOPED(tls_ticket_keys) keys = tls_ticket_keys_create();
        struct tls_server_config *config =
            shop((struct tls_server_settings){ .ticket_keys = keys });
        struct visitor visitor = { .version = versions[i] };
        struct visit first = { 0 }, second = { 0 }, third = { 0 }, fourth = { 0 };

        pay_visit(config, &visitor, &first);
        CHECK_INT(tls_ticket_keys_rotate(keys), 0);
        pay_visit(config, &visitor, &second);
        CHECK(second.resumed);
        /* the second visit renewed the ticket: one more rotation is survived */
        CHECK_INT(tls_ticket_keys_rotate(keys), 0);
        pay_visit(config, &visitor, &third);
        CHECK(third.resumed);
        CHECK_INT(tls_ticket_keys_rotate(keys), 0);
        CHECK_INT(tls_ticket_keys_rotate(keys), 0);
        pay_visit(config, &visitor, &fourth);
        CHECK(!fourth.resumed);
        SSL_SESSION_free(visitor.session);
        tls_server_config_unref(config);
    }
}

TEST(without_ticket_keys_nothing_resumes)
{
    struct tls_server_config *config = shop((struct tls_server_settings){ 0 });

    CHECK(!is_resumed(config, NULL, config, NULL, TLS1_2_VERSION));
    CHECK(!is_resumed(config, NULL, config, NULL, TLS1_3_VERSION));
    tls_server_config_unref(config);
}

TEST(alpn_picks_ours_and_refuses_only_when_required)
{
    static const char *const ours[] = { "http/1.1" };
    static const unsigned char both[] = "\x02h2\x08http/1.1", alien[] = "\x05smtp!";
    struct visitor speaks_both = { .alpn = both, .alpn_length = sizeof(both) - 1 };
    struct visitor speaks_alien = { .alpn = alien, .alpn_length = sizeof(alien) - 1 };

    for (int required = 0; required < 2; required++) {
        struct tls_server_config *config = shop((struct tls_server_settings){
            .alpn = ours, .alpn_count = 1, .alpn_required = required });
        struct visit common = { 0 }, foreign = { 0 };

        pay_visit(config, &speaks_both, &common);
        CHECK_STR(common.alpn, "http/1.1");
        pay_visit(config, &speaks_alien, &foreign);
        CHECK_INT(foreign.reason, required ? SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL : 0);
        CHECK_STR(foreign.alpn, "");
        tls_server_config_unref(config);
    }
    SSL_SESSION_free(speaks_both.session);
    SSL_SESSION_free(speaks_alien.session);
}

TEST(modern_refuses_tls_1_2)
{
    struct tls_server_config *config =
        shop((struct tls_server_settings){ .cipher_profile = TLS_CIPHERS_MODERN });
    struct visitor visitor = { .version = TLS1_2_VERSION };
    struct visit visit = { 0 };

    pay_visit(config, &visitor, &visit);
    CHECK_INT(visit.reason, SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
    tls_server_config_unref(config);
}

TEST(profiles_have_the_names_of_kong)
{
    enum tls_cipher_profile profile = TLS_CIPHERS_INTERMEDIATE;

    CHECK(tls_cipher_profile_parse("modern", &profile) && profile == TLS_CIPHERS_MODERN);
    CHECK(tls_cipher_profile_parse("old", &profile) && profile == TLS_CIPHERS_OLD);
    CHECK(tls_cipher_profile_parse("intermediate", &profile) &&
          profile == TLS_CIPHERS_INTERMEDIATE);
    CHECK(!tls_cipher_profile_parse("Modern", &profile));
}

static void check_refused(const struct tls_server_settings *settings, const char *want)
{
    struct tls_error error = { "" };

    CHECK(tls_server_config_create(settings, &error) == NULL);
    if (!strstr(error.text, want))
        fail_msg("got \"%s\", want \"%s\"", error.text, want);
    CHECK_INT(ERR_peek_error(), 0);
}

TEST(what_cannot_be_built_is_refused_by_name)
{
    static const char *const twice[] = { "a.example.com", "a.example.com" };
    static const char *const bad[] = { "a b" };
    const struct pki_shelf *shelf = pki_shelf();
    struct tls_certificate certificate = { .label = "certificates[0]",
                                           .pair = { shelf->www_chain, shelf->www.key_pem },
                                           .snis = twice,
                                           .snis_count = 2 };
    struct tls_server_settings settings = { .certificates = &certificate, .certificates_count = 1 };

    check_refused(&settings, "server name \"a.example.com\" is given twice");
    certificate.snis = bad;
    certificate.snis_count = 1;
    check_refused(&settings, "certificates[0]: \"a b\" is no server name");
    certificate.snis_count = 0;
    certificate.pair.key_pem = shelf->other.key_pem;
    check_refused(&settings, "certificates[0]: the private key does not belong to certificate");
    certificate.pair.key_pem = "";
    check_refused(&settings, "certificates[0]: the text has no private key");
    certificate.pair = (struct tls_pem_pair){ "", shelf->www.key_pem };
    check_refused(&settings, "certificates[0]: there is no certificate");
    certificate.pair.chain_pem = shelf->www_chain;
    settings.cipher_profile = TLS_CIPHERS_MODERN;
    settings.max_version = TLS_VERSION_1_2;
    check_refused(&settings, "no TLS version is left");
    check_refused(&(struct tls_server_settings){ 0 }, "needs a certificate");
}

TESTS(TEST_CASE(server_names_choose_exact_then_wildcard_then_default),
      TEST_CASE(unknown_and_missing_names_are_refused_when_asked),
      TEST_CASE(a_name_that_any_pair_of_the_default_certificate_has_is_known),
      TEST_CASE(a_missing_name_is_a_setting_of_its_own),
      TEST_CASE(an_rsa_client_gets_the_alternative_pair),
      TEST_CASE(the_chain_is_sent_in_order_without_root_from_a_shuffled_file),
      TEST_CASE(tickets_resume_in_both_versions_but_never_across_policies),
      TEST_CASE(a_new_configuration_of_the_same_certificates_resumes_old_tickets),
      TEST_CASE(a_ticket_of_the_previous_key_resumes_and_an_older_one_does_not),
      TEST_CASE(without_ticket_keys_nothing_resumes),
      TEST_CASE(alpn_picks_ours_and_refuses_only_when_required), TEST_CASE(modern_refuses_tls_1_2),
      TEST_CASE(profiles_have_the_names_of_kong),
      TEST_CASE(what_cannot_be_built_is_refused_by_name))
