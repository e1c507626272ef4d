/* flatten_collect: which entities a document has, and where. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/flatten/flatten_priv.h"
#include "config/suggest.h"

static int collect_list(struct flattened *flattened, const struct model_entity *entity,
                        json_t *list, size_t parent);

const struct model_field *flatten_reference_to(const struct model_entity *child,
                                               const struct model_entity *parent)
{
    for (size_t i = 0; i < child->record.fields_count; i++) {
        const struct model_field *field = &child->record.fields[i];
        if (field->type == MODEL_FOREIGN && strcmp(field->reference, parent->name) == 0)
            return field;
    }
    return NULL;
}

/* An empty list may be written as {} in Lua's JSON, and null is no list. */
static bool is_nothing(const json_t *value)
{
    return json_is_null(value) || (json_is_object(value) && json_object_size(value) == 0);
}

/* --- entities ------------------------------------------------------------------------------ */

/* NULL: no memory. Good until the next is added. */
static struct flat_entity *add(struct flattened *flattened)
{
    if (flattened->count == flattened->capacity) {
        size_t capacity = flattened->capacity ? flattened->capacity * 2 : 64;
        struct flat_entity *items = reallocarray(flattened->items, capacity, sizeof(*items));
        if (!items)
            return NULL;
        flattened->items = items;
        flattened->capacity = capacity;
    }
    return memset(&flattened->items[flattened->count++], 0, sizeof(*flattened->items));
}

/* {"field": "why"} into the entity's errors. */
static int say(struct flat_entity *item, const char *field, const char *why)
{
    if (!item->errors)
        item->errors = json_object();
    return json_object_set_new(item->errors, field, json_string(why)) < 0 ? -ENOMEM : 0;
}

/* One member of an entity: a list of those nested in it, or its own. */
static int collect_member(struct flattened *flattened, size_t index, const char *key, json_t *value)
{
    const struct model_entity *entity = flattened->items[index].entity,
                              *child = model_entity(flattened->model, key);

    if (strcmp(key, "_comment") == 0)
        return json_is_string(value) || json_is_null(value)
                   ? 0
                   : say(&flattened->items[index], key, "expected a string");
    if (strcmp(key, "_ignore") == 0)
        return json_is_array(value) || is_nothing(value)
                   ? 0
                   : say(&flattened->items[index], key, "expected an array");
    if (child && flatten_reference_to(child, entity)) {
        if (json_is_array(value) || is_nothing(value))
            return collect_list(flattened, child, value, index);
        return say(&flattened->items[index], key, "expected an array");
    }
    return json_object_set(flattened->items[index].values, key, value) < 0 ? -ENOMEM : 0;
}

static int collect_one(struct flattened *flattened, struct flat_entity found)
{
    struct flat_entity *item = add(flattened);
    size_t index = flattened->count - 1;
    const char *key;
    json_t *value;
    int r = 0;

    if (!item)
        return -ENOMEM;
    *item = found;
    if (json_is_string(found.given) && strcmp(found.entity->name, "snis") == 0) {
        item->values = json_pack("{s:O}", "name", found.given); /* as the Admin API has them */
        return item->values ? 0 : -ENOMEM;
    }
    if (!json_is_object(found.given)) {
        item->errors = json_string("expected a record");
        return item->errors ? 0 : -ENOMEM;
    }
    item->values = json_object();
    if (!item->values)
        return -ENOMEM;
    json_object_foreach((json_t *)found.given, key, value)
    {
        if (r == 0)
            r = collect_member(flattened, index, key, value);
    }
    return r;
}

static int collect_list(struct flattened *flattened, const struct model_entity *entity,
                        json_t *list, size_t parent)
{
    struct flat_entity found = { .entity = entity, .parent = parent };
    int r = 0;

    if (parent != FLAT_NONE)
        found.parent_field = flatten_reference_to(entity, flattened->items[parent].entity);
    for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
        found.given = json_array_get(list, i);
        found.index = i;
        r = collect_one(flattened, found);
    }
    return r;
}

/* --- the document -------------------------------------------------------------------------- */

static int say_of_document(struct flattened *flattened, const char *key, const char *why)
{
    return json_object_set_new(flattened->errors, key, json_string(why)) < 0 ? -ENOMEM : 0;
}

/* What a document may have beside lists of entities, and what must be in it. */
struct document_field {
    const char *name;
    json_type type;
    const char *why; /* what is said of any other type */
};

