/* memory_relief: whom it costs the least to end goes first. */
#include "proxy/worker/memory_relief.h"

#include "tests/check.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

TEST(who_keeps_much_for_long_is_worth_the_most)
{
    double stuck = memory_relief_worth(128 * KIB, 300 * KIB, 10000);
    double sips = memory_relief_worth(128 * KIB, 320 * KIB, 10000);
    double fast = memory_relief_worth(128 * KIB, 1000 * MIB, 60000); /* however long it has run */
    double half_a_head = memory_relief_worth(16 * KIB, 100, 9000);
    double handshake = memory_relief_worth(48 * KIB, 300, 150); /* a normal one, from far away */
    double upload = memory_relief_worth(800 * KIB, 800 * KIB, 10000);

    CHECK(upload > stuck);
    CHECK(stuck > sips);
    CHECK(sips > half_a_head);
    CHECK(half_a_head > handshake);
    CHECK(handshake > fast);
    CHECK(memory_relief_worth(0, 0, 100000) == 0);
}

TESTS(TEST_CASE(who_keeps_much_for_long_is_worth_the_most))
