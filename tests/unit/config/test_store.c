#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "config/store/store.h"
#include "tests/check.h"

/* A folder of its own per test, gone with its files at the end. */
struct place {
    char folder[64], path[96];
};

static struct place place_make(void)
{
    struct place place = { .folder = "/tmp/hopgate-store-XXXXXX" };

    CHECK(mkdtemp(place.folder) != NULL);
    (void)snprintf(place.path, sizeof(place.path), "%s/hopgate.db", place.folder);
    return place;
}

static void place_remove(const struct place *place)
{
    static const char *const endings[] = { "", "-wal", "-shm", "-journal" };
    char path[128];

    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s%s", place->path, endings[i]);
        (void)unlink(path);
    }
    CHECK_INT(rmdir(place->folder), 0);
}

static struct store *open_good(const struct place *place)
{
    struct config_errors errors;
    struct store *store = NULL;

    config_errors_init(&errors);
    CHECK_INT(store_sqlite_open(place->path, &store, &errors), 0);
    CHECK_INT(errors.count, 0);
    config_errors_done(&errors);
    return store;
}

/* The error of a file that cannot be opened, with "FILE" for its path. */
static char *open_bad(const struct place *place, int want)
{
    struct config_errors errors;
    struct store *store = NULL;
    static char line[2048];
    char *at;

    config_errors_init(&errors);
    CHECK_INT(store_sqlite_open(place->path, &store, &errors), want);
    CHECK(errors.count > 0);
    (void)config_error_format(&errors.items[errors.count - 1], line, sizeof(line));
    at = strstr(line, place->path);
    config_errors_done(&errors);
    CHECK(at != NULL); /* every message names the file */
    return line;
}

static int add_row(void *context, const char *kind, const char *id, const char *json, size_t length)
{
    char *text = context;
    size_t used = strlen(text);

    CHECK_INT(strlen(json), length);
    (void)snprintf(text + used, 4096 - used, "%s/%s=%s ", kind, id, json);
    return 0;
}

static const char *rows_of(struct store *store)
{
    static char text[4096];

    text[0] = '\0';
    CHECK_INT(store->ops->load(store, add_row, text), 0);
    return text;
}

static void put(struct store *store, const char *kind, const char *id, const char *json)
{
    CHECK_INT(store->ops->put(store, kind, id, json, strlen(json)), 0);
}

static bool begin(struct store *store)
{
    bool changed;

    CHECK_INT(store->ops->begin(store, &changed), 0);
    return changed;
}

TEST(what_is_committed_is_there_after_a_restart)
{
    struct place place = place_make();
    struct store *store = open_good(&place);

    CHECK_STR(rows_of(store), "");
    CHECK(!begin(store));
    put(store, "services", "a", "{1}");
    put(store, "routes", "a", "{2}");
    put(store, "services", "a", "{3}");
    CHECK_INT(store->ops->commit(store), 0);
    CHECK(!begin(store));
    put(store, "services", "b", "{4}");
    store->ops->rollback(store);
    store_free(store);
    store = open_good(&place);
    CHECK_STR(rows_of(store), "services/a={3} routes/a={2} ");
    CHECK(!begin(store));
    CHECK_INT(store->ops->remove(store, "services", "a"), 0);
    CHECK_INT(store->ops->remove(store, "services", "nobody"), 0);
    CHECK_INT(store->ops->commit(store), 0);
    CHECK_STR(rows_of(store), "routes/a={2} ");
    store_free(store);
    place_remove(&place);
}

TEST(the_file_is_for_its_owner_alone)
{
    struct place place = place_make();
    struct store *store = open_good(&place);
    struct config_errors errors;
    struct stat info;
    char log[128];

    (void)begin(store);
    put(store, "services", "a", "{}");
    CHECK_INT(store->ops->commit(store), 0);
    (void)snprintf(log, sizeof(log), "%s-wal", place.path);
    CHECK_INT(stat(place.path, &info), 0);
    CHECK_INT(info.st_mode & 0777, 0600);
    CHECK_INT(stat(log, &info), 0);
    CHECK_INT(info.st_mode & 0777, 0600);
    store_free(store);

    CHECK_INT(chmod(place.path, 0644), 0);
    config_errors_init(&errors);
    CHECK_INT(store_sqlite_open(place.path, &store, &errors), 0);
    CHECK_INT(errors.count, 1);
    CHECK_INT(errors.errors_count, 0);
    CHECK(strstr(errors.items[0].message, "(mode 644)") != NULL);
    config_errors_done(&errors);
    CHECK_INT(stat(place.path, &info), 0);
    CHECK_INT(info.st_mode & 0777, 0600);
    CHECK_INT(stat(log, &info), 0);
    CHECK_INT(info.st_mode & 0777, 0600);
    store_free(store);
    place_remove(&place);
}

