/*
 * What the flavours make of regexes, fields, server names, ports and categories, beyond Kong's own cases
 * (test_router_vectors.c); captures; and that a new router compiles no regex again.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/chunk.h"
#include "proxy/route/router_priv.h"
#include "tests/check.h"

#define STRINGS(...)                                              \
    ((struct config_strings){ .items = (char *[]){ __VA_ARGS__ }, \
                              .count = sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *) })

#define ID(last) "10000000-0000-4000-8000-00000000000" last

#define CONFIG(...)                                                                    \
    ((struct config){ .routes = (struct config_route[]){ __VA_ARGS__ },                \
                      .routes_count = sizeof((struct config_route[]){ __VA_ARGS__ }) / \
                                      sizeof(struct config_route) })

#define HEADERS(...)                                          \
    .headers = (struct config_route_header[]){ __VA_ARGS__ }, \
    .headers_count =                                          \
        sizeof((struct config_route_header[]){ __VA_ARGS__ }) / sizeof(struct config_route_header)

static const enum router_flavor C = ROUTER_TRADITIONAL_COMPATIBLE, T = ROUTER_TRADITIONAL;

static const char *match_of(const struct config *config, enum router_flavor flavor,
                            const struct router_request *request)
{
    SCOPED(router) router = router_create(config, flavor);
    SCOPED(router_scratch) scratch = router_scratch_create();
    struct router_match found;

    CHECK(router && scratch);
    return router_match(router, request, scratch, &found) ? found.route->name : "-";
}

#define MATCH(config, flavor, ...) \
    match_of(config, flavor, &(struct router_request){ .method = SLICE("GET"), __VA_ARGS__ })

static const char *by_path(const struct config *config, enum router_flavor flavor, const char *path)
{
    return MATCH(config, flavor, .path = slice_of(path));
}

/* ---- regexes that are cut off ---- */

enum { LONG_PATH_BYTES = 6000 };

/* "/admin/aaa...9" of that length. */
static struct slice long_path(char *into)
{
    memset(into, 'a', LONG_PATH_BYTES);
    memcpy(into, "/admin/", 7);
    into[LONG_PATH_BYTES - 1] = '9';
    return (struct slice){ into, LONG_PATH_BYTES };
}

TEST(a_long_path_does_not_open_what_a_linear_regex_guards)
{
    struct config config =
        CONFIG({ .id = ID("1"), .name = "open", .paths = STRINGS("/") },
               { .id = ID("2"), .name = "guarded", .paths = STRINGS("~/(?:[^/]+/)*admin$") });
    char path[8192] = "/";

    for (size_t segments = 1; segments < 4000; segments += segments) {
        size_t length = 1;

        for (size_t i = 0; i < segments; i++, length += 2)
            memcpy(path + length, "a/", 2);
        memcpy(path + length, "admin", 6);
        CHECK_STR(by_path(&config, C, path), "guarded");
        CHECK_STR(by_path(&config, T, path), "guarded");
    }
}

TEST(regexes_of_others_do_not_open_what_a_regex_guards)
{
    struct config config = CONFIG(
        { .id = ID("1"), .name = "open", .paths = STRINGS("/") },
        { .id = ID("2"), .name = "c1", .paths = STRINGS("~/admin/(a+)+$"), .regex_priority = 1 },
        { .id = ID("3"), .name = "c2", .paths = STRINGS("~/admin/(a+)+b"), .regex_priority = 1 },
        { .id = ID("4"), .name = "c3", .paths = STRINGS("~/admin/(a*)*c$"), .regex_priority = 1 },
        { .id = ID("5"), .name = "c4", .paths = STRINGS("~/(\\w+)+/x$"), .regex_priority = 1 },
        { .id = ID("6"), .name = "guarded", .paths = STRINGS("~/admin/[a-z0-9]+$") });
    char text[LONG_PATH_BYTES];
    struct slice path = long_path(text);

    CHECK_STR(MATCH(&config, C, .path = path), "-");
    CHECK_STR(MATCH(&config, T, .path = path), "-");
    CHECK_STR(by_path(&config, C, "/admin/a9"), "guarded");
    CHECK_STR(by_path(&config, T, "/admin/a9"), "guarded");
    CHECK_STR(by_path(&config, C, "/public"), "open");
    config.routes[5].regex_priority = 2; /* it comes first, whatever the others are */
    CHECK_STR(MATCH(&config, C, .path = path), "guarded");
}

