/* flatten_collect: which entities a document has, and where. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/flatten/flatten_priv.h"
#include "config/schema.h"

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

    if (strcmp(key, "_comment") == 0 || strcmp(key, "_ignore") == 0)
        return 0;
    if (child && flatten_reference_to(child, entity)) {
        if (json_is_array(value) || flatten_is_nothing(value))
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

static int check_version(struct flattened *flattened)
{
    const json_t *version = json_object_get(flattened->document, "_format_version");
    const char *why = schema_format_version_error(version);

    return why ? say_of_document(flattened, "_format_version", why) : 0;
}

static int collect_top(struct flattened *flattened, const char *key, json_t *value)
{
    const struct model_entity *entity = model_entity(flattened->model, key);

    if (!entity)
        return flatten_document_field(flattened, key, value);
    if (json_is_array(value) || flatten_is_nothing(value))
        return collect_list(flattened, entity, value, FLAT_NONE);
    return say_of_document(flattened, key, "expected an array");
}

int flatten_collect(struct flattened *flattened)
{
    const char *key;
    json_t *value;
    int r = check_version(flattened);

    flattened->is_stored_form = json_is_false(json_object_get(flattened->document, "_transform"));
    json_object_foreach(flattened->document, key, value)
    {
        if (r == 0)
            r = collect_top(flattened, key, value);
    }
    return r;
}
