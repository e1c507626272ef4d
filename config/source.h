/*
 * source: where a hop's configuration is read from, at the start and again at every reload.
 *
 * Role    kong.conf (with the environment over it) and the declarative file, as one step
 * Owns    nothing
 * Thread  one that may block
 */
#ifndef CONFIG_SOURCE_H
#define CONFIG_SOURCE_H

#include "config/config_error.h"
#include "config/entities.h"
#include "config/settings.h"

struct config_source {
    const char *kong_conf;   /* file, or NULL: defaults and environment only */
    const char *declarative; /* file, or NULL: the setting declarative_config, else no entity */
};

/*
 * Both are read even if the first is wrong, so that every mistake is told at once; what could be
 * read is given even when the other could not. 0; -ENOMEM; another negative errno: see errors, to
 * which warnings are added as well.
 */
int config_source_load(const struct config_source *source, struct settings **ret_settings,
                       struct config **ret_config, struct config_errors *errors);

#endif