TEST(a_regex_of_a_field_that_is_cut_off_opens_nothing)
{
    struct config config = CONFIG({ .id = ID("1"), .name = "open", .paths = STRINGS("/") },
                                  { .id = ID("2"),
                                    .name = "guarded",
                                    .paths = STRINGS("/"),
                                    HEADERS({ "x-who", STRINGS("~*^/admin/(a|aa)+$") }) });
    char text[LONG_PATH_BYTES];
    struct field line = { .name = SLICE("X-Who"), .value = long_path(text) };
    struct fields fields = { .items = &line, .count = 1 };

    CHECK_STR(MATCH(&config, C, .path = SLICE("/"), .fields = &fields), "-");
    CHECK_STR(MATCH(&config, T, .path = SLICE("/"), .fields = &fields), "-");
    line.value = SLICE("/admin/aaa");
    CHECK_STR(MATCH(&config, C, .path = SLICE("/"), .fields = &fields), "guarded");
    line.value = SLICE("x");
    CHECK_STR(MATCH(&config, C, .path = SLICE("/"), .fields = &fields), "open");
    CHECK_STR(MATCH(&config, T, .path = SLICE("/"), .fields = &fields), "open");
}

TEST(what_all_regexes_may_look_at_opens_nothing_either)
{
    enum { MANY = REGEX_REQUEST_BYTES_MAX / (REGEX_SUBJECT_MAX_BYTES + 64) + 2 };
    struct config_route *routes = calloc(MANY + 1, sizeof(*routes));
    struct config config = { .routes = routes, .routes_count = MANY + 1 };
    char *texts = malloc(MANY * 40), *paths[MANY], *path = malloc(REGEX_SUBJECT_MAX_BYTES);
    char *root = "/";

    CHECK(routes && texts && path);
    for (unsigned i = 0; i < MANY; i++) {
        paths[i] = texts + i * 40;
        (void)snprintf(paths[i], 40, i == 0 ? "~/a+9$" : "~/[a-z]+%u$", i + 10000);
        routes[i] = (struct config_route){ .id = ID("2"),
                                           .name = i == 0 ? "guarded" : "other",
                                           .regex_priority = i == 0 ? 0 : 1,
                                           .paths = { .items = &paths[i], .count = 1 } };
    }
    routes[MANY] = (struct config_route){ .id = ID("1"),
                                          .name = "open",
                                          .paths = { .items = &root, .count = 1 } };
    memset(path, 'a', REGEX_SUBJECT_MAX_BYTES);
    path[0] = '/';
    path[REGEX_SUBJECT_MAX_BYTES - 1] = '9';
    CHECK_STR(MATCH(&config, C, .path = { path, REGEX_SUBJECT_MAX_BYTES }), "-");
    CHECK_STR(MATCH(&config, T, .path = { path, REGEX_SUBJECT_MAX_BYTES }), "-");
    CHECK_STR(by_path(&config, C, "/aaa9"), "guarded");
    free(routes);
    free(texts);
    free(path);
}

/* ---- regexes ---- */

TEST(a_regex_goes_before_a_prefix_and_its_priority_decides_among_them)
{
    struct config config = CONFIG(
        { .id = ID("1"), .name = "prefix", .paths = STRINGS("/users/1/profile") },
        { .id = ID("2"), .name = "low", .paths = STRINGS("~/users/\\d+"), .regex_priority = 1 },
        { .id = ID("3"), .name = "high", .paths = STRINGS("~/u.*/profile$"), .regex_priority = 2 });

    for (int flavor = 0; flavor < 2; flavor++) {
        CHECK_STR(by_path(&config, (enum router_flavor)flavor, "/users/1/profile"), "high");
        CHECK_STR(by_path(&config, (enum router_flavor)flavor, "/users/1/x"), "low");
        CHECK_STR(by_path(&config, (enum router_flavor)flavor, "/users/x"), "-");
        CHECK_STR(by_path(&config, (enum router_flavor)flavor, "/x/users/1"), "-");
    }
}

TEST(only_the_first_alternative_is_bound_to_the_front_in_compatible)
{
    struct config config = CONFIG({ .id = ID("1"), .name = "r", .paths = STRINGS("~/a|/b") });

    CHECK_STR(by_path(&config, C, "/z/b"), "r");
    CHECK_STR(by_path(&config, C, "/z/a"), "-");
    CHECK_STR(by_path(&config, T, "/z/b"), "-");
    CHECK_STR(by_path(&config, T, "/b"), "r");
}

