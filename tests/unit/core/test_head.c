#include "tests/check.h"

#include "core/http/head.h"
#include "core/http/http_chars.h"

TEST(methods_are_case_sensitive)
{
    CHECK_INT(http_method_of(SLICE("GET")), HTTP_METHOD_GET);
    CHECK_INT(http_method_of(SLICE("OPTIONS")), HTTP_METHOD_OPTIONS);
    CHECK_INT(http_method_of(SLICE("CONNECT")), HTTP_METHOD_CONNECT);
    CHECK_INT(http_method_of(SLICE("LOCK")), HTTP_METHOD_LOCK);
    CHECK_INT(http_method_of(SLICE("get")), HTTP_METHOD_OTHER);
    CHECK_INT(http_method_of(SLICE("GETS")), HTTP_METHOD_OTHER);
    CHECK_INT(http_method_of(SLICE("")), HTTP_METHOD_OTHER);
}

TEST(idempotent_methods_are_those_of_rfc_9110)
{
    CHECK(http_method_is_idempotent(HTTP_METHOD_GET));
    CHECK(http_method_is_idempotent(HTTP_METHOD_PUT));
    CHECK(http_method_is_idempotent(HTTP_METHOD_DELETE));
    CHECK(http_method_is_idempotent(HTTP_METHOD_TRACE));
    CHECK(!http_method_is_idempotent(HTTP_METHOD_POST));
    CHECK(!http_method_is_idempotent(HTTP_METHOD_PATCH));
    CHECK(!http_method_is_idempotent(HTTP_METHOD_LOCK));
    CHECK(!http_method_is_idempotent(HTTP_METHOD_OTHER));
}

TEST(reasons_come_from_the_registry)
{
    CHECK_STR(http_status_reason(200), "OK");
    CHECK_STR(http_status_reason(502), "Bad Gateway");
    CHECK_STR(http_status_reason(504), "Gateway Timeout");
    CHECK_STR(http_status_reason(299), "Unknown");
}

TEST(authority_is_split_at_the_port)
{
    static const struct {
        const char *authority, *host, *port;
    } cases[] = {
        { "a.test", "a.test", "" },
        { "a.test:80", "a.test", "80" },
        { "a.test:", "a.test", "" },
        { "a_b.test.", "a_b.test.", "" },
        { "192.0.2.1:65535", "192.0.2.1", "65535" },
        { "[::1]", "[::1]", "" },
        { "[2001:db8::1]:8443", "[2001:db8::1]", "8443" },
        { "[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.1]", "1" },
        { "a%41.test", "a%41.test", "" },
        { "a!$&'()*+,;=-~b", "a!$&'()*+,;=-~b", "" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice host, port;

        CHECK(http_authority_split(slice_of(cases[i].authority), &host, &port));
        CHECK_SLICE(host, cases[i].host);
        CHECK_SLICE(port, cases[i].port);
    }
}

TEST(an_invalid_authority_is_refused)
{
    static const char *const cases[] = {
        "",          ":80",          ".",
        ".a",        "a..b",         "user@a.test",
        "a.test/x",  "a.test?x",     "a.test#x",
        "a b",       "a\\b",         "a:80:90",
        "a:8a",      "a:65536",      "a:99999999999999999999",
        "a:-1",      "a: 80",        "[::1",
        "[::1]x",    "[::1]x:80",    "[]",
        "[1]",       "[::1%25eth0]", "[v1.x]",
        "[::g]",     "::1",          "a]",
        "\xff.test", "a\x02",        "a%4",
        "a%zz",      "a%",           "a\"b",
        "a|b",       "[::1]]",       "[00000000000000000000000000000000000000000000000000001]",
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice host, port;

        if (http_authority_split(slice_of(cases[i]), &host, &port))
            fail_msg("accepted \"%s\"", cases[i]);
    }
    CHECK(!http_authority_split((struct slice){ "a\0b", 3 }, &(struct slice){ 0 },
                                &(struct slice){ 0 }));
}

/* The eight-bytes-at-once check must agree with the rule for single bytes, at every position. */
TEST(a_bad_text_byte_is_found_wherever_it_stands)
{
    char text[40];

    for (unsigned c = 0; c < 256; c++) {
        bool bad = (c < 0x20 && c != '\t') || c == 0x7f;

        for (size_t at = 0; at < sizeof(text); at++) {
            memset(text, at % 2 ? 'x' : '\xff', sizeof(text));
            text[at] = (char)c;
            CHECK_INT(http_text_bad_at((struct slice){ text, sizeof(text) }),
                      bad ? at : sizeof(text));
        }
    }
    CHECK_INT(http_text_bad_at((struct slice){ NULL, 0 }), 0);
}

TEST(token_bytes_are_those_of_rfc_9110)
{
    for (unsigned c = 0; c < 256; c++) {
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool token = alnum || (c != 0 && c < 128 && strchr("!#$%&'*+-.^_`|~", (int)c) != NULL);
        bool target = c > 0x20 && c < 0x7f && c != '#';

        CHECK_INT(http_char_is((char)c, HTTP_CHAR_TOKEN), token);
        CHECK_INT(http_char_is((char)c, HTTP_CHAR_TARGET), target);
    }
}

TESTS(TEST_CASE(methods_are_case_sensitive), TEST_CASE(idempotent_methods_are_those_of_rfc_9110),
      TEST_CASE(reasons_come_from_the_registry), TEST_CASE(authority_is_split_at_the_port),
      TEST_CASE(an_invalid_authority_is_refused),
      TEST_CASE(a_bad_text_byte_is_found_wherever_it_stands),
      TEST_CASE(token_bytes_are_those_of_rfc_9110))
