/*
 * flatten_hints: what mends a mistake, beside Kong's words for it.
 *
 * Role    "did you mean 'hosts'?": for a person who has the file in an editor
 * Owns    nothing
 * Thread  any
 */
#ifndef CONFIG_FLATTEN_HINTS_H
#define CONFIG_FLATTEN_HINTS_H

#include <jansson.h>
#include <stddef.h>

#include "config/model/model.h"

enum { FLATTEN_HINT_MAX = 512 };

/* The field that a message is about, and what stands around it. */
struct flatten_spot {
    const struct model *model;
    const struct model_entity
        *entity; /* NULL: the record is inside of one, or it is the document */
    const struct model_record *record; /* NULL: the document */
    const char *name;                  /* NULL: the record as a whole */
    const struct model_field *field;   /* NULL: it is none that is known */
    const json_t *value;               /* as written; NULL: it is not there */
    const json_t *values;              /* of the record as written; NULL: the document's */
    const json_t *errors;              /* of the whole record; NULL: just this one */
    bool is_parent;                    /* the nesting says what it refers to */
};

/* With "; " before it, or "". Returns `into`, of FLATTEN_HINT_MAX bytes. */
const char *flatten_hint(const struct flatten_spot *spot, const char *message, char *into);

/* A text about a record as a whole that says nothing more than a hint of one of its fields does. */
bool flatten_hint_covers(const struct flatten_spot *spot, const char *message);

#endif
