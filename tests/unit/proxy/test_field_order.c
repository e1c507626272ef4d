/* field_order: what leads, in which spelling, and what a switched-off rule leaves alone. */
#include "proxy/rewrite/field_order.h"

#include "tests/unit/proxy/fixture.h"

static const struct slice lead_names[] = { { "Host", 4 }, { "X-Id", 4 }, { "X-Other", 7 } };
static const struct persona_strings lead = { lead_names, 3 };

static void check_order(const struct persona_rules *rules, const char *in, const char *want)
{
    struct chunk_pool *pool = chunk_pool_create(0);
    struct fields fields, first;
    struct arena arena;

    arena_init(&arena, pool, 0);
    fixture_fields(&fields, &arena, in);
    fixture_fields(&first, &arena, "Date: now");
    CHECK_INT(field_order_apply(&fields, &first, &lead, rules), 0);
    CHECK_STR(fixture_lines(&fields, &arena), want);
    arena_done(&arena);
    chunk_pool_free(pool);
}

TEST(the_lead_comes_in_its_order_and_spelling)
{
    check_order(NULL, "a: 1|x-id: 2|B: 3|HOST: h|X-ID: 4",
                "Date: now|Host: h|X-Id: 2|X-Id: 4|a: 1|B: 3");
}

TEST(a_field_whose_rule_is_off_stays_where_and_as_it_was_sent)
{
    struct persona_rule rule = { .name = SLICE("X-Id"), .off = true };
    const struct persona_rules rules = { &rule, 1 };

    check_order(&rules, "a: 1|x-id: 2|HOST: h", "Date: now|Host: h|a: 1|x-id: 2");
    rule.off = false;
    check_order(&rules, "a: 1|x-id: 2|HOST: h", "Date: now|Host: h|X-Id: 2|a: 1");
}

TEST(names_can_be_lower_case)
{
    struct chunk_pool *pool = chunk_pool_create(0);
    struct fields fields;
    struct arena arena;

    arena_init(&arena, pool, 0);
    fixture_fields(&fields, &arena, "A-B: C|d: E");
    CHECK_INT(field_order_lower_names(&fields), 0);
    CHECK_STR(fixture_lines(&fields, &arena), "a-b: C|d: E");
    arena_done(&arena);
    chunk_pool_free(pool);
}

TESTS(TEST_CASE(the_lead_comes_in_its_order_and_spelling),
      TEST_CASE(a_field_whose_rule_is_off_stays_where_and_as_it_was_sent),
      TEST_CASE(names_can_be_lower_case))
