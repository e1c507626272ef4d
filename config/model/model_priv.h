/*
 * model_priv: what the files of the model know of each other.
 *
 * Role    the compiled rules, and the steps that model_process goes through: fill in (model_fill.c),
 *         validate (model_validate.c, model_rules.c, model_entity_checks.c), write (model_writes.c)
 * Owns    nothing
 * Thread  any
 */
#ifndef CONFIG_MODEL_PRIV_H
#define CONFIG_MODEL_PRIV_H

#include <stdarg.h>

#include "config/model/model_process.h"

/* A file that is part of the program (tools/embed.cmake). */
struct model_entity_builtin {
    const char *name;
    const unsigned char *text;
    size_t length;
};
struct model_plugin_builtin {
    const char *name;
    const unsigned char *text;
    size_t length;
};
extern const struct model_entity_builtin model_entity_builtins[];
extern const struct model_plugin_builtin model_plugin_builtins[];

struct model {
    struct model_block *blocks; /* all memory of the tables */
    struct model_entity *entities;
    size_t entities_count;
    struct model_plugin *plugins;
    size_t plugins_count;
    json_t *definitions; /* {"entities": {}, "plugins": {}} with typedefs replaced */
};

/* NULL: no memory. Other tables than the program's own are for tests. */
struct model *model_create(const struct model_entity_builtin *entities,
                           const struct model_plugin_builtin *plugins);
void model_free(struct model *model);
DEFINE_SCOPED(model);

/* Zeroed, as long as the model lives; NULL: no memory. */
void *model_alloc(struct model *model, size_t bytes);

/* Says which table is wrong and ends the program. */
_Noreturn void model_broken(const char *where, const char *what);

/* ---- compiling ---- */

/* A new reference to the file's object with every x_is replaced; NULL: no memory. */
json_t *model_definition(const char *name, const unsigned char *text, size_t length,
                         const json_t *typedefs);
/* The fields, checks and shorthands of a definition. base: the entity that it is a subschema of, whose
 * fields its checks may name; NULL: none. 0 or -ENOMEM. */
int model_compile_record(struct model *model, const char *where, const json_t *definition,
                         const json_t *base, struct model_record *ret);
int model_compile_field(struct model *model, const char *where, const char *name,
                        const json_t *definition, struct model_field *ret);
int model_compile_rules(struct model *model, const char *where, const json_t *definition,
                        struct model_field *field);
int model_compile_checks(struct model *model, const char *where, const json_t *definition,
                         const json_t *base, struct model_record *record);

/* ---- rules of one value ---- */

enum model_rule_kind {
    MODEL_RULE_EQ,
    MODEL_RULE_NE,
    MODEL_RULE_NOT_ONE_OF,
    MODEL_RULE_ONE_OF,
    MODEL_RULE_GT,
    MODEL_RULE_TIMESTAMP,
    MODEL_RULE_UUID,
    MODEL_RULE_IS_REGEX,
    MODEL_RULE_BETWEEN,
    MODEL_RULE_LEN_EQ,
    MODEL_RULE_LEN_MIN,
    MODEL_RULE_LEN_MAX,
    MODEL_RULE_STARTS_WITH,
    MODEL_RULE_NOT_MATCH,
    MODEL_RULE_MATCH_NONE,
    MODEL_RULE_MATCH,
    MODEL_RULE_MATCH_ALL,
    MODEL_RULE_MATCH_ANY,
    MODEL_RULE_CONTAINS,
    MODEL_RULE_CHECK, /* field->check or field->record_check */
    MODEL_RULE_SUBSETS,
};

struct model_rule {
    enum model_rule_kind kind;
    const json_t *argument; /* as in the data file */
    double low, high;       /* of numbers and lengths */
};

/* ---- rules over several fields ---- */

enum model_check_kind {
    MODEL_CHECK_AT_LEAST_ONE_OF,
    MODEL_CHECK_ONLY_ONE_OF,
    MODEL_CHECK_DISTINCT,
    MODEL_CHECK_MUTUALLY_REQUIRED,
    MODEL_CHECK_MUTUALLY_EXCLUSIVE,
    MODEL_CHECK_CONDITIONAL,
    MODEL_CHECK_CONDITIONAL_AT_LEAST_ONE_OF,
    MODEL_CHECK_CUSTOM,
};