TEST(what_a_regex_begins_with_is_told_only_when_it_is_sure)
{
    static const struct {
        const char *regex;
        size_t bytes;
    } rows[] = {
        { "/users/\\d+", 7 }, { "/users?/x", 5 }, { "/users*", 5 },
        { "/a{2}", 1 },       { "/aa+b", 3 },     { "/a|/b", 0 },
        { "/x(a|b)", 2 },     { "/x(a|b)|c", 0 }, { "/x[|]y", 2 },
        { "/x[]|]y", 2 },     { "/x[^]|]y", 2 },  { "/x\\|y", 2 },
        { "/x(?:a|b)", 2 },   { "/x(?i)a|b", 0 }, { "/x(?x)(", 0 },
        { "/x(?#)|a)", 0 },   { "/x\\Q|\\E", 0 }, { "/x[[:alpha:]|]y", 2 },
        { "(/a)", 0 },        { "", 0 },          { "/caf\xc3\xa9", 4 },
        { "/a.b", 2 },        { "/x)|y", 0 },     { "/x(?<n>a|b)/", 2 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (router_regex_literal_bytes(slice_of(rows[i].regex)) != rows[i].bytes)
            fail_msg("%s: %zu", rows[i].regex, router_regex_literal_bytes(slice_of(rows[i].regex)));
}

TEST(what_rust_does_not_know_is_named)
{
    static const char *const fine[] = {
        "/users/(?P<id>\\d+)$",           "/(?<a>x)|(?:y)", "/[^/]+/\\.\\-", "/(?i)a+?b*?c??",
        "/\\p{Greek}\\x41[[:alpha:]\\]]", "/a\\++"
    };
    static const char *const not [] = { "/(?=a)",  "/(?!a)",   "/(?<=a)", "/(?<!a)",    "/(a)\\1",
                                        "/\\k<n>", "/(?P=n)",  "/(?>a)",  "/a*+",       "/(?R)",
                                        "/(?1)",   "/\\Qa\\E", "/\\h",    "/(*ACCEPT)", "/[a&&b]",
                                        "/[a[b]]", "/\\Ka",    "/(?|a)",  "/\\Z" };

    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
        if (router_regex_not_in_rust(fine[i]))
            fail_msg("%s: %s", fine[i], router_regex_not_in_rust(fine[i]));
    for (size_t i = 0; i < sizeof(not ) / sizeof(not [0]); i++)
        if (!router_regex_not_in_rust(not [i]))
            fail_msg("%s is taken", not [i]);
}

static const char *captured(struct slice value)
{
    static char text[64];

    snprintf(text, sizeof(text), "%.*s", SLICE_ARG(value));
    return value.ptr ? text : "none";
}

static void check_captures(enum router_flavor flavor, const char *regex, const char *path,
                           const char *named, const char *second)
{
    struct config config = CONFIG({ .id = ID("1"), .name = "r", .paths = STRINGS((char *)regex) });
    SCOPED(router) router = router_create(&config, flavor);
    SCOPED(router_scratch) scratch = router_scratch_create();
    struct chunk_pool *pool = chunk_pool_create(0);
    struct uri_captures captures;
    struct router_match found;
    struct arena arena;

    arena_init(&arena, pool, 0);
    CHECK(
        router_match(router, &(struct router_request){ .path = slice_of(path) }, scratch, &found));
    CHECK_INT(router_captures(router, &found, slice_of(path), scratch, &arena, &captures), 0);
    CHECK_STR(captured(uri_captures_find(&captures, SLICE("id"))), named);
    CHECK_STR(captured(uri_captures_find(&captures, SLICE("1"))), named);
    CHECK_STR(captured(uri_captures_find(&captures, SLICE("2"))), second);
    CHECK_STR(captured(uri_captures_find(&captures, SLICE("3"))), "none");
    CHECK_STR(captured(uri_captures_find(&captures, SLICE("other"))), "none");
    CHECK_STR(captured(uri_captures_find(&captures, SLICE("99999999999"))), "none");
    arena_done(&arena);
    chunk_pool_free(pool);
}

TEST(groups_are_captured_by_name_and_number)
{
    for (int flavor = 0; flavor < 2; flavor++) {
        enum router_flavor f = (enum router_flavor)flavor;

        check_captures(f, "~/users/(?<id>\\d+)/(\\w+)", "/users/42/ab/c", "42", "ab");
        check_captures(f, "~/users/(?P<id>\\d+)(/x)?", "/users/42", "42", "none");
        check_captures(f, "~/users", "/users/42", "none", "none");
    }
    check_captures(C, "~/a(?<id>x)?(y)", "/ay", "none", "none"); /* no first group, no captures */
    check_captures(T, "~/a(?<id>x)?(y)", "/ay", "none", "y");
}

TEST(a_hostile_path_does_not_stall_and_has_no_route)
{
    struct config config = CONFIG({ .id = ID("1"), .name = "evil", .paths = STRINGS("~/(a+)+$") },
                                  { .id = ID("2"), .name = "plain", .paths = STRINGS("/a") });
    char path[8192];

    memset(path, 'a', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 2] = '!';
    path[sizeof(path) - 1] = '\0';
    CHECK_STR(by_path(&config, C, path), "-");
    CHECK_STR(by_path(&config, T, path), "-");
    CHECK_STR(by_path(&config, C, "/aa!"), "plain");
    CHECK_STR(by_path(&config, C, "/aa"), "evil");
}

TEST(a_new_router_compiles_no_regex_again)
{
    enum { MANY = 300 };
    static char texts[MANY][32], ids[MANY][UUID_TEXT_BYTES + 1];
    static char *items[MANY];
    static struct config_route routes[MANY];
    struct config config = { .routes = routes, .routes_count = MANY };
    size_t held = regex_interned_count();
    uint64_t before;

    for (unsigned i = 0; i < MANY; i++) {
        snprintf(texts[i], sizeof(texts[i]), "~/reload/%u/\\d+", i);
        snprintf(ids[i], sizeof(ids[i]), "10000000-0000-4000-8000-%012x", i);
        items[i] = texts[i];
        routes[i] = (struct config_route){ .id = ids[i], .paths = { &items[i], 1 } };
    }
    {
        SCOPED(router) first = router_create(&config, C);
        SCOPED(router) second = NULL;

        before = regex_compilations_count();
        second = router_create(&config, C);
        CHECK(first && second);
        CHECK_INT(regex_compilations_count() - before, 0);
        CHECK_INT(regex_interned_count() - held, MANY);
    }
    CHECK_INT(regex_interned_count(), held);
}

/* ---- UTF-8 ---- */

TEST(what_is_not_utf8_is_no_route_in_compatible_and_bytes_in_traditional)
{
    struct config config = CONFIG({ .id = ID("1"), .name = "r", .paths = STRINGS("~/.+$") });
    struct config with_field = CONFIG(
        { .id = ID("1"), .name = "r", .paths = STRINGS("/"), HEADERS({ "x", STRINGS("a") }) },
        { .id = ID("2"), .name = "other", .paths = STRINGS("/") });
    struct field field = { .name = SLICE("x"), .value = SLICE("\xff") };
    struct fields fields = { .items = &field, .count = 1 };

    CHECK_STR(by_path(&config, C, "/\xff"), "-");
    CHECK_STR(by_path(&config, T, "/\xff"), "r");
    CHECK_STR(by_path(&config, C, "/\xc3\xa9"), "r");
    CHECK_STR(MATCH(&with_field, C, .path = SLICE("/"), .fields = &fields), "-");
    CHECK_STR(MATCH(&with_field, T, .path = SLICE("/"), .fields = &fields), "other");
}

/* ---- fields ---- */

static const char *by_field(const struct config *config, enum router_flavor flavor,
                            const char *name, const char *value)
{
    struct field items[2] = { { .name = slice_of(name), .value = SLICE("nothing") },
                              { .name = slice_of(name), .value = slice_of(value) } };
    struct fields fields = { .items = items, .count = 2 };

    return MATCH(config, flavor, .path = SLICE("/"), .fields = &fields);
}

TEST(any_line_of_a_field_may_match_whatever_its_case)
{
    struct config config =
        CONFIG({ .id = ID("1"), .name = "plain", HEADERS({ "X-Version", STRINGS("V1", "v2") }) },
               { .id = ID("2"), .name = "regex", HEADERS({ "x_kind", STRINGS("~*^ab+c$") }) },
               { .id = ID("3"),
                 .name = "both",
                 HEADERS({ "x-version", STRINGS("v1") }, { "x-b", STRINGS("1") }) });

    for (int flavor = 0; flavor < 2; flavor++) {
        enum router_flavor f = (enum router_flavor)flavor;

        CHECK_STR(by_field(&config, f, "x-version", "v1"), "plain");
        CHECK_STR(by_field(&config, f, "X_VERSION", "V2"), "plain");
        CHECK_STR(by_field(&config, f, "x-version", "v11"), "-");
        CHECK_STR(by_field(&config, f, "x-kind", "ABBC"), "regex");
        CHECK_STR(by_field(&config, f, "x-kind", "abcd"), "-");
        CHECK_STR(by_field(&config, f, "x-b", "1"), "-");
    }
}

TEST(a_field_behind_the_hundredth_is_not_seen)
{
    struct config config = CONFIG({ .id = ID("1"), .name = "r", HEADERS({ "x", STRINGS("1") }) });
    struct field items[1001];
    struct fields fields = { .items = items, .count = 1001 };

    for (unsigned i = 0; i < 1001; i++)
        items[i] = (struct field){ .name = SLICE("y"), .value = SLICE("1") };
    items[100].name = SLICE("x");
    CHECK_STR(MATCH(&config, C, .path = SLICE("/"), .fields = &fields), "-");
    items[99].name = SLICE("x");
    CHECK_STR(MATCH(&config, C, .path = SLICE("/"), .fields = &fields), "r");
}

/* ---- server names ---- */

TEST(server_names_count_over_tls_only)
{
    struct config config = CONFIG(
        { .id = ID("1"), .name = "exact", .paths = STRINGS("/"), .snis = STRINGS("a.test.") },
        { .id = ID("2"), .name = "wild", .paths = STRINGS("/"), .snis = STRINGS("*.b.test") });

    CHECK_STR(
        MATCH(&config, C, .path = SLICE("/"), .over_tls = true, .server_name = SLICE("a.test")),
        "exact");
    CHECK_STR(
        MATCH(&config, C, .path = SLICE("/"), .over_tls = true, .server_name = SLICE("x.b.test")),
        "wild");
    CHECK_STR(MATCH(&config, C, .path = SLICE("/"), .over_tls = true), "-");
    CHECK_STR(
        MATCH(&config, T, .path = SLICE("/"), .over_tls = true, .server_name = SLICE("x.b.test")),
        "-");
    CHECK_STR(MATCH(&config, C, .path = SLICE("/")), "wild");  /* the greater id */
    CHECK_STR(MATCH(&config, T, .path = SLICE("/")), "exact"); /* the first one */
}

/* ---- traditional ---- */

TEST(traditional_ranks_by_categories)
{
    struct config config = CONFIG(
        { .id = ID("1"), .name = "host", .hosts = STRINGS("a.test") },
        { .id = ID("2"), .name = "path+method", .paths = STRINGS("/x"), .methods = STRINGS("GET") },
        { .id = ID("3"), .name = "wildcard", .hosts = STRINGS("*.test") },
        { .id = ID("4"), .name = "path", .paths = STRINGS("/x") });

    CHECK_STR(MATCH(&config, T, .host = SLICE("a.test"), .path = SLICE("/x")), "path+method");
    CHECK_STR(MATCH(&config, C, .host = SLICE("a.test"), .path = SLICE("/x")), "host");
    CHECK_STR(match_of(&config, T,
                       &(struct router_request){
                           .method = SLICE("PUT"), .host = SLICE("b.test"), .path = SLICE("/x") }),
              "wildcard");
    CHECK_STR(match_of(&config, C,
                       &(struct router_request){
                           .method = SLICE("PUT"), .host = SLICE("b.test"), .path = SLICE("/x") }),
              "path");
}

/* The example of the quirk: a category with more attributes than the request might match is skipped, if
 * the one that it might match exists. */
TEST(traditional_skips_categories_above_what_the_request_might_match)
{
    struct config config = CONFIG(
        { .id = ID("1"), .name = "A", .hosts = STRINGS("h.test") },
        { .id = ID("2"), .name = "B", .hosts = STRINGS("s.test"), .snis = STRINGS("s.test") },
        { .id = ID("3"), .name = "C", .hosts = STRINGS("x.test"), .paths = STRINGS("/") });
    struct config without = { .routes = config.routes, .routes_count = 2 };

    CHECK_STR(MATCH(&without, T, .host = SLICE("s.test"), .path = SLICE("/")), "-");
    CHECK_STR(MATCH(&config, T, .host = SLICE("s.test"), .path = SLICE("/")), "B");
}

TEST(traditional_takes_the_older_of_equal_rules)
{
    struct config config =
        CONFIG({ .id = ID("1"), .name = "unknown", .paths = STRINGS("/x") },
               { .id = ID("2"), .name = "young", .paths = STRINGS("/x"), .created_at_ms = 2000 },
               { .id = ID("3"), .name = "old", .paths = STRINGS("/x"), .created_at_ms = 1000 });

    CHECK_STR(by_path(&config, T, "/x"), "old");
    config.routes_count = 2;
    CHECK_STR(by_path(&config, T, "/x"), "young");
}

TEST(traditional_reads_ports_and_brackets_of_hosts)
{
    struct config config =
        CONFIG({ .id = ID("1"), .name = "v6", .hosts = STRINGS("::1") },
               { .id = ID("2"), .name = "default", .hosts = STRINGS("d.test:80") },
               { .id = ID("3"), .name = "port", .hosts = STRINGS("p.test:8443") },
               { .id = ID("4"), .name = "wildport", .hosts = STRINGS("*.w.test:8443") },
               { .id = ID("5"), .name = "wild", .hosts = STRINGS("*.w.test") });

    CHECK_STR(MATCH(&config, T, .host = SLICE("[::1]"), .path = SLICE("/")), "v6");
    CHECK_STR(MATCH(&config, T, .host = SLICE("[::1]:99"), .path = SLICE("/")), "v6");
    CHECK_STR(MATCH(&config, T, .host = SLICE("d.test"), .path = SLICE("/")), "default");
    CHECK_STR(MATCH(&config, T, .host = SLICE("d.test"), .path = SLICE("/"), .over_tls = true),
              "-");
    CHECK_STR(MATCH(&config, T, .host = SLICE("p.test:8443"), .path = SLICE("/")), "port");
    CHECK_STR(MATCH(&config, T, .host = SLICE("p.test"), .path = SLICE("/")), "-");
    CHECK_STR(MATCH(&config, T, .host = SLICE("a.w.test:8443"), .path = SLICE("/")), "wildport");
    CHECK_STR(MATCH(&config, T, .host = SLICE("a.w.test:1"), .path = SLICE("/")), "wild");
    CHECK_STR(MATCH(&config, T, .host = SLICE(".w.test"), .path = SLICE("/")), "-");
    CHECK_STR(MATCH(&config, C, .host = SLICE(".w.test"), .path = SLICE("/")), "wild");
    CHECK_STR(MATCH(&config, T, .host = SLICE("["), .path = SLICE("/")), "-");
    CHECK_STR(MATCH(&config, T, .host = SLICE("[]"), .path = SLICE("/")), "-");
    CHECK_STR(MATCH(&config, T, .host = SLICE("[]:"), .path = SLICE("/")), "-");
}

TESTS(TEST_CASE(a_long_path_does_not_open_what_a_linear_regex_guards),
      TEST_CASE(regexes_of_others_do_not_open_what_a_regex_guards),
      TEST_CASE(a_regex_of_a_field_that_is_cut_off_opens_nothing),
      TEST_CASE(what_all_regexes_may_look_at_opens_nothing_either),
      TEST_CASE(a_regex_goes_before_a_prefix_and_its_priority_decides_among_them),
      TEST_CASE(only_the_first_alternative_is_bound_to_the_front_in_compatible),
      TEST_CASE(what_a_regex_begins_with_is_told_only_when_it_is_sure),
      TEST_CASE(what_rust_does_not_know_is_named),
      TEST_CASE(groups_are_captured_by_name_and_number),
      TEST_CASE(a_hostile_path_does_not_stall_and_has_no_route),
      TEST_CASE(a_new_router_compiles_no_regex_again),
      TEST_CASE(what_is_not_utf8_is_no_route_in_compatible_and_bytes_in_traditional),
      TEST_CASE(any_line_of_a_field_may_match_whatever_its_case),
      TEST_CASE(a_field_behind_the_hundredth_is_not_seen),
      TEST_CASE(server_names_count_over_tls_only), TEST_CASE(traditional_ranks_by_categories),
      TEST_CASE(traditional_skips_categories_above_what_the_request_might_match),
      TEST_CASE(traditional_takes_the_older_of_equal_rules),
      TEST_CASE(traditional_reads_ports_and_brackets_of_hosts))
