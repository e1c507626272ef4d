/* flatten_link: ids, and what refers to what. */
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

int flatten_claim(json_t *places, const char *entity, const char *field, const char *value,
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

/* The values that a key is made of: as they are written, and the parent's id. A new reference; NULL: no
 * memory. */
static json_t *keyed_values(const struct flattened *flattened, const struct flat_entity *item)
{
    const struct model_field *field = item->parent_field;
    const char *id = field ? id_of(&flattened->items[item->parent]) : NULL;
    json_t *values = flatten_copy(item->values), *written;

    written = field ? json_object_get(values, field->name) : NULL;
    if (!values || !id || (written && !json_is_null(written))) /* no id: the parent's is wrong */
        return values;
    if (json_object_set_new(values, field->name, json_pack("{s:s}", "id", id)) == 0)
        return values;
    json_decref(values);
    return NULL;
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
    bool done;

    if (!into)
        return -ENOMEM;
    write_place(flattened, item, into);
    done = fflush(into) == 0 && !ferror(into);
    done = fclose(into) == 0 && done;
    if (done)
        entity_id_from_key(item->entity->name, text, ret);
    free(text);
    return done ? 0 : -ENOMEM;
}

/* Kong's, where it is made of what is written; else any. */
static int make_id(const struct flattened *flattened, const struct flat_entity *item,
                   char ret[UUID_TEXT_BYTES + 1])
{
    json_t *values = keyed_values(flattened, item);
    int r = values ? model_id_of(item->entity, values, ret) : -ENOMEM;

    if (r == 0) /* nothing in it is unique */
        r = flattened->is_file ? id_of_place(flattened, item, ret) : uuid_v4(ret) ? 0 : -ENOMEM;
    json_decref(values);
    return r < 0 ? r : 0;
}

static int give_id(struct flattened *flattened, struct flat_entity *item)
{
    const json_t *given = json_object_get(item->values, "id");
    char id[UUID_TEXT_BYTES + 1];
    int r = 0;

    if (given && !json_is_null(given)) {
        const char *text = json_string_value(given);
        if (!text || !entity_id_is_valid(text))
            return 0; /* the model refuses it */
        for (size_t i = 0; i <= UUID_TEXT_BYTES; i++)
            id[i] = (char)tolower((unsigned char)text[i]);
    } else {
        r = make_id(flattened, item, id);
    }
    return r < 0 || json_object_set_new(item->values, "id", json_string(id)) < 0 ? -ENOMEM : 0;
}

static int register_item(struct flattened *flattened, size_t index, json_t *places)
{
    const struct flat_entity *item = &flattened->items[index];
    const char *endpoint = item->entity->endpoint_key;
    const char *name = endpoint ? json_string_value(json_object_get(item->values, endpoint)) : NULL;
    const char *id = id_of(item);
    int r = id ? flatten_claim(places, item->entity->name, "id", id, index) : 0;

    if (r >= 0 && name)
        r = flatten_claim(places, item->entity->name, endpoint, name, index);
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

/* *ret_id: of what it refers to, else any, so that the rest is validated all the same; "": it is no
 * reference, and the model refuses it. */
static int look_for(const struct flattened *flattened, const json_t *places,
                    struct flat_entity *item, const struct model_field *field,
                    char ret_id[UUID_TEXT_BYTES + 1])
{
    const struct model_entity *entity = model_entity(flattened->model, field->reference);
    const json_t *value = json_object_get(item->values, field->name);
    const char *key = key_of(value, entity->endpoint_key), *id;
    size_t found;
    int r = 0;

    *ret_id = '\0';
    if (key)
        r = find(places, entity, key, &found);
    if (r < 0 || !key)
        return r;
    id = found != FLAT_NONE ? id_of(&flattened->items[found]) : NULL;
    if (id)
        (void)snprintf(ret_id, UUID_TEXT_BYTES + 1, "%s", id);
    else
        entity_id_from_key(entity->name, key, ret_id);
    return id ? 0 : say_dangling(item, field, value);
}

static int refer_to_parent(struct flattened *flattened, struct flat_entity *item)
{
    const char *id = id_of(&flattened->items[item->parent]);
    char any[UUID_TEXT_BYTES + 1];

    if (!id || !entity_id_is_valid(id)) {
        entity_id_from_key(item->parent_field->reference, "", any);
        id = any; /* the parent is wrong, and says so */
    }
    return set_reference(item, item->parent_field, id);
}

/* What nesting says goes before what is written (kong: populate_references), which must be there all the
 * same. */
static int resolve_all(struct flattened *flattened, const json_t *places, struct flat_entity *item)
{
    char id[UUID_TEXT_BYTES + 1];
    int r = 0;

    for (size_t i = 0; r == 0 && i < item->entity->record.fields_count; i++) {
        const struct model_field *field = &item->entity->record.fields[i];
        if (field->type != MODEL_FOREIGN)
            continue;
        r = look_for(flattened, places, item, field, id);
        if (r == 0 && field == item->parent_field)
            r = refer_to_parent(flattened, item);
        else if (r == 0 && *id)
            r = set_reference(item, field, id);
    }
    return r;
}

int flatten_link(struct flattened *flattened)
{
    json_t *places = json_object();
    int r = places ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < flattened->count; i++) {
        struct flat_entity *item = &flattened->items[i];
        if (!item->values)
            continue;
        r = give_id(flattened, item);
        if (r == 0)
            r = register_item(flattened, i, places);
    }
    for (size_t i = 0; r == 0 && i < flattened->count; i++)
        if (flattened->items[i].values)
            r = resolve_all(flattened, places, &flattened->items[i]);
    json_decref(places);
    return r;
}
