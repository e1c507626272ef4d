/*
 * store_sqlite_open: a file that is not there is made, one of an older version moves forward, a damaged
 * or foreign one is refused before anything is read from it.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/store/store_sqlite_priv.h"
#include "core/clock.h"

enum { OPEN_AGAIN_MS = 10 };

enum { APPLICATION_ID = 0x68676174 }; /* "hgat", at byte 68 of the file: file(1) can tell it */

/* Line i moves version i to version i + 1; the version is SQLite's user_version. Never change a line
 * that was released. */
static const char *const migrations[] = {
    "CREATE TABLE entities ("
    "    kind TEXT NOT NULL,"
    "    id TEXT NOT NULL,"
    "    json TEXT NOT NULL,"
    "    PRIMARY KEY (kind, id)"
    ") STRICT",
};

enum { VERSION = sizeof(migrations) / sizeof(migrations[0]) };

/* EXTRA is FULL, and lasting deletions of a rollback journal, should there ever be one. secure_delete: a
 * private key that was deleted is not left behind in the file. journal_size_limit: a log that had to grow
 * shrinks again. */
static const char settings[] = "PRAGMA synchronous = EXTRA;"
                               "PRAGMA secure_delete = ON;"
                               "PRAGMA trusted_schema = OFF;"
                               "PRAGMA cell_size_check = ON;"
                               "PRAGMA journal_size_limit = 16777216;"
                               "PRAGMA temp_store = MEMORY;";

/* --- the file ------------------------------------------------------------------------------ */

static int sync_folder_of(const char *path)
{
    char *copy = strdup(path);
    int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1, r = 0;

    if (!copy)
        return -ENOMEM;
    if (fd < 0 || fsync(fd) < 0)
        r = -errno;
    if (fd >= 0)
        (void)close(fd); /* nothing was written through it */
    free(copy);
    return r;
}

/* The -wal and -shm files get the mode of this one, from SQLite. Closed before SQLite has locks on the
 * file: to close any descriptor of a file ends the process's locks on it. */
static int make_file(const char *path, struct config_errors *errors)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), r = 0;

    if (fd >= 0) {
        (void)close(fd); /* it is empty */
        r = sync_folder_of(path);
    } else if (errno != EEXIST) {
        r = -errno;
    }
    if (r < 0)
        config_errors_add(
            errors, CONFIG_ERROR, (struct config_place){ .file = path },
            "the store cannot be made: %s; create its folder, or make it writable for "
            "the user hopgate runs as",
            strerror(-r));
    return r;
}

/* What else the path may lead to is somebody else's: SQLite would write a journal beside a device. */
static int check_kind(const char *path, struct config_errors *errors)
{
    struct stat info;
    int r = stat(path, &info) < 0 ? -errno : 0;

    if (r == 0 && S_ISREG(info.st_mode))
        return 0;
    config_errors_add(errors, CONFIG_ERROR, (struct config_place){ .file = path },
                      "the store cannot be opened: %s; set hopgate_sqlite_path to a file",
                      r < 0 ? strerror(-r) : "it is no regular file");
    return r < 0 ? r : -EINVAL;
}

/* Also of the files beside it: a former run may have left them as they were. */
static int tighten_all(const char *path, mode_t mode)
{
    static const char *const ends[] = { "", "-wal", "-shm" };
    int r = 0;

    for (size_t i = 0; r == 0 && i < sizeof(ends) / sizeof(ends[0]); i++) {
        char *name;

        if (asprintf(&name, "%s%s", path, ends[i]) < 0)
            return -ENOMEM;
        if (chmod(name, mode) < 0 && errno != ENOENT)
            r = -errno;
        free(name);
    }
    return r;
}

/* Only of what has turned out to be a store: the path may lead to anything. */
static void tighten_mode(const struct store_sqlite *sqlite, struct config_errors *errors)
{
    const char *path = sqlite3_db_filename(sqlite->db, "main"); /* links are followed */
    struct stat info;

    if (!path || stat(path, &info) < 0 || (info.st_mode & 077) == 0)
        return;
    if (tighten_all(path, info.st_mode & 0700) < 0)
        config_errors_add(
            errors, CONFIG_WARNING, (struct config_place){ .file = sqlite->path },
            "others than its owner may read or write the store (mode %03o), and private "
            "keys are in it; chmod 600 it",
            info.st_mode & 0777);
    else
        config_errors_add(errors, CONFIG_WARNING, (struct config_place){ .file = sqlite->path },
                          "others than its owner could read or write the store (mode %03o), and "
                          "private keys are in it; its mode is %03o now",
                          info.st_mode & 0777, info.st_mode & 0700);
}

