/* connection_limits: the total, the reserve, the share of an address; and many threads at once. */
#include "proxy/worker/connection_limits.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "tests/check.h"

static struct sockaddr_storage address_of(const char *text)
{
    struct sockaddr_storage address;

    CHECK_INT(addr_parse_ip(slice_of(text), 1234, &address), 0);
    return address;
}

static bool enter(struct connection_limits *limits, const struct connection_rules *rules,
                  const char *text, uint32_t *ret_ticket)
{
    struct sockaddr_storage address = address_of(text);

    return connection_limits_enter(limits, rules, &address, ret_ticket);
}

TEST(room_ends_at_the_total_and_comes_back_below_95_percent)
{
    const struct connection_rules rules = { .count_max = 100,
                                            .reserved_count = 0,
                                            .address_max = 0 };
    SCOPED(connection_limits) limits = connection_limits_create();
    uint32_t tickets[100];

    for (int i = 0; i < 100; i++) {
        CHECK_INT(connection_limits_room(limits, &rules, false, false), 100 - i);
        CHECK(enter(limits, &rules, "192.0.2.1", &tickets[i]));
    }
    CHECK_INT(connection_limits_room(limits, &rules, false, false), 0);
    for (int i = 0; i < 5; i++)
        connection_limits_leave(limits, tickets[i]);
    CHECK_INT(connection_limits_room(limits, &rules, false, true), 0);
    CHECK_INT(connection_limits_room(limits, &rules, false, false),
              5); /* a listener that was not full */
    connection_limits_leave(limits, tickets[5]);
    CHECK_INT(connection_limits_room(limits, &rules, false, true), 6);
    CHECK_INT(connection_limits_count(limits), 94);
}

TEST(a_limit_of_one_opens_again)
{
    const struct connection_rules rules = { .count_max = 1, .reserved_count = 0, .address_max = 0 };
    SCOPED(connection_limits) limits = connection_limits_create();
    uint32_t ticket;

    CHECK(enter(limits, &rules, "192.0.2.1", &ticket));
    CHECK_INT(connection_limits_room(limits, &rules, false, false), 0);
    connection_limits_leave(limits, ticket);
    CHECK_INT(connection_limits_room(limits, &rules, false, true), 1);
}

TEST(only_listeners_that_draw_on_it_get_the_reserve)
{
    const struct connection_rules rules = { .count_max = 2, .reserved_count = 3, .address_max = 0 };
    SCOPED(connection_limits) limits = connection_limits_create();
    uint32_t ticket;

    CHECK_INT(connection_limits_room(limits, &rules, true, false), 5);
    CHECK(enter(limits, &rules, "192.0.2.1", &ticket));
    CHECK(enter(limits, &rules, "192.0.2.1", &ticket));
    CHECK_INT(connection_limits_room(limits, &rules, false, false), 0);
    CHECK_INT(connection_limits_room(limits, &rules, true, false), 3);
}

TEST(an_address_has_its_share_and_gets_it_back)
{
    const struct connection_rules rules = { .count_max = 1000,
                                            .reserved_count = 0,
                                            .address_max = 2 };
    SCOPED(connection_limits) limits = connection_limits_create();
    uint32_t first, second, other;

    CHECK(enter(limits, &rules, "192.0.2.1", &first));
    CHECK(enter(limits, &rules, "192.0.2.1", &second));
    CHECK(!enter(limits, &rules, "192.0.2.1", &other));
    CHECK_INT(connection_limits_count(limits), 2); /* who is refused is not counted */
    CHECK(enter(limits, &rules, "192.0.2.2", &other));
    connection_limits_leave(limits, first);
    CHECK(enter(limits, &rules, "192.0.2.1", &first));
    CHECK(
        !enter(limits, &rules, "::ffff:192.0.2.1", &other)); /* what a dual-stack socket calls it */
}

TEST(an_ipv6_address_stands_for_its_64)
{
    const struct connection_rules rules = { .count_max = 1000,
                                            .reserved_count = 0,
                                            .address_max = 1 };
    SCOPED(connection_limits) limits = connection_limits_create();
    uint32_t ticket;

    CHECK(enter(limits, &rules, "2001:db8:1:2::1", &ticket));
    CHECK(!enter(limits, &rules, "2001:db8:1:2:ffff::9", &ticket));
    CHECK(enter(limits, &rules, "2001:db8:1:3::1", &ticket));
}

TEST(exempt_addresses_are_counted_in_the_total_only)
{
    struct addr_cidrs trusted = { 0 };
    const struct connection_rules rules = { .count_max = 10, .address_max = 1, .exempt = &trusted };
    SCOPED(connection_limits) limits = connection_limits_create();
    uint32_t ticket;

    CHECK_INT(addr_cidrs_add(&trusted, SLICE("10.0.0.0/8")), 0);
    for (int i = 0; i < 3; i++)
        CHECK(enter(limits, &rules, "10.1.2.3", &ticket));
    CHECK(enter(limits, &rules, "192.0.2.1", &ticket));
    CHECK(!enter(limits, &rules, "192.0.2.1", &ticket));
    CHECK_INT(connection_limits_count(limits), 4);
    addr_cidrs_done(&trusted);
}

