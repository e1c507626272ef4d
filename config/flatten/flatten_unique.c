/*
 * flatten_unique: which entities are there twice (declarative_config.lua: populate_references, and the end of
 * its flatten). Only when names and ids are, and all references lead somewhere, Kong looks at other fields.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/flatten/flatten_priv.h"

static int say_twice(struct flat_entity *item, const char *field, const char *value,
                     enum flat_place at)
{
    json_decref(item->twice);
    item->twice =
        json_sprintf("uniqueness violation: '%s' entity with %s set to '%s' already declared",
                     item->entity->name, field, value);
    item->twice_at = at;
    return item->twice ? 0 : -ENOMEM;
}

/* --- names and ids ------------------------------------------------------------------------- */

/* 1: it is new, or there is none; 0: it is not; -ENOMEM. */
static int claim_field(struct flattened *flattened, json_t *places, size_t index, const char *field)
{
    const struct flat_entity *item = &flattened->items[index];
    const char *value = field ? json_string_value(json_object_get(item->made, field)) : NULL;

    return value ? flatten_claim(places, item->entity->name, field, value, index) : 1;
}

static int check_key(struct flattened *flattened, json_t *places, size_t index)
{
    struct flat_entity *item = &flattened->items[index];
    const char *endpoint = item->entity->endpoint_key;
    const struct model_field *field =
        endpoint ? model_field(&item->entity->record, endpoint) : NULL;
    int r = 1;

    if (field && (field->flags & MODEL_UNIQUE))
        r = claim_field(flattened, places, index, endpoint);
    if (r == 0)
        return say_twice(item, endpoint, json_string_value(json_object_get(item->made, endpoint)),
                         FLAT_AT_INDEX);
    if (r == 1)
        r = claim_field(flattened, places, index, "id");
    if (r != 0)
        return r < 0 ? r : 0;
    return say_twice(item, "primary key", json_string_value(json_object_get(item->made, "id")),
                     item->parent == FLAT_NONE ? FLAT_AT_INDEX : FLAT_IN_PARENT);
}

static bool any_said(const struct flattened *flattened)
{
    for (size_t i = 0; i < flattened->count; i++)
        if (flattened->items[i].twice || flattened->items[i].dangling)
            return true;
    return false;
}

/* --- other fields -------------------------------------------------------------------------- */

/* "a\nb\n..." of the combination, and which field stands for it in words. malloc'ed. */
static char *combination(const struct flat_entity *item, const char **ret_field)
{
    char *text = NULL;
    size_t size;
    FILE *into = open_memstream(&text, &size);
    bool done;

    if (!into)
        return NULL;
    for (const char *const *name = item->entity->cache_key; *name; name++) {
        const json_t *value = json_object_get(item->made, *name);
        const json_t *id = json_object_get(value, "id");
        (void)fprintf(into, "%s\n",
                      id                      ? json_string_value(id)
                      : json_is_string(value) ? json_string_value(value)
                                              : "");
        if (model_field(&item->entity->record, *name)->type != MODEL_FOREIGN)
            *ret_field = *name;
    }
    done = fflush(into) == 0 && !ferror(into);
    if (fclose(into) == 0 && done)
        return text;
    free(text);
    return NULL;
}

/* Kong keeps the last of those that have ids of their own, and takes the others for one; here it is a
 * mistake, because a store has only one. */
static int check_combination(struct flattened *flattened, json_t *places, size_t index)
{
    struct flat_entity *item = &flattened->items[index];
    const char *field = "id", *value;
    char *text;
    int r;

    if (!item->entity->cache_key || !item->entity->cache_key[1])
        return 0; /* of one field, that is unique by itself */
    text = combination(item, &field);
    r = text ? flatten_claim(places, item->entity->name, "*", text, index) : -ENOMEM;
    free(text);
    if (r != 0)
        return r < 0 ? r : 0;
    value = json_string_value(json_object_get(item->made, field));
    return say_twice(item, field, value ? value : "", FLAT_AT_INDEX);
}

static int check_fields(struct flattened *flattened, json_t *places, size_t index)
{
    struct flat_entity *item = &flattened->items[index];
    int r = 0;

    for (size_t i = 0; r == 0 && i < item->entity->record.fields_count; i++) {
        const struct model_field *field = &item->entity->record.fields[i];
        const char *endpoint = item->entity->endpoint_key;
        if (!(field->flags & MODEL_UNIQUE) || (endpoint && strcmp(field->name, endpoint) == 0))
            continue;
        r = claim_field(flattened, places, index, field->name);
        if (r != 0)
            r = r < 0 ? r : 0;
        else
            r = say_twice(item, field->name,
                          json_string_value(json_object_get(item->made, field->name)), FLAT_AT_KEY);
    }
    return r;
}

/* --- public -------------------------------------------------------------------------------- */

typedef int check_one(struct flattened *flattened, json_t *places, size_t index);

static int check_all(struct flattened *flattened, json_t *places, check_one *check)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < flattened->count; i++)
        if (flattened->items[i].made && !flattened->items[i].twice)
            r = check(flattened, places, i);
    return r;
}

int flatten_check_unique(struct flattened *flattened)
{
    json_t *places = json_object();
    int r = places ? check_all(flattened, places, check_key) : -ENOMEM;

    if (r == 0 && !any_said(flattened))
        r = check_all(flattened, places, check_fields);
    if (r == 0 && !any_said(flattened))
        r = check_all(flattened, places, check_combination);
    json_decref(places);
    return r;
}
