#include "lb/session_table.h"
#include "lb/target_index.h"
#include "tests/unit/lb/balancer_fixture.h"

static const uint32_t one[] = { 100 };

static void remember(struct session_table *table, const struct target *target, unsigned count)
{
    static unsigned number;
    char text[16];

    for (unsigned i = 0; i < count; i++) {
        (void)snprintf(text, sizeof(text), "%u", number++);
        session_table_put(table, session_key(slice_of(text)), target,
                          (struct session_clock){ 0, 5000 });
    }
}

static void check_filled_up(size_t count)
{
    struct many many = many_create(count, one, 1);
    SCOPED(session_table) table = session_table_create();
    SCOPED(target_index) index = target_index_create(many.items, count);
    SCOPED(balancer)
    balancer = balancer_find("least-sessions")
                   ->create(&(struct balancer_options){ .targets = many.items,
                                                        .count = count,
                                                        .draw = many.draw,
                                                        .index = index,
                                                        .sessions = table });
    unsigned hits[2] = { 0 };

    for (size_t i = 0; i < count; i += 2) /* every second one has 20 already */
        remember(table, &many.records[i], 20);
    remember(table, NULL, 7); /* of one that is gone */
    for (size_t i = 0; i < 10 * count; i++)
        hits[many_pick(&many, balancer, NULL) & 1]++;
    CHECK(hits[1] > (count > BALANCER_SCAN_MAX ? 2 : 9) * hits[0]); /* two are drawn among many */
    for (size_t i = 0; i < 10 * count; i++) { /* the sessions have ended: all are equal again */
        const struct balancer_request later = { .now_us = 6000000 };

        hits[many_pick(&many, balancer, &later) & 1]++;
    }
    CHECK(hits[0] > 3 * count);
    many_done(&many);
}

TEST(new_clients_go_where_the_fewest_sessions_are)
{
    check_filled_up(8);
    check_filled_up(500);
}

TESTS(TEST_CASE(new_clients_go_where_the_fewest_sessions_are))
