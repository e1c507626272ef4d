#include "config/entity_id.h"
#include "tests/check.h"

/* Kong's own spec file asserts these ids. */
TEST(ids_made_from_names_are_those_of_kong)
{
    char id[UUID_TEXT_BYTES + 1];

    entity_id_from_key("services", "my-service", id);
    CHECK_STR(id, "0855b320-0dd2-547d-891d-601e9b38647f");
    entity_id_from_key("routes", "my-route", id);
    CHECK_STR(id, "481a9539-f49c-51b6-b2e2-fe99ee68866c");
}

TEST(any_version_and_case_of_uuid_is_valid)
{
    CHECK(entity_id_is_valid("0855b320-0dd2-547d-891d-601e9b38647f"));
    CHECK(entity_id_is_valid("00000000-0000-0000-0000-00000000000A"));
    CHECK(!entity_id_is_valid(""));
    CHECK(!entity_id_is_valid("0855b320-0dd2-547d-891d-601e9b38647"));
    CHECK(!entity_id_is_valid("0855b320-0dd2-547d-891d-601e9b38647f0"));
    CHECK(!entity_id_is_valid("0855b320-0dd2-547d-891d-601e9b38647g"));
    CHECK(!entity_id_is_valid("0855b32000dd2-547d-891d-601e9b38647f"));
}

TESTS(TEST_CASE(ids_made_from_names_are_those_of_kong),
      TEST_CASE(any_version_and_case_of_uuid_is_valid))
