#include "core/uuid.h"

#include "tests/check.h"

static void check_uuid(const char *namespace_uuid, const char *name, const char *want)
{
    char got[UUID_TEXT_BYTES + 1];

    CHECK(uuid_v5(namespace_uuid, slice_of(name), got));
    CHECK_STR(got, want);
}

TEST(names_give_the_uuids_that_others_compute)
{
    /* the example of RFC 9562 A.4, and those of the library that Kong uses */
    check_uuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "www.example.com",
               "2ed6657d-e927-568b-95e1-2665a8aea6a2");
    check_uuid("e6ebd542-06ae-11e6-8e82-bba81706b27d", "hello",
               "4850816f-1658-5890-8bfd-1ed14251f1f0");
    check_uuid("e6ebd542-06ae-11e6-8e82-bba81706b27d", "foobar",
               "c9be99fc-326b-5066-bdba-dcd31a6d01ab");
}

TEST(names_longer_than_a_block_are_hashed_whole)
{
    char name[201];

    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    check_uuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8", name,
               "ddcc691a-b8e2-53e5-b059-6a232874b2eb");
    name[40] = '\0'; /* 16 + 40 bytes: the length no longer fits into the first block */
    check_uuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8", name,
               "e56fd57a-7633-5e1d-8f80-70e05ac413e5");
}

TEST(namespace_must_be_a_uuid)
{
    char got[UUID_TEXT_BYTES + 1] = "untouched";

    CHECK(!uuid_v5("", SLICE("x"), got));
    CHECK(!uuid_v5("6ba7b810-9dad-11d1-80b4-00c04fd430c", SLICE("x"), got));
    CHECK(!uuid_v5("6ba7b810-9dad-11d1-80b4-00c04fd430cg", SLICE("x"), got));
    CHECK(!uuid_v5("6ba7b810x9dad-11d1-80b4-00c04fd430c8", SLICE("x"), got));
    CHECK_STR(got, "untouched");
}

TEST(random_uuids_have_their_version_and_differ)
{
    char one[UUID_TEXT_BYTES + 1], other[UUID_TEXT_BYTES + 1];

    CHECK(uuid_v4(one) && uuid_v4(other));
    CHECK_INT(strlen(one), UUID_TEXT_BYTES);
    CHECK_INT(one[14], '4');
    CHECK(strchr("89ab", one[19]) != NULL);
    CHECK(strcmp(one, other) != 0);
}

TESTS(TEST_CASE(random_uuids_have_their_version_and_differ),
      TEST_CASE(names_give_the_uuids_that_others_compute),
      TEST_CASE(names_longer_than_a_block_are_hashed_whole), TEST_CASE(namespace_must_be_a_uuid))
