/*
 * test_media_choice: what Kong's expression for Accept takes and what it passes over. The rows that
 * have a page of their own are in tests/data/kong-error-pages.json.
 */
#include "proxy/report/media_choice.h"

#include <stdlib.h>
#include <string.h>

#include "tests/check.h"

static void check(const char *value, const char *media, unsigned quality)
{
    struct media_choice choice = { 0 };
    char *exact = malloc(strlen(value) + 1); /* so that a read past the end is seen */

    assert_non_null(exact);
    memcpy(exact, value, strlen(value));
    media_choice_read(&choice, (struct slice){ exact, strlen(value) });
    CHECK_SLICE(choice.media, media);
    CHECK_INT(choice.quality, quality);
    free(exact);
}

TEST(the_range_with_the_highest_q_is_chosen)
{
    check("text/html", "text/html", 1000);
    check("text/html;q=0.1,text/plain;q=0.25", "text/plain", 250);
    check("*/*;q=0.8", "*/*", 800);
    check("a1/b1;q=0.123456", "a1/b1", 123);
    check("a1/b1;q=0", "", 0);
    check("a1/b1;q=1.0009", "a1/b1", 1000);
}

TEST(parameters_may_stand_around_q)
{
    check("a1/b1;level=1;q=0.5;ext=\"x;q=0.9\"", "a1/b1", 900); /* quoting is not known to it */
    check("a1/b1;level;q=0.5", "a1/b1", 500);
    check("a1/b1 ;\t q=0.5", "a1/b1", 500);
    check("a1/b1;x=1;q=0.5", "a1/b1", 1000); /* a name of one character ends it */
}

TEST(what_is_no_range_is_passed_over)
{
    check("", "", 0);
    check(",", "", 0);
    check(" ", "", 0);
    check("*", "", 0);
    check("text", "", 0);
    check("text/", "", 0);
    check("/html", "", 0);
    check("te xt/html", "", 0);
    check("t/h, -a/b1, (a)/b1", "", 0);
    check("text/html;", "text/html", 1000);
    check("text/html;q", "text/html", 1000);
    check("text/html;q=", "text/html", 1000);
}

TEST(several_values_are_one_choice)
{
    struct media_choice choice = { 0 };

    media_choice_read(&choice, SLICE("a1/b1;q=0.5"));
    media_choice_read(&choice, SLICE("c1/d1;q=0.6"));
    media_choice_read(&choice, SLICE("e1/f1;q=0.6"));
    CHECK_SLICE(choice.media, "c1/d1");
}

TESTS(TEST_CASE(the_range_with_the_highest_q_is_chosen), TEST_CASE(parameters_may_stand_around_q),
      TEST_CASE(what_is_no_range_is_passed_over), TEST_CASE(several_values_are_one_choice))
