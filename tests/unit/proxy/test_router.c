/*
 * The router against single rules; test_router_vectors.c sets it against Kong's own cases, and
 * test_router_walk.c against a matcher that walks all routes.
 */
#include "proxy/route/router.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/uuid.h"
#include "proxy/route/router_priv.h"
#include "tests/check.h"

/* ---- configurations by hand ---- */

#define STRINGS(...)                                              \
    ((struct config_strings){ .items = (char *[]){ __VA_ARGS__ }, \
                              .count = sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *) })

static struct config_service service = { .id = "s", .name = "s", .enabled = true };
static struct config_service disabled_service = { .id = "d", .name = "d", .enabled = false };

/* The name of the route that answers, "-" for none. */
static const char *match(const struct config *config, const char *method, const char *host,
                         const char *path)
{
    SCOPED(router) router = router_create(config, ROUTER_TRADITIONAL_COMPATIBLE);
    SCOPED(router_scratch) scratch = router_scratch_create();
    struct router_match found;

    CHECK(router);
    if (!router_match(router,
                      &(struct router_request){ .method = slice_of(method),
                                                .host = slice_of(host),
                                                .path = slice_of(path),
                                                .port = 8000 },
                      scratch, &found))
        return "-";
    return found.route->name;
}

#define CONFIG(...)                                                                    \
    ((struct config){ .routes = (struct config_route[]){ __VA_ARGS__ },                \
                      .routes_count = sizeof((struct config_route[]){ __VA_ARGS__ }) / \
                                      sizeof(struct config_route) })

#define ID(last) "10000000-0000-4000-8000-00000000000" last

TEST(every_attribute_must_match)
{
    struct config config = CONFIG({ .id = ID("1"),
                                    .name = "r",
                                    .methods = STRINGS("GET", "POST"),
                                    .hosts = STRINGS("a.test", "b.test"),
                                    .paths = STRINGS("/x", "/yy"),
                                    .service = &service });

    CHECK_STR(match(&config, "GET", "a.test", "/x"), "r");
    CHECK_STR(match(&config, "POST", "b.test", "/yyz"), "r");
    CHECK_STR(match(&config, "PUT", "a.test", "/x"), "-");
    CHECK_STR(match(&config, "get", "a.test", "/x"), "-");
    CHECK_STR(match(&config, "GET", "c.test", "/x"), "-");
    CHECK_STR(match(&config, "GET", "A.test", "/x"), "-");
    CHECK_STR(match(&config, "GET", "a.test.", "/x"), "-");
    CHECK_STR(match(&config, "GET", "", "/x"), "-");
    CHECK_STR(match(&config, "GET", "a.test", "/y"), "-");
}

TEST(match_names_service_and_prefix)
{
    struct config config = CONFIG({ .id = ID("1"), .paths = STRINGS("/a", "/a/b") },
                                  { .id = ID("2"), .hosts = STRINGS("h"), .service = &service });
    SCOPED(router) router = router_create(&config, ROUTER_TRADITIONAL_COMPATIBLE);
    SCOPED(router_scratch) scratch = router_scratch_create();
    struct router_match found;

    CHECK(
        router_match(router, &(struct router_request){ .path = SLICE("/a/bc") }, scratch, &found));
    CHECK(found.route == &config.routes[0]);
    CHECK(found.service == NULL);
    CHECK_SLICE(found.matched_prefix, "/a/b");
    CHECK(router_match(router,
                       &(struct router_request){ .host = SLICE("h:81"), .path = SLICE("/") },
                       scratch, &found));
    CHECK(found.service == &service);
    CHECK_INT(found.matched_prefix.len, 0);
}

TEST(empty_configuration_matches_nothing)
{
    CHECK_STR(match(&(struct config){ 0 }, "GET", "a.test", "/"), "-");
}

TEST(routes_of_a_disabled_service_are_absent)
{
    struct config config = CONFIG(
        { .id = ID("2"), .name = "off", .paths = STRINGS("/ab"), .service = &disabled_service },
        { .id = ID("1"), .name = "on", .paths = STRINGS("/a"), .service = &service });

    CHECK_STR(match(&config, "GET", "", "/ab"), "on");
}

TEST(port_in_a_host_pattern_is_the_hosts_or_the_listeners)
{
    struct config config =
        CONFIG({ .id = ID("1"), .name = "r", .hosts = STRINGS("a.test:8000", "*.b.test:81") });

    CHECK_STR(match(&config, "GET", "a.test", "/"), "r");
    CHECK_STR(match(&config, "GET", "a.test:8000", "/"), "r");
    CHECK_STR(match(&config, "GET", "a.test:80", "/"), "-");
    CHECK_STR(match(&config, "GET", "a.test:73536", "/"), "-"); /* 8000 + 65536 */
    CHECK_STR(match(&config, "GET", "x.b.test:81", "/"), "r");
    CHECK_STR(match(&config, "GET", "x.b.test", "/"), "-");
}

TEST(wildcard_stands_for_any_number_of_labels)
{
    struct config config = CONFIG({ .id = ID("1"), .name = "suffix", .hosts = STRINGS("*.a.test") },
                                  { .id = ID("2"), .name = "prefix", .hosts = STRINGS("www.*") });

    CHECK_STR(match(&config, "GET", "x.a.test", "/"), "suffix");
    CHECK_STR(match(&config, "GET", "x.y.a.test:123", "/"), "suffix");
    CHECK_STR(match(&config, "GET", ".a.test", "/"), "suffix");
    CHECK_STR(match(&config, "GET", "a.test", "/"), "-");
    CHECK_STR(match(&config, "GET", "xa.test", "/"), "-");
    CHECK_STR(match(&config, "GET", "www.org", "/"), "prefix");
    CHECK_STR(match(&config, "GET", "www.", "/"), "prefix");
    CHECK_STR(match(&config, "GET", "www", "/"), "-");
    CHECK_STR(match(&config, "GET", "www2.org", "/"), "-");
}

