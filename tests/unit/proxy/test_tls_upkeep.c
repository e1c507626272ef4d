#include "proxy/gateway/tls_upkeep.h"

#include "core/clock.h"
#include "tests/check.h"

enum { HOUR_MS = 60 * 60 * 1000 };

static void wait_for_rotation(_Atomic uint64_t *rotated_at_ms, uint64_t since_ms)
{
    while (atomic_load(rotated_at_ms) < since_ms) /* the test's own deadline ends it */
        ;
}

TEST(keys_that_are_due_are_rotated_at_once)
{
    SCOPED(tls_ticket_keys) keys = tls_ticket_keys_create();
    uint64_t began_at_ms = clock_now_ms();
    _Atomic uint64_t rotated_at_ms = 0;
    const struct tls_upkeep_wanted wanted = { .keys = keys,
                                              .ticket_key_lifetime_ms = HOUR_MS,
                                              .rotated_at_ms = &rotated_at_ms };
    struct tls_upkeep *upkeep = tls_upkeep_start(&wanted);

    CHECK(upkeep);
    wait_for_rotation(&rotated_at_ms, began_at_ms);
    tls_upkeep_stop(upkeep);
}

TEST(start_after_start_does_not_put_the_rotation_off)
{
    SCOPED(tls_ticket_keys) keys = tls_ticket_keys_create();
    uint64_t began_at_ms = clock_now_ms();
    _Atomic uint64_t rotated_at_ms = began_at_ms;
    const struct tls_upkeep_wanted wanted = { .keys = keys,
                                              .ticket_key_lifetime_ms = 200,
                                              .rotated_at_ms = &rotated_at_ms };

    while (atomic_load(&rotated_at_ms) == began_at_ms) /* each lasts less than its 100 ms */
        tls_upkeep_stop(tls_upkeep_start(&wanted));
}

TEST(keys_that_were_rotated_just_now_are_left_alone)
{
    SCOPED(tls_ticket_keys) keys = tls_ticket_keys_create();
    uint64_t now_ms = clock_now_ms();
    _Atomic uint64_t rotated_at_ms = now_ms;
    const struct tls_upkeep_wanted wanted = { .keys = keys,
                                              .ticket_key_lifetime_ms = HOUR_MS,
                                              .rotated_at_ms = &rotated_at_ms };

    tls_upkeep_stop(tls_upkeep_start(&wanted));
    CHECK_INT(atomic_load(&rotated_at_ms), now_ms);
}

TESTS(TEST_CASE(keys_that_are_due_are_rotated_at_once),
      TEST_CASE(start_after_start_does_not_put_the_rotation_off),
      TEST_CASE(keys_that_were_rotated_just_now_are_left_alone))
