#include "config/suggest.h"
#include "tests/check.h"

static const char *nearest(const char *wanted)
{
    static const char *const known[] = { "hosts",      "paths", "methods",
                                         "strip_path", "id",    "nginx_http_client_max_body_size" };
    struct suggest suggest = { .wanted = wanted };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        suggest_offer(&suggest, known[i]);
    return suggest.nearest ? suggest.nearest : "-";
}

TEST(the_nearest_name_is_found_and_far_ones_are_not)
{
    CHECK_STR(nearest("host"), "hosts");
    CHECK_STR(nearest("pahts"), "paths");
    CHECK_STR(nearest("strip-path"), "strip_path");
    CHECK_STR(nearest("StripPath"), "strip_path");
    CHECK_STR(nearest("method"), "methods");
    CHECK_STR(nearest("nginx_http_client_max_bodysize"), "nginx_http_client_max_body_size");
    CHECK_STR(nearest("upstream"), "-");
    CHECK_STR(nearest("xy"), "-"); /* as many edits as characters is no likeness */
    CHECK_STR(nearest(""), "-");
}

TESTS(TEST_CASE(the_nearest_name_is_found_and_far_ones_are_not))
