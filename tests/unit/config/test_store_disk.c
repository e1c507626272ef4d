/* The store on a disk that loses power, runs full and fails: tests/unit/config/store_disk.h. */
#include <unistd.h>

#include "config/store/store.h"
#include "tests/check.h"
#include "tests/unit/config/store_disk.h"
#include "tests/unit/config/store_ledger.h"

enum { SEEDS = 150, LIVES = 3, TRANSACTIONS = 30, DOUBTS_MAX = LIVES * TRANSACTIONS };

/* The disk's files have no folder, but the store makes sure of its file in the real one. */
static char folder[] = "/tmp/hopgate-disk-XXXXXX";
static char path[64];

static void make_folder(void)
{
    if (path[0])
        return;
    CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(path, sizeof(path), "%s/db", folder);
    disk_use();
}

static void remove_folder(void)
{
    (void)unlink(path);
    CHECK_INT(rmdir(folder), 0);
    disk_reset(0);
}

static struct store *try_open(char *reason, size_t size, int *ret_error)
{
    struct config_errors errors;
    struct store *store = NULL;

    config_errors_init(&errors);
    *ret_error = store_sqlite_open(path, &store, &errors);
    (void)snprintf(reason, size, "%s", errors.count > 0 ? errors.items[0].message : "");
    config_errors_done(&errors);
    return store;
}

static struct store *open_good(void)
{
    char reason[600];
    int error;
    struct store *store = try_open(reason, sizeof(reason), &error);

    if (!store)
        fail_msg("cannot be opened: %d %s", error, reason);
    return store;
}

/* --- power loss ---------------------------------------------------------------------------- */

struct life {
    struct ledger acknowledged;
    struct ledger doubts[DOUBTS_MAX]; /* tried since then, and refused or interrupted */
    size_t doubts_count;
    unsigned number; /* of the last transaction */
};

static void fail_with(uint64_t seed, const struct life *life, const struct ledger *found)
{
    char want[200], got[200];

    ledger_print(&life->acknowledged, want, sizeof(want));
    ledger_print(found, got, sizeof(got));
    fail_msg("seed %llu: after transaction %u: acknowledged %s; found %s; %zu in doubt",
             (unsigned long long)seed, life->number, want, got, life->doubts_count);
}

/* What is found must be what was acknowledged, or a whole one of those in doubt. What else was possible
 * stays in doubt until the next commit: the folder may forget that the log was deleted. */
static void check_found(uint64_t seed, struct life *life, struct store *store)
{
    struct ledger found = ledger_read(store);
    bool known = ledger_equal(&found, &life->acknowledged);

    for (size_t i = 0; !known && i < life->doubts_count; i++) {
        known = ledger_equal(&found, &life->doubts[i]);
        if (known)
            life->doubts[i] = life->acknowledged;
    }
    if (!known)
        fail_with(seed, life, &found);
    life->acknowledged = found;
}

static void write_one(uint64_t seed, struct life *life, struct store *store)
{
    struct ledger after = ledger_after(life->acknowledged, ++life->number), found;

    if (ledger_write(store, life->number) == 0) {
        life->acknowledged = after;
        life->doubts_count = 0;
        return;
    }
    CHECK(strlen(store_error(store)) > 0);
    life->doubts[life->doubts_count++] = after;
    if (the_disk.is_dead)
        return;
    found = ledger_read(store); /* refused: nothing has changed */
    if (!ledger_equal(&found, &life->acknowledged))
        fail_with(seed, life, &found);
}

/* Until the disk dies; opened anew now and then, which empties the log into the file. */
static void write_until_dead(uint64_t seed, struct life *life)
{
    char reason[600];
    int error;
    struct store *store = try_open(reason, sizeof(reason), &error);

    for (unsigned i = 0; i < TRANSACTIONS && store && !the_disk.is_dead; i++) {
        write_one(seed, life, store);
        if (disk_random() % 6 != 0)
            continue;
        store_free(store);
        store = the_disk.is_dead ? NULL : try_open(reason, sizeof(reason), &error);
        if (store)
            check_found(seed, life, store);
    }
    store_free(store);
}

static void plan_faults(void)
{
    the_disk.dies_at = the_disk.operations + 1 + disk_random() % 500;
    if (disk_random() % 3 == 0) {
        the_disk.full_from = the_disk.writes + 1 + disk_random() % 100;
        the_disk.full_to = the_disk.full_from + 1 + disk_random() % 20;
    }
    if (disk_random() % 3 == 0)
        the_disk.sync_fails_at = the_disk.syncs + 1 + disk_random() % 40;
}

