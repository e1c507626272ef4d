#include "tls/sni_priv.h"

#include <errno.h>

#include "tests/check.h"

/* What a lookup gives; -1: nothing. */
static int find(const struct sni_map *map, const char *name)
{
    size_t index;

    return sni_map_find(map, slice_of(name), &index) ? (int)index : -1;
}

TEST(exact_goes_before_leftmost_wildcard_before_rightmost)
{
    struct sni_map map = { 0 };

    CHECK_INT(sni_map_add(&map, "a.example.*", 3), 0);
    CHECK_INT(sni_map_add(&map, "*.example.com", 2), 0);
    CHECK_INT(sni_map_add(&map, "A.Example.com", 1), 0);
    CHECK_INT(sni_map_add(&map, "localhost", 4), 0);
    CHECK(sni_map_seal(&map) == NULL);
    CHECK_INT(find(&map, "a.example.com"), 1);
    CHECK_INT(find(&map, "b.example.com"), 2);
    CHECK_INT(find(&map, "a.example.net"), 3);
    CHECK_INT(find(&map, "localhost"), 4);
    sni_map_done(&map);
}

TEST(a_wildcard_is_one_label)
{
    struct sni_map map = { 0 };

    CHECK_INT(sni_map_add(&map, "*.example.com", 0), 0);
    CHECK_INT(sni_map_add(&map, "example.*", 1), 0);
    CHECK(sni_map_seal(&map) == NULL);
    CHECK_INT(find(&map, "a.b.example.com"), -1);
    CHECK_INT(find(&map, "aexample.com"), -1);
    CHECK_INT(find(&map, "example.co.uk"), -1);
    CHECK_INT(find(&map, "example.com"), 1);
    CHECK_INT(find(&map, "com"), -1);
    sni_map_done(&map);
}

TEST(patterns_that_are_no_names_are_refused)
{
    static const char *const bad[] = {
        "",        "*",      "*.*", "a.*.b", "1.2.3.4",  "::1",
        "a b.com", "a.com.", "*.",  ".*",    "**.a.com", "a.com:443"
    };
    struct sni_map map = { 0 };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (sni_map_add(&map, bad[i], 0) != -EINVAL)
            fail_msg("\"%s\" was taken", bad[i]);
    sni_map_done(&map);
}

TEST(the_same_name_twice_is_reported)
{
    struct sni_map map = { 0 };

    CHECK_INT(sni_map_add(&map, "a.example.com", 0), 0);
    CHECK_INT(sni_map_add(&map, "b.example.com", 0), 0);
    CHECK_INT(sni_map_add(&map, "A.example.com", 1), 0);
    CHECK_STR(sni_map_seal(&map), "a.example.com");
    sni_map_done(&map);
}

TEST(received_names_that_can_match_nothing)
{
    char into[SNI_NAME_MAX + 1];
    char longest[SNI_NAME_MAX + 2];

    CHECK(sni_normalise(SLICE("WWW.example.COM"), into));
    CHECK_STR(into, "www.example.com");
    CHECK(!sni_normalise(SLICE(""), into));
    CHECK(!sni_normalise(SLICE("www.example.com."), into));
    CHECK(!sni_normalise(SLICE("www.example.com\0.evil"), into));
    CHECK(!sni_normalise(SLICE("*.example.com"), into));
    CHECK(!sni_normalise(SLICE("10.0.0.1"), into));
    CHECK(!sni_normalise(SLICE("::1"), into));
    memset(longest, 'a', sizeof(longest));
    CHECK(sni_normalise((struct slice){ longest, SNI_NAME_MAX }, into));
    CHECK(!sni_normalise((struct slice){ longest, SNI_NAME_MAX + 1 }, into));
}

TEST(the_extension_is_parsed_strictly)
{
    static const unsigned char good[] = { 0, 6, 0, 0, 3, 'a', '.', 'b' };
    unsigned char bad[sizeof(good)];

    CHECK_SLICE(sni_from_extension(good, sizeof(good)), "a.b");
    for (size_t length = 0; length < sizeof(good); length++)
        CHECK_INT(sni_from_extension(good, length).len, 0);
    for (size_t i = 0; i < 5; i++) { /* each length and the type, one off */
        memcpy(bad, good, sizeof(good));
        bad[i]++;
        CHECK_INT(sni_from_extension(bad, sizeof(bad)).len, 0);
    }
}

TEST(deep_wildcards_stand_for_any_number_of_labels)
{
    struct sni_map map = { 0 };
    size_t index = 99;

    CHECK_INT(sni_map_add(&map, "*.secure.test", 1), 0);
    CHECK_INT(sni_map_add(&map, "*.b.secure.test", 2), 0);
    CHECK_INT(sni_map_add(&map, "exact.test", 3), 0);
    CHECK_INT(sni_map_add(&map, "left.*", 4), 0);
    CHECK(sni_map_seal(&map) == NULL);
    CHECK(!sni_map_find(&map, SLICE("x.y.secure.test"), &index));
    CHECK(sni_map_find_deep(&map, SLICE("x.y.secure.test"), &index));
    CHECK_INT(index, 1);
    CHECK(sni_map_find_deep(&map, SLICE("x.y.b.secure.test"), &index));
    CHECK_INT(index, 2);
    CHECK(sni_map_find_deep(&map, SLICE("left.y.z"), &index));
    CHECK_INT(index, 4);
    CHECK(!sni_map_find_deep(&map, SLICE("a.exact.test"), &index));
    CHECK(!sni_map_find_deep(&map, SLICE("secure.test"), &index));
    sni_map_done(&map);
}

TESTS(TEST_CASE(deep_wildcards_stand_for_any_number_of_labels),
      TEST_CASE(exact_goes_before_leftmost_wildcard_before_rightmost),
      TEST_CASE(a_wildcard_is_one_label), TEST_CASE(patterns_that_are_no_names_are_refused),
      TEST_CASE(the_same_name_twice_is_reported), TEST_CASE(received_names_that_can_match_nothing),
      TEST_CASE(the_extension_is_parsed_strictly))
