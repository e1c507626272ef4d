/*
 * dao_index: rows in the order of a key, as a skip list.
 *
 * Role    the one structure behind all look-ups of the dao: by id, by unique field, by reference, by tag
 * Owns    nothing: a row owns its nodes; a linked node must be unlinked before it is freed
 * Thread  one
 *
 * Nodes are made before anything is changed and only linked and unlinked afterwards, so neither a
 * change nor its undoing can fail for want of memory. Keys are bytes; of equal keys only one may be
 * linked (keys that may repeat end with the row's id).
 */
#ifndef CONFIG_DAO_INDEX_PRIV_H
#define CONFIG_DAO_INDEX_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/slice.h"

struct dao_row;

enum { DAO_INDEX_LEVELS_MAX = 20 }; /* for some 4^20 rows */

struct dao_node {
    struct dao_row *row;
    struct slice key; /* lies behind `next` */
    unsigned levels;
    struct dao_node *next[]; /* levels of them */
};

struct dao_index {
    struct dao_node *first[DAO_INDEX_LEVELS_MAX];
    uint64_t random; /* of the heights; any but 0 */
    size_t count;
};

void dao_index_init(struct dao_index *index);

/* NULL: no memory. Free with free(). */
struct dao_node *dao_index_make_node(struct dao_index *index, struct dao_row *row,
                                     struct slice key);

/* False: another with that key is linked. */
bool dao_index_link(struct dao_index *index, struct dao_node *node);
void dao_index_unlink(struct dao_index *index, struct dao_node *node);

/* NULL: none. A node is good until the next change. */
struct dao_node *dao_index_get(const struct dao_index *index, struct slice key);

/* The first that is not before `key`, or that is behind it. NULL: none. */
struct dao_node *dao_index_from(const struct dao_index *index, struct slice key);
struct dao_node *dao_index_after(const struct dao_index *index, struct slice key);

static inline struct dao_node *dao_index_first(const struct dao_index *index)
{
    return index->first[0];
}

static inline struct dao_node *dao_node_next(const struct dao_node *node)
{
    return node->next[0];
}

#endif
