/* What is known of a topic, as JSON: printed as it is with --json, else read by text.c and page.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/explain/explain.h"

static json_t *facts_of_fields(const struct model_record *record, const char *path);

/* ---- a field -------------------------------------------------------------------------------- */

static const char *scalar_name(enum model_type type)
{
    switch (type) {
    case MODEL_STRING:
        return "string";
    case MODEL_INTEGER:
        return "integer";
    case MODEL_NUMBER:
        return "number";
    case MODEL_BOOLEAN:
        return "boolean";
    case MODEL_ARRAY:
        return "array";
    case MODEL_SET:
        return "set";
    case MODEL_MAP:
        return "map";
    case MODEL_RECORD:
        return "record";
    case MODEL_FOREIGN:
        return "reference";
    case MODEL_JSON:
        break;
    }
    return "any";
}

/* "array of string", "map of array of string". */
static void type_name(const struct model_field *field, char *into, size_t size)
{
    const struct model_field *inner = field->elements ? field->elements : field->values;
    int length = snprintf(into, size, "%s", scalar_name(field->type));

    if (inner && (size_t)length + sizeof(" of ") < size) {
        length += snprintf(into + length, size - (size_t)length, " of ");
        type_name(inner, into + length, size - (size_t)length);
    }
}

static const struct model_field *innermost(const struct model_field *field)
{
    while (field->elements || field->values)
        field = field->elements ? field->elements : field->values;
    return field;
}

static const char *given(const struct model_field *field, bool is_shorthand)
{
    if (is_shorthand)
        return "old";
    if (field->flags & MODEL_AUTO)
        return "made";
    if (field->flags & MODEL_REQUIRED && !(field->flags & MODEL_HAS_DEFAULT) && !field->record)
        return "must";
    return "may";
}

static int copy(json_t *facts, const char *as, const struct model_field *field, const char *word)
{
    json_t *value = json_object_get(field->definition, word);

    return value ? json_object_set(facts, as, value) : 0;
}

static int add_differs(json_t *facts, const struct model_field *field)
{
    json_t *said = model_differs(field);

    return said ? json_object_set_new(facts, "differs", said) : 0;
}

static int set_flag(json_t *facts, const char *name, bool is_set)
{
    return is_set ? json_object_set_new(facts, name, json_true()) : 0;
}

static int add_texts(json_t *facts, const char *name, json_t *list)
{
    if (json_array_size(list) > 0)
        return json_object_set_new(facts, name, list);
    json_decref(list);
    return list ? 0 : -1;
}

static int add_reference(json_t *facts, const struct model_field *field)
{
    return field->type == MODEL_FOREIGN
               ? json_object_set_new(facts, "reference", json_string(field->reference))
               : 0;
}

static int add_below(json_t *facts, const struct model_field *field, const char *path)
{
    const struct model_record *record = innermost(field)->record;
    json_t *rules = json_array();
    int r = rules ? 0 : -1;

    if (record && r == 0)
        r = explain_add_rules(rules, record);
    if (r < 0) {
        json_decref(rules);
        return -1;
    }
    r = add_texts(facts, "rules", rules);
    return r == 0 && record ? json_object_set_new(facts, "fields", facts_of_fields(record, path))
                            : r;
}

static json_t *facts_of_field(const struct model_field *field, const char *path, bool is_shorthand)
{
    char type[64];
    json_t *facts, *limits = json_array();
    int r = limits ? explain_add_limits(limits, field, "") : -1;

    type_name(field, type, sizeof(type));
    facts = json_pack("{ss,ss,ss,ss}", "path", path, "kind", "field", "type", type, "given",
                      given(field, is_shorthand));
    if (!facts || r < 0) {
        json_decref(facts);
        json_decref(limits);
        return NULL;
    }
    r |= copy(facts, "description", field, "description");
    r |= add_differs(facts, field);
    r |= copy(facts, "unit", field, "x_unit");
    if (field->flags & MODEL_HAS_DEFAULT && !field->record)
        r |= copy(facts, "default", field, "default");
    r |= add_texts(facts, "limits", limits);
    r |= set_flag(facts, "unique", field->flags & MODEL_UNIQUE);
    r |= set_flag(facts, "secret", field->flags & MODEL_SECRET);
    r |= add_reference(facts, field);
    r |= add_below(facts, field, path);
    if (r == 0)
        return facts;
    json_decref(facts);
    return NULL;
}

static int add_field(json_t *list, const struct model_field *field, const char *path,
                     bool is_shorthand)
{
    char below[EXPLAIN_PATH_MAX];

    (void)snprintf(below, sizeof(below), "%s.%s", path, field->name);
    return json_array_append_new(list, facts_of_field(field, below, is_shorthand));
}

static json_t *facts_of_fields(const struct model_record *record, const char *path)
{
    json_t *list = json_array();
    int r = list ? 0 : -1;

    for (size_t i = 0; r == 0 && i < record->fields_count; i++)
        r = add_field(list, &record->fields[i], path, false);
    for (size_t i = 0; r == 0 && i < record->shorthands_count; i++) {
        const struct model_field *field = model_shorthand_at(record, i);
        if (!model_field(record, field->name)) /* else it is the field, written another way */
            r = add_field(list, field, path, true);
    }
    if (r == 0)
        return list;
    json_decref(list);
    return NULL;
}