TEST(what_another_process_writes_is_noticed_once)
{
    struct place place = place_make();
    struct store *one = open_good(&place), *other = open_good(&place);
    bool changed;

    CHECK_STR(rows_of(one), "");
    CHECK_STR(rows_of(other), "");
    CHECK(!begin(other));
    put(other, "services", "a", "{}");
    CHECK_INT(other->ops->commit(other), 0);
    CHECK_INT(one->ops->changed(one, &changed), 0);
    CHECK(changed);
    CHECK_INT(other->ops->changed(other, &changed), 0);
    CHECK(!changed); /* its own */
    CHECK(begin(one));
    CHECK_STR(rows_of(one), "services/a={} ");
    put(one, "services", "b", "{}");
    CHECK_INT(one->ops->commit(one), 0);
    CHECK(!begin(one));
    one->ops->rollback(one);
    CHECK(begin(other));
    other->ops->rollback(other);
    CHECK(begin(other)); /* still not read */
    other->ops->rollback(other);
    store_free(one);
    store_free(other);
    place_remove(&place);
}

TEST(a_writer_waits_for_another_only_so_long)
{
    struct place place = place_make();
    struct store *one = open_good(&place), *other = open_good(&place);
    bool changed;

    (void)begin(one);
    put(one, "services", "a", "{}");
    other->busy_max_ms = 20;
    CHECK_INT(other->ops->begin(other, &changed), -EBUSY);
    CHECK(strstr(store_error(other), "another process writes to it") != NULL);
    CHECK_INT(one->ops->commit(one), 0);
    CHECK(begin(other)); /* nothing is left of the failure */
    other->ops->rollback(other);
    store_free(one);
    store_free(other);
    place_remove(&place);
}

TEST(who_only_reads_never_waits_for_who_writes)
{
    struct place place = place_make();
    struct store *writer = open_good(&place), *reader;
    bool changed = true;

    (void)begin(writer);
    put(writer, "services", "a", "{}");
    reader = open_good(&place); /* also what opens: dumps, the next process of an upgrade */
    reader->busy_max_ms = 0;
    CHECK_INT(reader->ops->changed(reader, &changed), 0);
    CHECK_INT(reader->ops->begin(reader, &changed), -EBUSY);
    CHECK_INT(reader->failure, EBUSY);
    CHECK_INT(writer->ops->commit(writer), 0);
    CHECK(begin(reader));
    CHECK_INT(reader->failure, 0);
    CHECK(reader->ops->log_bytes(reader) > 0);
    store_free(reader);
    store_free(writer);
    place_remove(&place);
}

/* What SQLite has open is not what the name leads to. */
static void check_taken_away(const char *ending)
{
    struct place place = place_make();
    struct store *store = open_good(&place);
    char path[128], away[128];
    bool changed;

    (void)snprintf(path, sizeof(path), "%s%s", place.path, ending);
    (void)snprintf(away, sizeof(away), "%s/away", place.folder);
    CHECK_INT(rename(path, away), 0);
    CHECK_INT(store->ops->begin(store, &changed), -ESTALE);
    CHECK_INT(store->ops->changed(store, &changed), -ESTALE);
    CHECK(strstr(store_error(store), "put the former one back") != NULL);
    CHECK_INT(rename(away, path), 0);
    (void)begin(store);
    put(store, "services", "a", "{}");
    CHECK_INT(rename(path, away), 0);
    CHECK_INT(store->ops->commit(store), -ESTALE); /* nothing is acknowledged */
    CHECK_INT(store->failure, ESTALE);
    CHECK_INT(rename(away, path), 0);
    (void)begin(store);
    put(store, "services", "b", "{}");
    CHECK_INT(store->ops->commit(store), 0);
    store_free(store);
    place_remove(&place);
}

TEST(files_that_are_taken_away_are_not_written_to)
{
    check_taken_away("");
    check_taken_away("-wal");
}

static void write_file(const char *path, const void *bytes, size_t length, off_t offset)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    CHECK(fd >= 0);
    CHECK_INT(pwrite(fd, bytes, length, offset), length);
    CHECK_INT(close(fd), 0);
}

TEST(a_file_that_is_no_database_is_refused_and_left_alone)
{
    static const char text[] = "services:\n- name: this is a kong file and no database at all\n";
    struct place place = place_make();
    char back[sizeof(text)] = "";
    struct stat info;
    int fd;

    write_file(place.path, text, sizeof(text) - 1, 0);
    CHECK_INT(chmod(place.path, 0644), 0);
    CHECK(strstr(open_bad(&place, -EUCLEAN), "not a database") != NULL);
    CHECK_INT(stat(place.path, &info), 0);
    CHECK_INT(info.st_mode & 0777, 0644); /* others may still read it */
    fd = open(place.path, O_RDONLY | O_CLOEXEC);
    CHECK_INT(read(fd, back, sizeof(back)), sizeof(text) - 1);
    CHECK_STR(back, text);
    CHECK_INT(close(fd), 0);
    place_remove(&place);
}

