#include "lb/session_table.h"

#include <stdio.h>

#include "lb/target.h"
#include "tests/check.h"

static struct target targets[2];

static struct session_clock at(uint64_t now_ms)
{
    return (struct session_clock){ now_ms, 1000 };
}

static uint64_t key_of(unsigned number)
{
    char text[16];

    (void)snprintf(text, sizeof(text), "client %u", number);
    return session_key(slice_of(text));
}

TEST(an_entry_lives_for_its_duration_after_its_last_use)
{
    SCOPED(session_table) table = session_table_create();
    uint64_t key = key_of(1);

    CHECK(!session_table_find(table, key, at(0)));
    session_table_put(table, key, &targets[0], at(0));
    CHECK(session_table_find(table, key, at(999)) == &targets[0]);
    CHECK(session_table_find(table, key, at(1998)) == &targets[0]);
    CHECK(!session_table_find(table, key, at(2998)));
    session_table_put(table, key, &targets[1], at(3000));
    CHECK(session_table_find(table, key, at(3001)) == &targets[1]);
    CHECK(!session_table_find(table, key_of(2), at(3001)));
}

static void count_entry(void *asker, const struct target *target)
{
    ((unsigned *)asker)[target - targets]++;
}

TEST(it_never_grows_and_forgets_first_whose_end_is_nearest)
{
    SCOPED(session_table) table = session_table_create();
    unsigned counts[2] = { 0 }, known = 0;

    for (unsigned i = 0; i < 4 * SESSION_TABLE_ENTRIES; i++)
        session_table_put(table, key_of(i), &targets[i & 1], at(i));
    session_table_each(table, 0, count_entry, counts);
    CHECK(counts[0] + counts[1] <= SESSION_TABLE_ENTRIES);
    CHECK(counts[0] + counts[1] > SESSION_TABLE_ENTRIES / 10 * 9);
    for (unsigned i = 4 * SESSION_TABLE_ENTRIES - 900; i < 4 * SESSION_TABLE_ENTRIES; i++)
        known += session_table_find(table, key_of(i), at(i)) == &targets[i & 1];
    CHECK(known >= 899); /* the newest of a full bucket never goes */
}

TESTS(TEST_CASE(an_entry_lives_for_its_duration_after_its_last_use),
      TEST_CASE(it_never_grows_and_forgets_first_whose_end_is_nearest))
