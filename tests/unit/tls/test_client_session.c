/*
 * test_client_session: a resumed session tells the same of its client as the first connection, and is
 * resumed only while the client's certificate would be accepted.
 */
#include "tls/client_session_priv.h"

#include <time.h>

#include "tests/unit/tls/raw_peer.h"
#include "tests/unit/tls/scene.h"
#include "tls/client_certificate.h"
#include "tls/server_sessions.h"
#include "tls/ticket_keys.h"

struct shop {
    struct tls_ticket_keys *keys;
    struct tls_server_sessions *sessions;
    struct tls_server_config *config;
};

/* Asks for certificates of the shelf's root. */
static struct shop shop_open(bool tickets)
{
    const struct pki_shelf *shelf = pki_shelf();
    const struct tls_certificate certificate = { .label = "www",
                                                 .pair = { shelf->www_chain, shelf->www.key_pem } };
    const struct tls_policy policy = { .mode = TLS_VERIFY_REQUIRED,
                                       .ca_pem = shelf->root.pem,
                                       .depth = -1 };
    struct shop shop = { .keys = tickets ? tls_ticket_keys_create() : NULL,
                         .sessions = tls_server_sessions_create(64 * 1024) };

    shop.config = server_config_of(&(struct tls_server_settings){ .certificates = &certificate,
                                                                  .certificates_count = 1,
                                                                  .policies = &policy,
                                                                  .policies_count = 1,
                                                                  .ticket_keys = shop.keys,
                                                                  .sessions = shop.sessions });
    return shop;
}

static void shop_close(struct shop *shop)
{
    tls_server_config_unref(shop->config);
    tls_ticket_keys_free(shop->keys);
    tls_server_sessions_free(shop->sessions);
}

struct visit {
    bool resumed;
    size_t chain_count, chain_bytes; /* what the server tells of the client */
    char subject[64];
};

/* A client with www's certificate and `copies` of the one above it. */
static SSL_CTX *client_context(int version, int copies)
{
    const struct pki_shelf *shelf = pki_shelf();
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    CHECK(context);
    CHECK_INT(SSL_CTX_set_min_proto_version(context, version), 1);
    CHECK_INT(SSL_CTX_set_max_proto_version(context, version), 1);
    CHECK_INT(SSL_CTX_use_certificate(context, shelf->www.x509), 1);
    CHECK_INT(SSL_CTX_use_PrivateKey(context, shelf->www.key), 1);
    for (int i = 0; i < copies; i++)
        CHECK_INT(SSL_CTX_add1_chain_cert(context, shelf->intermediate.x509), 1);
    return context;
}

/* *session is offered, and replaced by the newest. */
static struct visit pay_visit(const struct shop *shop, int version, int copies,
                              SSL_SESSION **session)
{
    const struct tls_client_certificate *seen;
    struct visit visit = { .resumed = false };
    struct scene scene;
    struct raw_peer peer;
    char byte;

    scene_init(&scene, tls_server_config_ref(shop->config));
    scene_start_server(&scene);
    raw_peer_init(&peer, client_context(version, copies), &scene.pair.ends[AT_CLIENT].base,
                  scene.pool);
    SSL_set_connect_state(peer.ssl);
    if (*session)
        CHECK_INT(SSL_set_session(peer.ssl, *session), 1);
    CHECK_INT(raw_peer_handshake(&peer, &scene.pair), 1);
    (void)SSL_read(peer.ssl, &byte, 1); /* takes the TLS 1.3 ticket */
    CHECK(scene.server.open);
    seen = stream_tls_info(scene.server.stream)->client.certificate;
    visit.resumed = SSL_session_reused(peer.ssl) == 1;
    visit.chain_count = seen->chain_count;
    for (size_t i = 0; i < seen->chain_count; i++)
        visit.chain_bytes += seen->chain[i].length;
    snprintf(visit.subject, sizeof(visit.subject), "%s", seen->subject);
    SSL_SESSION_free(*session);
    *session = SSL_get1_session(peer.ssl);
    SSL_set_shutdown(peer.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    raw_peer_done(&peer);
    scene_done(&scene);
    return visit;
}

static const struct {
    int version;
    bool tickets;
} kinds[] = { { TLS1_2_VERSION, true }, { TLS1_2_VERSION, false }, { TLS1_3_VERSION, true } };

TEST(a_resumed_session_tells_the_same_of_its_client)
{
    const size_t length = (size_t)i2d_X509(pki_shelf()->intermediate.x509, NULL);

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct shop shop = shop_open(kinds[i].tickets);
        SSL_SESSION *session = NULL;

        for (int visits = 0; visits < 4; visits++) {
            struct visit visit = pay_visit(&shop, kinds[i].version, 1, &session);

            CHECK_INT(visit.resumed, visits > 0);
            CHECK_STR(visit.subject, "CN=www");
            CHECK_INT(visit.chain_count, 1);
            CHECK_INT(visit.chain_bytes, length);
        }
        SSL_SESSION_free(session);
        shop_close(&shop);
    }
}

