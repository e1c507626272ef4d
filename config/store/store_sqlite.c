/*
 * store_sqlite: the store in one file, with a write-ahead log beside it.
 *
 * A commit is durable when the log is synchronised (synchronous = EXTRA); readers and the one writer do
 * not wait for each other. SQLite moves the log into the file by itself, every thousand pages.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "config/store/store_sqlite_priv.h"

/* In place: what is replaced keeps its page. */
static const char put_text[] = "INSERT INTO entities (kind, id, json) VALUES (?1, ?2, ?3) "
                               "ON CONFLICT (kind, id) DO UPDATE SET json = excluded.json";

static const char *const statement_texts[STATEMENT_COUNT] = {
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_BEGIN_READ] = "BEGIN",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_ROLLBACK] = "ROLLBACK",
    [STATEMENT_PUT] = put_text,
    [STATEMENT_REMOVE] = "DELETE FROM entities WHERE kind = ?1 AND id = ?2",
    [STATEMENT_LOAD] = "SELECT kind, id, json FROM entities",
    [STATEMENT_VERSION] = "PRAGMA data_version",
};

/* --- errors -------------------------------------------------------------------------------- */

static int errno_of_io(struct store_sqlite *sqlite, int extended)
{
    int number = sqlite3_system_errno(sqlite->db);

    if (extended == SQLITE_IOERR_NOMEM)
        return ENOMEM;
    if (number == ENOSPC || number == EDQUOT)
        return ENOSPC;
    return number == EROFS || number == EACCES || number == EPERM ? EROFS : EIO;
}

static int errno_of(struct store_sqlite *sqlite, int result)
{
    switch (result & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return EBUSY;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return EROFS;
    case SQLITE_FULL:
        return ENOSPC;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR: /* our statements are right: the tables are not what they say */
    case SQLITE_SCHEMA:
        return EUCLEAN;
    case SQLITE_NOMEM:
        return ENOMEM;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return errno_of_io(sqlite, result);
    default:
        return EIO;
    }
}

static const char *fix_of(int number)
{
    switch (number) {
    case EBUSY:
        return "another process writes to it: end what that one does (a shell with an open "
               "BEGIN?), "
               "then try again";
    case EROFS:
        return "make it and its folder writable for the user hopgate runs as";
    case ENOSPC:
        return "make room on its file system";
    case EUCLEAN:
        return "it is damaged: put a backup in its place, or save what `sqlite3 FILE .recover` can "
               "read, or move it away with its -wal and -shm files to begin empty";
    case ENOMEM:
        return "no memory";
    default:
        return "look for the disk's errors in the kernel's log, and for room on it";
    }
}

int store_sqlite_fail(struct store_sqlite *sqlite, int result, const char *doing)
{
    int number = errno_of(sqlite, sqlite->db ? sqlite3_extended_errcode(sqlite->db) : result);
    const char *words = sqlite->db ? sqlite3_errmsg(sqlite->db) : sqlite3_errstr(result);

    if (result == SQLITE_NOMEM)
        number = ENOMEM;
    (void)snprintf(sqlite->base.error, sizeof(sqlite->base.error), "%s: %s: %s; %s", sqlite->path,
                   doing, words, fix_of(number));
    sqlite->base.failure = number;
    return -number;
}

/* --- statements ---------------------------------------------------------------------------- */

int store_sqlite_execute(struct store_sqlite *sqlite, const char *sql, const char *doing)
{
    int result = sqlite3_exec(sqlite->db, sql, NULL, NULL, NULL);

    return result == SQLITE_OK ? 0 : store_sqlite_fail(sqlite, result, doing);
}

int store_sqlite_number(struct store_sqlite *sqlite, const char *sql, sqlite3_int64 *ret,
                        const char *doing)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(sqlite->db, sql, -1, &statement, NULL), r = 0;

    if (result == SQLITE_OK)
        result = sqlite3_step(statement);
    if (result == SQLITE_ROW)
        *ret = sqlite3_column_int64(statement, 0);
    else
        r = store_sqlite_fail(sqlite, result, doing);
    (void)sqlite3_finalize(statement); /* repeats the result of the step */
    return r;
}

/* Ready to be bound; NULL: *reterr says why. Prepared at its first use: the table is there then. */
static sqlite3_stmt *statement_get(struct store_sqlite *sqlite, enum store_statement which,
                                   int *reterr)
{
    sqlite3_stmt **statement = &sqlite->statements[which];

    if (!*statement)
        *reterr = sqlite3_prepare_v3(sqlite->db, statement_texts[which], -1,
                                     SQLITE_PREPARE_PERSISTENT, statement, NULL);
    return *statement;
}

