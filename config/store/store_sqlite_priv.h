/*
 * store_sqlite_priv: what opening a SQLite store and using it share.
 *
 * Role    the connection, its prepared statements, and SQLite's results as the store's errors
 * Owns    see struct store_sqlite
 * Thread  one at a time
 */
#ifndef CONFIG_STORE_SQLITE_PRIV_H
#define CONFIG_STORE_SQLITE_PRIV_H

#include <sqlite3.h>
#include <sys/types.h>

#include "config/store/store.h"

enum store_statement {
    STATEMENT_BEGIN,
    STATEMENT_BEGIN_READ,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_PUT,
    STATEMENT_REMOVE,
    STATEMENT_LOAD,
    STATEMENT_VERSION, /* changes when another connection commits */
    STATEMENT_COUNT,
};

struct store_sqlite {
    struct store base;
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    char *path;
    sqlite3_int64 seen_version; /* of STATEMENT_VERSION, at the last load */
    ino_t log_inode;            /* of the write-ahead log that is open; 0: not known */
};

/* Errno of a result, with its reason in store->error: "PATH: DOING: what SQLite says; the fix". */
int store_sqlite_fail(struct store_sqlite *sqlite, int result, const char *doing);

/* One that gives no rows. 0 or store_sqlite_fail. */
int store_sqlite_execute(struct store_sqlite *sqlite, const char *sql, const char *doing);

/* The first column of the first row as a number. 0 or store_sqlite_fail. */
int store_sqlite_number(struct store_sqlite *sqlite, const char *sql, sqlite3_int64 *ret,
                        const char *doing);

/* Which files are open: from now on others in their place are noticed. */
void store_sqlite_note_files(struct store_sqlite *sqlite);

extern const struct store_ops store_sqlite_ops;

#endif