TEST(what_is_no_file_is_refused_and_left_alone)
{
    struct place place = place_make();
    struct stat info;

    CHECK_INT(mkdir(place.path, 0700), 0);
    CHECK_INT(chmod(place.path, 0755), 0); /* whatever the umask */
    CHECK(strstr(open_bad(&place, -EINVAL), "no regular file") != NULL);
    CHECK_INT(stat(place.path, &info), 0);
    CHECK_INT(info.st_mode & 0777, 0755);
    CHECK_INT(rmdir(place.path), 0);
    CHECK_INT(symlink("nowhere", place.path), 0);
    CHECK(strstr(open_bad(&place, -ENOENT), "No such file") != NULL);
    CHECK_INT(unlink(place.path), 0);
    place_remove(&place);
}

static void execute(const struct place *place, const char *sql)
{
    sqlite3 *db = NULL;

    CHECK_INT(sqlite3_open(place->path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    CHECK_INT(sqlite3_close(db), SQLITE_OK);
}

TEST(another_programs_database_is_refused)
{
    static const char *const databases[] = { "PRAGMA application_id = 12345",
                                             "PRAGMA user_version = 7",
                                             "CREATE TABLE holidays (place TEXT)" };

    for (size_t i = 0; i < sizeof(databases) / sizeof(databases[0]); i++) {
        struct place place = place_make();
        execute(&place, databases[i]);
        CHECK(strstr(open_bad(&place, -EUCLEAN), "another program's database") != NULL);
        place_remove(&place);
    }
}

TEST(a_newer_programs_store_is_refused)
{
    struct place place = place_make();

    store_free(open_good(&place));
    execute(&place, "PRAGMA user_version = 99");
    CHECK(strstr(open_bad(&place, -EUCLEAN), "schema version 99") != NULL);
    place_remove(&place);
}

TEST(a_damaged_page_is_found_before_anything_is_read)
{
    struct place place = place_make();
    struct store *store = open_good(&place);
    static const unsigned char garbage[512] = { 0xde, 0xad, 0xbe, 0xef };
    struct stat info;
    char id[16];

    (void)begin(store);
    for (unsigned i = 0; i < 400; i++) {
        (void)snprintf(id, sizeof(id), "id-%04u", i);
        put(store, "services", id, "{\"name\": \"one of many, to fill pages\"}");
    }
    CHECK_INT(store->ops->commit(store), 0);
    store_free(store);
    CHECK_INT(stat(place.path, &info), 0);
    CHECK(info.st_size > 5 * 4096);
    write_file(place.path, garbage, sizeof(garbage), (off_t)3 * 4096);
    CHECK(strstr(open_bad(&place, -EUCLEAN), "put a backup in its place") != NULL);
    place_remove(&place);
}

/* What it says goes to the test's output; it ends with 0 when it could be opened. */
static _Noreturn void open_in_child(const struct place *place, int go)
{
    struct config_errors errors;
    struct store *store = NULL;
    char byte;
    int r;

    config_errors_init(&errors);
    if (read(go, &byte, 1) < 0)
        _exit(2);
    r = store_sqlite_open(place->path, &store, &errors);
    config_errors_print(&errors, stderr);
    store_free(store);
    config_errors_done(&errors);
    _exit(r < 0 ? 1 : 0);
}

TEST(processes_that_open_a_new_file_at_once_all_get_it)
{
    enum { PROCESSES = 6, ROUNDS = 5 };
    pid_t children[PROCESSES];
    int go[2], status;

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct place place = place_make();
        CHECK_INT(pipe(go), 0);
        for (unsigned i = 0; i < PROCESSES; i++) {
            children[i] = fork();
            CHECK(children[i] >= 0);
            if (children[i] > 0)
                continue;
            (void)close(go[1]); /* the end of it is the sign */
            open_in_child(&place, go[0]);
        }
        CHECK_INT(close(go[1]), 0);
        for (unsigned i = 0; i < PROCESSES; i++) {
            CHECK(waitpid(children[i], &status, 0) == children[i]);
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
        CHECK_INT(close(go[0]), 0);
        store_free(open_good(&place));
        place_remove(&place);
    }
}

TEST(a_folder_that_is_not_there_is_named)
{
    struct place place = { .folder = "", .path = "/nowhere/at/all/hopgate.db" };

    CHECK(strstr(open_bad(&place, -ENOENT), "create its folder") != NULL);
}

TESTS(TEST_CASE(what_is_committed_is_there_after_a_restart),
      TEST_CASE(the_file_is_for_its_owner_alone),
      TEST_CASE(what_another_process_writes_is_noticed_once),
      TEST_CASE(a_writer_waits_for_another_only_so_long),
      TEST_CASE(who_only_reads_never_waits_for_who_writes),
      TEST_CASE(files_that_are_taken_away_are_not_written_to),
      TEST_CASE(a_file_that_is_no_database_is_refused_and_left_alone),
      TEST_CASE(what_is_no_file_is_refused_and_left_alone),
      TEST_CASE(another_programs_database_is_refused), TEST_CASE(a_newer_programs_store_is_refused),
      TEST_CASE(a_damaged_page_is_found_before_anything_is_read),
      TEST_CASE(processes_that_open_a_new_file_at_once_all_get_it),
      TEST_CASE(a_folder_that_is_not_there_is_named))