/* Runs one that gives no rows, with up to three texts. A result of SQLite. */
static int run(struct store_sqlite *sqlite, enum store_statement which, const char *kind,
               const char *id, const char *json, size_t length)
{
    int result = SQLITE_NOMEM;
    sqlite3_stmt *statement = statement_get(sqlite, which, &result);

    if (!statement)
        return result;
    result = SQLITE_OK;
    if (kind)
        result = sqlite3_bind_text(statement, 1, kind, -1, SQLITE_STATIC);
    if (id && result == SQLITE_OK)
        result = sqlite3_bind_text(statement, 2, id, -1, SQLITE_STATIC);
    if (json && result == SQLITE_OK)
        result = sqlite3_bind_text64(statement, 3, json, length, SQLITE_STATIC, SQLITE_UTF8);
    if (result == SQLITE_OK)
        result = sqlite3_step(statement);
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

/* To be called when the reason of a failure has been read: it forgets it. */
static void reset(struct store_sqlite *sqlite, enum store_statement which)
{
    if (!sqlite->statements[which])
        return;
    (void)sqlite3_reset(sqlite->statements[which]); /* repeats the result of the step */
    (void)sqlite3_clear_bindings(sqlite->statements[which]);
}

static int run_or_fail(struct store_sqlite *sqlite, enum store_statement which, const char *doing)
{
    int result = run(sqlite, which, NULL, NULL, NULL, 0), r = 0;

    if (result != SQLITE_OK)
        r = store_sqlite_fail(sqlite, result, doing);
    reset(sqlite, which);
    return r;
}

static int read_version(struct store_sqlite *sqlite, sqlite3_int64 *ret)
{
    int result = SQLITE_NOMEM, r = 0;
    sqlite3_stmt *statement = statement_get(sqlite, STATEMENT_VERSION, &result);

    if (statement)
        result = sqlite3_step(statement);
    if (result == SQLITE_ROW)
        *ret = sqlite3_column_int64(statement, 0);
    else
        r = store_sqlite_fail(sqlite, result, "asking for others' changes");
    reset(sqlite, STATEMENT_VERSION);
    return r;
}

/* --- the files ----------------------------------------------------------------------------- */

/* SQLite goes on with the files that it has open, wherever their names lead by now: what it would write is
 * lost. A name that leads nowhere: *ret is untouched. */
static void log_stat(struct store_sqlite *sqlite, struct stat *ret)
{
    const char *path = sqlite3_db_filename(sqlite->db, "main");

    if (path && stat(sqlite3_filename_wal(path), ret) < 0)
        *ret = (struct stat){ 0 };
}

void store_sqlite_note_files(struct store_sqlite *sqlite)
{
    struct stat log = { 0 };

    log_stat(sqlite, &log);
    sqlite->log_inode = log.st_ino;
}

static int check_files(struct store_sqlite *sqlite)
{
    struct stat log = { 0 };
    int has_moved = 0;

    (void)sqlite3_file_control(sqlite->db, "main", SQLITE_FCNTL_HAS_MOVED,
                               &has_moved); /* else: no */
    log_stat(sqlite, &log);
    if (!has_moved && log.st_ino == sqlite->log_inode)
        return 0;
    (void)snprintf(sqlite->base.error, sizeof(sqlite->base.error),
                   "%s: the %s was deleted or replaced while it was in use, and is not written to "
                   "any more; put the former one back, or restart the hop to go on with what is "
                   "there",
                   sqlite->path, has_moved ? "file" : "write-ahead log beside it (-wal)");
    sqlite->base.failure = ESTALE;
    return -ESTALE;
}

/* --- the store ----------------------------------------------------------------------------- */

static void rollback(struct store *store)
{
    struct store_sqlite *sqlite = (struct store_sqlite *)store;

    if (sqlite3_get_autocommit(sqlite->db))
        return; /* after some errors SQLite has done it already */
    (void)run(sqlite, STATEMENT_ROLLBACK, NULL, NULL, NULL, 0); /* cannot leave anything behind: */
    reset(sqlite, STATEMENT_ROLLBACK); /* what is not committed does not count */
}

static int begin(struct store *store, bool *ret_changed)
{
    struct store_sqlite *sqlite = (struct store_sqlite *)store;
    sqlite3_int64 version;
    int r;

    store->failure = 0;
    (void)sqlite3_busy_timeout(sqlite->db, (int)store->busy_max_ms); /* only sets a number */
    r = check_files(sqlite);
    if (r == 0)
        r = run_or_fail(sqlite, STATEMENT_BEGIN, "taking its lock to write");
    if (r < 0)
        return r;
    r = read_version(sqlite, &version);
    if (r < 0) {
        rollback(store);
        return r;
    }
    *ret_changed = version != sqlite->seen_version;
    return 0;
}

static int put(struct store *store, const char *kind, const char *id, const char *json,
               size_t length)
{
    struct store_sqlite *sqlite = (struct store_sqlite *)store;
    int result = run(sqlite, STATEMENT_PUT, kind, id, json, length), r = 0;

    if (result != SQLITE_OK)
        r = store_sqlite_fail(sqlite, result, "writing");
    reset(sqlite, STATEMENT_PUT);
    return r;
}

static int remove_row(struct store *store, const char *kind, const char *id)
{
    struct store_sqlite *sqlite = (struct store_sqlite *)store;
    int result = run(sqlite, STATEMENT_REMOVE, kind, id, NULL, 0), r = 0;

    if (result != SQLITE_OK)
        r = store_sqlite_fail(sqlite, result, "deleting");
    reset(sqlite, STATEMENT_REMOVE);
    return r;
}

static int commit(struct store *store)
{
    struct store_sqlite *sqlite = (struct store_sqlite *)store;
    int r = check_files(sqlite);

    if (r == 0)
        r = run_or_fail(sqlite, STATEMENT_COMMIT, "committing");
    if (r < 0)
        rollback(store);
    return r;
}

static int walk_rows(struct store_sqlite *sqlite, sqlite3_stmt *rows, store_row *row, void *context)
{
    int result, r = 0;

    while (r == 0 && (result = sqlite3_step(rows)) != SQLITE_DONE) {
        const char *kind, *id, *json;
        if (result != SQLITE_ROW)
            return store_sqlite_fail(sqlite, result, "reading");
        kind = (const char *)sqlite3_column_text(rows, 0);
        id = (const char *)sqlite3_column_text(rows, 1);
        json = (const char *)sqlite3_column_text(rows, 2);
        if (!kind || !id || !json) /* the table allows no NULL: the memory is missing */
            return store_sqlite_fail(sqlite, SQLITE_NOMEM, "reading");
        r = row(context, kind, id, json, (size_t)sqlite3_column_bytes(rows, 2));
    }
    return r;
}

static int load(struct store *store, store_row *row, void *context)
{
    struct store_sqlite *sqlite = (struct store_sqlite *)store;
    bool is_inside = !sqlite3_get_autocommit(sqlite->db);
    sqlite3_int64 version;
    int result = SQLITE_NOMEM, r = 0;
    sqlite3_stmt *rows;

    if (!is_inside)
        r = run_or_fail(sqlite, STATEMENT_BEGIN_READ, "reading");
    if (r < 0)
        return r;
    rows = statement_get(sqlite, STATEMENT_LOAD, &result);
    r = rows ? walk_rows(sqlite, rows, row, context) : store_sqlite_fail(sqlite, result, "reading");
    if (r == 0)
        r = read_version(sqlite, &version); /* of the state that the rows were read from */
    reset(sqlite, STATEMENT_LOAD);
    if (!is_inside)
        rollback(store);
    if (r == 0)
        sqlite->seen_version = version;
    return r;
}

static int changed(struct store *store, bool *ret)
{
    struct store_sqlite *sqlite = (struct store_sqlite *)store;
    sqlite3_int64 version;
    int r;

    store->failure = 0;
    (void)sqlite3_busy_timeout(sqlite->db, (int)store->busy_max_ms); /* only sets a number */
    r = check_files(sqlite);
    if (r == 0)
        r = read_version(sqlite, &version);
    if (r == 0)
        *ret = version != sqlite->seen_version;
    return r;
}

static uint64_t log_bytes(struct store *store)
{
    struct stat log = { 0 };

    log_stat((struct store_sqlite *)store, &log);
    return (uint64_t)log.st_size;
}

static void close_store(struct store *store)
{
    struct store_sqlite *sqlite = (struct store_sqlite *)store;

    for (size_t i = 0; i < STATEMENT_COUNT; i++)
        (void)sqlite3_finalize(sqlite->statements[i]); /* repeats the result of the last step */
    (void)sqlite3_close(sqlite->db); /* every statement is finished: it cannot be busy */
    free(sqlite->path);
    free(sqlite);
}

const struct store_ops store_sqlite_ops = {
    .begin = begin,
    .put = put,
    .remove = remove_row,
    .commit = commit,
    .rollback = rollback,
    .load = load,
    .changed = changed,
    .log_bytes = log_bytes,
    .close = close_store,
};