TEST(what_was_acknowledged_survives_power_loss_and_nothing_by_halves)
{
    const char *first = getenv("HOPGATE_STORE_SEED"); /* to search further, or to see one again */
    uint64_t from = first ? strtoull(first, NULL, 10) : 1;

    make_folder();
    for (uint64_t seed = from; seed < from + SEEDS; seed++) {
        struct life life = { .number = 0 };
        disk_reset(seed);
        for (unsigned i = 0; i < LIVES; i++) {
            struct store *store;
            plan_faults();
            write_until_dead(seed, &life);
            disk_lose_power();
            store = open_good(); /* checks the integrity */
            check_found(seed, &life, store);
            life.doubts_count = 0; /* what the power left is on the disk */
            store_free(store);
        }
    }
}

TEST(a_commit_is_answered_after_the_disk_has_it)
{
    struct store *store;
    size_t syncs;

    make_folder();
    disk_reset(1);
    store = open_good();
    for (unsigned number = 1; number < 20; number++) {
        syncs = the_disk.syncs;
        CHECK_INT(ledger_write(store, number), 0);
        CHECK(the_disk.syncs > syncs);
    }
    store_free(store);
}

/* --- a disk that fails and recovers -------------------------------------------------------- */

TEST(a_full_disk_refuses_and_later_takes_again)
{
    struct ledger ledger = { 0 }, found;
    struct store *store;

    make_folder();
    disk_reset(2);
    store = open_good();
    CHECK_INT(ledger_write(store, 1), 0);
    ledger = ledger_after(ledger, 1);
    the_disk.full_from = 0;
    the_disk.full_to = SIZE_MAX;
    for (unsigned number = 2; number < 5; number++) {
        CHECK_INT(ledger_write(store, number), -ENOSPC);
        CHECK(strstr(store_error(store), "make room on its file system") != NULL);
        CHECK(strstr(store_error(store), path) != NULL);
        found = ledger_read(store);
        CHECK(ledger_equal(&found, &ledger));
    }
    the_disk.full_to = 0;
    CHECK_INT(ledger_write(store, 5), 0);
    ledger = ledger_after(ledger, 5);
    store_free(store);
    store = open_good();
    found = ledger_read(store);
    CHECK(ledger_equal(&found, &ledger));
    store_free(store);
}

TEST(a_sync_that_fails_refuses_the_commit)
{
    struct ledger ledger = { 0 }, found;
    struct store *store;

    make_folder();
    disk_reset(3);
    store = open_good();
    CHECK_INT(ledger_write(store, 1), 0);
    ledger = ledger_after(ledger, 1);
    the_disk.sync_fails_at = the_disk.syncs + 1;
    CHECK_INT(ledger_write(store, 2), -EIO);
    CHECK(strstr(store_error(store), "kernel's log") != NULL);
    found = ledger_read(store);
    CHECK(ledger_equal(&found, &ledger));
    CHECK_INT(ledger_write(store, 3), 0);
    the_disk.is_dead = true;
    store_free(store);
    disk_lose_power();
    store = open_good();
    ledger = ledger_after(ledger, 3);
    found = ledger_read(store);
    CHECK(ledger_equal(&found, &ledger));
    store_free(store);
}

TEST(a_file_that_may_only_be_read_is_refused)
{
    char reason[600];
    int error;

    make_folder();
    disk_reset(4);
    store_free(open_good());
    the_disk.is_read_only = true;
    CHECK(try_open(reason, sizeof(reason), &error) == NULL);
    CHECK_INT(error, -EROFS);
    CHECK(strstr(reason, "it may only be read") != NULL);
    the_disk.is_read_only = false;
    store_free(open_good());
}

/* The test of the tests: a disk whose syncs do nothing must be found out. */
TEST(a_disk_that_lies_about_syncs_is_found_out)
{
    bool lost = false;

    make_folder();
    for (uint64_t seed = 1; !lost && seed <= 50; seed++) {
        struct ledger ledger = { 0 }, found;
        struct store *store;
        disk_reset(seed);
        store = open_good();
        the_disk.lies = true;
        for (unsigned number = 1; number < 10; number++) {
            CHECK_INT(ledger_write(store, number), 0);
            ledger = ledger_after(ledger, number);
        }
        the_disk.is_dead = true;
        store_free(store);
        disk_lose_power();
        the_disk.lies = false;
        store = open_good(); /* even so, nothing is half there */
        found = ledger_read(store);
        lost = !ledger_equal(&found, &ledger);
        store_free(store);
    }
    CHECK(lost);
    remove_folder();
}

TESTS(TEST_CASE(what_was_acknowledged_survives_power_loss_and_nothing_by_halves),
      TEST_CASE(a_commit_is_answered_after_the_disk_has_it),
      TEST_CASE(a_full_disk_refuses_and_later_takes_again),
      TEST_CASE(a_sync_that_fails_refuses_the_commit),
      TEST_CASE(a_file_that_may_only_be_read_is_refused),
      TEST_CASE(a_disk_that_lies_about_syncs_is_found_out))
