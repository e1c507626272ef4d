/*
 * admin_openapi_priv: the parts of the OpenAPI document.
 *
 * Role    openapi.json has what is written by hand (node endpoints, errors, parameters); the rest is
 *         made of the tables: a schema for each form of an entity, an operation for each method of a path
 * Owns    nothing
 * Thread  the config thread
 *
 * Schemas of an entity E; those of plugins and vaults choose by `name`, see E.NAME:
 *     E           as it is answered: every field is there
 *     E.change    as PATCH takes it: nothing is needed
 *     E.input     as POST and PUT take it
 *     E.page      a list of it
 */
#ifndef CONFIG_ADMIN_OPENAPI_PRIV_H
#define CONFIG_ADMIN_OPENAPI_PRIV_H

#include "config/admin/admin_priv.h"

/* A file that is part of the program (tools/embed.cmake). */
struct admin_openapi_builtin {
    const char *name;
    const unsigned char *text;
    size_t length;
};
extern const struct admin_openapi_builtin admin_openapi_builtins[];

enum admin_openapi_form { ADMIN_OPENAPI_ANSWER, ADMIN_OPENAPI_CHANGE };

/* JSON Schema (draft 2020-12) of a record. NULL: no memory, as all here. */
json_t *admin_openapi_record(const struct model_record *record, enum admin_openapi_form form);

/* Adds those of all entities and plugins. 0 or -1. */
int admin_openapi_add_schemas(json_t *schemas, const struct model *model);

/* {"get": {...}, "post": {...}} of a path that entities make. */
json_t *admin_openapi_operations(const struct admin_target *target);

/* {"$ref": "#/components/KIND/NAME"} */
json_t *admin_openapi_reference(const char *kind, const char *name);

/* The fields that must be given: those without default that are not made here. */
bool admin_openapi_is_needed(const struct model_field *field);

#endif
