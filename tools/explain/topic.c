/* Which entity, plugin or field a path names. */
#include <errno.h>
#include <string.h>

#include "config/suggest.h"
#include "core/slice.h"
#include "tools/explain/explain.h"

enum { WORD_MAX = 96 };

/* The next word of a path into `word`; what is too long fits nothing. NULL: the path has ended. */
static const char *next_word(const char *path, char word[WORD_MAX])
{
    size_t length = strcspn(path, ".");

    if (*path == '\0')
        return NULL;
    (void)snprintf(word, WORD_MAX, "%.*s", (int)(length < WORD_MAX ? length : WORD_MAX - 1), path);
    path += length;
    return *path == '.' ? path + 1 : path;
}

static void go_down(struct explain_topic *topic, const char *word)
{
    size_t length = strlen(topic->path);

    (void)snprintf(topic->path + length, sizeof(topic->path) - length, "%s%s",
                   length > 0 ? "." : "", word);
}

/* Words of a person may hold anything. */
static const char *printable(char *word)
{
    for (char *at = word; *at; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
    return word;
}

static int fail(const struct explain_topic *topic, char *word, const char *what,
                const struct suggest *suggest, char message[EXPLAIN_MESSAGE_MAX])
{
    int length = snprintf(message, EXPLAIN_MESSAGE_MAX, "%s has no %s \"%s\"",
                          *topic->path ? topic->path : "hopgate", what, printable(word));

    if (suggest->nearest)
        (void)snprintf(message + length, EXPLAIN_MESSAGE_MAX - (size_t)length,
                       "; did you mean \"%s%s%s\"?", topic->path, *topic->path ? "." : "",
                       suggest->nearest);
    else if (*topic->path)
        (void)snprintf(message + length, EXPLAIN_MESSAGE_MAX - (size_t)length,
                       "; `hopgate explain %s` lists what there is", topic->path);
    else
        (void)snprintf(message + length, EXPLAIN_MESSAGE_MAX - (size_t)length,
                       "; `hopgate explain` lists what there is");
    return -ENOENT;
}

/* ---- the first words ------------------------------------------------------------------------ */

static bool is_called(const char *name, const char *word)
{
    return name && strcmp(name, word) == 0;
}

static int find_entity(const struct model *model, char *word, struct explain_topic *topic,
                       char message[EXPLAIN_MESSAGE_MAX])
{
    struct suggest suggest = { .wanted = word };

    for (size_t i = 0; i < model_entities_count(model); i++) {
        const struct model_entity *entity = model_entity_at(model, i);

        if (is_called(entity->name, word) || is_called(entity->singular, word) ||
            is_called(entity->url, word) || is_called(entity->nested_url, word)) {
            topic->entity = entity;
            topic->record = &entity->record;
            go_down(topic, entity->name);
            return 0;
        }
        suggest_offer(&suggest, entity->name);
    }
    return fail(topic, word, "entity", &suggest, message);
}

static bool has_plugins(const struct model_entity *entity)
{
    return entity->subschema_key && !entity->subschemas;
}

/* True: the word is a plugin, or a variant of an entity whose fields depend on one of them. */
static bool find_variant(const struct model *model, const char *word, struct explain_topic *topic)
{
    const struct model_entity *entity = topic->entity;

    if (has_plugins(entity)) {
        topic->plugin = model_plugin(model, word);
        if (topic->plugin)
            topic->record = &topic->plugin->overrides;
    }
    for (size_t i = 0; i < entity->subschemas_count && !topic->variant; i++)
        if (strcmp(entity->subschemas[i].key, word) == 0) {
            topic->variant = &entity->subschemas[i];
            topic->record = &topic->variant->record;
        }
    if (!topic->plugin && !topic->variant)
        return false;
    go_down(topic, word);
    return true;
}

/* ---- fields --------------------------------------------------------------------------------- */

/* The record inside a field, also of the items of a list. */
static const struct model_record *record_of(const struct model_field *field)
{
    while (field->elements || field->values)
        field = field->elements ? field->elements : field->values;
    return field->record;
}

static const struct model_field *shorthand_of(const struct model_record *record, const char *name)
{
    for (size_t i = 0; i < record->shorthands_count; i++)
        if (strcmp(model_shorthand_at(record, i)->name, name) == 0)
            return model_shorthand_at(record, i);
    return NULL;
}

static void offer(const struct model_record *record, struct suggest *suggest)
{
    for (size_t i = 0; record && i < record->fields_count; i++)
        suggest_offer(suggest, record->fields[i].name);
    for (size_t i = 0; record && i < record->shorthands_count; i++)
        suggest_offer(suggest, model_shorthand_at(record, i)->name);
}

static int find_field(const struct model *model, char *word, struct explain_topic *topic,
                      char message[EXPLAIN_MESSAGE_MAX])
{
    struct suggest suggest = { .wanted = word };
    bool is_top = !topic->field && (topic->plugin || topic->variant);
    const struct model_field *field = topic->record ? model_field(topic->record, word) : NULL;

    if (!field && is_top) /* what the plugin does not change is the entity's */
        field = model_field(&topic->entity->record, word);
    topic->is_shorthand = !field;
    if (!field && topic->record)
        field = shorthand_of(topic->record, word);
    if (field) {
        topic->field = field;
        topic->record = record_of(field);
        go_down(topic, word);
        return 0;
    }
    offer(topic->record, &suggest);
    if (is_top)
        offer(&topic->entity->record, &suggest);
    if (!topic->field && !topic->plugin && has_plugins(topic->entity))
        for (size_t i = 0; i < model_plugins_count(model); i++)
            suggest_offer(&suggest, model_plugin_at(model, i)->name);
    return fail(topic, word, "field", &suggest, message);
}

int explain_find(const struct model *model, const char *path, struct explain_topic *ret,
                 char message[EXPLAIN_MESSAGE_MAX])
{
    struct explain_topic topic = { 0 };
    char word[WORD_MAX];
    int r = 0;

    while (r == 0 && (path = next_word(path, word))) {
        if (!topic.entity)
            r = find_entity(model, word, &topic, message);
        else if (topic.field || topic.plugin || topic.variant || !find_variant(model, word, &topic))
            r = find_field(model, word, &topic, message);
    }
    if (r == 0)
        *ret = topic;
    return r;
}
