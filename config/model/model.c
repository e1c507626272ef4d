#include "config/model/model.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/model/model_priv.h"

struct model_block {
    struct model_block *next;
    max_align_t bytes[];
};

void *model_alloc(struct model *model, size_t bytes)
{
    struct model_block *block = calloc(1, sizeof(*block) + bytes);

    if (!block)
        return NULL;
    block->next = model->blocks;
    model->blocks = block;
    return block->bytes;
}

void model_broken(const char *where, const char *what)
{
    (void)fprintf(stderr, "config/schemas: %s: %s\n", where ? where : "?", what ? what : "?");
    abort();
}

/* --- making --------------------------------------------------------------------------------- */

static int make_cache_key(struct model *model, const json_t *definition,
                          struct model_entity *entity)
{
    const json_t *list = json_object_get(definition, "cache_key");
    const char **names;

    if (!list)
        return 0;
    names = model_alloc(model, (json_array_size(list) + 1) * sizeof(*names));
    if (!names)
        return -ENOMEM;
    for (size_t i = 0; i < json_array_size(list); i++)
        names[i] = json_string_value(json_array_get(list, i));
    entity->cache_key = names;
    return 0;
}

/* A name in the place of a definition means that one. */
static const json_t *subschema_definition(const json_t *subschemas, const json_t *value)
{
    return json_is_string(value) ? json_object_get(subschemas, json_string_value(value)) : value;
}

static int make_subschemas(struct model *model, const json_t *definition,
                           struct model_entity *entity)
{
    const json_t *map = json_object_get(definition, "x_subschemas");
    struct model_subschema *subschemas;
    const char *key;
    json_t *value;

    if (!json_is_object(map))
        return 0;
    subschemas = model_alloc(model, json_object_size(map) * sizeof(*subschemas));
    if (!subschemas)
        return -ENOMEM;
    entity->subschemas = subschemas;
    json_object_foreach((json_t *)map, key, value)
    {
        struct model_subschema *subschema = &subschemas[entity->subschemas_count++];
        subschema->key = key;
        int r = model_compile_record(model, entity->name, subschema_definition(map, value),
                                     definition, &subschema->record);
        if (r < 0)
            return r;
    }
    return 0;
}

static int make_entity(struct model *model, const json_t *definition, struct model_entity *ret)
{
    const char *write = json_string_value(json_object_get(definition, "x_write"));
    int r;

#define TEXT(word) json_string_value(json_object_get(definition, word))
    ret->name = TEXT("name");
    ret->singular = TEXT("x_singular");
    ret->url = TEXT("x_url");
    ret->nested_url = TEXT("x_nested_url") ? TEXT("x_nested_url") : ret->url;
    ret->endpoint_key = TEXT("endpoint_key");
    ret->subschema_key = TEXT("subschema_key");
    ret->subschema_error = TEXT("subschema_error");
#undef TEXT
    ret->has_ttl = json_is_true(json_object_get(definition, "ttl"));
    ret->is_below_parent_only = json_is_true(json_object_get(definition, "x_is_below_parent_only"));
    if (write && !(ret->write = model_named_write(write)))
        model_broken(ret->name, write);
    r = model_compile_record(model, ret->name, definition, NULL, &ret->record);
    if (r == 0)
        r = make_cache_key(model, definition, ret);
    return r < 0 ? r : make_subschemas(model, definition, ret);
}

static int make_plugin(struct model *model, const json_t *definition, struct model_plugin *ret)
{
    const json_t *base =
        json_object_get(json_object_get(model->definitions, "entities"), "plugins");
    const struct model_field *config;
    int r;

    ret->name = json_string_value(json_object_get(definition, "name"));
    ret->version = json_string_value(json_object_get(definition, "x_version"));
    ret->priority = (int)json_integer_value(json_object_get(definition, "x_priority"));
    ret->runs = json_is_true(json_object_get(definition, "x_runs"));
    r = model_compile_record(model, ret->name, definition, base, &ret->overrides);
    if (r < 0)
        return r;
    config = model_field(&ret->overrides, "config");
    if (!config || !config->record)
        model_broken(ret->name, "a plugin without config");
    ret->config = config->record;
    return 0;
}

