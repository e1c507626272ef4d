/*
 * extras: the `hopgate:` object of a hop with a store, which has no declarative file to write it in.
 *
 * Role    reads the file of hopgate_extras_file: _format_version, if anything, and `hopgate:`
 * Owns    what was read; counted, since settings, and configurations that are being made, hold it
 * Thread  read on one that may block; never changed afterwards, so any may look at it
 *
 * The entities that it names come and go in the store. So what does not fit them is a warning, and that
 * entry waits until it does; what is wrong whatever the store has is an error when the file is read.
 */
#ifndef CONFIG_EXTRAS_H
#define CONFIG_EXTRAS_H

#include <jansson.h>

#include "config/config_error.h"
#include "config/document.h"

struct config_extras;

/* Its shape; config_apply_extras looks at what stands in it. 0; -EINVAL or another negative errno: errors
 * say why; -ENOMEM. */
int config_extras_load(const char *file, struct config_extras **ret, struct config_errors *errors);

struct config_extras *config_extras_ref(
    struct config_extras *extras);                      /* returns it; accepts NULL */
void config_extras_unref(struct config_extras *extras); /* accepts NULL */

/* NULL: of no extras. Good while the extras are. */
const struct document *config_extras_document(const struct config_extras *extras);
const char *config_extras_file(const struct config_extras *extras);

/* The `hopgate:` object as it was written; borrowed. NULL: of no extras, or there is none. */
json_t *config_extras_object(const struct config_extras *extras);

#endif
