/* flatten_tell: the same mistakes at file:line:column, as `hopgate check` tells them. */
#include <string.h>

#include "config/flatten/flatten_priv.h"
#include "config/schema.h"

struct telling {
    const struct flattened *flattened;
    struct config_errors *errors;
    size_t told_before; /* by whoever has read the file */
    bool is_clean;      /* that was nothing */
};

/* The reader of the file tells these mistakes in the same words, with more of a hint. */
static bool is_read_twice(const char *name)
{
    const struct schema_field *field = schema_find(&schema_document, name);

    return field && (field->type != SCHEMA_ANY || *name == '_');
}

/* What is wrong with a PEM text is told where it is loaded, with what mends it. */
static bool is_of_pem(const struct flat_entity *item)
{
    return strcmp(item->entity->name, "certificates") == 0 ||
           strcmp(item->entity->name, "ca_certificates") == 0;
}

/* The list `name` of a node, and its item. False: it is not there. */
static bool step(const struct document_node *node, const char *name, size_t index,
                 struct document_node *ret_list, struct document_node *ret_item)
{
    struct document_node item = { 0 };

    if (!document_member(node, name, ret_list))
        return false;
    while (document_next(ret_list, &item))
        if (item.index == index) {
            *ret_item = item;
            return true;
        }
    return false;
}

static bool is_told(const struct telling *telling, const char *path)
{
    size_t length = strlen(path);

    for (size_t i = 0; i < telling->told_before && i < telling->errors->count; i++) {
        const struct config_error *error = &telling->errors->items[i];
        const char *other = error->place.path ? error->place.path : "";
        if (error->severity != CONFIG_ERROR || strncmp(other, path, length) != 0)
            continue;
        if (other[length] == '\0' || other[length] == '.' || other[length] == '[')
            return true;
    }
    return false;
}

static void tell(const struct telling *telling, const struct document_node *node,
                 const char *message)
{
    char path[DOCUMENT_PATH_MAX];

    document_path(node, path, sizeof(path));
    if (!is_told(telling, path))
        document_add_error(node, DOCUMENT_AT_VALUE, telling->errors, CONFIG_ERROR, "%s", message);
}

/* Where the field is, or where it is missing: the path names it, the position is the record's. */
static struct document_node field_node(const struct document_node *node, const char *name)
{
    struct document_node member;

    if (document_member(node, name, &member))
        return member;
    member = *node;
    member.parent = node;
    member.key = name;
    return member;
}

static void tell_value(const struct telling *telling, const struct document_node *node,
                       const json_t *error);

static void tell_members(const struct telling *telling, const struct document_node *node,
                         const json_t *errors)
{
    const char *name;
    json_t *error;

    json_object_foreach((json_t *)errors, name, error)
    {
        struct document_node at = strcmp(name, "@entity") == 0 ? *node : field_node(node, name);
        tell_value(telling, &at, error);
    }
}

static void tell_items(const struct telling *telling, const struct document_node *node,
                       const json_t *errors)
{
    struct document_node item = { 0 };
    json_t *error;
    size_t i;

    json_array_foreach(errors, i, error)
    {
        if (json_is_array(node->value) && document_next(node, &item))
            tell_value(telling, &item, error);
        else
            tell_value(telling, node, error); /* several texts about the same */
    }
}

static void tell_value(const struct telling *telling, const struct document_node *node,
                       const json_t *error)
{
    if (json_is_string(error))
        tell(telling, node, json_string_value(error));
    else if (json_is_array(error))
        tell_items(telling, node, error);
    else
        tell_members(telling, node, error);
}

/* --- entities ------------------------------------------------------------------------------ */

enum { NESTING_MAX = DOCUMENT_DEPTH_MAX };

/* A node points to those above it, so each level keeps its own. */
struct way {
    struct document_node lists[NESTING_MAX], items[NESTING_MAX];
    size_t depth;
};

static bool find_item(const struct flattened *flattened, const struct document_node *root,
                      size_t index, struct way *way)
{
    const struct flat_entity *item = &flattened->items[index];
    const struct document_node *above = root;

    if (item->parent != FLAT_NONE) {
        if (!find_item(flattened, root, item->parent, way))
            return false;
        above = &way->items[way->depth - 1];
    }
    if (way->depth == NESTING_MAX || !step(above, item->entity->name, item->index,
                                           &way->lists[way->depth], &way->items[way->depth]))
        return false;
    way->depth++;
    return true;
}

static void tell_item(const struct telling *telling, const struct document_node *root, size_t index)
{
    const struct flat_entity *item = &telling->flattened->items[index];
    struct way way = { .depth = 0 };
    const struct document_node *node;

    if ((!item->errors && !item->twice && !item->dangling) ||
        (is_read_twice(item->entity->name) && !telling->is_clean) ||
        !find_item(telling->flattened, root, index, &way))
        return;
    node = &way.items[way.depth - 1];
    if (item->errors && !is_of_pem(item))
        tell_value(telling, node, item->errors);
    if (item->twice)
        tell_value(telling, node, item->twice);
    if (item->dangling)
        tell_value(telling, node, item->dangling);
}

static void tell_of_document(const struct telling *telling, const struct document_node *root)
{
    const char *name;
    json_t *error;

    json_object_foreach(telling->flattened->errors, name, error)
    {
        struct document_node at = field_node(root, name);
        if (telling->is_clean || !is_read_twice(name))
            tell_value(telling, &at, error);
    }
}

void flattened_tell(const struct flattened *flattened, const struct document *document,
                    struct config_errors *errors)
{
    const struct telling telling = { flattened, errors, errors->count, errors->errors_count == 0 };
    struct document_node root = document_root(document);

    tell_of_document(&telling, &root);
    for (size_t i = 0; i < flattened->count && errors->count < CONFIG_ERRORS_MAX; i++)
        tell_item(&telling, &root, i);
}
