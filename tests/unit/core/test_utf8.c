#include "core/utf8.h"

#include "tests/check.h"

TEST(every_length_of_sequence_is_valid)
{
    CHECK(utf8_is_valid(SLICE("")));
    CHECK(utf8_is_valid(SLICE("/ascii\0\x7f")));
    CHECK(utf8_is_valid(SLICE("\xc2\x80 \xdf\xbf")));
    CHECK(utf8_is_valid(SLICE("\xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf")));
    CHECK(utf8_is_valid(SLICE("\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf")));
}

TEST(broken_sequences_are_not_valid)
{
    CHECK(!utf8_is_valid(SLICE("\x80")));             /* no first byte */
    CHECK(!utf8_is_valid(SLICE("a\xc3")));            /* cut */
    CHECK(!utf8_is_valid(SLICE("\xe2\x82")));         /* cut */
    CHECK(!utf8_is_valid(SLICE("\xc3(")));            /* no tail */
    CHECK(!utf8_is_valid(SLICE("\xc0\xaf")));         /* overlong "/" */
    CHECK(!utf8_is_valid(SLICE("\xe0\x80\xaf")));     /* overlong */
    CHECK(!utf8_is_valid(SLICE("\xf0\x8f\xbf\xbf"))); /* overlong */
    CHECK(!utf8_is_valid(SLICE("\xed\xa0\x80")));     /* surrogate */
    CHECK(!utf8_is_valid(SLICE("\xf4\x90\x80\x80"))); /* above U+10FFFF */
    CHECK(!utf8_is_valid(SLICE("\xff")));
}

TESTS(TEST_CASE(every_length_of_sequence_is_valid), TEST_CASE(broken_sequences_are_not_valid))
