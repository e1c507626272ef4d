/*
 * model: Kong's entities as tables, one file of data each (config/schemas).
 *
 * Role    what fields an entity or a plugin's configuration has, of which type, with which default
 *         and limits; everything else (validation, defaults, forms, declarative files, /schemas,
 *         OpenAPI) is driven by it
 * Owns    the compiled tables, made once at the first use and never changed
 * Thread  any, after model_get() was called once on a thread that may block
 *
 * The words of the data files are Kong's own (kong/db/schema): type, required, default, unique, auto,
 * uuid, timestamp, eq, ne, one_of, not_one_of, between, gt, len_min, len_max, len_eq, starts_with, match,
 * match_none, match_all, match_any, contains, is_regex, mutually_exclusive_subsets, err, elements, keys,
 * values, fields, reference, on_delete, abstract, referenceable, description, entity_checks,
 * shorthand_fields with deprecation and translate_backwards. Patterns are Lua's (lua_pattern.h). As in
 * Kong, a record is required unless it says otherwise. Words of ours begin with "x_" and are left out of
 * /schemas:
 *
 *   x_is          the definition of typedefs.json that this one begins with
 *   x_check       a check in C: of a string in config/checks.h, of a record in model_checks.c
 *   x_expand      what a shorthand stands for, in C: model_shorthands.c
 *   x_between, x_len_min     as the words without x_, where the limit is this program's and not Kong's
 *   x_write       what is done to an entity before it is stored, in C: model_writes.c
 *   x_secret      logs and tables mask it
 *   x_pseudo      taken, but no column: whoever stores the entity makes something else of it
 *   x_literal     a reference to a vault is refused, because nothing here could resolve it
 *   x_singular, x_url, x_nested_url, x_is_below_parent_only     names and paths
 *   x_subschemas  fields by the value of subschema_key: another entry's name stands for that one;
 *                 "plugins": the files of config/schemas/plugins
 *   x_priority, x_version, x_runs     of a plugin; x_runs: this program runs it
 *   x_runs        of a field: the values (or elements) that this program runs, or false: only the default
 *                 asks for nothing that it does not do. Others are right, and refused when an entity is made
 *   x_unit        what a number counts ("milliseconds"): every number has one
 *   x_differs     where this program does not do what Kong does, beside x_runs
 *
 * Every field has a description: what it means, in one or two lines; `hopgate explain` and the OpenAPI
 * document print it.
 */
#ifndef CONFIG_MODEL_H
#define CONFIG_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "config/checks.h"
#include "core/cleanup.h"

enum model_type {
    MODEL_STRING,
    MODEL_INTEGER,
    MODEL_NUMBER,
    MODEL_BOOLEAN,
    MODEL_ARRAY, /* of `elements` */
    MODEL_SET,   /* the same, repeated ones are dropped */
    MODEL_MAP,   /* of `keys` to `values` */
    MODEL_RECORD,
    MODEL_FOREIGN, /* {"id": uuid} of an entity `reference` */
    MODEL_JSON,    /* anything */
};

enum model_flag {
    MODEL_REQUIRED = 1 << 0,
    MODEL_UNIQUE = 1 << 1,
    MODEL_AUTO = 1 << 2, /* made when it is not given: ids, times, keys */
    MODEL_UUID = 1 << 3,
    MODEL_TIMESTAMP = 1 << 4,
    MODEL_SECRET = 1 << 5,      /* masked wherever a person reads it */
    MODEL_PSEUDO = 1 << 6,      /* not stored: services.url, certificates.snis */
    MODEL_RESTRICT = 1 << 7,    /* of a foreign field: the other cannot go while this is there */
    MODEL_HAS_DEFAULT = 1 << 8, /* also when it is null */
    MODEL_ABSTRACT = 1 << 9,    /* the subschema says what is in it */
    MODEL_CASCADE = 1 << 10,    /* of a foreign field: this goes with the other */
    MODEL_MAY_REFER = 1 << 11,  /* {vault://...} stands for the value */
    MODEL_MUST_BE_NULL = 1 << 12,
};

struct model_record;
struct model_rule;         /* one limit of a value: model_priv.h */
struct model_entity_check; /* one rule over several fields */
struct model_shorthand;

/* 0; -EINVAL with Kong's words in `message` (CHECK_MESSAGE_MAX bytes). */
typedef int model_record_check(const json_t *record, char *message);

struct model_field {
    const char *name;
    enum model_type type;
    unsigned flags;
    const json_t *default_value;        /* NULL: none */
    const struct model_field *elements; /* of arrays and sets */
    const struct model_field *keys, *values;
    const struct model_record *record;
    const char *reference;          /* schema name */
    const json_t *definition;       /* the data file's own words, for what only one reader needs */
    const char *err;                /* instead of what a rule says; NULL: the rule's own words */
    const json_t *runs;             /* x_runs; NULL: this program runs all values */
    const struct model_rule *rules; /* in the order in which Kong tries them */
    size_t rules_count;
    check_function *check;            /* of a string */
    model_record_check *record_check; /* of a record as a whole */
};

