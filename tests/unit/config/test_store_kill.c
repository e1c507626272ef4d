/* The store of a process that is killed at any moment. HOPGATE_STORE_KILLS and _SEED: more, and others. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/store/store.h"
#include "tests/check.h"
#include "tests/unit/config/store_ledger.h"

enum { KILLS = 100, OPEN_MAX_SPINS = 200000 };

static uint64_t number_of(const char *variable, uint64_t standard)
{
    const char *text = getenv(variable);

    return text ? strtoull(text, NULL, 10) : standard;
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13; /* xorshift64 */
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static struct store *open_store(const char *path)
{
    struct config_errors errors;
    struct store *store = NULL;

    config_errors_init(&errors);
    if (store_sqlite_open(path, &store, &errors) < 0 && errors.count > 0)
        print_error("%s\n", errors.items[0].message);
    config_errors_done(&errors);
    return store;
}

/* In the child, without end: a number goes into the pipe when its transaction was acknowledged. */
static _Noreturn void write_for_ever(const char *path, int acknowledged, unsigned number)
{
    struct store *store = open_store(path);

    while (store && ledger_write(store, ++number) == 0)
        if (write(acknowledged, &number, sizeof(number)) != sizeof(number))
            break;
    _exit(1);
}

/* The number of the last transaction that was acknowledged before the child is dead. */
static unsigned kill_at_random(const char *path, unsigned number, uint64_t *random)
{
    uint64_t wanted = next_random(random) % 6, spins = next_random(random) % OPEN_MAX_SPINS;
    unsigned last = number, got;
    int pipe_fds[2], status;
    pid_t child;

    CHECK_INT(pipe(pipe_fds), 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0)
        write_for_ever(path, pipe_fds[1], number);
    CHECK_INT(close(pipe_fds[1]), 0);
    while (wanted-- > 0 && read(pipe_fds[0], &got, sizeof(got)) == sizeof(got))
        last = got;
    for (volatile uint64_t i = 0; i < spins; i++) {
    } /* somewhere within the next one, or while it opens */
    CHECK_INT(kill(child, SIGKILL), 0);
    while (read(pipe_fds[0], &got, sizeof(got)) == sizeof(got))
        last = got;
    CHECK_INT(close(pipe_fds[0]), 0);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status)); /* it did not end by itself, with an error */
    return last;
}

TEST(what_a_killed_process_acknowledged_is_there)
{
    char folder[] = "/tmp/hopgate-kill-XXXXXX", path[64], want[200], got[200];
    uint64_t kills = number_of("HOPGATE_STORE_KILLS", KILLS);
    uint64_t random = number_of("HOPGATE_STORE_SEED", 1) * 2 + 1;
    struct ledger ledger = { 0 };
    unsigned number = 0;

    CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(path, sizeof(path), "%s/db", folder);
    for (uint64_t i = 0; i < kills; i++) {
        unsigned last = kill_at_random(path, number, &random);
        struct store *store = open_store(path); /* checks the integrity */
        struct ledger found, next;
        CHECK(store != NULL);
        found = ledger_read(store);
        while (number < last)
            ledger = ledger_after(ledger, ++number);
        next = ledger_after(ledger, number + 1); /* was on its way */
        if (ledger_equal(&found, &next)) {
            ledger = next;
            number++;
        }
        if (!ledger_equal(&found, &ledger)) {
            ledger_print(&ledger, want, sizeof(want));
            ledger_print(&found, got, sizeof(got));
            fail_msg("kill %llu: acknowledged %s, found %s", (unsigned long long)i, want, got);
        }
        store_free(store);
    }
    CHECK(number > 0);
    CHECK_INT(unlink(path), 0);
    CHECK_INT(rmdir(folder), 0); /* the last one to close it has left nothing else */
}

TESTS(TEST_CASE(what_a_killed_process_acknowledged_is_there))
