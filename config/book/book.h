/*
 * book: what was read of each entity, kept for the next configuration.
 *
 * Role    makes a configuration of entities of which most are those of the call before: only what has
 *         changed, with what it refers to, is read (config_load_entities), the rest is put in place as it
 *         was read; tells whether anything that a configuration says has changed at all
 * Owns    what was read, and the lists of the entities that it was read of
 * Thread  one at a time; the configurations belong to whoever has them, on any thread
 *
 * Entities are told to be the same by their address: dao_export gives an entity again as long as it
 * has not changed, and the book holds what it has seen. The outcome is that of config_load_entities
 * over everything. Where it is not certain, that is what is done: when much has changed, when what has
 * changed cannot be read, when a reference leads nowhere, when the document has settings of its own.
 * Warnings are not told: a change was judged before, and for the rest nothing is new.
 */
#ifndef CONFIG_BOOK_H
#define CONFIG_BOOK_H

#include <jansson.h>
#include <stdint.h>

#include "config/config_error.h"
#include "config/entities.h"
#include "core/cleanup.h"

struct entity_book;

/* NULL: no memory. */
struct entity_book *entity_book_create(void);
void entity_book_free(struct entity_book *book); /* accepts NULL */
DEFINE_SCOPED(entity_book);

/* The lists of a document that a configuration is made of; the others are only kept. Ends with NULL. */
extern const char *const entity_book_kinds[];

/*
 * document: as config_load_entities takes it, its lists without those of other kinds; neither they nor
 * the entities in them may be changed afterwards. 0, -EINVAL with errors, -ENOMEM: the book is as
 * before. known: a version (see below) whose configuration the caller has already; if it is that of
 * this document, too, *ret is NULL.
 */
int entity_book_read(struct entity_book *book, json_t *document, const char *source, uint64_t known,
                     struct config **ret, struct config_errors *errors);

/* Of the document that was read last: what differs in nothing that a configuration says (tags, times of
 * a change) has the same. Never 0, which is no version; none comes again after another one. */
uint64_t entity_book_version(const struct entity_book *book);

#endif
