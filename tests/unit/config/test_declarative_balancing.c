#include <errno.h>

#include "config/config.h"
#include "tests/check.h"
#include "tests/config_text.h"

#define FILE_OF(entry)                                                                        \
    "_format_version: \"3.0\"\n"                                                              \
    "upstreams: [{name: u, id: 7d6f0c54-5f4d-4b7c-9b0e-0d7c41c2a111, targets: [{target: "     \
    "\"10.0.0.1:80\"}, {target: \"10.0.0.2\"}, {target: \"[2001:db8::1]:81\"}]}]\nhopgate:\n" \
    "  balancing:\n  - " entry "\n"

static struct config *load(const char *text, char **ret_problems)
{
    struct config *config = NULL;
    struct config_errors errors;

    config_errors_init(&errors);
    (void)config_load_text(slice_of(text), "k.yaml", &config, &errors);
    *ret_problems = config_errors_text(&errors);
    config_errors_done(&errors);
    return config;
}

static struct config *load_good(const char *text)
{
    char *problems;
    struct config *config = load(text, &problems);

    CHECK_STR(problems, "");
    free(problems);
    CHECK(config);
    return config;
}

static void check_says(const char *text, const char *want)
{
    char *problems;
    struct config *config = load(text, &problems);

    if (!strstr(problems, want))
        fail_msg("%s\n---- says\n%s---- not\n%s", text, problems, want);
    CHECK_INT(config == NULL, strstr(problems, ": error: ") != NULL);
    config_free(config);
    free(problems);
}

TEST(a_plain_kong_file_has_kongs_algorithm_and_one_group)
{
    SCOPED(config)
    config = load_good("_format_version: \"3.0\"\nupstreams: [{name: u, algorithm: latency, "
                       "targets: [{target: \"10.0.0.1:80\"}]}]\n");

    CHECK_STR(config->upstreams[0].algorithm, "latency");
    CHECK(!config->upstreams[0].balancing.is_set);
    CHECK_INT(config->upstreams[0].targets[0].priority_group, 0);
}

TEST(members_are_named_as_targets_are)
{
    SCOPED(config)
    config = load_good(FILE_OF("{upstream: u, algorithm: least-connections, min_active_members: 2, "
                               "members: [{target: \"10.0.0.2:8000\", priority_group: 10}, "
                               "{target: \"[2001:0db8::1]:81\", priority_group: 5}]}"));
    const struct config_upstream *upstream = &config->upstreams[0];

    CHECK_STR(upstream->algorithm, "least-connections");
    CHECK_INT(upstream->balancing.min_active_members, 2);
    CHECK_INT(upstream->targets[0].priority_group, 0);
    CHECK_INT(upstream->targets[1].priority_group, 10);
    CHECK_INT(upstream->targets[2].priority_group, 5);
}

TEST(the_upstream_is_named_or_its_id_and_keeps_its_algorithm_when_none_is_said)
{
    SCOPED(config)
    config = load_good(FILE_OF("{upstream: 7d6f0c54-5f4d-4b7c-9b0e-0d7c41c2a111}"));

    CHECK(config->upstreams[0].balancing.is_set);
    CHECK_STR(config->upstreams[0].algorithm, "round-robin");
    CHECK_INT(config->upstreams[0].balancing.min_active_members, 1);
}

TEST(as3_words_are_other_spellings)
{
    static const char *const words[][2] = {
        { "ratio", "round-robin" },
        { "ratio-member", "round-robin" },
        { "least-connections-member", "least-connections" },
        { "ratio-least-connections-member", "least-connections" },
        { "fastest-app-response", "fastest" },
        { "observed-member", "observed" },
        { "predictive-member", "predictive" },
        { "random", "random" },
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        char text[1024];

        (void)snprintf(text, sizeof(text), FILE_OF("{upstream: u, algorithm: %s}"), words[i][0]);
        {
            SCOPED(config) config = load_good(text);

            CHECK_STR(config->upstreams[0].algorithm, words[i][1]);
        }
    }
}