/* {"services": definition, ...}. 0 or -ENOMEM. */
static int read_entities(const struct model_entity_builtin *files, json_t *into, json_t *typedefs)
{
    for (; files->name; files++) {
        if (strcmp(files->name, "typedefs") == 0)
            continue;
        if (json_object_set_new(
                into, files->name,
                model_definition(files->name, files->text, files->length, typedefs)) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int read_plugins(const struct model_plugin_builtin *files, json_t *into, json_t *typedefs)
{
    for (; files->name; files++)
        if (json_object_set_new(
                into, files->name,
                model_definition(files->name, files->text, files->length, typedefs)) < 0)
            return -ENOMEM;
    return 0;
}

static json_t *read_typedefs(const struct model_entity_builtin *files)
{
    for (; files->name; files++)
        if (strcmp(files->name, "typedefs") == 0)
            return model_definition(files->name, files->text, files->length, NULL);
    return json_object();
}

static int compile_all(struct model *model, json_t *entities, json_t *plugins)
{
    const char *key;
    json_t *definition;
    int r = 0;

    model->entities =
        model_alloc(model, (json_object_size(entities) + 1) * sizeof(*model->entities));
    model->plugins = model_alloc(model, (json_object_size(plugins) + 1) * sizeof(*model->plugins));
    if (!model->entities || !model->plugins)
        return -ENOMEM;
    json_object_foreach(entities, key, definition)
    {
        if (r == 0)
            r = make_entity(model, definition, &model->entities[model->entities_count++]);
    }
    json_object_foreach(plugins, key, definition)
    {
        if (r == 0)
            r = make_plugin(model, definition, &model->plugins[model->plugins_count++]);
    }
    return r;
}

struct model *model_create(const struct model_entity_builtin *entity_files,
                           const struct model_plugin_builtin *plugin_files)
{
    SCOPED(model) model = calloc(1, sizeof(*model));
    json_t *typedefs = read_typedefs(entity_files), *entities = json_object(),
           *plugins = json_object();
    int r = -ENOMEM;

    if (model)
        model->definitions =
            json_pack("{s:O?, s:O?, s:[]}", "entities", entities, "plugins", plugins, "matches");
    if (model && model->definitions && typedefs && entities && plugins) {
        r = read_entities(entity_files, entities, typedefs);
        if (r == 0)
            r = read_plugins(plugin_files, plugins, typedefs);
        if (r == 0)
            r = compile_all(model, entities, plugins);
    }
    json_decref(typedefs);
    json_decref(entities); /* the model has its own reference */
    json_decref(plugins);
    return r == 0 ? TAKE(model) : NULL;
}

void model_free(struct model *model)
{
    if (!model)
        return;
    while (model->blocks) {
        struct model_block *block = model->blocks;
        model->blocks = block->next;
        free(block);
    }
    json_decref(model->definitions);
    free(model);
}

const struct model *model_get(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct model *model; /* until the process ends */
    const struct model *found;

    (void)pthread_mutex_lock(&lock); /* cannot fail */
    if (!model)
        model = model_create(model_entity_builtins, model_plugin_builtins);
    found = model;
    (void)pthread_mutex_unlock(&lock);
    return found;
}

/* --- looking up ----------------------------------------------------------------------------- */

const struct model_entity *model_entity(const struct model *model, const char *name)
{
    for (size_t i = 0; i < model->entities_count; i++)
        if (strcmp(model->entities[i].name, name) == 0)
            return &model->entities[i];
    return NULL;
}

const struct model_entity *model_entity_by_url(const struct model *model, const char *url)
{
    for (size_t i = 0; i < model->entities_count; i++)
        if (model->entities[i].url && strcmp(model->entities[i].url, url) == 0)
            return &model->entities[i];
    return NULL;
}

size_t model_entities_count(const struct model *model)
{
    return model->entities_count;
}

const struct model_entity *model_entity_at(const struct model *model, size_t index)
{
    return &model->entities[index];
}

const struct model_plugin *model_plugin(const struct model *model, const char *name)
{
    for (size_t i = 0; i < model->plugins_count; i++)
        if (strcmp(model->plugins[i].name, name) == 0)
            return &model->plugins[i];
    return NULL;
}

size_t model_plugins_count(const struct model *model)
{
    return model->plugins_count;
}

const struct model_plugin *model_plugin_at(const struct model *model, size_t index)
{
    return &model->plugins[index];
}

const struct model_field *model_field(const struct model_record *record, const char *name)
{
    for (size_t i = 0; i < record->fields_count; i++)
        if (strcmp(record->fields[i].name, name) == 0)
            return &record->fields[i];
    return NULL;
}

const struct model_field *model_shorthand_at(const struct model_record *record, size_t index)
{
    return &record->shorthands[index].field;
}

static const struct model_record *subschema_named(const struct model *model,
                                                  const struct model_entity *entity,
                                                  const char *key)
{
    const struct model_plugin *plugin;

    if (!entity->subschemas) {
        plugin = model_plugin(model, key);
        return plugin ? &plugin->overrides : NULL;
    }
    for (size_t i = 0; i < entity->subschemas_count; i++)
        if (strcmp(entity->subschemas[i].key, key) == 0)
            return &entity->subschemas[i].record;
    return NULL;
}

const struct model_record *model_subschema(const struct model *model,
                                           const struct model_entity *entity, const json_t *values)
{
    const struct model_record *found = NULL;
    const json_t *key;

    if (!entity->subschema_key)
        return NULL;
    key = json_object_get(values, entity->subschema_key);
    if (json_is_string(key))
        return subschema_named(model, entity, json_string_value(key));
    for (size_t i = 0; !found && i < json_array_size(key); i++) {
        const char *text = json_string_value(json_array_get(key, i));
        found = text ? subschema_named(model, entity, text) : NULL;
    }
    return found;
}

const struct model_field *model_field_of(const struct model_entity *entity,
                                         const struct model_record *subschema, const char *name)
{
    const struct model_field *field = subschema ? model_field(subschema, name) : NULL;

    return field && model_field(&entity->record, name) ? field : model_field(&entity->record, name);
}
