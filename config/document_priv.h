/*
 * document_priv: what the two readers share.
 *
 * Role    growing the list of marks while a tree is built
 * Owns    nothing
 * Thread  one
 */
#ifndef CONFIG_DOCUMENT_PRIV_H
#define CONFIG_DOCUMENT_PRIV_H

#include "config/document.h"

/* Appends a mark whose `next` is not known yet; 0, -E2BIG at DOCUMENT_NODES_MAX, -ENOMEM. */
int document_add_mark(struct document *document, struct document_mark mark, uint32_t *ret_index);

/* How many lists and mappings stand inside each other at most: 0 for a scalar, 2 for [[x]]. */
size_t document_height(const json_t *value);

/* Each fills root and marks. Errors as document_parse. */
int document_read_yaml(struct document *document, struct slice text, struct config_errors *errors);
int document_read_json(struct document *document, struct slice text, struct config_errors *errors);

#endif
