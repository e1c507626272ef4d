#include <stdlib.h>
#include <string.h>

#include "config/model/lua_pattern.h"
#include "tests/check.h"

struct row {
    const char *pattern, *text;
    bool matches;
};

TEST(patterns_mean_what_they_mean_in_lua)
{
    static const struct row rows[] = {
        { "^%u+$", "GET", true },
        { "^%u+$", "GeT", false },
        { "^%u+$", "", false },
        { "b", "abc", true },
        { "^b", "abc", false },
        { "c$", "abc", true },
        { "b$", "abc", false },
        { "//", "/a//b", true },
        { "//", "/a/b", false },
        { "^[^*]*%*?[^*]*$", "a.*", true },
        { "^[^*]*%*?[^*]*$", "*.*", false },
        { "^%*%.", "*.a", true },
        { "^%*%.", "a*.", false },
        { "%.%*$", "a.*", true },
        { "^[^:]+:.*$", "a:", true },
        { "^[^:]+:.*$", ":a", false },
        { "^[a-z][a-z%d-]-[a-z%d]+$", "my-vault-1", true },
        { "^[a-z][a-z%d-]-[a-z%d]+$", "my-", false },
        { "^[a-z][a-z%d-]-[a-z%d]+$", "1a", false },
        { "^[Hh][Oo][Ss][Tt]$", "hOsT", true },
        { "^[%a_][%a%d_]*$", "_9", true },
        { "^[%a_][%a%d_]*$", "9_", false },
        { "^[*&%%\\`]+$", "*%`", true },
        { "^[^*&%%\\`]+$", "/a", true },
        { "^[^*&%%\\`]+$", "/a*", false },
        { "^a?b$", "b", true },
        { "^a?b$", "aab", false },
        { "^%s*%S+%s*$", "  x ", true },
        { "^[]]$", "]", true },
        { "^[^]]$", "]", false },
        { "^[a-]$", "-", true },
        { "%w", "\xc3\xa4", false }, /* bytes, as in the C locale */
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (lua_pattern_matches(rows[i].pattern, slice_of(rows[i].text)) != rows[i].matches)
            fail_msg("%s of %s is not %d", rows[i].pattern, rows[i].text, rows[i].matches);
}

/* Without a limit this takes years. */
TEST(a_long_text_does_not_hold_up_who_checks_it)
{
    enum { LENGTH = 1000 * 1000 };
    char *text = malloc(LENGTH);

    CHECK(text != NULL);
    memset(text, 'a', LENGTH);
    CHECK(!lua_pattern_matches("^[a-z]*[a-z]*[a-z]*[a-z]*b$", (struct slice){ text, LENGTH }));
    CHECK(lua_pattern_matches("^[a-z]+$", (struct slice){ text, LENGTH }));
    free(text);
}

TESTS(TEST_CASE(patterns_mean_what_they_mean_in_lua),
      TEST_CASE(a_long_text_does_not_hold_up_who_checks_it))
