/* flatten_walk: the items of a document once more, in the order in which they were collected, with the
 * places at which they were written. */
#include <assert.h>
#include <string.h>

#include "config/flatten/flatten_priv.h"

struct walk {
    const struct flattened *flattened;
    size_t *index;
    flatten_visit *visit;
    void *context;
};

static int walk_items(const struct walk *walk, const struct document_node *list);

/* Depth is bounded by DOCUMENT_DEPTH_MAX. */
static int walk_item(const struct walk *walk, const struct document_node *node)
{
    size_t own = (*walk->index)++;
    const struct model_entity *entity, *child;
    struct document_node member = { 0 };
    int r;

    assert(own < walk->flattened->count);
    entity = walk->flattened->items[own].entity;
    r = walk->visit(walk->context, own, node);
    if (!json_is_object(node->value))
        return r;
    while (r == 0 && document_next(node, &member)) {
        child = model_entity(walk->flattened->model, member.key);
        if (child && flatten_reference_to(child, entity))
            r = walk_items(walk, &member);
    }
    return r;
}

static int walk_items(const struct walk *walk, const struct document_node *list)
{
    struct document_node item = { 0 };
    int r = 0;

    while (r == 0 && json_is_array(list->value) && document_next(list, &item))
        r = walk_item(walk, &item);
    return r;
}

int flatten_walk_list(const struct flattened *flattened, const struct document_node *node,
                      size_t *index, flatten_visit *visit, void *context)
{
    const struct walk walk = { flattened, index, visit, context };

    return walk_items(&walk, node);
}

/* --- of one list --------------------------------------------------------------------------- */

struct visiting {
    const struct flattened *flattened;
    flattened_visit *visit;
    void *context;
};

static int visit_item(void *context, size_t index, const struct document_node *node)
{
    const struct visiting *visiting = context;
    const struct flat_entity *item = &visiting->flattened->items[index];

    return visiting->visit(visiting->context, item->entity, item->made, node);
}

int flattened_walk(const struct flattened *flattened, const struct document *document,
                   const char *list, flattened_visit *visit, void *context)
{
    struct visiting visiting = { flattened, visit, context };
    struct document_node root = document_root(document), node;
    size_t index = 0;

    if (!document_member(&root, list, &node))
        return 0;
    while (index < flattened->count && (flattened->items[index].parent != FLAT_NONE ||
                                        strcmp(flattened->items[index].entity->name, list) != 0))
        index++;
    return flatten_walk_list(flattened, &node, &index, visit_item, &visiting);
}