TEST(a_chain_that_is_too_long_to_keep_costs_full_handshakes)
{
    const int length = i2d_X509(pki_shelf()->intermediate.x509, NULL);
    const int most = CLIENT_SESSION_CHAIN_BYTES_MAX / length;

    for (int over = 0; over < 2; over++) {
        struct shop shop = shop_open(true);
        SSL_SESSION *session = NULL;

        for (int visits = 0; visits < 2; visits++) {
            struct visit visit = pay_visit(&shop, TLS1_3_VERSION, most + over, &session);

            CHECK_INT(visit.resumed, visits > 0 && !over);
            CHECK_INT(visit.chain_count, most + over);
        }
        SSL_SESSION_free(session);
        shop_close(&shop);
    }
}

/* ---- what has changed since ---- */

/* A session whose peer showed that leaf, with what was kept beside it. A client's session has the
 * server's leaf where a server's has the client's. */
static SSL_SESSION *session_with(const struct pki_cert *leaf, const struct pki_cert *above)
{
    const struct tls_certificate certificate = { .label = "leaf",
                                                 .pair = { leaf->pem, leaf->key_pem } };
    unsigned char *der = NULL;
    SSL_SESSION *session;
    struct scene scene;
    struct raw_peer peer;

    scene_init(&scene, server_config_of(&(struct tls_server_settings){ .certificates = &certificate,
                                                                       .certificates_count = 1 }));
    scene_start_server(&scene);
    raw_peer_init(&peer, SSL_CTX_new(TLS_client_method()), &scene.pair.ends[AT_CLIENT].base,
                  scene.pool);
    SSL_set_connect_state(peer.ssl);
    CHECK_INT(raw_peer_handshake(&peer, &scene.pair), 1);
    session = SSL_get1_session(peer.ssl);
    raw_peer_done(&peer);
    scene_done(&scene);
    if (above) {
        int length = i2d_X509(above->x509, &der);

        CHECK_INT(SSL_SESSION_set1_ticket_appdata(session, der, (size_t)length), 1);
        OPENSSL_free(der);
    }
    return session;
}

/* What a policy that is `wanted` now thinks of it. Takes the session. */
static bool may_resume(SSL_SESSION *session, const struct tls_policy *wanted)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL *ssl = SSL_new(context);
    struct tls_error error = { "" };
    struct client_policy policy;
    bool may;

    CHECK_INT(client_policy_init(&policy, wanted, &error), 0);
    may = client_session_may_resume(session, ssl, &policy);
    CHECK_INT(ERR_peek_error(), 0);
    client_policy_done(&policy);
    SSL_SESSION_free(session);
    SSL_free(ssl);
    SSL_CTX_free(context);
    return may;
}

TEST(a_session_stands_as_long_as_its_certificate_would)
{
    const struct pki_shelf *shelf = pki_shelf();
    struct tls_policy policy = { .mode = TLS_VERIFY_REQUIRED,
                                 .ca_pem = shelf->root.pem,
                                 .depth = -1 };

    CHECK(may_resume(session_with(&shelf->www, &shelf->intermediate), &policy));
    CHECK(!may_resume(session_with(&shelf->www, NULL), &policy));
    CHECK(!may_resume(session_with(&shelf->expired, &shelf->intermediate), &policy));
    policy.ca_pem = shelf->stranger.pem;
    CHECK(!may_resume(session_with(&shelf->www, &shelf->intermediate), &policy));
    policy.mode = TLS_VERIFY_OPTIONAL_NO_CA;
    CHECK(may_resume(session_with(&shelf->www, &shelf->intermediate), &policy));
    CHECK(!may_resume(session_with(&shelf->expired, &shelf->intermediate), &policy));
    policy.mode = TLS_VERIFY_OFF;
    CHECK(!may_resume(session_with(&shelf->www, &shelf->intermediate), &policy));
}

TEST(a_session_does_not_outlive_a_ca_of_its_chain)
{
    static struct pki_cert ca, leaf; /* until the end, as those of the shelf */
    const struct pki_shelf *shelf = pki_shelf();
    const struct tls_policy policy = { .mode = TLS_VERIFY_REQUIRED,
                                       .ca_pem = shelf->root.pem,
                                       .depth = -1 };

    ca = pki_make(&(struct pki_request){ .name = "ended CA",
                                         .issuer = &shelf->root,
                                         .is_ca = true,
                                         .from_days = -20,
                                         .to_days = -10 });
    leaf = pki_make(&(struct pki_request){ .name = "leaf of it", .issuer = &ca });
    CHECK(!may_resume(session_with(&leaf, &ca), &policy));
}

TEST(a_session_does_not_outlive_a_crl_of_its_chain)
{
    const struct pki_shelf *shelf = pki_shelf();

    for (int ended = 0; ended < 2; ended++) {
        char *root = pki_crl(&shelf->root, 90), *ca = pki_crl(&shelf->intermediate, ended ? -1 : 1);
        char *both = pki_join(root, ca, NULL, NULL);
        const struct tls_policy policy = {
            .mode = TLS_VERIFY_REQUIRED, .ca_pem = shelf->root.pem, .crl_pem = both, .depth = -1
        };

        CHECK_INT(may_resume(session_with(&shelf->www, &shelf->intermediate), &policy), !ended);
        free(root);
        free(ca);
        free(both);
    }
}

TESTS(TEST_CASE(a_resumed_session_tells_the_same_of_its_client),
      TEST_CASE(a_chain_that_is_too_long_to_keep_costs_full_handshakes),
      TEST_CASE(a_session_stands_as_long_as_its_certificate_would),
      TEST_CASE(a_session_does_not_outlive_a_ca_of_its_chain),
      TEST_CASE(a_session_does_not_outlive_a_crl_of_its_chain))
