/*
 * model_json: the tables as GET /schemas shows them.
 */
#include <string.h>

#include "config/model/model_priv.h"

static json_t *shown(const json_t *value);

static bool is_own_word(const char *key)
{
    return strncmp(key, "x_", 2) == 0;
}

static json_t *shown_object(const json_t *object)
{
    json_t *into = json_object();
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value)
    {
        json_t *copy;
        if (is_own_word(key))
            continue;
        copy = strcmp(key, "default") == 0 ? json_deep_copy(value) : shown(value);
        if (json_object_set_new(into, key, copy) < 0) {
            json_decref(into);
            return NULL;
        }
    }
    return into;
}

/* {name: {... "x_pseudo": true}} is no field of the schema. */
static bool is_hidden(const json_t *entry)
{
    const json_t *definition = json_object_iter_value(json_object_iter((json_t *)entry));

    return json_is_true(json_object_get(definition, "x_pseudo"));
}

static json_t *shown_array(const json_t *list)
{
    json_t *into = json_array();

    for (size_t i = 0; into && i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        if (json_is_object(entry) && is_hidden(entry))
            continue;
        if (json_array_append_new(into, shown(entry)) < 0) {
            json_decref(into);
            into = NULL;
        }
    }
    return into;
}

static json_t *shown(const json_t *value)
{
    if (json_is_object(value))
        return shown_object(value);
    return json_is_array(value) ? shown_array(value) : json_deep_copy(value);
}

/* The checks only where there are some; no shorthands at the top, as in Kong. */
static json_t *schema_of(const json_t *definition)
{
    const json_t *checks = json_object_get(definition, "entity_checks");

    return json_pack("{s:o, s:o*}", "fields", shown(json_object_get(definition, "fields")),
                     "entity_checks", checks ? shown(checks) : NULL);
}

json_t *model_entity_json(const struct model_entity *entity)
{
    return schema_of(entity->record.definition);
}

json_t *model_subschema_json(const struct model_subschema *subschema)
{
    return schema_of(subschema->record.definition);
}

json_t *model_plugin_json(const struct model_plugin *plugin)
{
    return schema_of(plugin->overrides.definition);
}
