/*
 * schema: one table of fields per entity, and the reader that works from it.
 *
 * Role    checks a part of a document against a table and fills the entity's struct; the tables
 *         (schema_entities.c) know all of Kong's fields, also those that hopgate does not run yet
 * Owns    nothing: what is read belongs to the struct config
 * Thread  any; the tables are constant
 *
 * A field that hopgate does not run yet is accepted with Kong's default and with nothing (null, an
 * empty list), because then it asks for nothing; any other value is an error that says so.
 */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/checks.h"
#include "config/document.h"
#include "config/entities.h"

enum schema_type {
    SCHEMA_STRING,    /* member: char *, NULL when absent */
    SCHEMA_INTEGER,   /* member: an integer of any size; absent without default: -1 */
    SCHEMA_NUMBER,    /* member: uint64_t, in thousandths (of seconds: ms); absent: 0 */
    SCHEMA_STATUSES,  /* a list of HTTP statuses; member: struct config_statuses */
    SCHEMA_BOOLEAN,   /* member: bool, or int with -1 for absent */
    SCHEMA_STRINGS,   /* member: struct config_strings */
    SCHEMA_RECORD,    /* fields of `record`, stored in the same struct; absent: their defaults */
    SCHEMA_REFERENCE, /* id or name of another entity, or {id: …} / {name: …}; for the caller */
    SCHEMA_ENTITIES,  /* a list of other entities inside this one; for the caller */
    SCHEMA_ANY,       /* shape unknown or of no interest */
};

enum schema_flag {
    SCHEMA_REQUIRED = 1 << 0,
    SCHEMA_NOT_YET = 1 << 1,  /* only Kong's default is accepted */
    SCHEMA_SET = 1 << 2,      /* repeated strings are dropped, the first stays, as Kong does */
    SCHEMA_PROTOCOL = 1 << 3, /* stored as enum config_protocol, a list as a mask of them */
    SCHEMA_TIME = 1 << 4,     /* a uint64_t that time_scale divides, see config/entity_times.h */
};

struct schema_field {
    const char *name;
    enum schema_type type;
    unsigned flags;
    int64_t min, max;         /* of a number; both 0: no limit */
    const char *one_of;       /* Kong's words, "a, b, c" */
    const char *supported;    /* those of them that hopgate runs; NULL: all */
    const char *default_json; /* Kong's default as JSON; NULL: null */
    check_function *check;    /* of the string, or of each string of the list */
    const struct schema *record;
    size_t offset, size; /* of the struct member; size 0: not stored */
    size_t said_offset;  /* of a bool member: the file says this field; 0: nobody asks */
};

struct schema {
    const char *name; /* Kong's schema name: "services" */
    const struct schema_field *fields;
    size_t fields_count;
};

extern const struct schema schema_document, schema_hopgate, schema_mtls;
extern const struct schema schema_services, schema_routes, schema_upstreams, schema_targets;
extern const struct schema schema_healthchecks, schema_health;
extern const struct schema schema_balancing, schema_balancing_member;
extern const struct schema schema_field_rules, schema_field_operation, schema_forwarded;
extern const struct schema schema_certificates, schema_snis, schema_ca_certificates;

const struct schema_field *schema_find(const struct schema *schema, const char *name);

struct schema_reader {
    struct config *config; /* owns what is stored */
    struct config_errors *errors;
    bool out_of_memory;
};

/*
 * Checks the mapping at `node` and fills `entity` (may be NULL: check only), which is zeroed
 * before. Members of `overlay` (may be NULL) go before those of node and take their place from
 * overlay_at: that is how a shorthand such as `url` becomes several fields. Mistakes go to
 * reader->errors.
 */
struct schema_overlay {
    const json_t *members;
    const struct document_node *at;
};
void schema_read(struct schema_reader *reader, const struct schema *schema,
                 const struct document_node *node, const struct schema_overlay *overlay,
                 void *entity);

/* Of the document's _format_version (NULL: not there), once flatten_migrate was there; NULL: it is right. */
const char *schema_format_version_error(const json_t *version);

/* "x is in the list": for lists written as "a, b, c". */
bool schema_list_has(const char *list, const char *word);

#endif