struct model_entity_check {
    enum model_check_kind kind;
    const json_t *names;      /* the fields; of CONDITIONAL_AT_LEAST_ONE_OF: then_at_least_one_of */
    const json_t *else_names; /* else_then_at_least_one_of */
    const char *if_field, *then_field;
    struct model_field if_match, then_match, else_match; /* with the named field's own rules */
    bool has_else;
    const char *then_err, *else_err; /* "%s" is the list of names; NULL: Kong's general words */
    model_record_check *custom;
};

struct model_shorthand {
    struct model_field field;
    const json_t *path; /* translate_backwards: what it is an old name of; NULL: none */
    /* {"field": value, ...} that it stands for; NULL: no memory. NULL: path says it all */
    json_t *(*expand)(const json_t *value);
    bool is_deprecated; /* the new name wins where both are given */
};

/* NULL: no such name. */
check_function *model_string_check(const char *name);
model_record_check *model_named_record_check(const char *name);
json_t *(*model_named_expansion(const char *name))(const json_t *value);
const struct model_write *model_named_write(const char *name);

/* ---- errors as JSON; all return a new reference or set out_of_memory ---- */

struct model_words {
    const struct model *model; /* of foreign entities; NULL: the program's */
    bool is_update;            /* Kong adds "when updating, " to some messages */
    bool out_of_memory;
};

json_t *model_said(struct model_words *words, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Sets errors[path] ("config.redis.host"), making the objects between; takes error (may be NULL). */
void model_say_at(struct model_words *words, json_t *errors, const char *path, json_t *error);
/* Appends to errors["@entity"]; takes error. */
void model_say_of_entity(struct model_words *words, json_t *errors, json_t *error);

/* By a dotted path; NULL: absent. */
const json_t *model_value_at(const json_t *values, const char *path);
bool model_is_empty(const json_t *value); /* absent, null, "", [] or {} */

/* ---- validating: NULL is good; else a new reference to a string, array or object ---- */

json_t *model_validate_value(struct model_words *words, const struct model_field *field,
                             const json_t *value);
json_t *model_validate_rules(struct model_words *words, const struct model_field *field,
                             const json_t *value);
/* is_whole: what is missing is told too. subschema may be NULL. */
json_t *model_validate_record(struct model_words *words, const struct model_record *record,
                              const struct model_record *subschema, const json_t *values,
                              bool is_whole);
/* The same with the subschema that the values ask for. */
json_t *model_validate_entity(struct model_words *words, const struct model *model,
                              const struct model_entity *entity, const json_t *values,
                              bool is_whole);
void model_run_checks(struct model_words *words, const struct model_record *record,
                      const json_t *values, bool is_whole, json_t *errors);

/* What of a valid entity this program does not run (x_runs, plugins): an error tree; NULL: it runs all. */
json_t *model_check_runs(struct model_words *words, const struct model_entity *entity,
                         const json_t *values);

/* ---- filling in ---- */

enum model_context {
    MODEL_CONTEXT_INSERT, /* shorthands, ids, times, defaults */
    MODEL_CONTEXT_UPDATE, /* shorthands and updated_at only */
    MODEL_CONTEXT_SELECT, /* what is still absent, old names, numbers and ids in their usual form */
};

struct model_filling {
    struct model_words words;
    enum model_context context;
    double now_s;
    bool keeps_times; /* updated_at is what the input says */
    json_t *errors;   /* of shorthands; NULL: none */
};

/* Changes `values` in place. */
void model_fill(struct model_filling *filling, const struct model_record *record,
                const struct model_record *subschema, json_t *values);
const struct model_field *model_resolve(const struct model_record *record, size_t index,
                                        const struct model_record *subschema);
/* A new object: `values` over `before`; records are merged, all else replaced. NULL: no memory. */
json_t *model_merge(const struct model_record *record, const struct model_record *subschema,
                    const json_t *values, const json_t *before);

/* ---- writing ---- */

struct model_writing {
    struct model_words words;
    const struct model_request *request;
    json_t *values; /* as validated */
    json_t *errors; /* an object */
};

struct model_write {
    const char *name;
    void (*prepare)(struct model_writing *writing); /* before the validation; may be NULL */
    void (*check)(struct model_writing *writing);   /* with it; may be NULL */
    void (*finish)(struct model_writing *writing);  /* of a valid entity; may be NULL */
};

#endif