/* Kong documents attribute count first; what it executes puts plain hosts above it. */
TEST(plain_host_outranks_more_attributes)
{
    struct config config =
        CONFIG({ .id = ID("1"), .name = "host", .hosts = STRINGS("a.test") },
               { .id = ID("2"),
                 .name = "wildcard",
                 .hosts = STRINGS("*.test"),
                 .paths = STRINGS("/long/path"),
                 .methods = STRINGS("GET") },
               { .id = ID("3"), .name = "path", .paths = STRINGS("/long/path") });

    CHECK_STR(match(&config, "GET", "a.test", "/long/path"), "host");
    CHECK_STR(match(&config, "GET", "b.test", "/long/path"), "wildcard");
    CHECK_STR(match(&config, "POST", "b.test", "/long/path"), "path");
}

TEST(of_equal_rules_the_greater_id_wins)
{
    struct config config = CONFIG({ .id = ID("a"), .name = "a", .paths = STRINGS("/x") },
                                  { .id = ID("C"), .name = "c", .paths = STRINGS("/x") },
                                  { .id = ID("b"), .name = "b", .paths = STRINGS("/x") });

    CHECK_STR(match(&config, "GET", "", "/x"), "c");
}

/* More than one path: each length is a candidate with an id of its own, named after that length
 * (kong/router/compat.lua, split_route_by_path_into), and that id decides against other routes. */
TEST(parts_of_a_split_route_tie_by_their_derived_ids)
{
    char short_part[UUID_TEXT_BYTES + 1];
    struct config config =
        CONFIG({ .id = ID("1"), .name = "split", .paths = STRINGS("/x", "/longer") },
               { .id = short_part, .name = "whole", .paths = STRINGS("/x") });

    CHECK(uuid_v5("7f145bf9-0dce-4f91-98eb-debbce4b9f6b", SLICE(ID("1") "#2"), short_part));
    CHECK_INT(short_part[UUID_TEXT_BYTES - 1], '9');
    short_part[UUID_TEXT_BYTES - 1] = '8';
    CHECK_STR(match(&config, "GET", "", "/x"), "split");
    short_part[UUID_TEXT_BYTES - 1] = 'a';
    CHECK_STR(match(&config, "GET", "", "/x"), "whole");
    CHECK_STR(match(&config, "GET", "", "/longer"), "split");
}

TEST(path_that_is_not_utf8_matches_nothing_once_a_route_has_paths)
{
    struct config config = CONFIG({ .id = ID("1"), .name = "r", .methods = STRINGS("GET") });

    CHECK_STR(match(&config, "GET", "", "/\xff"), "r");
    config.routes[0].paths = STRINGS("/");
    CHECK_STR(match(&config, "GET", "", "/\xff"), "-");
    CHECK_STR(match(&config, "GET", "", "/\xc3\xa9"), "r");
}

/* Values that LuaJIT gives for Kong's expression on x86-64. */
TEST(priority_is_what_kong_computes)
{
    struct router_priority_inputs in = { .has_hosts = true, .hosts_are_plain = true };

    CHECK(router_priority(&in) == 0x1000000020000000);
    in = (struct router_priority_inputs){ .has_methods = true,
                                          .has_paths = true,
                                          .prefix_bytes = 5 };
    CHECK(router_priority(&in) == 0x40000005);
    in = (struct router_priority_inputs){ .has_methods = true,
                                          .has_hosts = true,
                                          .hosts_are_plain = true,
                                          .has_paths = true,
                                          .headers_count = 1,
                                          .prefix_bytes = 2 };
    CHECK(router_priority(&in) == 0x9000000000100002);
    in.hosts_are_plain = false;
    CHECK(router_priority(&in) == 0x8000000000000000);
    in = (struct router_priority_inputs){
        .has_paths = true, .paths_are_regexes = true, .regex_priority = 4, .prefix_bytes = 9
    };
    CHECK(router_priority(&in) == (1ull << 51 | 0x20000000 | 4 << 19));
    in.regex_priority = -1;
    CHECK(router_priority(&in) == (1ull << 63 | 1ull << 51 | 0x20000000));
    in = (struct router_priority_inputs){ .headers_count = 300 };
    CHECK(router_priority(&in) == (0x20000000 | 255 << 20));
}

TESTS(TEST_CASE(every_attribute_must_match), TEST_CASE(match_names_service_and_prefix),
      TEST_CASE(empty_configuration_matches_nothing),
      TEST_CASE(routes_of_a_disabled_service_are_absent),
      TEST_CASE(port_in_a_host_pattern_is_the_hosts_or_the_listeners),
      TEST_CASE(wildcard_stands_for_any_number_of_labels),
      TEST_CASE(plain_host_outranks_more_attributes), TEST_CASE(of_equal_rules_the_greater_id_wins),
      TEST_CASE(parts_of_a_split_route_tie_by_their_derived_ids),
      TEST_CASE(path_that_is_not_utf8_matches_nothing_once_a_route_has_paths),
      TEST_CASE(priority_is_what_kong_computes))
