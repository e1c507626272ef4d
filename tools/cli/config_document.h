/*
 * config_document: a declarative file for `hopgate config`, read as `kong config` reads one.
 *
 * Role    entities of a file, or on standard error what is wrong with it, in Kong's form
 * Owns    nothing beyond a call
 * Thread  the main thread
 *
 * What hopgate itself cannot run is no mistake here: `hopgate check` tells of both, at their places.
 */
#ifndef TOOLS_CLI_CONFIG_DOCUMENT_H
#define TOOLS_CLI_CONFIG_DOCUMENT_H

#include "config/flatten/flatten.h"

/* NULL: it has mistakes, which were printed. `flattened_free` is the caller's. */
struct flattened *config_document_read(const char *file);

#endif
