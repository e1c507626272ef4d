/* memory_budget: what is counted is what is used, and levels come and go at their marks. */
#include <pthread.h>
#include <stdlib.h>

#include "core/buf.h"
#include "core/memory_budget.h"
#include "tests/check.h"

enum { LIMIT = 100 * 1000 * 1000, PERCENT = LIMIT / 100 };

struct changes {
    unsigned count;
    enum memory_level from, to;
};

static void on_level(void *owner, enum memory_level from, enum memory_level to)
{
    struct changes *changes = owner;

    changes->count++;
    changes->from = from;
    changes->to = to;
}

static void add(struct memory_account *account, int64_t bytes)
{
    memory_account_add(account, MEMORY_BUFFERS, bytes);
    memory_account_report(account);
}

TEST(levels_begin_at_their_marks_and_end_five_percent_below)
{
    struct memory_budget *budget = memory_budget_create(1);
    struct memory_account *account = memory_budget_account(budget, 0);
    struct changes changes = { 0 };
    static const struct {
        int percent;
        enum memory_level level;
    } steps[] = {
        { 74, MEMORY_NORMAL }, { 75, MEMORY_SOFT }, { 71, MEMORY_SOFT },   { 69, MEMORY_NORMAL },
        { 74, MEMORY_NORMAL }, { 85, MEMORY_HARD }, { 81, MEMORY_HARD },   { 79, MEMORY_SOFT },
        { 84, MEMORY_SOFT },   { 95, MEMORY_CUT },  { 91, MEMORY_CUT },    { 89, MEMORY_HARD },
        { 100, MEMORY_FULL },  { 96, MEMORY_FULL }, { 94, MEMORY_CUT },    { 0, MEMORY_NORMAL },
        { 150, MEMORY_FULL },  { 72, MEMORY_SOFT }, { 10, MEMORY_NORMAL },
    };
    int64_t used = 0;
    unsigned changes_count = 0;
    enum memory_level before = MEMORY_NORMAL;

    memory_budget_on_level(budget, on_level, &changes);
    memory_budget_set_limit(budget, LIMIT);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        int64_t wanted = (int64_t)steps[i].percent * PERCENT;

        add(account, wanted - used);
        used = wanted;
        CHECK_INT(memory_budget_level(budget), steps[i].level);
        changes_count += steps[i].level != before;
        CHECK_INT(changes.count, changes_count); /* once each */
        if (steps[i].level != before) {
            CHECK_INT(changes.from, before);
            CHECK_INT(changes.to, steps[i].level);
        }
        before = steps[i].level;
    }
    memory_budget_free(budget);
}

TEST(without_a_limit_it_is_counted_and_the_level_is_normal)
{
    struct memory_budget *budget = memory_budget_create(2);

    add(memory_budget_account(budget, 1), (int64_t)1 << 40);
    CHECK_INT(memory_budget_level(budget), MEMORY_NORMAL);
    CHECK_INT(memory_budget_used(budget), (int64_t)1 << 40);
    CHECK_INT(memory_budget_excess(budget, MEMORY_SOFT), 0);
    memory_budget_set_limit(budget, LIMIT); /* a reload brings one */
    CHECK_INT(memory_budget_level(budget), MEMORY_FULL);
    memory_budget_set_limit(budget, 0);
    CHECK_INT(memory_budget_level(budget), MEMORY_NORMAL);
    memory_budget_free(budget);
}

TEST(excess_is_what_must_go_until_the_level_ends)
{
    struct memory_budget *budget = memory_budget_create(1);
    struct memory_account *account = memory_budget_account(budget, 0);

    memory_budget_set_limit(budget, LIMIT);
    add(account, 90 * PERCENT);
    CHECK_INT(memory_budget_level(budget), MEMORY_HARD);
    CHECK_INT(memory_budget_excess(budget, MEMORY_CUT), 1);
    add(account, -(int64_t)memory_budget_excess(budget, MEMORY_HARD));
    CHECK_INT(memory_budget_level(budget), MEMORY_SOFT);
    add(account, -(int64_t)memory_budget_excess(budget, MEMORY_SOFT));
    CHECK_INT(memory_budget_level(budget), MEMORY_NORMAL);
    CHECK_INT(memory_budget_excess(budget, MEMORY_SOFT), 0);
    memory_budget_free(budget);
}

