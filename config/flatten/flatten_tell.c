/* flatten_tell: the same mistakes at file:line:column, as `hopgate check` tells them, with what mends them. */
#include <stdio.h>
#include <string.h>

#include "config/flatten/flatten_hints.h"
#include "config/flatten/flatten_priv.h"
#include "config/model/model_process.h"

struct telling {
    const struct flattened *flattened;
    struct config_errors *errors;
};

/* A record that has mistakes: an entity, a record inside of one, or the document. */
struct level {
    const struct telling *telling;
    const struct document_node *node;
    const struct model_entity *entity; /* NULL: inside of one, or the document */
    const struct model_record *record; /* NULL: the document */
    const struct model_record *subschema;
    const struct model_field *parent_field; /* that the nesting fills in; NULL: none */
    const json_t *errors;
    const json_t *dangling; /* told beside them, and better than that they have no id; NULL: none */
};

#define NOT_SUPPORTED "is not supported by this version of hopgate"

#define NOT_SUPPORTED "is not supported by this version of hopgate"

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* --- one text ------------------------------------------------------------------------------ */

static struct flatten_spot spot_in(const struct level *level, const char *name,
                                   const struct model_field *field)
{
    return (struct flatten_spot){
        .model = level->telling->flattened->model,
        .entity = level->entity,
        .record = level->record,
        .name = name,
        .field = field,
        .values = level->node->value,
        .errors = level->errors,
        .is_parent = field && field == level->parent_field,
    };
}

/* A name that is wrong is told at the name. */
static enum document_side side_of(const struct document_node *node, const char *message)
{
    size_t length = node->key ? strlen(node->key) : 0;
    bool is_name =
        strcmp(message, "unknown field") == 0 || begins(message, NOT_SUPPORTED) ||
        (length > 0 && message[0] == '\'' && strncmp(message + 1, node->key, length) == 0 &&
         begins(message + 1 + length, "' is not supported"));

    return is_name ? DOCUMENT_AT_KEY : DOCUMENT_AT_VALUE;
}

static void tell(const struct telling *telling, const struct document_node *node,
                 const struct flatten_spot *spot, const char *message)
{
    char hint[FLATTEN_HINT_MAX];

    document_add_error(node, side_of(node, message), telling->errors, CONFIG_ERROR, "%s%s", message,
                       flatten_hint(spot, message, hint));
}

/* --- values -------------------------------------------------------------------------------- */

static void tell_value(const struct level *level, const struct document_node *node,
                       const struct flatten_spot *spot, const json_t *error);

static void tell_record(const struct level *level);

/* Kong tells one mistake of the whole map, without its key: here each is told where it is. */
static void tell_map(const struct level *level, const struct document_node *node,
                     const struct flatten_spot *spot, const char *message)
{
    size_t told = level->telling->errors->errors_count;
    struct document_node member = { 0 };
    struct flatten_spot inside = *spot;

    while (document_next(node, &member)) {
        json_t *key = json_string(member.key);
        json_t *error = model_value_errors(spot->field->keys, key);

        inside.value = member.value;
        inside.field = error ? spot->field->keys : spot->field->values;
        if (json_is_string(error))
            document_add_error(&member, DOCUMENT_AT_KEY, level->telling->errors, CONFIG_ERROR, "%s",
                               json_string_value(error));
        if (!error)
            error = model_value_errors(spot->field->values, member.value);
        if (error && inside.field == spot->field->values)
            tell_value(level, &member, &inside, error);
        json_decref(error);
        json_decref(key);
    }
    if (level->telling->errors->errors_count == told)
        tell(level->telling, node, spot, message);
}

/* Sets were validated without what repeats in them, so that places are counted without it too. */
static bool comes_earlier(const struct document_node *list, const struct document_node *item)
{
    enum { SEARCH_MAX = 1000 };

    for (size_t i = 0; i < item->index && item->index < SEARCH_MAX; i++)
        if (json_equal(json_array_get(list->value, i), item->value))
            return true;
    return false;
}

static void tell_items(const struct level *level, const struct document_node *node,
                       const struct flatten_spot *spot, const json_t *errors)
{
    bool is_set = spot->field && spot->field->type == MODEL_SET;
    struct document_node item = { 0 };
    struct flatten_spot inside = *spot;
    size_t index = 0;

    if (spot->field)
        inside.field = spot->field->elements;
    if (!json_is_array(node->value)) { /* several texts about the same */
        for (size_t i = 0; i < json_array_size(errors); i++)
            tell_value(level, node, spot, json_array_get(errors, i));
        return;
    }
    while (document_next(node, &item)) {
        if (is_set && comes_earlier(node, &item))
            continue;
        inside.value = item.value;
        tell_value(level, &item, &inside, json_array_get(errors, index++));
    }
}

/* Of what a reference names, or of a record. */
static void tell_members(const struct level *level, const struct document_node *node,
                         const struct flatten_spot *spot, const json_t *errors)
{
    const struct level inside = { .telling = level->telling,
                                  .node = node,
                                  .record = spot->field ? spot->field->record : NULL,
                                  .errors = errors };
    const char *name;
    json_t *error;

    if ((inside.record || !spot->field) && json_is_object(node->value)) {
        tell_record(&inside);
        return;
    }
    json_object_foreach((json_t *)errors, name, error)
    {
        tell_value(level, node, spot, error);
    }
}

