/* flatten_errors: what is wrong with a document, as Kong's tree (kong/db/declarative, kong/db/errors.lua). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/flatten/flatten_priv.h"

/* Takes value. 0 or -ENOMEM, as all here. */
static int put_at(json_t *list, size_t index, json_t *value)
{
    while (json_array_size(list) <= index)
        if (json_array_append_new(list, json_null()) < 0) {
            json_decref(value);
            return -ENOMEM;
        }
    return json_array_set_new(list, index, value) < 0 ? -ENOMEM : 0;
}

/* --- mistakes of single entities, nested as they were written ------------------------------- */

struct nesting {
    const struct flattened *flattened;
    json_t **errors; /* by item; NULL: none */
    json_t *tree;
};

static int put_below(json_t *object, const struct flat_entity *item, json_t *errors)
{
    json_t *list = json_object_get(object, item->entity->name);

    if (!json_is_array(list)) {
        list = json_array();
        if (json_object_set_new(object, item->entity->name, list) < 0)
            return -ENOMEM;
    }
    return put_at(list, item->index, json_incref(errors));
}

/* Backwards: what is nested in an entity comes after it. */
static int nest(struct nesting *nesting)
{
    const struct flattened *flattened = nesting->flattened;
    int r = 0;

    for (size_t i = flattened->count; r == 0 && i-- > 0;) {
        const struct flat_entity *item = &flattened->items[i];
        json_t **above = item->parent == FLAT_NONE ? NULL : &nesting->errors[item->parent];
        if (!nesting->errors[i])
            continue;
        if (above && !*above)
            *above = json_object();
        r = put_below(above ? *above : nesting->tree, item, nesting->errors[i]);
    }
    return r;
}

/* What is wrong with the values of entities. */
static int add_invalid(const struct flattened *flattened, json_t *tree)
{
    struct nesting nesting = { .flattened = flattened, .tree = tree };
    int r = 0;

    nesting.errors = calloc(flattened->count + 1, sizeof(*nesting.errors));
    if (!nesting.errors)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < flattened->count; i++)
        if (flattened->items[i].errors) {
            nesting.errors[i] = flatten_copy(flattened->items[i].errors);
            r = nesting.errors[i] ? 0 : -ENOMEM;
        }
    if (r == 0)
        r = nest(&nesting);
    for (size_t i = 0; i < flattened->count; i++)
        json_decref(nesting.errors[i]);
    free(nesting.errors);
    return r;
}

/* --- what is there twice, and what refers to nothing ---------------------------------------- */

/* A table that has both places and names is an object, its places counted from 1. */
static int make_object(json_t *tree, const char *name)
{
    json_t *list = json_object_get(tree, name), *object, *value;
    char place[32];
    size_t i;
    int r = 0;

    if (json_is_object(list))
        return 0;
    object = json_object();
    json_array_foreach(list, i, value)
    {
        (void)snprintf(place, sizeof(place), "%zu", i + 1);
        if (!json_is_null(value) && json_object_set(object, place, value) < 0)
            r = -ENOMEM;
    }
    return json_object_set_new(tree, name, object) < 0 ? -ENOMEM : r;
}

static int put_by_key(json_t *tree, const struct flat_entity *item, json_t *said)
{
    int r = make_object(tree, item->entity->name);

    return r == 0 && json_object_set(json_object_get(tree, item->entity->name), item->key, said) < 0
               ? -ENOMEM
               : r;
}

static int put_by_place(json_t *tree, const struct flat_entity *item, json_t *said)
{
    char place[32];

    if (!json_is_object(json_object_get(tree, item->entity->name)))
        return put_below(tree, item, said);
    (void)snprintf(place, sizeof(place), "%zu", item->index + 1);
    return json_object_set(json_object_get(tree, item->entity->name), place, said) < 0 ? -ENOMEM
                                                                                       : 0;
}

/* The member of the object, or of the list; an empty object when there is none. Borrowed; NULL: no memory,
 * or a text stands there, which says enough. */
static json_t *object_at(json_t *tree, const struct flat_entity *item)
{
    const json_t *list = json_object_get(tree, item->entity->name);
    char place[32];
    json_t *found, *made;
    int r;

    (void)snprintf(place, sizeof(place), "%zu", item->index + 1);
    found = json_is_object(list) ? json_object_get(list, place) : json_array_get(list, item->index);
    if (found && !json_is_null(found))
        return json_is_object(found) ? found : NULL;
    made = json_object();
    r = made ? put_by_place(tree, item, made) : -ENOMEM;
    json_decref(made);
    return r == 0 ? made : NULL; /* the tree has it */
}

static int put_twice(const struct flattened *flattened, json_t *tree,
                     const struct flat_entity *item)
{
    json_t *above;

    if (item->twice_at == FLAT_AT_KEY)
        return put_by_key(tree, item, item->twice);
    if (item->twice_at == FLAT_AT_INDEX)
        return put_by_place(tree, item, item->twice);
    above = object_at(tree, &flattened->items[item->parent]);
    return above ? put_below(above, item, item->twice) : 0;
}

/* A new reference; NULL: no memory. */
static json_t *dangling_texts(const struct flat_entity *item)
{
    json_t *texts = json_array(), *text;
    const char *field;

    json_object_foreach(item->dangling, field, text)
    {
        if (json_array_append(texts, text) < 0) {
            json_decref(texts);
            return NULL;
        }
    }
    return texts;
}

