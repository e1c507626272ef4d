#include "proxy/gateway/tls_upkeep.h"

#include <string.h>

#include "tests/check.h"

enum { HOUR_MS = 60 * 60 * 1000 };

struct saved {
    unsigned char bytes[TLS_TICKET_KEYS_BYTES_MAX];
    size_t count;
};

static struct saved save(struct tls_ticket_keys *keys)
{
    struct saved saved = { .count = 0 };

    saved.count = tls_ticket_keys_save(keys, saved.bytes);
    return saved;
}

static bool are_still(struct tls_ticket_keys *keys, const struct saved *before)
{
    struct saved now = save(keys);

    return now.count == before->count && memcmp(now.bytes, before->bytes, now.count) == 0;
}

static void check_rotated_at_once(struct tls_ticket_keys *keys, bool are_foreign)
{
    const struct tls_upkeep_wanted wanted = { .keys = keys,
                                              .ticket_key_lifetime_ms = HOUR_MS,
                                              .keys_are_foreign = are_foreign };
    struct saved before = save(keys);
    struct tls_upkeep *upkeep = tls_upkeep_start(&wanted);

    CHECK(upkeep);
    while (are_still(keys, &before)) /* the test's own deadline ends it */
        ;
    tls_upkeep_stop(upkeep);
}

TEST(keys_of_files_that_were_given_up_are_rotated_at_once)
{
    SCOPED(tls_ticket_keys) keys = tls_ticket_keys_create();

    check_rotated_at_once(keys, true);
}

TEST(keys_that_became_old_in_another_process_are_rotated_at_once)
{
    SCOPED(tls_ticket_keys) keys = tls_ticket_keys_create();
    struct saved saved = save(keys);

    CHECK_INT(tls_ticket_keys_restore(keys, saved.bytes, saved.count, HOUR_MS), 0);
    check_rotated_at_once(keys, false);
}

TEST(start_after_start_does_not_put_the_rotation_off)
{
    SCOPED(tls_ticket_keys) keys = tls_ticket_keys_create();
    struct saved before = save(keys);
    const struct tls_upkeep_wanted wanted = { .keys = keys, .ticket_key_lifetime_ms = 200 };

    while (are_still(keys, &before)) /* each lasts less than its 100 ms */
        tls_upkeep_stop(tls_upkeep_start(&wanted));
}

TEST(keys_that_were_made_just_now_are_left_alone)
{
    SCOPED(tls_ticket_keys) keys = tls_ticket_keys_create();
    struct saved before = save(keys);
    const struct tls_upkeep_wanted wanted = { .keys = keys, .ticket_key_lifetime_ms = HOUR_MS };

    tls_upkeep_stop(tls_upkeep_start(&wanted));
    CHECK(are_still(keys, &before));
}

TESTS(TEST_CASE(keys_of_files_that_were_given_up_are_rotated_at_once),
      TEST_CASE(keys_that_became_old_in_another_process_are_rotated_at_once),
      TEST_CASE(start_after_start_does_not_put_the_rotation_off),
      TEST_CASE(keys_that_were_made_just_now_are_left_alone))
