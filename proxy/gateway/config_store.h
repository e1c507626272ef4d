/*
 * config_store: the entities that the Admin API changes, and where they are kept.
 *
 * Role    opens the store of database = sqlite and loads it; with database = off only memory; makes of
 *         what the dao has the document that a configuration is built from
 * Owns    store and dao
 * Thread  opened on the main thread, then the config thread's alone until that has ended; but for what
 *         is under the lock
 */
#ifndef PROXY_CONFIG_STORE_H
#define PROXY_CONFIG_STORE_H

#include <pthread.h>

#include "config/book/book.h"
#include "config/config.h"
#include "config/dao/dao.h"
#include "config/settings.h"

struct prefix;
struct publication;

struct config_store {
    char *path;          /* absolute; NULL: database = off */
    struct store *store; /* NULL: database = off */
    struct dao *dao;
    struct entity_book *book;     /* what was read of the entities */
    uint64_t in_force;            /* its version of those that are in force; 0: not known */
    bool keeps_plugins;           /* also those that would not be run */
    pthread_mutex_t lock;         /* of what both threads use: */
    struct config_extras *extras; /* in force; counted; NULL: none */
    char problem[512];            /* why the store is of no use at present; empty: it is */
    uint64_t lags_since_unix_s;   /* what is stored is not in force; 0: it is */
};

/* What the main thread tells of it. */
struct config_store_state {
    char problem[512];
    uint64_t lags_since_unix_s;
};

/* False: errors say why. config_store_close is due in both cases. */
bool config_store_open(struct config_store *store, const struct prefix *prefix,
                       const struct settings *settings, struct config_errors *errors);
void config_store_close(struct config_store *store);

/* database = off: those of the declarative file. False: no memory, the former are there. */
bool config_store_replace(struct config_store *store, const json_t *entities);

/* Whose hopgate: object is in force from now on; the main thread's. A reference is taken. */
void config_store_set_extras(struct config_store *store, struct config_extras *extras);

/* The config thread's findings, and what the main thread sees of them. */
void config_store_note_problem(struct config_store *store, const char *problem); /* "": none */
void config_store_note_lag(struct config_store *store, bool lags);
struct config_store_state config_store_state(struct config_store *store);

/* Where the entities come from, for messages. */
const char *config_store_name(const struct config_store *store);

/* Document and configuration of all entities as they are now. in_force: the version of those that are; when
 * they say the same, there is no configuration. 0; -EINVAL: its errors say why; -ENOMEM.
 * config_store_publication_done is due in every case. */
int config_store_publication(struct config_store *store, uint64_t in_force,
                             struct publication *ret);
void config_store_publication_done(struct publication *publication);

#endif