static void note_pressure(void *owner)
{
    ++*(unsigned *)owner;
}

TEST(little_is_reported_late_and_much_at_once)
{
    struct memory_budget *budget = memory_budget_create(4);
    struct memory_account *account = memory_budget_account(budget, 2);
    unsigned pressures = 0;

    account->on_pressure = note_pressure;
    account->owner = &pressures;
    memory_budget_set_limit(budget, LIMIT);
    memory_account_add(account, MEMORY_TLS, 100);
    CHECK_INT(memory_budget_used(budget), 0);
    CHECK_INT(memory_budget_used_by(budget, MEMORY_TLS), 100); /* this is exact */
    memory_account_add(account, MEMORY_TLS, LIMIT / 256);
    CHECK_INT(memory_budget_used(budget), LIMIT / 256 + 100);
    memory_account_add(account, MEMORY_TLS, -LIMIT / 256);
    memory_account_report(account);
    CHECK_INT(memory_budget_used(budget), 100);
    CHECK_INT(memory_account_used(account), 100);
    CHECK_INT(pressures, 0);
    memory_account_add(account, MEMORY_TLS, 80 * PERCENT);
    CHECK_INT(pressures, 1);
    memory_account_add(NULL, MEMORY_TLS, 1); /* nobody counts */
    CHECK_INT(memory_account_level(NULL), MEMORY_NORMAL);
    memory_budget_free(budget);
}

enum { THREADS = 4, ROUNDS = 200000 };

static void *go_up_and_down(void *argument)
{
    struct memory_account *account = argument;
    unsigned seed = (unsigned)(uintptr_t)account;
    int64_t held = 0;

    for (int i = 0; i < ROUNDS; i++) {
        int64_t bytes = rand_r(&seed) % 2 || held < 300000 ? rand_r(&seed) % 300000 : -300000;

        memory_account_add(account, MEMORY_ARENAS, bytes);
        held += bytes;
        if (held > 40 * PERCENT) {
            memory_account_add(account, MEMORY_ARENAS, -held);
            held = 0;
        }
    }
    memory_account_add(account, MEMORY_ARENAS, -held);
    memory_account_report(account);
    return NULL;
}

TEST(nothing_is_lost_between_threads)
{
    struct memory_budget *budget = memory_budget_create(THREADS);
    pthread_t threads[THREADS];

    memory_budget_set_limit(budget, LIMIT);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK_INT(
            pthread_create(&threads[i], NULL, go_up_and_down, memory_budget_account(budget, i)), 0);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    CHECK_INT(memory_budget_used(budget), 0);
    CHECK_INT(memory_budget_level(budget), MEMORY_NORMAL);
    memory_budget_free(budget);
}

/* ---- a pool that is counted ---------------------------------------------------------------- */

struct counted {
    struct memory_budget *budget;
    struct memory_account *account;
    struct chunk_pool *pool;
};

static struct counted count_a_pool(bool is_privileged)
{
    struct counted counted = { .budget = memory_budget_create(1), .pool = chunk_pool_create(0) };

    counted.account = memory_budget_account(counted.budget, 0);
    memory_budget_set_limit(counted.budget, LIMIT);
    chunk_pool_set_account(counted.pool, counted.account, is_privileged);
    return counted;
}

static void counted_done(struct counted *counted)
{
    chunk_pool_free(counted->pool);
    CHECK_INT(memory_account_used(counted->account), 0);
    memory_budget_free(counted->budget);
}

static uint64_t owned(const struct counted *counted, enum memory_owner owner)
{
    return memory_budget_used_by(counted->budget, owner);
}

