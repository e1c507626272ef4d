/* client_configs: who speaks TLS alike shares what was made for it. */
#include "tls/client_configs.h"

#include "tests/unit/tls/scene.h"

static struct tls_client_config *take(struct tls_client_configs *configs,
                                      const struct tls_client_settings *settings)
{
    struct tls_error error = { "" };
    struct tls_client_config *config = tls_client_configs_take(configs, settings, &error);

    if (!config)
        fail_msg("%s", error.text);
    return config;
}

TEST(equal_settings_get_the_same_and_others_another)
{
    struct tls_client_configs configs = { 0 };
    char *copy = strdup(pki_shelf()->root.pem);
    const struct tls_client_settings wanted[] = {
        { .verify = true, .verify_depth = -1, .ca_pem = pki_shelf()->root.pem },
        { .verify = true, .verify_depth = -1, .ca_pem = copy }, /* the same in other memory */
        { .verify = true, .verify_depth = 1, .ca_pem = copy },
        { .verify = false, .verify_depth = -1, .ca_pem = copy },
        { .verify = true, .verify_depth = -1, .ca_pem = pki_shelf()->stranger.pem },
        { .verify = true, .verify_depth = -1, .ca_pem = copy, .trust_label = "those of b" },
    };
    struct tls_client_config *got[6];

    for (size_t i = 0; i < 6; i++)
        got[i] = take(&configs, &wanted[i]);
    CHECK(got[0] == got[1]);
    for (size_t i = 2; i < 6; i++)
        for (size_t k = 0; k < i; k++)
            CHECK(got[i] != got[k]);
    tls_client_configs_done(&configs);
    for (size_t i = 0; i < 6; i++)
        tls_client_config_unref(got[i]);
    free(copy);
}

TEST(what_was_made_before_is_taken_up)
{
    struct tls_client_configs configs = { 0 };
    struct tls_client_config *made = verifying_client(), *equal = verifying_client(), *got;
    const struct tls_client_settings wanted = { .verify = true,
                                                .verify_depth = -1,
                                                .ca_pem = pki_shelf()->root.pem };

    CHECK_INT(tls_client_configs_add(&configs, made), 0);
    CHECK_INT(tls_client_configs_add(&configs, made), 0); /* as each service has it */
    CHECK_INT(tls_client_configs_add(&configs, equal), 0);
    got = take(&configs, &wanted);
    CHECK(got == made);
    tls_client_configs_done(&configs);
    tls_client_config_unref(got);
    tls_client_config_unref(made);
    tls_client_config_unref(equal);
}

TEST(what_cannot_be_made_says_why_each_time)
{
    struct tls_client_configs configs = { 0 };
    const struct tls_client_settings wanted = { .verify = true, .ca_pem = "no certificate" };

    for (int i = 0; i < 2; i++) {
        struct tls_error error = { "" };

        CHECK(!tls_client_configs_take(&configs, &wanted, &error));
        CHECK(strstr(error.text, "CA bundle"));
    }
    tls_client_configs_done(&configs);
}

TESTS(TEST_CASE(equal_settings_get_the_same_and_others_another),
      TEST_CASE(what_was_made_before_is_taken_up),
      TEST_CASE(what_cannot_be_made_says_why_each_time))
