#include "tests/check.h"

#include <errno.h>
#include <stdio.h>

#include "core/http/fields.h"

struct fixture {
    struct chunk_pool *pool;
    struct arena arena;
    struct fields fields;
};

static void fixture_init(struct fixture *fixture)
{
    fixture->pool = chunk_pool_create(0);
    CHECK(fixture->pool != NULL);
    arena_init(&fixture->arena, fixture->pool, 0);
    fields_init(&fixture->fields, &fixture->arena);
}

static void fixture_done(struct fixture *fixture)
{
    arena_done(&fixture->arena);
    chunk_pool_free(fixture->pool);
}

static void add(struct fixture *fixture, const char *name, const char *value)
{
    CHECK_INT(fields_add(&fixture->fields, slice_of(name), slice_of(value)), 0);
}

TEST(every_known_name_is_found_in_any_case)
{
    for (unsigned id = FIELD_OTHER + 1; id < FIELD_ID_COUNT; id++) {
        struct slice name = field_id_name((enum field_id)id);
        char upper[64], lower[64];

        CHECK(name.len < sizeof(upper));
        for (size_t i = 0; i < name.len; i++) {
            upper[i] =
                name.ptr[i] >= 'a' && name.ptr[i] <= 'z' ? (char)(name.ptr[i] - 32) : name.ptr[i];
            lower[i] =
                name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? (char)(name.ptr[i] + 32) : name.ptr[i];
        }
        CHECK_INT(field_id_of(name), id);
        CHECK_INT(field_id_of((struct slice){ upper, name.len }), id);
        CHECK_INT(field_id_of((struct slice){ lower, name.len }), id);
    }
}

TEST(names_that_only_look_known_are_other)
{
    static const char *const names[] = { "",    "Hos",         "Hosts",    "Content_Length",
                                         "T",   "Content-Len", "X-Real-I", "TE\r",
                                         "Hot", "@ost",        "\x01ost",  "Proxy-" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        CHECK_INT(field_id_of(slice_of(names[i])), FIELD_OTHER);
    CHECK_INT(field_id_of((struct slice){ "Host\0", 5 }), FIELD_OTHER);
    /* 0x0d | 0x20 is '-': folding case must not make a control byte match */
    CHECK_INT(field_id_of(SLICE("Content\x0dLength")), FIELD_OTHER);
}

TEST(order_and_bytes_are_kept_while_the_array_grows)
{
    struct fixture fixture;
    char names[100][16];

    fixture_init(&fixture);
    for (int i = 0; i < 100; i++) {
        snprintf(names[i], sizeof(names[i]), "n%d", i);
        add(&fixture, names[i], "v");
    }
    CHECK_INT(fixture.fields.count, 100);
    for (int i = 0; i < 100; i++)
        CHECK_SLICE(fixture.fields.items[i].name, names[i]);
    fixture_done(&fixture);
}

TEST(find_returns_the_first_and_null_when_absent)
{
    struct fixture fixture;

    fixture_init(&fixture);
    add(&fixture, "Via", "1");
    add(&fixture, "via", "2");
    add(&fixture, "X-Other", "3");
    CHECK_SLICE(fields_find(&fixture.fields, FIELD_VIA)->value, "1");
    CHECK_SLICE(fields_find_name(&fixture.fields, SLICE("x-OTHER"))->value, "3");
    CHECK(fields_find(&fixture.fields, FIELD_HOST) == NULL);
    CHECK(fields_find_name(&fixture.fields, SLICE("x-othe")) == NULL);
    fixture_done(&fixture);
}

TEST(remove_takes_all_of_a_name_and_keeps_the_order_of_the_rest)
{
    struct fixture fixture;

    fixture_init(&fixture);
    add(&fixture, "Cookie", "a");
    add(&fixture, "X-A", "1");
    add(&fixture, "cookie", "b");
    add(&fixture, "X-B", "2");
    add(&fixture, "x-a", "3");
    CHECK_INT(fields_remove(&fixture.fields, FIELD_COOKIE), 2);
    CHECK_INT(fields_remove(&fixture.fields, FIELD_COOKIE), 0);
    CHECK_INT(fixture.fields.count, 3);
    CHECK_SLICE(fixture.fields.items[0].name, "X-A");
    CHECK_SLICE(fixture.fields.items[1].name, "X-B");
    CHECK_INT(fields_remove_name(&fixture.fields, SLICE("X-A")), 2);
    CHECK_INT(fixture.fields.count, 1);
    CHECK_SLICE(fixture.fields.items[0].name, "X-B");
    fixture_done(&fixture);
}

TEST(list_walk_skips_empty_elements_and_white_space)
{
    struct slice rest = SLICE(" , a ,,\tb c\t, ,d,"), token;

    CHECK(field_list_next(&rest, &token));
    CHECK_SLICE(token, "a");
    CHECK(field_list_next(&rest, &token));
    CHECK_SLICE(token, "b c");
    CHECK(field_list_next(&rest, &token));
    CHECK_SLICE(token, "d");
    CHECK(!field_list_next(&rest, &token));
    rest = (struct slice){ NULL, 0 };
    CHECK(!field_list_next(&rest, &token));
}

TEST(list_has_looks_into_every_line_of_the_field)
{
    struct fixture fixture;

    fixture_init(&fixture);
    add(&fixture, "Connection", "keep-alive");
    add(&fixture, "connection", "x-hop, Upgrade");
    CHECK(fields_list_has(&fixture.fields, FIELD_CONNECTION, SLICE("upgrade")));
    CHECK(fields_list_has(&fixture.fields, FIELD_CONNECTION, SLICE("KEEP-ALIVE")));
    CHECK(!fields_list_has(&fixture.fields, FIELD_CONNECTION, SLICE("hop")));
    CHECK(!fields_list_has(&fixture.fields, FIELD_UPGRADE, SLICE("upgrade")));
    fixture_done(&fixture);
}

TEST(no_memory_leaves_the_fields_as_they_were)
{
    struct chunk_pool *pool = chunk_pool_create(1);
    struct arena arena;
    struct fields fields;

    arena_init(&arena, pool, 0);
    fields_init(&fields, &arena);
    CHECK_INT(fields_add(&fields, SLICE("a"), SLICE("b")), -ENOMEM);
    CHECK_INT(fields.count, 0);
    arena_done(&arena);
    chunk_pool_free(pool);
}

TESTS(TEST_CASE(every_known_name_is_found_in_any_case),
      TEST_CASE(names_that_only_look_known_are_other),
      TEST_CASE(order_and_bytes_are_kept_while_the_array_grows),
      TEST_CASE(find_returns_the_first_and_null_when_absent),
      TEST_CASE(remove_takes_all_of_a_name_and_keeps_the_order_of_the_rest),
      TEST_CASE(list_walk_skips_empty_elements_and_white_space),
      TEST_CASE(list_has_looks_into_every_line_of_the_field),
      TEST_CASE(no_memory_leaves_the_fields_as_they_were))