struct model_record {
    const struct model_field *fields; /* in the file's order */
    size_t fields_count;
    const struct model_entity_check *checks;
    size_t checks_count;
    const struct model_shorthand *shorthands;
    size_t shorthands_count;
    const json_t *definition; /* fields, entity_checks, shorthand_fields */
};

/* What a value of subschema_key changes of the entity's fields. */
struct model_subschema {
    const char *key;
    struct model_record record; /* only the fields that are different, and further checks */
};

struct model_entity {
    const char *name;             /* Kong's schema name: "keyauth_credentials" */
    const char *singular;         /* "keyauth_credential" */
    const char *url;              /* "key-auths"; NULL: no path of its own (targets) */
    const char *nested_url;       /* "key-auth", below a consumer */
    const char *endpoint_key;     /* what stands in a path instead of the id; NULL: only ids */
    const char *const *cache_key; /* a unique combination of fields, ends with NULL; NULL: none */
    bool has_ttl;                 /* takes and shows "ttl", which is no field of the table */
    bool is_below_parent_only;    /* targets: only /upstreams/{u}/targets */
    const char *subschema_key;    /* plugins: "name"; routes: "protocols"; NULL: none */
    const char *subschema_error;
    const struct model_subschema *subschemas; /* of plugins: in model_plugin() instead */
    size_t subschemas_count;
    const struct model_write *write; /* NULL: nothing */
    struct model_record record;
};

struct model;
struct model_write;

/* The model of this program, made at the first call. NULL: no memory. A table that is wrong ends the
 * program: they are part of it and every test reads them all. */
const struct model *model_get(void);

const struct model_entity *model_entity(const struct model *model, const char *name);
const struct model_entity *model_entity_by_url(const struct model *model, const char *url);
size_t model_entities_count(const struct model *model);
const struct model_entity *model_entity_at(const struct model *model, size_t index);

/* A plugin: what it changes of the entity "plugins". */
struct model_plugin {
    const char *name, *version;
    int priority;
    bool runs; /* by this program; one that does not can only be kept, not enabled */
    struct model_record overrides;     /* its top-level fields: consumer, protocols, config */
    const struct model_record *config; /* the record of its `config` */
};
/* NULL: no plugin has that name. */
const struct model_plugin *model_plugin(const struct model *model, const char *name);
size_t model_plugins_count(const struct model *model);
const struct model_plugin *model_plugin_at(const struct model *model, size_t index);

const struct model_field *model_field(const struct model_record *record, const char *name);

/* A field that only stands for others (services.url, an old name); it is in no entity that comes out
 * except as an old name. index < record->shorthands_count. */
const struct model_field *model_shorthand_at(const struct model_record *record, size_t index);

/* Which of `values` says that field although it has another name (services.url says "host", an old name its
 * new one); NULL: none. */
const char *model_said_by(const struct model_record *record, const json_t *values,
                          const char *name);

/* The field by whose value something is asked of another ("hash_on" of "hash_on_header"). */
struct model_condition {
    const char *if_field, *then_field;
    const char *then_err; /* NULL: Kong's general words */
};
/* False: that was the last; from index 0. */
bool model_condition_at(const struct model_record *record, size_t index,
                        struct model_condition *ret);

/* The fields that hold for this entity as far as it is known, by its subschema_key: a record whose
 * fields take the place of those of the same name. NULL: there is no such subschema, or no key. */
const struct model_record *model_subschema(const struct model *model,
                                           const struct model_entity *entity, const json_t *values);
/* One field with that in mind; subschema may be NULL. */
const struct model_field *model_field_of(const struct model_entity *entity,
                                         const struct model_record *subschema, const char *name);

/* What is stored and read again: NULL when the value, or what is in it, has its field's form, whatever
 * the rules say of it now; else what is expected, a literal. A null is good anywhere but in a list or
 * a map. */
const char *model_wrong_shape(const struct model_field *field, const json_t *value);

/* Where this program does not do what Kong does: x_runs in words, and x_differs. A new reference to a text;
 * NULL: it does the same, or no memory. */
json_t *model_differs(const struct model_field *field);

/* ---- /schemas ---- */

/* {"fields": [{"id": {...}}, ...], "entity_checks": [...]}: a new reference; NULL: no memory. */
json_t *model_entity_json(const struct model_entity *entity);
json_t *model_plugin_json(const struct model_plugin *plugin);
json_t *model_subschema_json(const struct model_subschema *subschema);

#endif