/* --- what is in it ------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static int refuse(struct store_sqlite *sqlite,
                                                        const char *format, ...)
{
    char words[sizeof(sqlite->base.error) - 64];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(words, sizeof(words), format, args);
    va_end(args);
    (void)snprintf(sqlite->base.error, sizeof(sqlite->base.error), "%s: %s", sqlite->path, words);
    sqlite->base.failure = EUCLEAN;
    return -EUCLEAN;
}

/* Is it ours, or nobody's yet? Within one transaction. */
static int check_application(struct store_sqlite *sqlite, sqlite3_int64 *ret_version)
{
    sqlite3_int64 id = 0, version = 0, tables = 0;
    int r = store_sqlite_number(sqlite, "PRAGMA application_id", &id, "opening");

    if (r == 0)
        r = store_sqlite_number(sqlite, "PRAGMA user_version", &version, "opening");
    if (r == 0)
        r = store_sqlite_number(sqlite, "SELECT count(*) FROM sqlite_schema", &tables, "opening");
    if (r < 0)
        return r;
    if (id != APPLICATION_ID && (id != 0 || version != 0 || tables != 0))
        return refuse(sqlite, "it is another program's database, and is left alone; set "
                              "hopgate_sqlite_path to a file of its own");
    if (version > VERSION)
        return refuse(
            sqlite,
            "a newer hopgate has written it (schema version %lld, this one knows %d); run "
            "that version, or put a backup of before the upgrade in its place",
            (long long)version, VERSION);
    *ret_version = version;
    return 0;
}

static int migrate_from(struct store_sqlite *sqlite, sqlite3_int64 version)
{
    static const char doing[] = "moving it to this version's schema";
    char text[96];
    int r = 0;

    if (version == VERSION)
        return 0;
    for (sqlite3_int64 i = version; r == 0 && i < VERSION; i++)
        r = store_sqlite_execute(sqlite, migrations[i], doing);
    (void)snprintf(text, sizeof(text), "PRAGMA application_id = %d; PRAGMA user_version = %d",
                   APPLICATION_ID, VERSION);
    return r < 0 ? r : store_sqlite_execute(sqlite, text, doing);
}

/* begin: "BEGIN" only looks; "BEGIN IMMEDIATE" changes, and of two processes that start at once, the
 * second finds the work done. */
static int examine(struct store_sqlite *sqlite, const char *begin, bool migrates,
                   sqlite3_int64 *ret_version)
{
    int r = store_sqlite_execute(sqlite, begin, "opening");

    if (r == 0)
        r = check_application(sqlite, ret_version);
    if (r == 0 && migrates)
        r = migrate_from(sqlite, *ret_version);
    if (r == 0)
        r = store_sqlite_execute(sqlite, "COMMIT", "opening");
    if (r < 0 && !sqlite3_get_autocommit(sqlite->db))
        (void)sqlite3_exec(sqlite->db, "ROLLBACK", NULL, NULL, NULL); /* the first reason counts */
    return r;
}

/* Finds torn pages and wrong links in the time it takes to read the file once. */
static int check_integrity(struct store_sqlite *sqlite)
{
    sqlite3_stmt *statement = NULL;
    const char *words;
    int result = sqlite3_prepare_v2(sqlite->db, "PRAGMA quick_check(1)", -1, &statement, NULL);
    int r = 0;

    if (result == SQLITE_OK)
        result = sqlite3_step(statement);
    words = result == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    if (!words) {
        r = store_sqlite_fail(sqlite, result, "checking it");
    } else if (strcmp(words, "ok") != 0) {
        r = refuse(
            sqlite,
            "it is damaged (%.200s); put a backup in its place, or save what `sqlite3 FILE "
            ".recover` can read, or move it away with its -wal and -shm files to begin empty",
            words);
    }
    (void)sqlite3_finalize(statement); /* repeats the result of the step */
    return r;
}

