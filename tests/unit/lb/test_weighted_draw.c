#include "lb/weighted_draw.h"

#include "tests/check.h"

/* 2^20 numbers, evenly spread: the shares are exact but for the last digits. */
TEST(every_index_is_drawn_as_often_as_it_weighs)
{
    static const uint32_t weights[] = { 1, 65535, 0, 300, 300, 7, 0, 20000 };
    struct target record = { 0 };
    struct upstream_target targets[8];
    unsigned hits[8] = { 0 };
    double total = 0;

    for (unsigned i = 0; i < 8; i++) {
        targets[i] = (struct upstream_target){ .target = &record, .weight = weights[i] };
        total += weights[i];
    }
    SCOPED(weighted_draw) draw = weighted_draw_create(targets, 8);
    for (uint64_t i = 0; i < 1 << 20; i++)
        hits[weighted_draw_index(draw, i << 44)]++;
    for (unsigned i = 0; i < 8; i++) {
        double want = weights[i] / total * (1 << 20);

        CHECK(hits[i] >= want - 8 && hits[i] <= want + 8);
        CHECK(weights[i] > 0 || hits[i] == 0);
    }
}

TEST(weights_may_all_be_nothing)
{
    struct target record = { 0 };
    const struct upstream_target targets[] = { { .target = &record }, { .target = &record } };
    SCOPED(weighted_draw) draw = weighted_draw_create(targets, 2);

    CHECK_INT(weighted_draw_index(draw, 0), 0);
    CHECK_INT(weighted_draw_index(draw, UINT64_MAX), 1);
}

TESTS(TEST_CASE(every_index_is_drawn_as_often_as_it_weighs), TEST_CASE(weights_may_all_be_nothing))
