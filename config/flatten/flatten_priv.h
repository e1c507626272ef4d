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

/* Where Kong's tree has what is said of an entity that is there twice. */
enum flat_place {
    FLAT_AT_INDEX,  /* of its own list, in the entity's list at the top */
    FLAT_IN_PARENT, /* the same, in its parent at the top */
    FLAT_AT_KEY,    /* by name or id */
};

/* One entry of a list in the document. */
struct flat_entity {
    const struct model_entity *entity;
    const json_t *given;                    /* as written; an object, or wrong */
    size_t index;                           /* in its list */
    size_t parent;                          /* that it is nested in; FLAT_NONE: at the top */
    const struct model_field *parent_field; /* that refers to the parent; NULL: at the top */
    json_t *values; /* without what is nested in it; then with id and references; NULL: no object */
    json_t *made;   /* valid, as it is stored; NULL: not valid */
    json_t *errors; /* Kong's, of this entity; first those of its form; NULL: none */
    json_t *said;   /* of its values; for flatten_validate.c */
    json_t *nulls;  /* references that were written although nesting says them; the same */
    json_t *twice;  /* a text: another one is the same; NULL: none */
    enum flat_place twice_at;
    json_t *dangling; /* texts, by field: references to nothing; NULL: none */
    char *key;        /* name or id, for errors */
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

/* jansson's own copies leave out, without a word, the members for which there is no memory. The members
 * are shared. A new reference; NULL: no memory. */
static inline json_t *flatten_copy(const json_t *value)
{
    json_t *copy = json_copy((json_t *)value); /* changes nothing but counts of references */

    if (copy && json_object_size(copy) == json_object_size(value) &&
        json_array_size(copy) == json_array_size(value))
        return copy;
    json_decref(copy);
    return NULL;
}

/* Finds all. 0 or -ENOMEM. */
int flatten_collect(struct flattened *flattened);

/* Each name that a document may have beside lists of entities. */
struct suggest;
void flatten_offer_document_fields(struct suggest *suggest);

/* Calls visit with the index of each item below a list of entities at `node`, whose first is *index, and
 * counts it on. */
typedef int flatten_visit(void *context, size_t index, const struct document_node *node);
int flatten_walk_list(const struct flattened *flattened, const struct document_node *node,
                      size_t *index, flatten_visit *visit, void *context);

/* The field of `child` that refers to `parent`; NULL: it is not nested there. */
const struct model_field *flatten_reference_to(const struct model_entity *child,
                                               const struct model_entity *parent);

/* 1: it was free and is the item's now; 0: another has it; -ENOMEM. places: an object. */
int flatten_claim(json_t *places, const char *entity, const char *field, const char *value,
                  size_t index);

/* Ids, and references as {"id": ...}. 0 or -ENOMEM. */
int flatten_link(struct flattened *flattened);

/* Each by the model, as Kong does it: errors, else made. 0 or -ENOMEM. */
int flatten_validate(struct flattened *flattened);

/* Of valid ones: who is there twice. 0 or -ENOMEM. */
int flatten_check_unique(struct flattened *flattened);

/* Of "_format_version"; NULL: it is right. */
const char *flatten_version_error(const json_t *version);

#endif
