/*
 * declarative: Kong's declarative file becomes a struct config.
 *
 * Role    reads YAML or JSON of format 1.1, 2.1 or 3.0, or the dao's entities, and links the entities to each other. What
 *         is right is for the model to say (config/flatten, config/model); here remain references, what
 *         several entities must agree on, and `hopgate:`
 * Owns    nothing after it returned; the result belongs to the caller
 * Thread  any; it reads a file and may take long, so never a worker
 */
#ifndef CONFIG_DECLARATIVE_H
#define CONFIG_DECLARATIVE_H

#include <jansson.h>

#include "config/config_error.h"
#include "config/entities.h"
#include "config/extras.h"
#include "core/slice.h"

/*
 * 0; -EINVAL when the content is wrong; another negative errno when the file could not be read;
 * -ENOMEM. Except for -ENOMEM the reason stands in `errors`. Warnings may be added also on success.
 * `errors` gains entries in the order of the file.
 */
int config_load_file(const char *file, struct config **ret, struct config_errors *errors);

/* The same from memory; `file` names it in messages and by its extension its format; may be NULL.
 */
int config_load_text(struct slice text, const char *file, struct config **ret,
                     struct config_errors *errors);

/* The same from a document that was never a text, as dao_export gives it: messages name `source` (or NULL)
 * and the entity ("services[shop]"), and no line. Its entities are valid, with ids, and not looked at
 * again; those that no request meets are left out. */
int config_load_entities(json_t *document, const char *source, struct config **ret,
                         struct config_errors *errors);

/* What extras say of the entities of a configuration whose document has no hopgate: object; NULL: nothing.
 * Without has_entities it is one of a store that nobody has looked into yet, and only what is wrong
 * whatever the store has is told. 0; -EINVAL and errors; -ENOMEM. */
int config_apply_extras(struct config *config, const struct config_extras *extras,
                        bool has_entities, struct config_errors *errors);

#endif
