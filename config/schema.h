/*
 * schema: tables of the fields of our own files (`hopgate:`, chains, scripts), and the reader that works
 * from them. Kong's entities have theirs in config/schemas (config/model).
 *
 * Role    checks a part of a document against a table and fills a struct
 * Owns    nothing: what is read belongs to the struct config
 * Thread  any; the tables are constant
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
    SCHEMA_STRING,   /* member: char *, NULL when absent */
    SCHEMA_INTEGER,  /* member: an integer of any size; absent without default: -1 */
    SCHEMA_NUMBER,   /* member: uint64_t, in thousandths (of seconds: ms); absent: 0 */
    SCHEMA_STATUSES, /* a list of HTTP statuses; member: struct config_statuses */
    SCHEMA_BOOLEAN,  /* member: bool, or int with -1 for absent */
    SCHEMA_STRINGS,  /* member: struct config_strings */
    SCHEMA_RECORD,   /* fields of `record`, stored in the same struct; absent: their defaults */
    SCHEMA_ENTITIES, /* a list of things with tables of their own; for the caller */
    SCHEMA_ANY,      /* shape unknown or of no interest */
};

enum schema_flag {
    SCHEMA_REQUIRED = 1 << 0,
    SCHEMA_SET = 1 << 1,  /* repeated strings are dropped, the first stays */
    SCHEMA_TIME = 1 << 2, /* a uint64_t that time_scale divides, see config/entity_times.h */
};

struct schema_field {
    const char *name;
    enum schema_type type;
    unsigned flags;
    int64_t min, max;         /* of a number; both 0: no limit */
    const char *one_of;       /* "a, b, c" */
    const char *default_json; /* as JSON; NULL: null */
    check_function *check;    /* of the string, or of each string of the list */
    const struct schema *record;
    size_t offset, size; /* of the struct member; size 0: not stored */
};

struct schema {
    const char *name; /* "monitor" */
    const struct schema_field *fields;
    size_t fields_count;
};

extern const struct schema schema_hopgate, schema_mtls, schema_health;
extern const struct schema schema_balancing, schema_balancing_member;
extern const struct schema schema_field_rules, schema_field_operation, schema_forwarded;

const struct schema_field *schema_find(const struct schema *schema, const char *name);

struct schema_reader {
    struct config *config; /* owns what is stored */
    struct config_errors *errors;
    bool out_of_memory;
};

/* Checks the mapping at `node` and fills `entity` (may be NULL: check only), which is zeroed before.
 * Mistakes go to reader->errors. */
void schema_read(struct schema_reader *reader, const struct schema *schema,
                 const struct document_node *node, void *entity);

/* "x is in the list": for lists written as "a, b, c". */
bool schema_list_has(const char *list, const char *word);

#endif