/* More addresses than there are slots: nobody is refused for what others did, and all is undone. */
TEST(a_full_table_counts_no_further_address)
{
    enum { ADDRESSES = 1200000 };
    static uint32_t tickets[ADDRESSES];
    const struct connection_rules rules = { .count_max = 100,
                                            .reserved_count = 0,
                                            .address_max = 1 };
    SCOPED(connection_limits) limits = connection_limits_create();
    struct sockaddr_storage address = address_of("10.0.0.0");
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address;

    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < ADDRESSES; i++) {
            v4->sin_addr.s_addr = htonl(0x0a000000 + i);
            if (!connection_limits_enter(limits, &rules, &address, &tickets[i]))
                fail_msg("address %u was refused", i);
        }
        for (uint32_t i = 0; i < ADDRESSES; i++)
            connection_limits_leave(limits, tickets[i]);
        CHECK_INT(connection_limits_count(limits), 0);
    }
    CHECK(connection_limits_enter(limits, &rules, &address, &tickets[0]));
    CHECK(!connection_limits_enter(limits, &rules, &address, &tickets[1])); /* counted again */
}

/* A reload changes the rules; who is in stays in. */
TEST(new_rules_hold_for_those_who_come)
{
    const struct connection_rules none = { .count_max = 2 },
                                  one = { .count_max = 1, .address_max = 1 };
    SCOPED(connection_limits) limits = connection_limits_create();
    uint32_t first, second, third;

    CHECK(enter(limits, &none, "192.0.2.1", &first));
    CHECK(enter(limits, &none, "192.0.2.1", &second));
    CHECK_INT(connection_limits_room(limits, &one, false, false), 0);
    CHECK(enter(limits, &one, "192.0.2.1", &third));
    connection_limits_leave(limits, first);
    connection_limits_leave(limits, second);
    CHECK(!enter(limits, &one, "192.0.2.1", &first));
    connection_limits_leave(limits, third);
    CHECK_INT(connection_limits_room(limits, &one, false, true), 1);
}

/* ---- threads ------------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 20000, THREAD_ADDRESSES = 8, THREAD_ADDRESS_MAX = 2 };

static const struct connection_rules crowd_rules = { .count_max = 1000,
                                                     .address_max = THREAD_ADDRESS_MAX };

struct crowd {
    struct connection_limits *limits;
    _Atomic int open[THREAD_ADDRESSES];
    _Atomic uint64_t admitted, refused;
    _Atomic bool broken;
};

static void *come_and_go(void *argument)
{
    struct crowd *crowd = argument;

    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned which = i % THREAD_ADDRESSES;
        char text[32];
        uint32_t ticket;

        snprintf(text, sizeof(text), "198.51.100.%u", which);
        if (!enter(crowd->limits, &crowd_rules, text, &ticket)) {
            crowd->refused++;
            continue;
        }
        crowd->admitted++;
        if (++crowd->open[which] > THREAD_ADDRESS_MAX)
            crowd->broken = true;
        crowd->open[which]--;
        connection_limits_leave(crowd->limits, ticket);
    }
    return NULL;
}

TEST(threads_never_exceed_the_share_and_leave_nothing_behind)
{
    static struct crowd crowd;
    pthread_t threads[THREADS];
    uint32_t ticket;

    crowd.limits = connection_limits_create();
    CHECK(crowd.limits != NULL);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, come_and_go, &crowd), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    CHECK(!crowd.broken);
    CHECK_INT(crowd.admitted + crowd.refused, THREADS * ROUNDS);
    CHECK(crowd.admitted >= ROUNDS);
    CHECK_INT(connection_limits_count(crowd.limits), 0);
    for (int i = 0; i < THREAD_ADDRESS_MAX; i++)
        CHECK(enter(crowd.limits, &crowd_rules, "198.51.100.0", &ticket));
    CHECK(!enter(crowd.limits, &crowd_rules, "198.51.100.0", &ticket));
    connection_limits_free(crowd.limits);
}

/* ---- the default --------------------------------------------------------------------------- */

TEST(the_default_leaves_files_for_targets_the_process_and_the_reserve)
{
    struct connection_files needs = { .own = 256, .each = 2, .reserved_count = 32 };
    uint32_t most = connection_limits_for_files(&needs, 1024);

    CHECK_INT(most, (1024 - 256) / 2 - 32);
    CHECK_INT(connection_limits_files(&needs, most), 1024);
    CHECK_INT(connection_limits_for_files(&needs, 200), 16); /* little, but not nothing */
    CHECK_INT(connection_limits_for_files(&needs, 330), 16);
    CHECK_INT(connection_limits_for_files(&needs, UINT64_MAX), UINT32_MAX / 2);
    needs.each = 3;
    CHECK_INT(connection_limits_for_files(&needs, 1024), 256 - 32);
}

TESTS(TEST_CASE(room_ends_at_the_total_and_comes_back_below_95_percent),
      TEST_CASE(a_limit_of_one_opens_again),
      TEST_CASE(only_listeners_that_draw_on_it_get_the_reserve),
      TEST_CASE(an_address_has_its_share_and_gets_it_back),
      TEST_CASE(an_ipv6_address_stands_for_its_64),
      TEST_CASE(exempt_addresses_are_counted_in_the_total_only),
      TEST_CASE(a_full_table_counts_no_further_address),
      TEST_CASE(new_rules_hold_for_those_who_come),
      TEST_CASE(threads_never_exceed_the_share_and_leave_nothing_behind),
      TEST_CASE(the_default_leaves_files_for_targets_the_process_and_the_reserve))
