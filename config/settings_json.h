/*
 * settings_json: kong.conf as GET / of the Admin API shows it.
 *
 * Role    every key that is used, with the value that is in force; secrets are hidden
 * Owns    nothing
 * Thread  any
 */
#ifndef CONFIG_SETTINGS_JSON_H
#define CONFIG_SETTINGS_JSON_H

#include <jansson.h>

#include "config/settings.h"

/* A new reference; NULL: no memory. */
json_t *settings_json(const struct settings *settings);

#endif