TEST(chunks_count_for_their_owner_and_then_as_spare)
{
    struct counted counted = count_a_pool(false);
    struct chunk *one = chunk_pool_get_for(counted.pool, 1, MEMORY_ARENAS);
    struct chunk *odd = chunk_pool_get(counted.pool, CHUNK_BULK_BYTES + 1);
    uint64_t weight = CHUNK_SMALL_BYTES + sizeof(struct chunk);

    CHECK_INT(owned(&counted, MEMORY_ARENAS), weight);
    CHECK(owned(&counted, MEMORY_BUFFERS) > CHUNK_BULK_BYTES);
    chunk_unref(odd);
    chunk_unref(one);
    CHECK_INT(owned(&counted, MEMORY_ARENAS), 0);
    CHECK_INT(owned(&counted, MEMORY_BUFFERS), 0);
    CHECK_INT(owned(&counted, MEMORY_SPARE), weight);
    one = chunk_pool_get_for(counted.pool, 1, MEMORY_STORED);
    CHECK_INT(owned(&counted, MEMORY_SPARE), 0);
    CHECK_INT(owned(&counted, MEMORY_STORED), weight);
    chunk_unref(one);
    chunk_pool_trim(counted.pool);
    CHECK_INT(memory_account_used(counted.account), 0);
    counted_done(&counted);
}

TEST(a_buf_counts_what_it_copies_for_its_owner)
{
    struct counted counted = count_a_pool(false);
    struct buf from, kept;

    buf_init(&from, counted.pool);
    buf_init(&kept, counted.pool);
    kept.owner = MEMORY_STORED;
    CHECK_INT(buf_append_slice(&from, SLICE("content")), 0);
    CHECK_INT(buf_append_packed(&kept, &from), 0);
    CHECK(owned(&counted, MEMORY_STORED) > CHUNK_SMALL_BYTES);
    CHECK_INT(owned(&counted, MEMORY_BUFFERS), owned(&counted, MEMORY_STORED));
    buf_done(&kept);
    CHECK_INT(kept.owner, MEMORY_STORED); /* it may be used again */
    buf_done(&from);
    counted_done(&counted);
}

TEST(while_memory_is_short_nothing_is_kept_for_reuse)
{
    struct counted counted = count_a_pool(false);
    struct chunk *chunk = chunk_pool_get(counted.pool, 1);

    add(counted.account, 80 * PERCENT);
    chunk_unref(chunk);
    CHECK_INT(owned(&counted, MEMORY_SPARE), 0);
    add(counted.account, -80 * PERCENT);
    counted_done(&counted);
}

TEST(a_full_budget_gives_no_memory_but_to_the_privileged)
{
    struct counted counted = count_a_pool(false);
    struct chunk_pool *privileged = chunk_pool_create(0);
    struct chunk *chunk;

    chunk_pool_set_account(privileged, counted.account, true);
    add(counted.account, 99 * PERCENT);
    chunk = chunk_pool_get(counted.pool, 1);
    CHECK(chunk != NULL);
    chunk_unref(chunk);
    add(counted.account, 1 * PERCENT);
    CHECK(chunk_pool_is_full(counted.pool) && !chunk_pool_is_full(privileged));
    CHECK(chunk_pool_get(counted.pool, 1) == NULL);
    chunk = chunk_pool_get(privileged, 1);
    CHECK(chunk != NULL);
    chunk_unref(chunk);
    add(counted.account, -100 * PERCENT);
    chunk = chunk_pool_get(counted.pool, 1);
    CHECK(chunk != NULL);
    chunk_unref(chunk);
    chunk_pool_free(privileged);
    counted_done(&counted);
}

TESTS(TEST_CASE(levels_begin_at_their_marks_and_end_five_percent_below),
      TEST_CASE(without_a_limit_it_is_counted_and_the_level_is_normal),
      TEST_CASE(excess_is_what_must_go_until_the_level_ends),
      TEST_CASE(little_is_reported_late_and_much_at_once),
      TEST_CASE(nothing_is_lost_between_threads),
      TEST_CASE(chunks_count_for_their_owner_and_then_as_spare),
      TEST_CASE(a_buf_counts_what_it_copies_for_its_owner),
      TEST_CASE(while_memory_is_short_nothing_is_kept_for_reuse),
      TEST_CASE(a_full_budget_gives_no_memory_but_to_the_privileged))
