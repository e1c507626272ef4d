/* memory_relief: whom it costs the least to end goes first. */
#include "proxy/worker/memory_relief.h"

#include "tests/check.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

TEST(who_lets_little_through_keeps_his_memory_longest)
{
    double stuck = memory_relief_hold_ms(128 * KIB, 300 * KIB, 10000);
    double sips = memory_relief_hold_ms(128 * KIB, 320 * KIB, 10000);
    double fast = memory_relief_hold_ms(128 * KIB, 1000 * MIB, 60000); /* however long it has run */
    double young = memory_relief_hold_ms(8 * KIB, 0, 0);
    double half_a_head = memory_relief_hold_ms(8 * KIB, 100, 9000);

    CHECK(stuck > sips);
    CHECK(sips > 100 * fast);
    CHECK(half_a_head > stuck); /* it has brought next to nothing */
    CHECK(young > fast && young < half_a_head);
    CHECK(memory_relief_hold_ms(0, 0, 100000) == 0);
}

TESTS(TEST_CASE(who_lets_little_through_keeps_his_memory_longest))
