/*
 * config_store: the entities that the Admin API changes, and where they are kept.
 *
 * Role    opens the store of database = sqlite and loads it; with database = off only memory; makes of
 *         what the dao has the document that a configuration is built from
 * Owns    store and dao
 * Thread  opened on the main thread, then the config thread's alone until that has ended
 */
#ifndef PROXY_CONFIG_STORE_H
#define PROXY_CONFIG_STORE_H

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
    struct entity_book *book; /* what was read of the entities */
    uint64_t in_force;        /* its version of those that are in force; 0: not known */
    bool keeps_plugins;       /* also those that would not be run */
};

/* False: errors say why. config_store_close is due in both cases. */
bool config_store_open(struct config_store *store, const struct prefix *prefix,
                       const struct settings *settings, struct config_errors *errors);
void config_store_close(struct config_store *store);

/* database = off: those of the declarative file. False: no memory, the former are there. */
bool config_store_replace(struct config_store *store, const json_t *entities);

/* Where the entities come from, for messages. */
const char *config_store_name(const struct config_store *store);

/* Document and configuration of all entities as they are now. in_force: the version of those that are; when
 * they say the same, there is no configuration. 0; -EINVAL: its errors say why; -ENOMEM.
 * config_store_publication_done is due in every case. */
int config_store_publication(const struct config_store *store, uint64_t in_force,
                             struct publication *ret);
void config_store_publication_done(struct publication *publication);

#endif
