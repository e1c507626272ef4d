/*
 * fields: a field section (RFC 9110 6.3): names and values in wire order, case and bytes kept.
 *
 * Role    what parsers produce, rules edit and writers send
 * Owns    the array (in an arena); names and values are borrowed: they point into a head chunk or
 * an arena that lives as long as the exchange Thread  one worker
 */
#ifndef CORE_HTTP_FIELDS_H
#define CORE_HTTP_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/slice.h"

/* Names the engine acts on; generated from fields.def: FIELD_ID(HOST, "Host") … */
enum field_id {
    FIELD_OTHER = 0,
#define FIELD_ID(id, name) FIELD_##id,
#include "core/http/fields.def"
#undef FIELD_ID
    FIELD_ID_COUNT
};

struct field {
    struct slice name;  /* as on the wire: case kept */
    struct slice value; /* without the optional white space around it; inner bytes kept */
    uint8_t id;         /* enum field_id */
};

struct fields {
    struct field *items;
    uint32_t count, capacity;
    struct arena *arena; /* borrowed; where items grows */
};

void fields_init(struct fields *fields, struct arena *arena);

/* Appends at the end; id is looked up from the name. 0 or -ENOMEM. */
int fields_add(struct fields *fields, struct slice name, struct slice value);

/* The same with the id known. */
int fields_add_known(struct fields *fields, enum field_id id, struct slice name,
                     struct slice value);

/* First field of that id / name (case-insensitive); NULL when absent. */
const struct field *fields_find(const struct fields *fields, enum field_id id);
const struct field *fields_find_name(const struct fields *fields, struct slice name);

/* Removes every field of that id / name, order of the others kept; returns how many. */
size_t fields_remove(struct fields *fields, enum field_id id);
size_t fields_remove_name(struct fields *fields, struct slice name);

/* True if some field of that id lists `token` (comma-separated, ASCII case-insensitive). */
bool fields_list_has(const struct fields *fields, enum field_id id, struct slice token);

/* Walks a comma-separated list value (RFC 9110 5.6.1; empty elements skipped). False at the end. */
bool field_list_next(struct slice *rest, struct slice *ret_token);

/* Which known field a name is; FIELD_OTHER when none. ASCII case-insensitive. */
enum field_id field_id_of(struct slice name);

/* The canonical spelling of a known field. */
struct slice field_id_name(enum field_id id);

#endif