/* ---- a whole -------------------------------------------------------------------------------- */

static json_t *entity_paths(const struct model *model, const struct model_entity *entity)
{
    json_t *list = json_array();
    int r = list ? 0 : -1;

    if (r == 0 && entity->url)
        r = json_array_append_new(list, json_sprintf("/%s", entity->url));
    for (size_t i = 0; r == 0 && entity->nested_url && i < entity->record.fields_count; i++) {
        const struct model_field *field = &entity->record.fields[i];
        const struct model_entity *parent =
            field->type == MODEL_FOREIGN ? model_entity(model, field->reference) : NULL;
        if (parent && parent->url)
            r = json_array_append_new(list, json_sprintf("/%s/{%s}/%s", parent->url,
                                                         parent->singular, entity->nested_url));
    }
    if (r == 0)
        return list;
    json_decref(list);
    return NULL;
}

static int add_variants(json_t *facts, const struct model *model, const struct model_entity *entity)
{
    bool has_plugins = entity->subschema_key && !entity->subschemas;
    json_t *list = json_array();
    int r = list ? 0 : -1;

    for (size_t i = 0; r == 0 && has_plugins && i < model_plugins_count(model); i++)
        r = json_array_append_new(list, json_string(model_plugin_at(model, i)->name));
    for (size_t i = 0; r == 0 && i < entity->subschemas_count; i++)
        r = json_array_append_new(list, json_string(entity->subschemas[i].key));
    if (r == 0)
        return add_texts(facts, has_plugins ? "plugins" : "variants", list);
    json_decref(list);
    return -1;
}

static int add_whole(json_t *facts, const struct model_record *record, const char *path)
{
    json_t *rules = json_array();
    int r = rules ? explain_add_rules(rules, record) : -1;

    if (r < 0) {
        json_decref(rules);
        return -1;
    }
    return add_texts(facts, "rules", rules) |
           json_object_set_new(facts, "fields", facts_of_fields(record, path));
}

static json_t *facts_of_entity(const struct model *model, const struct explain_topic *topic)
{
    const struct model_entity *entity = topic->entity;
    json_t *facts = json_pack("{ss,ss,sO}", "path", topic->path, "kind", "entity", "description",
                              json_object_get(entity->record.definition, "description"));
    int r = facts ? json_object_set_new(facts, "paths", entity_paths(model, entity)) : -1;

    if (r == 0 && entity->endpoint_key)
        r = json_object_set_new(facts, "key", json_string(entity->endpoint_key));
    if (r == 0)
        r = set_flag(facts, "ttl", entity->has_ttl) | add_variants(facts, model, entity) |
            add_whole(facts, &entity->record, topic->path);
    if (r == 0)
        return facts;
    json_decref(facts);
    return NULL;
}

static json_t *facts_of_plugin(const struct explain_topic *topic)
{
    const struct model_plugin *plugin = topic->plugin;
    const struct model_field *config = model_field(&plugin->overrides, "config");
    json_t *facts =
        json_pack("{ss,ss,sO,ss,si,sb}", "path", topic->path, "kind", "plugin", "description",
                  json_object_get(config->definition, "description"), "version", plugin->version,
                  "priority", plugin->priority, "runs", plugin->runs);
    int r = facts ? add_whole(facts, &plugin->overrides, topic->path) : -1;

    if (r == 0 && !plugin->runs)
        r = json_object_set_new(facts, "differs",
                                json_string("this version does not run it: it can be kept with "
                                            "'enabled' false"));
    if (r == 0)
        return facts;
    json_decref(facts);
    return NULL;
}

static json_t *facts_of_variant(const struct explain_topic *topic)
{
    json_t *facts = json_pack("{ss,ss}", "path", topic->path, "kind", "variant");

    if (facts && add_whole(facts, &topic->variant->record, topic->path) == 0)
        return facts;
    json_decref(facts);
    return NULL;
}

/* ---- everything ----------------------------------------------------------------------------- */

static json_t *entities(const struct model *model)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < model_entities_count(model); i++) {
        const struct model_entity *entity = model_entity_at(model, i);
        struct explain_topic topic = { .entity = entity };

        (void)snprintf(topic.path, sizeof(topic.path), "%s", entity->name);
        if (json_array_append_new(list, facts_of_entity(model, &topic)) < 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

static json_t *plugins(const struct model *model)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < model_plugins_count(model); i++) {
        const struct model_plugin *plugin = model_plugin_at(model, i);
        struct explain_topic topic = { .plugin = plugin };

        (void)snprintf(topic.path, sizeof(topic.path), "plugins.%s", plugin->name);
        if (json_array_append_new(list, facts_of_plugin(&topic)) < 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

json_t *explain_all(const struct model *model)
{
    return json_pack("{so,so}", "entities", entities(model), "plugins", plugins(model));
}

json_t *explain_facts(const struct model *model, const struct explain_topic *topic)
{
    if (!topic->entity)
        return explain_all(model);
    if (topic->field)
        return facts_of_field(topic->field, topic->path, topic->is_shorthand);
    if (topic->plugin)
        return facts_of_plugin(topic);
    if (topic->variant)
        return facts_of_variant(topic);
    return facts_of_entity(model, topic);
}
