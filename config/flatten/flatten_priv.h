/*
 * flatten_priv: the entities of a document while they are on their way.
 *
 * Role    what was found where, and what is wrong with it
 * Owns    see struct flattened
 * Thread  one
 */
#ifndef CONFIG_FLATTEN_PRIV_H
#define CONFIG_FLATTEN_PRIV_H

#include <stdbool.h>

#include "config/flatten/flatten.h"

#define FLAT_NONE SIZE_MAX

/* One entry of a list in the document. */
struct flat_entity {
    const struct model_entity *entity;
    const json_t *given;                    /* as written; an object, or wrong */
    size_t index;                           /* in its list */
    size_t parent;                          /* that it is nested in; FLAT_NONE: at the top */
    const struct model_field *parent_field; /* that refers to the parent; NULL: at the top */
    json_t *values; /* without what is nested in it; then with id and references; NULL: no object */
    json_t *made;   /* valid, as it is stored; NULL: not valid */
    json_t *errors; /* Kong's, of this entity; NULL: none */
    json_t *late; /* a text, or an array of texts: twice there, or refers to nothing; NULL: none */
    bool is_late_by_key; /* the tree has it by name or id, else by index */
    json_t *dangling;    /* texts, by field; NULL: none */
    char *key;           /* name or id, for errors */
};

struct flattened {
    const struct model *model;
    json_t *document;
    struct flat_entity *items; /* parents before what is nested in them */
    size_t count, capacity;
    json_t *errors; /* of the document's own fields; an object */
    double now_s;
    bool is_stored_form; /* _transform: false */
    bool is_file;        /* ids may be made of places */
};

/* Finds all. 0 or -ENOMEM. */
int flatten_collect(struct flattened *flattened);

/* What is wrong with a member of the document that is no list of entities goes into errors. 0 or -ENOMEM. */
int flatten_document_field(struct flattened *flattened, const char *key, const json_t *value);

/* Each name that such a member may have. */
struct suggest;
void flatten_offer_document_fields(struct suggest *suggest);

/* An empty list may be written as {} in Lua's JSON, and null is no list. */
bool flatten_is_nothing(const json_t *value);

/* Calls visit with the index of each item below a list of entities at `node`, whose first is *index, and
 * counts it on. */
typedef int flatten_visit(void *context, size_t index, const struct document_node *node);
int flatten_walk_list(const struct flattened *flattened, const struct document_node *node,
                      size_t *index, flatten_visit *visit, void *context);

/* The field of `child` that refers to `parent`; NULL: it is not nested there. */
const struct model_field *flatten_reference_to(const struct model_entity *child,
                                               const struct model_entity *parent);

/* Ids, and references as {"id": ...}. 0 or -ENOMEM. */
int flatten_link(struct flattened *flattened);

/* Of valid ones: who is there twice. 0 or -ENOMEM. */
int flatten_check_unique(struct flattened *flattened);

#endif
