/*
 * flatten: a declarative document becomes flat entities, as a store has them.
 *
 * Role    nesting, references by id or by name, generated ids, defaults, validation, uniqueness; what
 *         is wrong as Kong's tree (kong/db/schema/others/declarative_config.lua) or at its place in a file
 * Owns    the result until flattened_free
 * Thread  any, one at a time for each result
 *
 * First every entity is found (flatten_collect.c), then ids are given and references resolved
 * (flatten_link.c), then each is validated by the model (flatten_validate.c); only when all are valid,
 * references to nothing and what is there twice are told (flatten_unique.c).
 */
#ifndef CONFIG_FLATTEN_H
#define CONFIG_FLATTEN_H

#include <jansson.h>

#include "config/config_error.h"
#include "config/document.h"
#include "config/model/model.h"
#include "core/cleanup.h"

struct flattened;

/* A document of format 1.1 or 2.1 becomes one of 3.0, in place: paths that were regexes then get their '~'.
 * Any other is left as it is. 0 or -ENOMEM. */
int flatten_migrate(json_t *document);

/* document: migrated, kept until flattened_free and not changed otherwise. now_s: Unix time. 0; -EINVAL: it
 * has mistakes, *ret tells them; -ENOMEM: *ret is untouched. */
int flatten_document(const struct model *model, json_t *document, double now_s,
                     struct flattened **ret);

/* The same of a file: what has no key that an id is made of gets one made of its place, so that reading it
 * again gives the same ids. */
int flatten_file(const struct model *model, json_t *document, double now_s, struct flattened **ret);

/* {"services": [...], "hopgate": {...}}: every field, ids, references as {"id": ...}: what dao_replace_all
 * takes. Of a document without mistakes. A new reference; NULL: no memory. */
json_t *flattened_entities(const struct flattened *flattened);

/* Whether there is any entity among those. entities may be NULL. */
bool flattened_any(const json_t *entities);

/* {"services": {"ID": {...}}}: what POST /config answers. */
json_t *flattened_by_id(const struct flattened *flattened);

/* Kong's tree of mistakes, of one that has some. With `ret_list` those of single entities are in that
 * array instead (flatten_errors=1). New references; NULL: no memory. */
json_t *flattened_errors(const struct flattened *flattened, json_t **ret_list);

/* The same at their places in the document that it was made from, with what mends them. */
void flattened_tell(const struct flattened *flattened, const struct document *document,
                    struct config_errors *errors);

/* Called for each entity with where it was written and, when it is right, as it is stored (else NULL). Not
 * 0 ends the walk. */
typedef int flattened_visit(void *context, const struct model_entity *entity, const json_t *values,
                            const struct document_node *node);

/* Those of the document's list `list` in its order, each before those nested in it. */
int flattened_walk(const struct flattened *flattened, const struct document *document,
                   const char *list, flattened_visit *visit, void *context);

void flattened_free(struct flattened *flattened); /* accepts NULL */
DEFINE_SCOPED(flattened);

#endif
