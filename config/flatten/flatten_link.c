/* flatten_link: ids, what refers to what, and what is there twice. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/flatten/flatten_priv.h"
#include "config/model/model_id.h"

/* --- places by text ------------------------------------------------------------------------ */

/* "services\nid\n0c1d..." malloc'ed; NULL: no memory. */
static char *place_key(const char *entity, const char *field, const char *value)
{
    char *key;

    return asprintf(&key, "%s\n%s\n%s", entity, field, value) < 0 ? NULL : key;
}

/* 1: it was free; 0: another is there; -ENOMEM. */
static int claim(json_t *places, const char *entity, const char *field, const char *value,
                 size_t index)
{
    char *key = place_key(entity, field, value);
    int r = key ? json_object_get(places, key) == NULL : -ENOMEM;

    if (r == 1 && json_object_set_new(places, key, json_integer((json_int_t)index)) < 0)
        r = -ENOMEM;
    free(key);
    return r;
}

static int look_up(const json_t *places, const char *entity, const char *field, const char *value,
                   size_t *ret)
{
    char *key = place_key(entity, field, value);
    const json_t *index = key ? json_object_get(places, key) : NULL;

    free(key);
    *ret = index ? (size_t)json_integer_value(index) : FLAT_NONE;
    return key ? 0 : -ENOMEM;
}

/* --- ids ----------------------------------------------------------------------------------- */

static const char *id_of(const struct flat_entity *item)
{
    return json_string_value(json_object_get(item->values, "id"));
}

/* "services[0].routes[1]" */
static void write_place(const struct flattened *flattened, const struct flat_entity *item,
                        FILE *into)
{
    if (item->parent != FLAT_NONE) {
        write_place(flattened, &flattened->items[item->parent], into);
        (void)fputc('.', into);
    }
    (void)fprintf(into, "%s[%zu]", item->entity->name, item->index);
}

/* No name has brackets, so that it is nobody's else. */
static int id_of_place(const struct flattened *flattened, const struct flat_entity *item,
                       char ret[UUID_TEXT_BYTES + 1])
{
    char *text = NULL;
    size_t size;
    FILE *into = open_memstream(&text, &size);

    if (!into)
        return -ENOMEM;
    write_place(flattened, item, into);
    if (fclose(into) != 0) {
        free(text);
        return -ENOMEM;
    }
    entity_id_from_key(item->entity->name, text, ret);
    free(text);
    return 0;
}

/* Kong's, where it is made of what is written; else any. */
static int give_id(const struct flattened *flattened, struct flat_entity *item)
{
    const json_t *given = json_object_get(item->values, "id");
    char id[UUID_TEXT_BYTES + 1];

    if (given && !json_is_null(given)) {
        const char *text = json_string_value(given);
        if (!text || !entity_id_is_valid(text))
            return 0; /* the model refuses it */
        for (size_t i = 0; i <= UUID_TEXT_BYTES; i++)
            id[i] = (char)tolower((unsigned char)text[i]);
    } else if (!model_id_of(item->entity, item->values, id)) {
        if (flattened->is_file ? id_of_place(flattened, item, id) < 0 : !uuid_v4(id))
            return -ENOMEM;
    }
    return json_object_set_new(item->values, "id", json_string(id)) < 0 ? -ENOMEM : 0;
}

static int register_item(struct flattened *flattened, size_t index, json_t *places)
{
    const struct flat_entity *item = &flattened->items[index];
    const char *endpoint = item->entity->endpoint_key;
    const char *name = endpoint ? json_string_value(json_object_get(item->values, endpoint)) : NULL;
    const char *id = id_of(item);
    int r = id ? claim(places, item->entity->name, "id", id, index) : 0;

    if (r >= 0 && name)
        r = claim(places, item->entity->name, endpoint, name, index);
    return r < 0 ? r : 0;
}

/* --- references ---------------------------------------------------------------------------- */

