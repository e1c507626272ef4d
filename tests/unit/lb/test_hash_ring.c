#include <time.h>

#include "tests/unit/lb/balancer_fixture.h"

enum { KEYS = 20000 };
static const uint32_t one[] = { 100 };

static uint32_t owner_of(const struct hash_ring *ring, unsigned key)
{
    char text[32];
    int length = snprintf(text, sizeof(text), "client-%u", key);

    return hash_ring_owner(ring, hash_ring_find(ring, (struct slice){ text, (size_t)length }));
}

/* XXH32, seed 0, of the empty text is 02CC5D05 (the algorithm's specification) */
TEST(slots_are_kongs_hash_modulo_their_number)
{
    struct many many = many_create(1, one, 1);

    CHECK_INT(hash_ring_slots(many.ring), 10000);
    CHECK_INT(hash_ring_find(many.ring, SLICE("")), 0x02cc5d05 % 10000);
    many_done(&many);
}

TEST(shares_follow_the_weights)
{
    static const uint32_t weights[] = { 100, 200, 0, 100 };
    struct many many = many_create(4, weights, 4);
    unsigned hits[4] = { 0 };

    for (unsigned key = 0; key < KEYS; key++)
        hits[owner_of(many.ring, key)]++;
    for (unsigned i = 0; i < 4; i++)
        CHECK(hits[i] >= KEYS * weights[i] / 400 * 8 / 10 &&
              hits[i] <= KEYS * weights[i] / 400 * 12 / 10);
    many_done(&many);
}

TEST(order_of_the_targets_does_not_matter)
{
    struct many many = many_create(10, one, 1);
    struct upstream_target reversed[10];

    for (unsigned i = 0; i < 10; i++)
        reversed[i] = many.items[9 - i];
    SCOPED(hash_ring) ring = hash_ring_create(reversed, 10, 10000);
    for (unsigned key = 0; key < KEYS; key++)
        CHECK_INT(owner_of(ring, key), 9 - owner_of(many.ring, key));
    many_done(&many);
}

/* A target leaves (or, read backwards, comes): at most 1.3/n of the inputs move. */
TEST(few_inputs_move_when_a_target_leaves)
{
    static const unsigned sizes[] = { 2, 3, 5, 10, 20, 50 };

    for (unsigned s = 0; s < 6; s++) {
        unsigned n = sizes[s];
        struct many many = many_create(n, one, 1);
        SCOPED(hash_ring) ring = hash_ring_create(many.items, n - 1, 10000);
        unsigned moved = 0;

        for (unsigned key = 0; key < KEYS; key++)
            moved += owner_of(ring, key) != owner_of(many.ring, key);
        print_message("%2u targets, one leaves: %4.1f %% of the inputs move (1/n = %4.1f %%)\n", n,
                      100.0 * moved / KEYS, 100.0 / n);
        CHECK(moved > 0 && moved <= 1.3 / n * KEYS);
        many_done(&many);
    }
}

TEST(a_ring_is_as_large_as_its_points_need)
{
    struct many many = many_create(100, one, 1);
    SCOPED(hash_ring) small = hash_ring_create(many.items, 5, 10);
    unsigned hits[100] = { 0 };

    CHECK_INT(hash_ring_slots(small), HASH_RING_SLOTS_MIN);
    CHECK_INT(hash_ring_slots(many.ring), 20000); /* 16,000 points */
    for (unsigned key = 0; key < KEYS; key++)
        hits[owner_of(many.ring, key)]++;
    for (unsigned i = 0; i < 100; i++)
        CHECK(hits[i] > 0);
    many_done(&many);
}

TEST(nobody_owns_an_empty_ring)
{
    static const uint32_t nothing[] = { 0 };
    struct many many = many_create(2, nothing, 1);
    SCOPED(hash_ring) none = hash_ring_create(NULL, 0, 10000);

    CHECK_INT(owner_of(many.ring, 1), HASH_RING_NOBODY);
    CHECK_INT(owner_of(none, 1), HASH_RING_NOBODY);
    many_done(&many);
}

/* 1.6 million points; the time is only told, it is the machine's. */
TEST(ten_thousand_targets_all_have_a_place)
{
    struct many many = many_create(10000, one, 1);
    unsigned *hits = calloc(many.count, sizeof(*hits)), owners = 0;
    clock_t begun = clock();
    SCOPED(hash_ring) ring = hash_ring_create(many.items, many.count, 10000);

    print_message("%.0f ms of CPU time\n", (double)(clock() - begun) * 1000 / CLOCKS_PER_SEC);
    CHECK(hits);
    for (size_t i = 0; i < hash_ring_slots(ring); i++)
        owners += hits[hash_ring_owner(ring, i)]++ == 0;
    CHECK_INT(owners, 10000);
    free(hits);
    many_done(&many);
}

TESTS(TEST_CASE(slots_are_kongs_hash_modulo_their_number), TEST_CASE(shares_follow_the_weights),
      TEST_CASE(order_of_the_targets_does_not_matter),
      TEST_CASE(few_inputs_move_when_a_target_leaves),
      TEST_CASE(a_ring_is_as_large_as_its_points_need), TEST_CASE(nobody_owns_an_empty_ring),
      TEST_CASE(ten_thousand_targets_all_have_a_place))