static const struct document_field document_fields[] = {
    { "_format_version", JSON_STRING, "expected a string" },
    { "_transform", JSON_TRUE, "expected a boolean" },
    { "_comment", JSON_STRING, "expected a string" },
    { "_ignore", JSON_ARRAY, "expected an array" },
    { "_info", JSON_OBJECT, "expected a record" }, /* decK's */
    { "_workspace", JSON_STRING, "expected a string" },
    { "hopgate", JSON_OBJECT, "expected a record" }, /* ours */
};

/* Kong's entities that are none here: what Kong's own dumps have of them means nothing to a hop. */
static const char *const ignored_lists[] = { "workspaces", "parameters" };

/* Lists of Kong, Kong Enterprise and decK that mean something, and that nothing here does. */
static const char *const refused_lists[] = { "filter_chains", "acme_storage", "consumer_groups",
                                             "rbac_roles",    "partials",     "licenses" };

static bool is_listed(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

#define IS_LISTED(names, name) is_listed(names, sizeof(names) / sizeof((names)[0]), name)

static const char *wrong_with_field(const struct document_field *field, const json_t *value)
{
    if (strcmp(field->name, "_format_version") == 0)
        return flatten_version_error(value);
    if (json_is_null(value) || (json_is_false(value) && field->type == JSON_TRUE))
        return NULL;
    if (json_typeof(value) != field->type)
        return field->type == JSON_ARRAY && is_nothing(value) ? NULL : field->why;
    if (strcmp(field->name, "_workspace") == 0 && strcmp(json_string_value(value), "default") != 0)
        return "only the workspace 'default' is there";
    return NULL;
}

/* The only workspace is called so. */
static bool is_of_default_workspace(const json_t *list)
{
    json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        const char *name = json_string_value(json_object_get(item, "name"));
        if (!name || strcmp(name, "default") != 0)
            return false;
    }
    return true;
}

static const char *wrong_with_list(const char *key, const json_t *value)
{
    if (!json_is_array(value) && !is_nothing(value))
        return "expected an array";
    if (IS_LISTED(refused_lists, key) && json_array_size(value) > 0)
        return "is not supported by this version of hopgate";
    if (strcmp(key, "workspaces") == 0 && !is_of_default_workspace(value))
        return "only the workspace 'default' is there";
    return NULL;
}

/* Of what is no list of entities: NULL when it is right. */
static const char *wrong_with(const char *key, const json_t *value)
{
    for (size_t i = 0; i < sizeof(document_fields) / sizeof(document_fields[0]); i++)
        if (strcmp(document_fields[i].name, key) == 0)
            return wrong_with_field(&document_fields[i], value);
    return IS_LISTED(ignored_lists, key) || IS_LISTED(refused_lists, key)
               ? wrong_with_list(key, value)
               : "unknown field";
}

/* What decK fills into entities before it sends them would be left out without a word. */
static int check_info(struct flattened *flattened, const json_t *info)
{
    const json_t *defaults = json_object_get(info, "defaults");

    if (!defaults || is_nothing(defaults))
        return 0;
    return json_object_set_new(
               flattened->errors, "_info",
               json_pack("{s:s}", "defaults", "is not supported by this version of hopgate")) < 0
               ? -ENOMEM
               : 0;
}

static int collect_top(struct flattened *flattened, const char *key, json_t *value)
{
    const struct model_entity *entity = model_entity(flattened->model, key);
    const char *why;

    if (entity && (json_is_array(value) || is_nothing(value)))
        return collect_list(flattened, entity, value, FLAT_NONE);
    why = entity ? "expected an array" : wrong_with(key, value);
    if (why)
        return say_of_document(flattened, key, why);
    return strcmp(key, "_info") == 0 ? check_info(flattened, value) : 0;
}

int flatten_collect(struct flattened *flattened)
{
    const char *key;
    json_t *value;
    int r = 0;

    if (!json_object_get(flattened->document, "_format_version"))
        r = say_of_document(flattened, "_format_version", flatten_version_error(NULL));
    flattened->is_stored_form = json_is_false(json_object_get(flattened->document, "_transform"));
    json_object_foreach(flattened->document, key, value)
    {
        if (r == 0)
            r = collect_top(flattened, key, value);
    }
    return r;
}

void flatten_offer_document_fields(struct suggest *suggest)
{
    for (size_t i = 0; i < sizeof(document_fields) / sizeof(document_fields[0]); i++)
        suggest_offer(suggest, document_fields[i].name);
}