/* "x", {id: x} or {name: x}; NULL: something else, which the model refuses. */
static const char *key_of(const json_t *value, const char *endpoint_key)
{
    const char *key = json_string_value(value);

    if (!key)
        key = json_string_value(json_object_get(value, "id"));
    if (!key && endpoint_key)
        key = json_string_value(json_object_get(value, endpoint_key));
    return key;
}

static int find(const json_t *places, const struct model_entity *entity, const char *key,
                size_t *ret)
{
    char id[UUID_TEXT_BYTES + 1] = "";
    int r = 0;

    *ret = FLAT_NONE;
    if (entity->endpoint_key)
        r = look_up(places, entity->name, entity->endpoint_key, key, ret);
    if (r < 0 || *ret != FLAT_NONE || !entity_id_is_valid(key))
        return r;
    for (size_t i = 0; i <= UUID_TEXT_BYTES; i++)
        id[i] = (char)tolower((unsigned char)key[i]);
    return look_up(places, entity->name, "id", id, ret);
}

static int set_reference(struct flat_entity *item, const struct model_field *field, const char *id)
{
    return json_object_set_new(item->values, field->name, json_pack("{s:s}", "id", id)) < 0
               ? -ENOMEM
               : 0;
}

/* A text as it is, anything else as JSON. */
static int say_dangling(struct flat_entity *item, const struct model_field *field,
                        const json_t *value)
{
    char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    json_t *said = json_sprintf("invalid reference '%s: %s' (no such entry in '%s')", field->name,
                                text ? text : json_string_value(value), field->reference);

    free(text);
    if (!item->dangling)
        item->dangling = json_object();
    return json_object_set_new(item->dangling, field->name, said) < 0 ? -ENOMEM : 0;
}

static int resolve(struct flattened *flattened, const json_t *places, struct flat_entity *item,
                   const struct model_field *field)
{
    const struct model_entity *entity = model_entity(flattened->model, field->reference);
    const json_t *value = json_object_get(item->values, field->name);
    const char *key = key_of(value, entity->endpoint_key), *id = NULL;
    char any[UUID_TEXT_BYTES + 1];
    size_t found;
    int r;

    if (!key)
        return 0;
    r = find(places, entity, key, &found);
    if (r == 0 && found != FLAT_NONE)
        id = id_of(&flattened->items[found]);
    if (r == 0 && !id) {
        r = say_dangling(item, field, value);
        entity_id_from_key(entity->name, key, any); /* the rest is validated all the same */
        id = any;
    }
    return r < 0 ? r : set_reference(item, field, id);
}

/* What nesting says must not be said again. */
static int refer_to_parent(struct flattened *flattened, struct flat_entity *item)
{
    const char *name = item->parent_field->name;
    const json_t *own = json_object_get(item->values, name);
    const char *id = id_of(&flattened->items[item->parent]);
    char any[UUID_TEXT_BYTES + 1];

    if (own && !json_is_null(own)) {
        item->errors = json_pack("{s:s}", name, "value must be null");
        if (!item->errors)
            return -ENOMEM;
    }
    if (!id || !entity_id_is_valid(id)) {
        entity_id_from_key(item->parent_field->reference, "", any);
        id = any; /* the parent is wrong, and says so */
    }
    return set_reference(item, item->parent_field, id);
}

static int resolve_all(struct flattened *flattened, const json_t *places, struct flat_entity *item)
{
    int r = item->parent_field ? refer_to_parent(flattened, item) : 0;

    for (size_t i = 0; r == 0 && i < item->entity->record.fields_count; i++) {
        const struct model_field *field = &item->entity->record.fields[i];
        if (field->type == MODEL_FOREIGN && field != item->parent_field)
            r = resolve(flattened, places, item, field);
    }
    return r;
}

