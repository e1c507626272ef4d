/*
 * uuid: the ids of entities that were written without one.
 *
 * Role    the same name-based ids that Kong gives, because its router breaks ties by route id
 * Owns    nothing
 * Thread  any
 */
#ifndef CONFIG_UUID_H
#define CONFIG_UUID_H

#include <stdbool.h>

#include "core/uuid.h"

enum { UUID_TEXT_SIZE = UUID_TEXT_BYTES + 1 }; /* with its NUL */

/* Eight-four-four-four-twelve hex digits; any version, any case, as Kong takes it. */
bool uuid_is_valid(const char *text);

/*
 * What Kong's declarative loader makes: version 5 of `key` in a namespace that is version 5 of the
 * schema name ("services"). ret has UUID_TEXT_SIZE bytes.
 */
void uuid_for_entity(const char *schema_name, const char *key, char *ret);

#endif