static void tell_value(const struct level *level, const struct document_node *node,
                       const struct flatten_spot *spot, const json_t *error)
{
    if (json_is_object(error))
        tell_members(level, node, spot, error);
    else if (json_is_array(error))
        tell_items(level, node, spot, error);
    else if (json_is_string(error) && spot->field && spot->field->type == MODEL_MAP &&
             json_is_object(node->value))
        tell_map(level, node, spot, json_string_value(error));
    else if (json_is_string(error))
        tell(level->telling, node, spot, json_string_value(error));
}

/* --- records ------------------------------------------------------------------------------- */

static const struct model_field *field_of(const struct level *level, const char *name)
{
    const struct model_field *own = level->subschema ? model_field(level->subschema, name) : NULL;

    if (!own && level->record)
        own = model_field(level->record, name);
    return own;
}

/* Where the field is, or another that says it, or where it is missing: then the path names it, and the
 * position is the record's. */
static struct document_node place_of(const struct level *level, const char *name)
{
    struct document_node member;
    const char *other;

    if (!json_is_object(level->node->value)) /* an sni may be just its name */
        return *level->node;
    if (document_member(level->node, name, &member))
        return member;
    other = level->record ? model_said_by(level->record, level->node->value, name) : NULL;
    if (other && document_member(level->node, other, &member))
        return member;
    member = *level->node;
    member.parent = level->node;
    member.key = name;
    member.value = NULL;
    return member;
}

static void tell_of_whole(const struct level *level, const json_t *texts)
{
    const struct flatten_spot spot = spot_in(level, NULL, NULL);

    for (size_t i = 0; i < json_array_size(texts); i++) {
        const char *text = json_string_value(json_array_get(texts, i));
        if (text && !(level->record && flatten_hint_covers(&spot, text)))
            tell(level->telling, level->node, &spot, text);
    }
}

static void tell_record(const struct level *level)
{
    const char *name;
    json_t *error;

    json_object_foreach((json_t *)level->errors, name, error)
    {
        struct document_node at;
        struct flatten_spot spot;

        if (strcmp(name, "@entity") == 0 && json_is_array(error)) {
            tell_of_whole(level, error);
            continue;
        }
        if (json_is_object(error) && json_object_get(error, "id") &&
            json_object_get(level->dangling, name))
            continue;
        at = place_of(level, name);
        spot = spot_in(level, name, field_of(level, name));
        spot.value = at.value;
        tell_value(level, &at, &spot, error);
    }
}

/* --- entities ------------------------------------------------------------------------------ */

/* The field that "... entity with name set to 'x' already declared" is about. False: none. */
static bool twice_field(const char *text, char *into, size_t size)
{
    static const char mark[] = " entity with ";
    const char *field = strstr(text, mark);

    if (!field)
        return false;
    field += sizeof(mark) - 1;
    (void)snprintf(into, size, "%.*s", begins(field, "primary key") ? 2 : (int)strcspn(field, " "),
                   begins(field, "primary key") ? "id" : field);
    return true;
}

/* Told at the field. An id that nobody has written is made of the name, which says more. */
static void tell_twice(const struct level *level, const struct flat_entity *item)
{
    const char *text = json_string_value(item->twice), *key = item->entity->endpoint_key;
    struct document_node at = *level->node;
    struct flatten_spot spot = spot_in(level, NULL, NULL);
    char field[64];
    bool is_made;

    if (!json_is_object(at.value) || !twice_field(text, field, sizeof(field))) {
        tell(level->telling, &at, &spot, text);
        return;
    }
    is_made = strcmp(field, "id") == 0 && !json_object_get(at.value, "id");
    (void)document_member(level->node, is_made && key ? key : field, &at); /* else it stays */
    if (is_made)
        document_add_error(&at, DOCUMENT_AT_VALUE, level->telling->errors, CONFIG_ERROR,
                           "%s; '%s' is here twice: rename or remove one of the two", text,
                           item->key);
    else
        tell(level->telling, &at, &spot, text);
}

static void tell_unlinked(const struct level *level, const struct flat_entity *item)
{
    const struct level dangling = { .telling = level->telling,
                                    .node = level->node,
                                    .entity = level->entity,
                                    .record = level->record,
                                    .errors = item->dangling };

    if (item->twice)
        tell_twice(level, item);
    if (item->dangling)
        tell_record(&dangling);
}

static int tell_item(void *context, size_t index, const struct document_node *node)
{
    const struct telling *telling = context;
    const struct flattened *flattened = telling->flattened;
    const struct flat_entity *item = &flattened->items[index];
    const struct level level = {
        .telling = telling,
        .node = node,
        .entity = item->entity,
        .record = &item->entity->record,
        .subschema =
            item->values ? model_subschema(flattened->model, item->entity, item->values) : NULL,
        .parent_field = item->parent_field,
        .errors = item->errors,
        .dangling = item->dangling,
    };

    if (json_is_object(item->errors))
        tell_record(&level);
    else if (item->errors) {
        const struct flatten_spot spot = spot_in(&level, NULL, NULL);
        tell_value(&level, node, &spot, item->errors);
    }
    tell_unlinked(&level, item);
    return telling->errors->count < CONFIG_ERRORS_MAX ? 0 : 1;
}

void flattened_tell(const struct flattened *flattened, const struct document *document,
                    struct config_errors *errors)
{
    struct telling telling = { flattened, errors };
    struct document_node root = document_root(document), list = { 0 };
    const struct level level = { .telling = &telling, .node = &root, .errors = flattened->errors };
    size_t index = 0;

    tell_record(&level);
    while (document_next(&root, &list))
        if (model_entity(flattened->model, list.key) &&
            flatten_walk_list(flattened, &list, &index, tell_item, &telling) != 0)
            return;
}