/* Of a combination in which references are: acls, keys, plugins, targets. Nothing refers to these. */
static bool has_late_id(const struct flat_entity *item)
{
    const char *const *name = item->entity->cache_key;

    if (json_is_string(json_object_get(item->values, "id")))
        return false;
    while (name && *name)
        if (model_field(&item->entity->record, *name++)->type == MODEL_FOREIGN)
            return true;
    return false;
}

int flatten_link(struct flattened *flattened)
{
    json_t *places = json_object();
    int r = places ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < flattened->count; i++) {
        struct flat_entity *item = &flattened->items[i];
        if (!item->values)
            continue;
        if (!has_late_id(item))
            r = give_id(flattened, item);
        if (r == 0)
            r = register_item(flattened, i, places);
    }
    for (size_t i = 0; r == 0 && i < flattened->count; i++) {
        struct flat_entity *item = &flattened->items[i];
        if (!item->values)
            continue;
        r = resolve_all(flattened, places, item);
        if (r == 0 && has_late_id(item))
            r = give_id(flattened, item);
    }
    json_decref(places);
    return r;
}

/* --- uniqueness ---------------------------------------------------------------------------- */

static int say_twice(struct flat_entity *item, const char *field, const char *value, bool by_key)
{
    json_decref(item->late);
    item->late =
        json_sprintf("uniqueness violation: '%s' entity with %s set to '%s' already declared",
                     item->entity->name, field, value);
    item->is_late_by_key = by_key;
    return item->late ? 0 : -ENOMEM;
}

static int check_field(struct flattened *flattened, json_t *places, size_t index,
                       const struct model_field *field)
{
    struct flat_entity *item = &flattened->items[index];
    const char *value = json_string_value(json_object_get(item->made, field->name));
    const char *endpoint = item->entity->endpoint_key;
    bool is_endpoint = endpoint && strcmp(field->name, endpoint) == 0;
    int r = value ? claim(places, item->entity->name, field->name, value, index) : 1;

    return r != 0 ? r : say_twice(item, field->name, value, !is_endpoint);
}

/* "a\nb\n..." of the combination, and which field stands for it in words. malloc'ed. */
static char *combination(const struct flat_entity *item, const char **ret_field)
{
    char *text = NULL;
    size_t size;
    FILE *into = open_memstream(&text, &size);

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
    if (fclose(into) == 0)
        return text;
    free(text);
    return NULL;
}

static int check_combination(struct flattened *flattened, json_t *places, size_t index)
{
    struct flat_entity *item = &flattened->items[index];
    const char *field = "id", *value;
    char *text;
    int r;

    if (!item->entity->cache_key || !item->entity->cache_key[1])
        return 1; /* of one field, that is unique by itself */
    text = combination(item, &field);
    r = text ? claim(places, item->entity->name, "*", text, index) : -ENOMEM;
    free(text);
    value = json_string_value(json_object_get(item->made, field));
    return r != 0 ? r : say_twice(item, field, value ? value : "", false);
}

/* As in Kong the name is told rather than an id that was made of it. */
static int check_one(struct flattened *flattened, json_t *places, size_t index)
{
    struct flat_entity *item = &flattened->items[index];
    const char *id = json_string_value(json_object_get(item->made, "id"));
    int r = claim(places, item->entity->name, "id", id, index);

    if (r == 0)
        r = say_twice(item, "primary key", id, false);
    if (r >= 0)
        r = check_combination(flattened, places, index);
    for (size_t i = 0; r >= 0 && i < item->entity->record.fields_count; i++)
        if (item->entity->record.fields[i].flags & MODEL_UNIQUE)
            r = check_field(flattened, places, index, &item->entity->record.fields[i]);
    return r < 0 ? r : 0;
}

int flatten_check_unique(struct flattened *flattened)
{
    json_t *places = json_object();
    int r = places ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < flattened->count; i++)
        if (flattened->items[i].made)
            r = check_one(flattened, places, i);
    json_decref(places);
    return r;
}
