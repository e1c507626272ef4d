/*
 * entity_id: the ids of entities that were written without one.
 *
 * Role    the same name-based ids that Kong gives, because its router breaks ties by route id
 * Owns    nothing
 * Thread  any
 */
#ifndef CONFIG_ENTITY_ID_H
#define CONFIG_ENTITY_ID_H

#include <stdbool.h>

#include "core/uuid.h"

/* Eight-four-four-four-twelve hex digits; any version, any case, as Kong takes it. */
bool entity_id_is_valid(const char *text);

/*
 * What Kong's declarative loader makes: version 5 of `key` in a namespace that is version 5 of the
 * schema name ("services").
 */
void entity_id_from_key(const char *schema_name, const char *key, char ret[UUID_TEXT_BYTES + 1]);

#endif