TEST(limits_of_members_and_the_queue_are_read)
{
    SCOPED(config)
    config =
        load_good(FILE_OF("{upstream: u, members: [{target: \"10.0.0.1:80\", max_requests: 7}], "
                          "queue: {max: 100, timeout_ms: 250}}"));
    const struct config_upstream *upstream = &config->upstreams[0];

    CHECK_INT(upstream->targets[0].max_requests, 7);
    CHECK_INT(upstream->targets[1].max_requests, 0);
    CHECK_INT(upstream->balancing.queue_max, 100);
    CHECK_INT(upstream->balancing.queue_timeout_ms, 250);
}

TEST(persistence_has_as3s_defaults)
{
    SCOPED(config)
    cookie = load_good(FILE_OF("{upstream: u, persistence: {method: cookie}}"));
    SCOPED(config)
    address = load_good(FILE_OF("{upstream: u, algorithm: least-sessions, persistence: {method: "
                                "source_address, mask: 255.255.240.0, duration: 60}}"));
    const struct config_persistence *settings = &cookie->upstreams[0].balancing.persistence;

    CHECK_INT(settings->method, CONFIG_PERSISTENCE_INSERT);
    CHECK_STR(settings->cookie_name, "BIGipServeru");
    CHECK(settings->http_only && settings->secure && !settings->always_set);
    CHECK_INT(settings->ttl_s, 0);
    settings = &address->upstreams[0].balancing.persistence;
    CHECK_INT(settings->method, CONFIG_PERSISTENCE_SOURCE_ADDRESS);
    CHECK_INT(settings->prefix_v4, 20);
    CHECK_INT(settings->prefix_v6, 128);
    CHECK_INT(settings->duration_ms, 60000);
}

TEST(mistakes_are_named_with_their_line_and_fix)
{
    check_says(FILE_OF("{upstream: v}"),
               "k.yaml:5:5: error: hopgate.balancing[0]: invalid reference 'upstream: v' (no such "
               "entry in 'upstreams'); add it or correct the name");
    check_says(FILE_OF("{algorithm: latency}"), "upstream");
    check_says(FILE_OF("{upstream: u, algorithm: fast}"),
               "hopgate.balancing[0].algorithm: expected one of: round-robin, ");
    check_says(FILE_OF("{upstream: u, min_active_members: 0}"),
               "hopgate.balancing[0].min_active_members: ");
    check_says(
        FILE_OF("{upstream: u, members: [{target: \"10.0.0.9:80\"}]}"),
        "k.yaml:5:38: error: hopgate.balancing[0].members[0].target: the upstream 'u' has no "
        "target '10.0.0.9:80'; add it to the upstream's targets or correct the name");
    check_says(FILE_OF("{upstream: u, members: [{target: \"10.0.0.1:80\"}, {target: "
                       "\"10.0.0.1:80\"}]}"),
               "hopgate.balancing[0].members[1].target: the target '10.0.0.1:80' is a member "
               "already; remove one of the two");
    check_says(FILE_OF("{upstream: u, members: [{target: \"10.0.0.1:80\", priority: 1}]}"),
               "hopgate.balancing[0].members[0].priority: ");
    check_says(FILE_OF("{upstream: u, members: [{priority_group: 1}]}"),
               "hopgate.balancing[0].members[0]");
    check_says(FILE_OF("{upstream: u, members: {}}"), "hopgate.balancing[0].members: ");
    check_says(
        FILE_OF("{upstream: u}\n  - {upstream: u}"),
        "k.yaml:6:5: error: hopgate.balancing[1]: the upstream 'u' has an entry already; put "
        "both into one");
    check_says(FILE_OF("{upstream: u, algorithm: consistent-hashing}"),
               "hopgate.balancing[0].algorithm: without 'hash_on' of the upstream 'u'");
}

TESTS(TEST_CASE(a_plain_kong_file_has_kongs_algorithm_and_one_group),
      TEST_CASE(members_are_named_as_targets_are),
      TEST_CASE(the_upstream_is_named_or_its_id_and_keeps_its_algorithm_when_none_is_said),
      TEST_CASE(as3_words_are_other_spellings), TEST_CASE(limits_of_members_and_the_queue_are_read),
      TEST_CASE(persistence_has_as3s_defaults),
      TEST_CASE(mistakes_are_named_with_their_line_and_fix))