static int add_unlinked(const struct flattened *flattened, json_t *tree)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < flattened->count; i++) {
        const struct flat_entity *item = &flattened->items[i];
        if (item->dangling) {
            json_t *texts = dangling_texts(item);
            r = put_by_key(tree, item, texts);
            json_decref(texts);
        }
        if (r == 0 && item->twice)
            r = put_twice(flattened, tree, item);
    }
    return r;
}

/* --- flatten_errors ------------------------------------------------------------------------ */

static json_t *one_error(const char *type, const char *field, const json_t *message)
{
    return field ? json_pack("{ss,ss,sO}", "type", type, "field", field, "message", message)
                 : json_pack("{ss,sO}", "type", type, "message", message);
}

/* Every leaf with its dotted name: kong/db/errors.lua, flatten_errors; places count from 1. */
static int list_leaves(json_t *list, const char *path, const json_t *error)
{
    bool of_entity = strcmp(path, "@entity") == 0 || strncmp(path, "@entity.", 8) == 0;
    const char *key;
    json_t *inner;
    char *below;
    size_t i;
    int r = 0;

    if (json_is_null(error))
        return 0;
    if (!json_is_object(error) && !json_is_array(error))
        return json_array_append_new(list, one_error(of_entity || !*path ? "entity" : "field",
                                                     of_entity || !*path ? NULL : path, error)) < 0
                   ? -ENOMEM
                   : 0;
    json_object_foreach((json_t *)error, key, inner)
    {
        if (r < 0 || asprintf(&below, "%s%s%s", path, *path ? "." : "", key) < 0)
            return -ENOMEM;
        r = list_leaves(list, below, inner);
        free(below);
    }
    json_array_foreach(error, i, inner)
    {
        if (r < 0 || asprintf(&below, "%s%s%zu", path, *path ? "." : "", i + 1) < 0)
            return -ENOMEM;
        r = list_leaves(list, below, inner);
        free(below);
    }
    return r;
}

/* As it was written, with its parent's id; what is nested in it has an entry of its own. */
static json_t *own_entity(const struct flat_entity *item)
{
    json_t *entity = json_is_object(item->values) ? flatten_copy(item->values) : json_object();
    const char *name;
    json_t *value;

    if (!json_object_get(item->given, "id") && entity)
        (void)json_object_del(entity, "id"); /* it was made here */
    json_object_foreach((json_t *)item->given, name, value)
    {
        if (json_object_get(item->values, name) && json_object_set(entity, name, value) < 0) {
            json_decref(entity);
            return NULL;
        }
    }
    return entity;
}

static int add_text(json_t *entry, const char *name, const json_t *value, bool is_right)
{
    return is_right && value && !json_is_null(value) ? json_object_set(entry, name, (json_t *)value)
                                                     : 0;
}

/* Kong leaves out what is wrong itself. */
static json_t *entry_of(const struct flat_entity *item)
{
    const json_t *given = item->given, *errors = item->errors;
    json_t *list = json_array();
    json_t *entry = json_pack("{ss,so,sO}", "entity_type", item->entity->singular, "entity",
                              own_entity(item), "errors", list);
    int r = entry ? 0 : -ENOMEM;

    if (r == 0 && item->errors)
        r = list_leaves(list, "", item->errors);
    if (r == 0 && item->twice && !item->errors)
        r = list_leaves(list, "", item->twice);
    if (r == 0 && !item->errors) {
        json_t *text;
        const char *field;
        json_object_foreach(item->dangling, field, text)
        {
            if (r == 0)
                r = list_leaves(list, field, text);
        }
    }
    if (r == 0)
        r = add_text(entry, "entity_name", json_object_get(given, "name"),
                     !json_object_get(errors, "name"));
    if (r == 0)
        r = add_text(entry, "entity_id", json_object_get(given, "id"),
                     !json_object_get(errors, "id"));
    if (r == 0)
        r = add_text(entry, "entity_tags", json_object_get(given, "tags"),
                     !json_object_get(errors, "tags"));
    json_decref(list);
    if (r == 0)
        return entry;
    json_decref(entry);
    return NULL;
}

static json_t *list_entries(const struct flattened *flattened, bool any_invalid)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < flattened->count; i++) {
        const struct flat_entity *item = &flattened->items[i];
        if (any_invalid ? !item->errors : !item->twice && !item->dangling)
            continue;
        if (json_array_append_new(list, entry_of(item)) == 0)
            continue;
        json_decref(list);
        return NULL;
    }
    return list;
}

/* --- public -------------------------------------------------------------------------------- */

static bool any_is_invalid(const struct flattened *flattened)
{
    bool is_invalid = json_object_size(flattened->errors) > 0;

    for (size_t i = 0; !is_invalid && i < flattened->count; i++)
        is_invalid = flattened->items[i].errors != NULL;
    return is_invalid;
}

json_t *flattened_errors(const struct flattened *flattened, json_t **ret_list)
{
    bool is_invalid = any_is_invalid(flattened);
    json_t *tree = flatten_copy(flattened->errors), *list = NULL;
    int r = tree ? 0 : -ENOMEM;

    if (r == 0 && ret_list)
        r = (list = list_entries(flattened, is_invalid)) ? 0 : -ENOMEM;
    else if (r == 0)
        r = is_invalid ? add_invalid(flattened, tree) : add_unlinked(flattened, tree);
    if (r < 0) {
        json_decref(tree);
        return NULL;
    }
    if (ret_list)
        *ret_list = list;
    return tree;
}
