/* declarative_fields: what is read of hopgate.fields, with its defaults; rows of errors are in
 * tests/data/field-rules.json. */
#include "config/config.h"
#include "tests/check.h"
#include "tests/config_text.h"

#define HEAD                                                                                \
    "_format_version: '3.0'\n"                                                              \
    "services: [{name: s, host: a.test, routes: [{name: r, paths: [/]}]}, {name: t, host: " \
    "b.test, "                                                                              \
    "protocol: tcp, routes: [{name: p, protocols: [tls_passthrough], snis: [b.test]}]}]\n"

static struct config *load(const char *text, char **ret_said)
{
    struct config *config = NULL;
    struct config_errors errors;

    config_errors_init(&errors);
    (void)config_load_text(slice_of(text), "k.yaml", &config, &errors);
    *ret_said = config_errors_text(&errors);
    config_errors_done(&errors);
    return config;
}

TEST(policies_have_the_defaults_that_are_safe)
{
    static const struct {
        const char *field, *policy;
        enum config_field_policy want, untrusted;
    } rows[] = {
        { "X-Forwarded-For", "append", CONFIG_POLICY_APPEND, CONFIG_POLICY_REPLACE },
        { "x-forwarded-FOR", "preserve", CONFIG_POLICY_PRESERVE, CONFIG_POLICY_REPLACE },
        { "Forwarded", "remove", CONFIG_POLICY_REMOVE, CONFIG_POLICY_REMOVE },
        { "X-Real-IP", "replace", CONFIG_POLICY_REPLACE, CONFIG_POLICY_REPLACE },
        { "Via", "append", CONFIG_POLICY_APPEND, CONFIG_POLICY_APPEND },
        { "Host", "preserve", CONFIG_POLICY_PRESERVE, CONFIG_POLICY_PRESERVE },
        { "Authorization", "preserve", CONFIG_POLICY_PRESERVE, CONFIG_POLICY_PRESERVE },
        { "Client-Cert", "preserve", CONFIG_POLICY_PRESERVE, CONFIG_POLICY_REMOVE },
        { "X-Forwarded-Client-Cert", "replace", CONFIG_POLICY_REPLACE, CONFIG_POLICY_REPLACE },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[512], *said;
        SCOPED(config) config = NULL;

        (void)snprintf(text, sizeof(text), HEAD "hopgate: {fields: [{forwarded: {%s: %s}}]}",
                       rows[i].field, rows[i].policy);
        config = load(text, &said);
        CHECK_STR(said, "");
        CHECK_INT(config->field_rules[0].forwarded_count, 1);
        CHECK_INT(config->field_rules[0].forwarded[0].policy, rows[i].want);
        CHECK_INT(config->field_rules[0].forwarded[0].untrusted, rows[i].untrusted);
        CHECK(!config->field_rules[0].forwarded[0].has_trusted);
        free(said);
    }
}

TEST(entries_know_whose_they_are_and_keep_their_order)
{
    char *said;
    SCOPED(config)
    config = load(HEAD "hopgate: {fields: [{route: r, request: [{remove: A}, {add: B, value: b}]}, "
                       "{service: s, response: [{case: lower}]}, {forwarded: ~, request: ~}]}",
                  &said);

    CHECK_STR(said, "");
    CHECK_INT(config->field_rules_count, 3);
    CHECK(config->field_rules[0].route == &config->routes[0] && !config->field_rules[0].service);
    CHECK_INT(config->field_rules[0].request_count, 2);
    CHECK_INT(config->field_rules[0].request[0].operation, CONFIG_REMOVE);
    CHECK_STR(config->field_rules[0].request[1].value, "b");
    CHECK_STR(config->field_rules[0].request[1].path, "hopgate.fields[0].request[1]");
    CHECK_STR(config->field_rules[0].request[1].value_path, "hopgate.fields[0].request[1].value");
    CHECK(config->field_rules[1].service == &config->services[0]);
    CHECK_INT(config->field_rules[1].response_count, 1);
    CHECK(!config->field_rules[2].service && !config->field_rules[2].route);
    free(said);
}

TEST(what_is_not_opened_has_no_fields)
{
    static const char *const entries[] = { "{service: t}", "{route: p}" };

    for (size_t i = 0; i < 2; i++) {
        char text[512], *said;
        SCOPED(config) config = NULL;

        (void)snprintf(text, sizeof(text), HEAD "hopgate: {fields: [%s]}", entries[i]);
        config = load(text, &said);
        CHECK_STR(said, "k.yaml:3:20: error: hopgate.fields[0]: its TLS is led on unopened "
                        "(tls_passthrough), so there are no fields; remove the entry\n");
        CHECK(config == NULL);
        free(said);
    }
}

TEST(null_is_as_good_as_nothing)
{
    char *said;
    SCOPED(config)
    config = load(HEAD "hopgate: {fields: [{request: [{set: A, value: ~}, {set: ~, remove: B}]}]}",
                  &said);

    CHECK_STR(said, "k.yaml:3:31: error: hopgate.fields[0].request[0]: 'set' needs a value; add "
                    "'value'\n");
    CHECK(config == NULL);
    free(said);
}

TESTS(TEST_CASE(policies_have_the_defaults_that_are_safe),
      TEST_CASE(entries_know_whose_they_are_and_keep_their_order),
      TEST_CASE(what_is_not_opened_has_no_fields), TEST_CASE(null_is_as_good_as_nothing))
