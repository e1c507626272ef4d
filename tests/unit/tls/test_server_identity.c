#include "tests/check.h"
#include "tests/unit/tls/pki.h"
#include "tls/ticket_keys.h"
#include "tls/tls.h"

/* All that a configuration is made from, so that a test can change one thing. */
struct wanted {
    const char *snis[2], *policy_snis[1], *alpn[1];
    struct tls_pem_pair other;
    struct tls_certificate certificates[2];
    struct tls_policy policy;
    struct tls_server_settings settings;
};

static void wanted_init(struct wanted *wanted)
{
    const struct pki_shelf *shelf = pki_shelf();

    *wanted = (struct wanted){ .snis = { "a.example.com", "b.example.com" },
                               .policy_snis = { "a.example.com" },
                               .alpn = { "http/1.1" },
                               .other = { shelf->www_rsa_chain, shelf->www_rsa.key_pem } };
    wanted->certificates[0] =
        (struct tls_certificate){ .label = "first",
                                  .pair = { shelf->www_chain, shelf->www.key_pem },
                                  .snis = wanted->snis,
                                  .snis_count = 1 };
    wanted->certificates[1] =
        (struct tls_certificate){ .label = "second",
                                  .pair = { shelf->wild_chain, shelf->wild.key_pem } };
    wanted->policy = (struct tls_policy){ .label = "policy",
                                          .mode = TLS_VERIFY_OPTIONAL,
                                          .ca_pem = shelf->root.pem,
                                          .depth = -1,
                                          .snis = wanted->policy_snis,
                                          .snis_count = 1 };
    wanted->settings = (struct tls_server_settings){ .certificates = wanted->certificates,
                                                     .certificates_count = 2,
                                                     .policies = &wanted->policy,
                                                     .policies_count = 1,
                                                     .alpn = wanted->alpn,
                                                     .alpn_count = 1 };
}

static struct tls_server_config *first_of(struct wanted *wanted)
{
    struct tls_error error = { "" };
    struct tls_server_config *config;

    wanted_init(wanted);
    config = tls_server_config_create(&wanted->settings, &error);
    if (!config)
        fail_msg("%s", error.text);
    return config;
}

TEST(equal_settings_are_not_made_again)
{
    struct wanted wanted, again;
    struct tls_server_config *config = first_of(&wanted), *reused;

    wanted_init(&again);
    again.certificates[0].label = "at another place in the file";
    reused = tls_server_config_reuse(config, &again.settings);
    CHECK(reused == config);
    tls_server_config_unref(reused);
    tls_server_config_unref(config);
}

TEST(nothing_is_reused_when_there_was_nothing)
{
    struct wanted wanted;

    wanted_init(&wanted);
    CHECK(!tls_server_config_reuse(NULL, &wanted.settings));
}

#define CHANGED(change)                                        \
    do {                                                       \
        wanted_init(&wanted);                                  \
        change;                                                \
        if (tls_server_config_reuse(config, &wanted.settings)) \
            fail_msg("reused in spite of %s", #change);        \
    } while (0)

TEST(whatever_changes_makes_another_configuration)
{
    const struct pki_shelf *shelf = pki_shelf();
    SCOPED(tls_ticket_keys) keys = tls_ticket_keys_create();
    struct wanted wanted;
    struct tls_server_config *config = first_of(&wanted);
    struct tls_certificate *one = &wanted.certificates[0];
    struct tls_policy *policy = &wanted.policy;
    struct tls_server_settings *settings = &wanted.settings;

    CHANGED(one->pair.chain_pem = shelf->www_rsa_chain);
    CHANGED(one->pair.key_pem = shelf->www_rsa.key_pem);
    CHANGED(one->alternative = wanted.other);
    CHANGED((one->others = &wanted.other, one->others_count = 1));
    CHANGED(one->snis_count = 2);
    CHANGED(wanted.snis[0] = "c.example.com");
    CHANGED(policy->label = "other");
    CHANGED(policy->mode = TLS_VERIFY_REQUIRED);
    CHANGED(policy->refusal = TLS_CLIENT_REFUSAL_ALERT);
    CHANGED(policy->ca_pem = shelf->www.pem);
    CHANGED(policy->crl_pem = "");
    CHANGED(policy->depth = 1);
    CHANGED(policy->partial_chain = true);
    CHANGED(policy->snis_count = 0);
    CHANGED(settings->certificates_count = 1);
    CHANGED(settings->default_certificate = 1);
    CHANGED(settings->policies_count = 0);
    CHANGED(settings->min_version = TLS_VERSION_1_3);
    CHANGED(settings->max_version = TLS_VERSION_1_2);
    CHANGED(settings->cipher_profile = TLS_CIPHERS_MODERN);
    CHANGED(settings->ciphers = "ECDHE-RSA-AES128-GCM-SHA256");
    CHANGED(settings->server_preference = true);
    CHANGED(settings->groups = "X25519");
    CHANGED(settings->alpn_count = 0);
    CHANGED(settings->alpn_required = true);
    CHANGED(settings->unknown_sni = TLS_UNKNOWN_SNI_REFUSE);
    CHANGED(settings->missing_sni = TLS_UNKNOWN_SNI_REFUSE);
    CHANGED(settings->session_timeout_s = 60);
    CHANGED(settings->staples = true);
    CHANGED(settings->ticket_keys = keys);
    CHANGED(settings->sessions = (struct tls_server_sessions *)keys); /* only compared */
    tls_server_config_unref(config);
}

TESTS(TEST_CASE(equal_settings_are_not_made_again),
      TEST_CASE(nothing_is_reused_when_there_was_nothing),
      TEST_CASE(whatever_changes_makes_another_configuration))
