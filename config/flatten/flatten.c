#include "config/flatten/flatten.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/flatten/flatten_priv.h"

static bool has_mistakes(const struct flattened *flattened)
{
    if (json_object_size(flattened->errors) > 0)
        return true;
    for (size_t i = 0; i < flattened->count; i++) {
        const struct flat_entity *item = &flattened->items[i];
        if (item->errors || item->twice || item->dangling)
            return true;
    }
    return false;
}

/* --- the whole ----------------------------------------------------------------------------- */

static int run(struct flattened *flattened)
{
    int r = 0;

    if (!json_is_object(flattened->document))
        return json_object_set_new(flattened->errors, "error",
                                   json_string("failed parsing declarative configuration: "
                                               "expected an object")) < 0
                   ? -ENOMEM
                   : 0;
    r = flatten_migrate(flattened->document);
    if (r == 0)
        r = flatten_collect(flattened);
    if (r == 0)
        r = flatten_link(flattened);
    if (r == 0)
        r = flatten_validate(flattened);
    return r == 0 ? flatten_check_unique(flattened) : r;
}

static int flatten(const struct model *model, json_t *document, double now_s, bool is_file,
                   struct flattened **ret)
{
    struct flattened *flattened = calloc(1, sizeof(*flattened));
    int r;

    if (!flattened)
        return -ENOMEM;
    flattened->model = model;
    flattened->document = json_incref(document);
    flattened->now_s = now_s;
    flattened->is_file = is_file;
    flattened->errors = json_object();
    r = flattened->errors ? run(flattened) : -ENOMEM;
    if (r < 0) {
        flattened_free(flattened);
        return r;
    }
    *ret = flattened;
    return has_mistakes(flattened) ? -EINVAL : 0;
}

int flatten_document(const struct model *model, json_t *document, double now_s,
                     struct flattened **ret)
{
    return flatten(model, document, now_s, false, ret);
}

int flatten_file(const struct model *model, json_t *document, double now_s, struct flattened **ret)
{
    return flatten(model, document, now_s, true, ret);
}

void flattened_free(struct flattened *flattened)
{
    if (!flattened)
        return;
    for (size_t i = 0; i < flattened->count; i++) {
        struct flat_entity *item = &flattened->items[i];
        json_decref(item->values);
        json_decref(item->made);
        json_decref(item->errors);
        json_decref(item->said);
        json_decref(item->nulls);
        json_decref(item->twice);
        json_decref(item->dangling);
        free(item->key);
    }
    free(flattened->items);
    json_decref(flattened->errors);
    json_decref(flattened->document);
    free(flattened);
}

/* --- results ------------------------------------------------------------------------------- */

/* The member, made when it is not there; borrowed. NULL: no memory. */
static json_t *member(json_t *object, const char *name, json_t *(*make)(void))
{
    json_t *found = json_object_get(object, name);

    if (found || json_object_set_new(object, name, make()) < 0)
        return found;
    return json_object_get(object, name);
}

json_t *flattened_entities(const struct flattened *flattened)
{
    json_t *all = json_object(), *own = json_object_get(flattened->document, "hopgate");
    int r = all && (!json_is_object(own) || json_object_set(all, "hopgate", own) == 0) ? 0 : -1;

    for (size_t i = 0; r == 0 && i < flattened->count; i++) {
        const struct flat_entity *item = &flattened->items[i];
        r = json_array_append(member(all, item->entity->name, json_array), item->made);
    }
    if (r == 0)
        return all;
    json_decref(all);
    return NULL;
}

bool flattened_any(const json_t *entities)
{
    const char *name;
    json_t *list;

    json_object_foreach((json_t *)entities, name, list)
    {
        if (json_is_array(list) && json_array_size(list) > 0)
            return true;
    }
    return false;
}

json_t *flattened_by_id(const struct flattened *flattened)
{
    json_t *all = json_object();
    int r = all ? 0 : -1;

    for (size_t i = 0; r == 0 && i < flattened->count; i++) {
        const struct flat_entity *item = &flattened->items[i];
        r = json_object_set(member(all, item->entity->name, json_object),
                            json_string_value(json_object_get(item->made, "id")), item->made);
    }
    if (r == 0)
        return all;
    json_decref(all);
    return NULL;
}
