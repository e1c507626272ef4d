/*
 * The router against single rules and against Kong's own cases (tests/data/router-vectors.json);
 * test_router_walk.c sets it against a matcher that walks all routes.
 */
#include "proxy/route/router.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/chunk.h"
#include "core/uuid.h"
#include "proxy/route/router_priv.h"
#include "proxy/route/uri.h"
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
    SCOPED(router) router = router_create(config);
    struct router_match found;

    CHECK(router);
    if (!router_match(router,
                      &(struct router_request){ .method = slice_of(method),
                                                .host = slice_of(host),
                                                .path = slice_of(path),
                                                .port = 8000 },
                      &found))
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
    SCOPED(router) router = router_create(&config);
    struct router_match found;

    CHECK(router_match(router, &(struct router_request){ .path = SLICE("/a/bc") }, &found));
    CHECK(found.route == &config.routes[0]);
    CHECK(found.service == NULL);
    CHECK_SLICE(found.matched_prefix, "/a/b");
    CHECK(router_match(
        router, &(struct router_request){ .host = SLICE("h:81"), .path = SLICE("/") }, &found));
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

/* Paths of two lengths make two candidates with derived ids: those decide against other routes. */
TEST(parts_of_a_split_route_tie_by_their_derived_ids)
{
    char short_part[UUID_TEXT_BYTES + 1];
    struct config config =
        CONFIG({ .id = ID("1"), .name = "split", .paths = STRINGS("/x", "/longer") },
               { .id = short_part, .name = "whole", .paths = STRINGS("/x", "/y") });

    CHECK(uuid_v5("7f145bf9-0dce-4f91-98eb-debbce4b9f6b", SLICE(ID("1") "#1"), short_part));
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

/* ---- Kong's cases ---- */

/* Raise these when a feature is added; fewer cases than this is a regression of the test itself. */
enum { VECTORS_RUN_MIN = 196 };

enum feature { FEATURE_FLAVOR, FEATURE_REGEX, FEATURE_HEADERS, FEATURE_SNIS, FEATURES_COUNT };
static const char *const feature_names[] = { "flavor traditional", "regex paths", "headers",
                                             "snis" };

static void need_features_of_route(const json_t *route, bool *needed)
{
    size_t i;
    json_t *path;

    needed[FEATURE_HEADERS] |= json_object_size(json_object_get(route, "headers")) > 0;
    needed[FEATURE_SNIS] |= json_array_size(json_object_get(route, "snis")) > 0;
    json_array_foreach(json_object_get(route, "paths"), i, path) needed[FEATURE_REGEX] |=
        json_string_value(path)[0] == '~';
}

static void need_features(const json_t *vector, bool *needed)
{
    bool compatible = false;
    size_t i;
    json_t *item;

    json_array_foreach(json_object_get(vector, "flavors"), i, item) compatible |=
        strcmp(json_string_value(item), "traditional_compatible") == 0;
    needed[FEATURE_FLAVOR] = !compatible;
    json_array_foreach(json_object_get(vector, "routes"), i, item)
        need_features_of_route(item, needed);
}

static char *text_of(const json_t *object, const char *key)
{
    return (char *)json_string_value(json_object_get(object, key));
}

static struct config_strings strings_of(const json_t *array)
{
    struct config_strings strings = { .count = json_array_size(array) };

    strings.items = calloc(strings.count + 1, sizeof(*strings.items));
    CHECK(strings.items);
    for (size_t i = 0; i < strings.count; i++)
        strings.items[i] = (char *)json_string_value(json_array_get(array, i));
    return strings;
}

/* Strings stay the JSON's; arrays are freed by vector_config_done. */
static struct config vector_config(const json_t *routes)
{
    struct config config = { .routes_count = json_array_size(routes) };

    config.routes = calloc(config.routes_count, sizeof(*config.routes));
    config.services = calloc(config.routes_count, sizeof(*config.services));
    CHECK(config.routes && config.services);
    for (size_t i = 0; i < config.routes_count; i++) {
        const json_t *from = json_array_get(routes, i);
        const json_t *service_json = json_object_get(from, "service");

        config.services[i] = (struct config_service){
            .base_path = text_of(service_json, "path"),
            .enabled = !json_is_false(json_object_get(service_json, "enabled")),
        };
        config.routes[i] = (struct config_route){
            .id = text_of(from, "id"),
            .name = text_of(from, "name"),
            .methods = strings_of(json_object_get(from, "methods")),
            .hosts = strings_of(json_object_get(from, "hosts")),
            .paths = strings_of(json_object_get(from, "paths")),
            .strip_path = json_is_true(json_object_get(from, "strip_path")),
            .service = json_is_object(service_json) ? &config.services[i] : NULL,
        };
    }
    return config;
}

static void vector_config_done(struct config *config)
{
    for (size_t i = 0; i < config->routes_count; i++) {
        free(config->routes[i].methods.items);
        free(config->routes[i].hosts.items);
        free(config->routes[i].paths.items);
    }
    free(config->routes);
    free(config->services);
}

static void check_target(const json_t *vector, struct arena *arena, struct slice path,
                         struct slice query, const struct router_match *found)
{
    const char *want = text_of(json_object_get(vector, "expect"), "upstream_uri");
    struct slice got;

    if (!want)
        return;
    got = uri_upstream_target(
        arena, &(struct uri_upstream){
                   .base = slice_of(found->service ? found->service->base_path : NULL),
                   .path = path,
                   .matched_prefix = found->matched_prefix,
                   .query = query,
                   .strip_path = found->route->strip_path,
               });
    if (!slice_equal(got, slice_of(want)))
        fail_msg("%s: sent \"%.*s\", want \"%s\"", text_of(vector, "id"), SLICE_ARG(got), want);
}

static void check_vector(const json_t *vector, struct arena *arena)
{
    const json_t *request = json_object_get(vector, "request");
    const char *want = text_of(json_object_get(vector, "expect"), "route");
    bool https = strcmp(text_of(request, "scheme"), "https") == 0;
    const char *raw = text_of(request, "path");
    const char *mark = strchr(raw + 1, '?');
    struct config config = vector_config(json_object_get(vector, "routes"));
    SCOPED(router) router = router_create(&config);
    struct slice path, query = { 0 };
    struct router_match found;
    bool matched;

    path = (struct slice){ raw, mark ? (size_t)(mark - raw) : strlen(raw) };
    path = uri_normalise(arena, path);
    if (mark)
        query = slice_of(mark + 1);
    matched = router_match(router,
                           &(struct router_request){ .method = slice_of(text_of(request, "method")),
                                                     .host = slice_of(text_of(request, "host")),
                                                     .path = path,
                                                     .port = https ? 443 : 80 },
                           &found);
    if (matched != (want != NULL) || (matched && strcmp(found.route->name, want) != 0))
        fail_msg("%s: route %s, want %s", text_of(vector, "id"),
                 matched ? found.route->name : "none", want ? want : "none");
    if (matched)
        check_target(vector, arena, path, query, &found);
    vector_config_done(&config);
}

TEST(kongs_own_cases_hold)
{
    json_t *vectors = json_load_file(HOPGATE_SOURCE_DIR "/tests/data/router-vectors.json", 0, NULL);
    struct chunk_pool *pool = chunk_pool_create(0);
    unsigned run = 0, waiting[FEATURES_COUNT] = { 0 };
    struct arena arena;
    size_t i;
    json_t *vector;

    CHECK(vectors && pool);
    arena_init(&arena, pool, 0);
    json_array_foreach(vectors, i, vector)
    {
        bool needed[FEATURES_COUNT] = { 0 }, any = false;

        need_features(vector, needed);
        for (size_t f = 0; f < FEATURES_COUNT; f++) {
            waiting[f] += needed[f];
            any |= needed[f];
        }
        if (any)
            continue;
        check_vector(vector, &arena);
        run++;
    }
    printf("Kong's cases: %u run of %zu; wait for", run, json_array_size(vectors));
    for (size_t f = 0; f < FEATURES_COUNT; f++)
        printf("%s %s: %u", f > 0 ? "," : "", feature_names[f], waiting[f]);
    printf("\n");
    CHECK(run >= VECTORS_RUN_MIN);
    arena_done(&arena);
    chunk_pool_free(pool);
    json_decref(vectors);
}

TESTS(TEST_CASE(every_attribute_must_match), TEST_CASE(match_names_service_and_prefix),
      TEST_CASE(empty_configuration_matches_nothing),
      TEST_CASE(routes_of_a_disabled_service_are_absent),
      TEST_CASE(port_in_a_host_pattern_is_the_hosts_or_the_listeners),
      TEST_CASE(wildcard_stands_for_any_number_of_labels),
      TEST_CASE(plain_host_outranks_more_attributes), TEST_CASE(of_equal_rules_the_greater_id_wins),
      TEST_CASE(parts_of_a_split_route_tie_by_their_derived_ids),
      TEST_CASE(path_that_is_not_utf8_matches_nothing_once_a_route_has_paths),
      TEST_CASE(priority_is_what_kong_computes), TEST_CASE(kongs_own_cases_hold))