/* Is the write-ahead log on? The file itself keeps it on; a file system that cannot share memory cannot
 * have it. */
static int check_log(struct store_sqlite *sqlite, const char *pragma)
{
    sqlite3_stmt *statement = NULL;
    const char *mode;
    int result = sqlite3_prepare_v2(sqlite->db, pragma, -1, &statement, NULL);
    int r = 0;

    if (result == SQLITE_OK)
        result = sqlite3_step(statement);
    mode = result == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    if (!mode) {
        r = store_sqlite_fail(sqlite, result, "opening");
    } else if (strcmp(mode, "wal") != 0) {
        (void)refuse(sqlite,
                     "its write-ahead log cannot be turned on: the disk failed, or its file "
                     "system shares no memory; put it on a local disk with "
                     "hopgate_sqlite_path");
        r = -EIO;
    }
    (void)sqlite3_finalize(statement); /* repeats the result of the step */
    return r;
}

static int open_database(struct store_sqlite *sqlite)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    int result = sqlite3_open_v2(sqlite->path, &sqlite->db, flags, NULL), r;
    sqlite3_int64 version = 0;

    if (result != SQLITE_OK)
        return store_sqlite_fail(sqlite, result, "opening");
    (void)sqlite3_extended_result_codes(sqlite->db, 1); /* only set a number each */
    (void)sqlite3_db_config(sqlite->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_busy_timeout(sqlite->db, (int)sqlite->base.busy_max_ms);
    if (sqlite3_db_readonly(sqlite->db, "main") == 1) {
        (void)refuse(sqlite, "it may only be read; make it and its folder writable for the user "
                             "hopgate runs as");
        return -EROFS;
    }
    r = examine(sqlite, "BEGIN", false, &version); /* before anything is written */
    if (r == 0)
        r = check_log(sqlite, "PRAGMA journal_mode = WAL");
    if (r == 0)
        r = store_sqlite_execute(sqlite, settings, "opening");
    if (r == 0 && version != VERSION) /* else who only reads would wait for who writes */
        r = examine(sqlite, "BEGIN IMMEDIATE", true, &version);
    if (r ==
        0) /* once more: when the disk fails while it is turned on, SQLite keeps that to itself */
        r = check_log(sqlite, "PRAGMA journal_mode");
    return r < 0 ? r : check_integrity(sqlite);
}

/* Of processes that turn the log on at once SQLite refuses some on the spot, whatever its busy timeout. */
static int open_patiently(struct store_sqlite *sqlite)
{
    uint64_t deadline_ms = clock_now_ms() + sqlite->base.busy_max_ms;
    int r;

    while ((r = open_database(sqlite)) == -EBUSY && clock_now_ms() < deadline_ms) {
        (void)sqlite3_close(sqlite->db); /* nothing is prepared yet */
        sqlite->db = NULL;
        (void)poll(NULL, 0, OPEN_AGAIN_MS); /* a signal only makes it shorter */
    }
    return r;
}

int store_sqlite_open(const char *path, struct store **ret, struct config_errors *errors)
{
    struct store_sqlite *sqlite;
    int r = make_file(path, errors);

    if (r == 0)
        r = check_kind(path, errors);
    if (r < 0)
        return r;
    sqlite = calloc(1, sizeof(*sqlite));
    if (!sqlite)
        return -ENOMEM;
    sqlite->base.ops = &store_sqlite_ops;
    sqlite->base.busy_max_ms = STORE_BUSY_MS;
    sqlite->path = strdup(path);
    r = sqlite->path ? open_patiently(sqlite) : -ENOMEM;
    if (r < 0) {
        if (sqlite->path) /* the words begin with it */
            config_errors_add(errors, CONFIG_ERROR, (struct config_place){ 0 }, "%s",
                              sqlite->base.error);
        store_free(&sqlite->base);
        return r;
    }
    tighten_mode(sqlite, errors);
    store_sqlite_note_files(sqlite);
    *ret = &sqlite->base;
    return 0;
}
