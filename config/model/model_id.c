#include "config/model/model_id.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* "x", {id: x} or {name: x}; NULL: none of them. */
static const char *reference_part(const struct model_field *field, const json_t *value)
{
    const struct model_entity *entity = model_entity(model_get(), field->reference);
    const char *text = json_string_value(value);

    if (!text)
        text = json_string_value(json_object_get(value, "id"));
    if (!text && entity->endpoint_key)
        text = json_string_value(json_object_get(value, entity->endpoint_key));
    return text;
}

/* The text that stands for a value in a key; NULL: there is none, and without it there is no id. (A key
 * that Kong would make up is taken when it is given, where Kong takes a random id.) */
static const char *key_part(const struct model_field *field, const json_t *value)
{
    const char *text = field->reference ? reference_part(field, value) : json_string_value(value);

    if (text)
        return text;
    return field->flags & (MODEL_REQUIRED | MODEL_AUTO) ? NULL : "";
}

static bool has_key(const struct model_entity *entity, const json_t *values)
{
    for (const char *const *name = entity->cache_key; *name; name++)
        if (!key_part(model_field(&entity->record, *name), json_object_get(values, *name)))
            return false;
    return true;
}

/* "plugins:*:NAME:ROUTE:SERVICE:CONSUMER"; malloc'ed. NULL: no memory. */
static char *combined_key(const struct model_entity *entity, const json_t *values)
{
    char *text = NULL;
    size_t size = 0;
    FILE *into = open_memstream(&text, &size);
    bool done;

    if (!into)
        return NULL;
    (void)fprintf(into, "%s:*", entity->name); /* '*': Kong's only workspace; ferror tells */
    for (const char *const *name = entity->cache_key; *name; name++)
        (void)fprintf(
            into, ":%s",
            key_part(model_field(&entity->record, *name), json_object_get(values, *name)));
    done = fflush(into) == 0 && !ferror(into);
    if (fclose(into) == 0 && done)
        return text;
    free(text);
    return NULL;
}

int model_id_of(const struct model_entity *entity, const json_t *values,
                char ret[UUID_TEXT_BYTES + 1])
{
    const char *name;
    char *key;

    if (entity->cache_key) {
        if (!has_key(entity, values))
            return 0;
        key = combined_key(entity, values);
        if (!key)
            return -ENOMEM;
        entity_id_from_key(entity->name, key, ret);
        free(key);
        return 1;
    }
    if (!entity->endpoint_key)
        return 0;
    name = json_string_value(json_object_get(values, entity->endpoint_key));
    if (name)
        entity_id_from_key(entity->name, name, ret);
    return name != NULL;
}
