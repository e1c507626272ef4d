#include "lb/priority_groups.h"

#include "tests/unit/lb/balancer_fixture.h"

static const uint32_t one[] = { 100 };

static void set(struct many *many, size_t index, enum target_state state)
{
    target_set_state(&many->records[index], state);
}

TEST(lower_groups_are_used_only_until_enough_are_usable)
{
    struct many many = many_create(6, one, 1);
    static const uint32_t group_of[] = { 5, 10, 0, 10, 5, 0 };
    struct priority_groups groups = { 0 };

    for (size_t i = 0; i < 6; i++)
        many.items[i].priority_group = group_of[i];
    CHECK_INT(priority_groups_init(&groups, many.items, 6, 2), 0);
    CHECK_INT(priority_groups_lowest(&groups, many.items), 10);
    set(&many, 1, TARGET_UNHEALTHY); /* one of ten left: five comes in, whole */
    CHECK_INT(priority_groups_lowest(&groups, many.items), 5);
    set(&many, 0, TARGET_UNHEALTHY); /* one of ten, one of five: enough */
    CHECK_INT(priority_groups_lowest(&groups, many.items), 5);
    set(&many, 4, TARGET_UNHEALTHY);
    CHECK_INT(priority_groups_lowest(&groups, many.items), 0);
    set(&many, 1, TARGET_HEALTHY);
    CHECK_INT(priority_groups_lowest(&groups, many.items), 10);
    many.items[1].weight = 0; /* never picked, so never active */
    CHECK_INT(priority_groups_lowest(&groups, many.items), 0);
    priority_groups_done(&groups);
    many_done(&many);
}

TEST(one_group_needs_nothing)
{
    struct many many = many_create(3, one, 1);
    struct priority_groups groups = { 0 };

    CHECK_INT(priority_groups_init(&groups, many.items, 3, 1), 0);
    CHECK_INT(groups.count, 0);
    CHECK_INT(priority_groups_lowest(&groups, many.items), 0);
    priority_groups_done(&groups);
    many_done(&many);
}

TEST(every_policy_keeps_to_the_groups_in_use)
{
    static const size_t counts[] = { 9, 300 };

    for (const struct balancer_ops *const *policy = balancer_policies; *policy; policy++)
        for (unsigned c = 0; c < 2; c++) {
            struct many many = many_create(counts[c], one, 1);
            SCOPED(balancer) balancer = many_balancer(&many, (*policy)->name, 5);
            struct priority_groups groups = { 0 };

            for (size_t i = 0; i < many.count; i++)
                many.items[i].priority_group = i % 3 * 10;
            CHECK_INT(priority_groups_init(&groups, many.items, many.count, 1), 0);
            balancer->lowest_group = priority_groups_lowest(&groups, many.items);
            CHECK_INT(balancer->lowest_group, 20);
            if (priority_groups_draw(&groups, 20))
                balancer->draw = priority_groups_draw(&groups, 20);
            for (unsigned i = 0; i < 200; i++)
                CHECK_INT(many_pick(&many, balancer, NULL) % 3, 2);
            priority_groups_done(&groups);
            many_done(&many);
        }
}

TEST(a_backup_is_asked_once_all_above_it_were_tried)
{
    for (const struct balancer_ops *const *policy = balancer_policies; *policy; policy++) {
        struct many many = many_create(4, one, 1);
        SCOPED(balancer) balancer = many_balancer(&many, (*policy)->name, 5);
        const struct target *tried[4] = { many.items[2].target, many.items[3].target };
        struct balancer_request request = { .tried = tried, .tried_count = 1 };

        for (size_t i = 0; i < many.count; i++)
            many.items[i].priority_group = (uint32_t)(i + 1) / 2 * 10; /* 0, 10, 10, 20 */
        balancer->lowest_group = 20;
        tried[0] = many.items[3].target;
        CHECK_INT((many_pick(&many, balancer, &request) + 1) / 2,
                  1); /* the next group, not the last */
        tried[1] = many.items[1].target;
        tried[2] = many.items[2].target;
        request.tried_count = 3;
        CHECK_INT(many_pick(&many, balancer, &request), 0);
        tried[3] = many.items[0].target;
        request.tried_count = 4;
        CHECK_INT(many_pick(&many, balancer, &request), 3); /* all were tried: as ever */
        CHECK_INT(balancer->lowest_group, 20);
        many_done(&many);
    }
}

TEST(a_pick_among_many_looks_at_few_whichever_group_is_in_use)
{
    struct many many = many_create(10000, one, 1);
    SCOPED(balancer) balancer = many_balancer(&many, "least-connections", 5);
    struct priority_groups groups = { 0 };

    for (size_t i = 0; i < many.count; i++)
        many.items[i].priority_group = i < 10; /* ten of ten thousand */
    CHECK_INT(priority_groups_init(&groups, many.items, many.count, 1), 0);
    balancer->lowest_group = 1;
    balancer->draw = priority_groups_draw(&groups, 1);
    CHECK(balancer->draw);
    for (unsigned i = 0; i < 1000; i++)
        CHECK(many_pick(&many, balancer, NULL) < 10);
    CHECK(balancer->looked_at_count < 1000 * 8);
    priority_groups_done(&groups);
    many_done(&many);
}

TESTS(TEST_CASE(a_backup_is_asked_once_all_above_it_were_tried),
      TEST_CASE(lower_groups_are_used_only_until_enough_are_usable),
      TEST_CASE(one_group_needs_nothing), TEST_CASE(every_policy_keeps_to_the_groups_in_use),
      TEST_CASE(a_pick_among_many_looks_at_few_whichever_group_is_in_use))
