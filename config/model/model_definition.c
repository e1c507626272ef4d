/*
 * model_definition: a data file with its typedefs in place.
 *
 * What is written once in typedefs.json and meant in many files is put where x_is names it; the words that
 * stand beside x_is win. A record is required unless it says otherwise (kong/db/schema/metaschema.lua).
 */
#include <assert.h>
#include <string.h>

#include "config/model/model_priv.h"

static json_t *expand(const json_t *value, const json_t *typedefs);

/* Adds the members of `from` to `into`; what is there already is replaced. */
static bool expand_members(json_t *into, const json_t *from, const json_t *typedefs)
{
    const char *key;
    const json_t *member;

    for (void *i = json_object_iter((json_t *)from); i;
         i = json_object_iter_next((json_t *)from, i)) {
        key = json_object_iter_key(i);
        member = json_object_iter_value(i);
        if (strcmp(key, "x_is") == 0)
            continue;
        json_t *copy =
            strcmp(key, "default") == 0 ? json_deep_copy(member) : expand(member, typedefs);
        if (json_object_set_new(into, key, copy) < 0)
            return false;
    }
    return true;
}

static json_t *expand_object(const json_t *value, const json_t *typedefs)
{
    const char *is = json_string_value(json_object_get(value, "x_is"));
    const char *type;
    json_t *into;

    if (is && !json_is_object(json_object_get(typedefs, is)))
        model_broken(is, "no such definition in typedefs.json");
    into = is ? expand(json_object_get(typedefs, is), typedefs) : json_object();
    if (!into || !expand_members(into, value, typedefs)) {
        json_decref(into);
        return NULL;
    }
    type = json_string_value(json_object_get(into, "type"));
    if (type && strcmp(type, "record") == 0 && !json_object_get(into, "required") &&
        json_object_set_new(into, "required", json_true()) < 0) {
        json_decref(into);
        return NULL;
    }
    return into;
}

static json_t *expand(const json_t *value, const json_t *typedefs)
{
    json_t *into;

    if (json_is_object(value))
        return expand_object(value, typedefs);
    if (!json_is_array(value))
        return json_deep_copy(value);
    into = json_array();
    for (size_t i = 0; into && i < json_array_size(value); i++) {
        if (json_array_append_new(into, expand(json_array_get(value, i), typedefs)) < 0) {
            json_decref(into);
            into = NULL;
        }
    }
    return into;
}

json_t *model_definition(const char *name, const unsigned char *text, size_t length,
                         const json_t *typedefs)
{
    json_error_t error;
    json_t *definition = json_loadb((const char *)text, length, JSON_REJECT_DUPLICATES, &error);
    json_t *expanded;

    if (!definition) {
        if (json_error_code(&error) == json_error_out_of_memory)
            return NULL;
        model_broken(name, error.text);
    }
    if (!typedefs)
        return definition;
    expanded = expand(definition, typedefs);
    json_decref(definition);
    return expanded;
}
