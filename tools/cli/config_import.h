/*
 * config_import: a declarative file into the store of a hop, as `kong config db_import` does it.
 *
 * Role    every entity of the file is put in the place of the one with its id, or beside the others; nothing
 *         is deleted; all of it or nothing
 * Owns    nothing beyond a call
 * Thread  the main thread of the command; a hop that runs follows as it follows any other writer
 */
#ifndef TOOLS_CLI_CONFIG_IMPORT_H
#define TOOLS_CLI_CONFIG_IMPORT_H

#include "config/config_error.h"

/* An exit code. store: its path; it is made when it is not there, in a directory that is. */
int config_import(const char *store, const char *file, struct config_errors *errors);

#endif
