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
 * uuid, timestamp, one_of, not_one_of, between, gt, len_min, len_max, len_eq, starts_with, match,
 * match_any, elements, keys, values, fields, reference, on_delete, description, shorthand_fields,
 * entity_checks. Words of ours begin with "x_" and are left out of /schemas: x_check names a check of
 * config/checks.h, x_secret says that logs mask it.
 */
#ifndef CONFIG_MODEL_H
#define CONFIG_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "config/checks.h"

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
};

struct model_record;

struct model_field {
    const char *name;
    enum model_type type;
    unsigned flags;
    const json_t *default_value;        /* NULL: none */
    const struct model_field *elements; /* of arrays and sets */
    const struct model_field *keys, *values;
    const struct model_record *record;
    const char *reference;    /* schema name */
    const json_t *definition; /* the data file's own words, for what only one reader needs */
    check_function *check;
};

struct model_record {
    const struct model_field *fields; /* in the file's order */
    size_t fields_count;
    const json_t *definition; /* with entity_checks, shorthand_fields */
};

struct model_entity {
    const char *name;             /* Kong's schema name: "keyauth_credentials" */
    const char *singular;         /* "keyauth_credential" */
    const char *url;              /* "key-auths"; NULL: no path of its own (targets) */
    const char *nested_url;       /* "key-auth", below a consumer */
    const char *endpoint_key;     /* what stands in a path instead of the id; NULL: only ids */
    const char *const *cache_key; /* a unique combination of fields, ends with NULL; NULL: none */
    bool has_ttl;
    bool is_below_parent_only; /* targets: only /upstreams/{u}/targets */
    const char *subschema_key; /* plugins: "name"; routes: "protocols"; NULL: none */
    struct model_record record;
};

struct model;

/* The model of this program. NULL: no memory (tables that are wrong end the program in tests). */
const struct model *model_get(void);

const struct model_entity *model_entity(const struct model *model, const char *name);
const struct model_entity *model_entity_by_url(const struct model *model, const char *url);
size_t model_entities_count(const struct model *model);
const struct model_entity *model_entity_at(const struct model *model, size_t index);

/* The record of a plugin's `config`, and what it overrides of the entity (protocols, consumer).
 * NULL: no plugin has that name. */
struct model_plugin {
    const char *name, *version;
    int priority;
    struct model_record overrides; /* its top-level fields */
    const struct model_record *config;
};
const struct model_plugin *model_plugin(const struct model *model, const char *name);
size_t model_plugins_count(const struct model *model);
const struct model_plugin *model_plugin_at(const struct model *model, size_t index);

const struct model_field *model_field(const struct model_record *record, const char *name);

/* ---- /schemas ---- */

/* {"fields": [{"id": {...}}, ...], "entity_checks": [...]}: a new reference; NULL: no memory. */
json_t *model_entity_json(const struct model_entity *entity);
json_t *model_plugin_json(const struct model_plugin *plugin);

#endif
