/*
 * document_write: a value as YAML text, as a person would write it.
 *
 * Role    what is read back is the same value: texts that look like something else are quoted, nulls are
 *         written, certificates stand line by line; members are sorted, so that texts can be compared
 * Owns    nothing
 * Thread  any
 */
#ifndef CONFIG_DOCUMENT_WRITE_H
#define CONFIG_DOCUMENT_WRITE_H

#include <jansson.h>

/* malloc'ed; NULL: no memory. */
char *document_write_yaml(const json_t *value);

#endif
