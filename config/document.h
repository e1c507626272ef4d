/*
 * document: one YAML or JSON text as a tree that knows where each part was written.
 *
 * Role    both formats become the same jansson values; positions lie beside them
 * Owns    the tree and the positions
 * Thread  one
 *
 * Walking is done with nodes on the stack: a node knows its parent, so the path and the place of a
 * value are there when a message needs them and cost nothing before.
 */
#ifndef CONFIG_DOCUMENT_H
#define CONFIG_DOCUMENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config_error.h"
#include "core/cleanup.h"
#include "core/slice.h"

enum {
    DOCUMENT_DEPTH_MAX = 64,               /* lists and mappings inside each other */
    DOCUMENT_NODES_MAX = 1000 * 1000,      /* values, after aliases are expanded */
    DOCUMENT_BYTES_MAX = 64 * 1024 * 1024, /* of text */
};

enum document_format { DOCUMENT_YAML, DOCUMENT_JSON };

/*
 * Position of one value, in the order in which the values stand in the tree (parents first), so the
 * first child of mark i is i + 1 and the next sibling is `next`.
 */
struct document_mark {
    uint32_t line, column;         /* of the value, from 1 */
    uint32_t key_line, key_column; /* of its key; of the value when it is a list item */
    uint32_t next;                 /* first mark after this value and all below it */
};

struct document {
    json_t *root;
    struct document_mark *marks; /* [0] is the root; NULL: there was no text, see document_wrap */
    size_t marks_count, marks_capacity;
    char *file; /* as given, for messages; or NULL */
};

/* A value on the way down from the root. Good while the document and all its parents are. */
struct document_node {
    const struct document *document;
    const struct document_node *parent; /* NULL: the root */
    const json_t *value;
    const char *key; /* NULL: a list item */
    size_t index;    /* place in the list or mapping, from 0 */
    uint32_t mark;
};

/*
 * file is only for messages and may be NULL. 0; -EINVAL after adding an error that says where and
 * what; -ENOMEM.
 */
int document_parse(struct slice text, enum document_format format, const char *file,
                   struct document **ret, struct config_errors *errors);

/*
 * A tree that was never a text: values have no place, and paths name the items of a list by name or id
 * where they have one ("services[shop]"). Takes a reference of root; file as for document_parse. NULL: no
 * memory.
 */
struct document *document_wrap(json_t *root, const char *file);

/* By the file's extension; anything else is JSON when its first character is '{', else YAML. */
enum document_format document_guess_format(const char *file, struct slice text);

void document_free(struct document *document);
DEFINE_SCOPED(document);

struct document_node document_root(const struct document *document);

/*
 * The children of a list or mapping in the order of the text. Begin with a zeroed node:
 *     struct document_node child = { 0 };
 *     while (document_next(&parent, &child)) ...
 */
bool document_next(const struct document_node *parent, struct document_node *child);

/* The member of a mapping, or false. */
bool document_member(const struct document_node *parent, const char *key,
                     struct document_node *ret);

/* Where it stands; all 0 without a text. */
const struct document_mark *document_mark_of(const struct document_node *node);

/* "services[0].routes[1]", cut when it does not fit; the root is "". Returns `into`. */
char *document_path(const struct document_node *node, char *into, size_t size);

enum document_side { DOCUMENT_AT_VALUE, DOCUMENT_AT_KEY };

void document_add_error(const struct document_node *node, enum document_side side,
                        struct config_errors *errors, enum config_severity severity,
                        const char *format, ...) __attribute__((format(printf, 5, 6)));

enum { DOCUMENT_PATH_MAX = 512 };

#endif
