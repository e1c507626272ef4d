/*
 * test_nearest_routes: who reads them sees at once which value was wrong.
 */
#include "proxy/route/nearest_routes.h"

#include <stdlib.h>

#include "tests/check.h"

#define STRINGS(...)                                                 \
    {                                                                \
        .items = (char *[]){ __VA_ARGS__ },                          \
        .count = sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *), \
    }

static void check_lines(struct config_route *routes, size_t count, const char *want)
{
    const struct config config = { .routes = routes, .routes_count = count };
    const struct route_question question = { .method = SLICE("GET"),
                                             .host = SLICE("shop.example.com:8000"),
                                             .path = SLICE("/Shop/1"),
                                             .over_tls = true };
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    assert_non_null(out);
    nearest_routes_print(out, &config, &question);
    CHECK_INT(fclose(out), 0);
    CHECK_STR(text, want);
    free(text);
}

TEST(nearest_comes_first_and_says_what_differs)
{
    struct config_route routes[] = {
        { .name = "far",
          .hosts = STRINGS("b.test"),
          .paths = STRINGS("/b"),
          .methods = STRINGS("PUT") },
        { .name = "case", .hosts = STRINGS("shop.example.com"), .paths = STRINGS("/shop", "/Sh/") },
        { .name = "method",
          .hosts = STRINGS("*.example.com"),
          .paths = STRINGS("/Shop"),
          .methods = STRINGS("POST") },
        { .name = "host", .hosts = STRINGS("shop.*", "shop.example.org"), .paths = STRINGS("/x") },
    };

    check_lines(routes, 4,
                "  route \"method\"; method \"GET\" is none of: POST\n"
                "  route \"case\"; path \"/Shop/1\" is none of: /shop, /Sh/\n"
                "  route \"host\"; path \"/Shop/1\" is none of: /x\n");
}

/* Of the request neither fields nor the server name are remembered: what is asked for is said. */
TEST(regexes_fields_and_server_names_are_named)
{
    struct config_route_header headers[] = { { "x-v", STRINGS("1", "~*^b") } };
    struct config_route routes[] = {
        { .name = "regex", .paths = STRINGS("~/Shop/[a-z]+$", "~/x") },
        { .name = "field", .paths = STRINGS("~/Shop/\\d"), .headers = headers, .headers_count = 1 },
        { .name = "sni", .paths = STRINGS("/Shop"), .snis = STRINGS("a.test", "*.b.test") },
    };

    check_lines(routes, 3,
                "  route \"field\"; it needs the field x-v with one of: 1, ~*^b; host, path and "
                "method match\n"
                "  route \"sni\"; it needs the server name (SNI) to be one of: a.test, *.b.test; "
                "host, path and method match\n"
                "  route \"regex\"; path \"/Shop/1\" is none of: ~/Shop/[a-z]+$, ~/x\n");
}

TEST(no_route_and_a_route_that_matches_are_said_to_be)
{
    struct config_service service = { .enabled = false };
    struct config_route routes[] = {
        { .id = "1234", .paths = STRINGS("/S\x1b", "/b", "/c", "/d", "/e") },
        { .name = "off", .paths = STRINGS("/"), .service = &service },
        { .name = "on", .paths = STRINGS("/Shop") },
    };

    check_lines(routes, 0, "  there is no route at all\n");
    check_lines(routes, 3,
                "  route \"on\"; host, path and method match now\n"
                "  route \"off\"; its service is disabled; host, path and method match now\n"
                "  route \"1234\"; path \"/Shop/1\" is none of: /S\\x1B, /b, /c, /d and 1 more\n");
}

TESTS(TEST_CASE(nearest_comes_first_and_says_what_differs),
      TEST_CASE(regexes_fields_and_server_names_are_named),
      TEST_CASE(no_route_and_a_route_that_matches_are_said_to_be))
