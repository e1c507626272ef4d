/*
 * config_publish: entities that were changed while the hop runs come into force.
 *
 * Role    the main thread's part: a snapshot of the settings in force and new entities is compiled
 *         (prepare), and once the change is durable, put in force (install), as a reload does it
 * Owns    the prepared snapshot, until it is installed or discarded
 * Thread  the main thread; the config thread has these run by main_calls
 *
 * A reload in between makes what was prepared useless, and what was read with other extras; then it is
 * done once more. A hop that
 * drains puts nothing in force any more, and says that all is well: what is durable is for the process
 * after it.
 */
#ifndef PROXY_CONFIG_PUBLISH_H
#define PROXY_CONFIG_PUBLISH_H

#include <jansson.h>
#include <stdint.h>

#include "config/book/book.h"
#include "config/config.h"
#include "config/config_error.h"

struct gateway;
struct pinned_snapshot;
struct snapshot;

/* Entities as the store has them, at one moment. */
struct publication {
    struct gateway *gateway;
    const char *source;           /* the store, for messages */
    struct config_extras *extras; /* that `config` was made with; counted; NULL: none */
    json_t *entities;             /* as dao_export gives them; installed: those before them */
    struct config *config;        /* made from it; NULL: taken, or what is in force says the same */
    uint64_t version;             /* of what it says: entity_book_version */
    struct config_errors errors;  /* why not */
    bool done;                    /* set by each step */
    bool is_ending;               /* the hop drains, and nothing is kept for the process after it */
};

struct prepared_snapshot {
    struct snapshot *snapshot;       /* NULL: none */
    uint64_t follows;                /* the generation that it was prepared to follow */
    struct pinned_snapshot **pinned; /* one for each worker */
};

/* Each takes a struct publication. */
void config_publish_prepare(void *publication);
void config_publish_install(void *publication);
void config_publish_discard(void *publication);

/* database = off: what is in force comes from the file again. Takes the entities; the config thread, when
 * it runs, has them soon. */
void config_declare(struct gateway *gateway, json_t *entities);

/* Whatever is prepared is given up. */
void config_publish_forget(struct gateway *gateway);

/* A configuration of entities that come from `source`. As config_load_entities; 0: *ret is set. */
int config_publish_read(json_t *entities, const char *source, const struct config_extras *extras,
                        struct config **ret, struct config_errors *errors);

/* The same with what the book has of them: see entity_book_read. */
int config_publish_read_again(json_t *entities, const char *source, struct entity_book *book,
                              uint64_t in_force, struct config **ret, struct config_errors *errors);

/* Of these entities with the settings in force: NULL, errors say why. Takes *config. */
struct snapshot *config_publish_load(struct gateway *gateway, struct config **config);

#endif
