/*
 * store: where the entities are kept over restarts.
 *
 * Role    rows of (kind, id, JSON text) with all-or-nothing transactions; it knows nothing of what the
 *         rows mean: uniqueness and references are the dao's, which holds everything in memory
 * Owns    the connection
 * Thread  one at a time (the config thread): every call may block on the disk
 *
 * Another process may write the same store (an upgrade in place, a second hop on purpose):
 * store_begin takes the write lock, and tells whether somebody else has written since we read.
 * A second kind of store (PostgreSQL) is a second file with these functions: struct store_ops.
 *
 * Errors: 0; -EBUSY another writer holds the lock for too long; -EROFS; -ENOSPC; -EIO; -EUCLEAN the
 * content is damaged; -ESTALE the file is not there any more, or another one is in its place; -ENOMEM. The
 * reason in words is store_error() until the next call. After an error
 * the store can be used as before: what failed may be tried again once the disk has room.
 */
#ifndef CONFIG_STORE_H
#define CONFIG_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config_error.h"
#include "core/cleanup.h"

struct store;

/* Called for each row, in no particular order; not 0 ends the walk with that. */
typedef int store_row(void *context, const char *kind, const char *id, const char *json,
                      size_t length);

struct store_ops {
    /* Takes the write lock. *ret_changed: others have written since our last load or commit. */
    int (*begin)(struct store *store, bool *ret_changed);
    int (*put)(struct store *store, const char *kind, const char *id, const char *json,
               size_t length);
    int (*remove)(struct store *store, const char *kind, const char *id); /* 0 if not there, too */
    /* Durable when it returns 0; else nothing has changed and the lock is free. (When it was the disk's
     * synchronisation that failed, and the store is opened anew before the next commit, the change may
     * be there then: never half of it.) */
    int (*commit)(struct store *store);
    void (*rollback)(struct store *store); /* also when there is nothing to roll back */
    int (*load)(struct store *store, store_row *row, void *context); /* one consistent state */
    int (*changed)(struct store *store, bool *ret);                  /* cheap; without the lock */
    uint64_t (*log_bytes)(struct store *store); /* written, and not moved to their place yet */
    void (*close)(struct store *store);
};

enum { STORE_BUSY_MS = 5000 };

/* With more of a log than that something keeps it from being moved. */
enum { STORE_LOG_BYTES_MAX = 64 * 1024 * 1024 };

struct store {
    const struct store_ops *ops;
    unsigned busy_max_ms; /* how long begin waits for another writer; may be changed at any time */
    int failure;          /* an errno, positive: why the last call failed; 0: it did not */
    char error[512];
};

static inline const char *store_error(const struct store *store)
{
    return store->error;
}

/* Creates the file (for its owner alone: private keys are in it), moves an older schema version
 * forward, checks the integrity. 0, or a negative errno with the reason (file, what is wrong, what to
 * do) in errors. */
int store_sqlite_open(const char *path, struct store **ret, struct config_errors *errors);

void store_free(struct store *store); /* accepts NULL */
DEFINE_SCOPED(store);

#endif
