#include "lb/session_table.h"

#include <pthread.h>
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

static void *put_and_find(void *argument)
{
    struct session_table *table = argument;
    unsigned strange = 0;

    for (unsigned i = 0; i < 40000; i++) {
        const struct target *found;

        session_table_put(table, key_of(i % 2000), &targets[i & 1], at(i));
        found = session_table_find(table, key_of(i % 2000), at(i));
        strange += found && found != &targets[0] && found != &targets[1];
    }
    return (void *)(uintptr_t)strange;
}

TEST(workers_may_use_it_all_at_once)
{
    SCOPED(session_table) table = session_table_create();
    pthread_t threads[4];
    void *strange;

    for (unsigned i = 0; i < 4; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, put_and_find, table), 0);
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], &strange);
        CHECK(!strange);
    }
    for (unsigned i = 0; i < 2000; i++) /* no place stayed busy */
        session_table_put(table, key_of(i), &targets[i & 1], at(50000));
    for (unsigned i = 0; i < 2000; i++)
        CHECK(session_table_find(table, key_of(i), at(50000)) == &targets[i & 1]);
}

TESTS(TEST_CASE(workers_may_use_it_all_at_once),
      TEST_CASE(an_entry_lives_for_its_duration_after_its_last_use),
      TEST_CASE(it_never_grows_and_forgets_first_whose_end_is_nearest))
