#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/declarative_priv.h"
#include "config/entity_id.h"

const char *const entity_kind_names[ENTITY_KIND_COUNT] = {
    [ENTITY_SERVICE] = "services",
    [ENTITY_ROUTE] = "routes",
    [ENTITY_UPSTREAM] = "upstreams",
    [ENTITY_TARGET] = "targets",
    [ENTITY_CERTIFICATE] = "certificates",
    [ENTITY_SNI] = "snis",
    [ENTITY_CA_CERTIFICATE] = "ca_certificates",
    [ENTITY_MTLS] = "mtls",
};

/* --- lists --------------------------------------------------------------------------------- */

void *loader_add(struct loader *loader, enum entity_kind kind)
{
    struct entity_list *list = &loader->lists[kind];

    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 16;
        void *items = reallocarray(list->items, capacity, list->item_size);
        if (!items)
            return NULL;
        list->items = items;
        list->capacity = capacity;
    }
    return memset((char *)list->items + list->count++ * list->item_size, 0, list->item_size);
}

static char *path_copy(struct loader *loader, const struct document_node *node)
{
    char path[DOCUMENT_PATH_MAX];

    document_path(node, path, sizeof(path));
    return config_copy_text(loader->config, path, strlen(path));
}

int loader_set_place(struct loader *loader, const struct document_node *node, const char **path,
                     unsigned *line, unsigned *column)
{
    const struct document_mark *mark = document_mark_of(node);

    *line = mark->line;
    *column = mark->column;
    *path = path_copy(loader, node);
    return *path ? 0 : -ENOMEM;
}

int loader_register_key(struct loader *loader, enum entity_kind kind, json_t *keys,
                        const struct document_node *node, const char *member, const char *key)
{
    struct document_node at = *node;

    if (!key)
        return 0;
    if (json_object_get(keys, key)) {
        (void)document_member(node, member, &at); /* a generated one stays at the entity */
        FAIL(loader, &at,
             "uniqueness violation: '%s' entity with %s set to '%s' already declared; rename or "
             "remove one of the two",
             entity_kind_names[kind], strcmp(member, "id") == 0 ? "primary key" : member, key);
        return 0;
    }
    return json_object_set_new(keys, key, json_integer((json_int_t)loader->lists[kind].count - 1)) <
                   0
               ? -ENOMEM
               : 0;
}

/* An id that was not given: Kong's own from the name, else one from where the entity stands. */
static int fill_id(struct loader *loader, enum entity_kind kind, const char *name, const char *path,
                   char **id)
{
    char text[UUID_TEXT_BYTES + 1];

    if (*id)
        return 0;
    entity_id_from_key(entity_kind_names[kind], name ? name : path, text);
    *id = config_copy_text(loader->config, text, strlen(text));
    return *id ? 0 : -ENOMEM;
}

int loader_register(struct loader *loader, enum entity_kind kind, const struct document_node *node,
                    const char *name, char **id, const char *path)
{
    struct entity_list *list = &loader->lists[kind];
    int r = fill_id(loader, kind, name, path, id);

    if (r == 0)
        r = loader_register_key(loader, kind, list->by_id, node, "id", *id);
    if (r == 0)
        r = loader_register_key(loader, kind, list->by_name, node, "name", name);
    return r;
}

/* --- references ---------------------------------------------------------------------------- */

static int add_reference(struct loader *loader, struct reference reference)
{
    if (loader->references_count == loader->references_capacity) {
        size_t capacity = loader->references_capacity ? loader->references_capacity * 2 : 64;
        struct reference *references =
            reallocarray(loader->references, capacity, sizeof(*references));
        if (!references)
            return -ENOMEM;
        loader->references = references;
        loader->references_capacity = capacity;
    }
    loader->references[loader->references_count++] = reference;
    return 0;
}

/* "x", {id: x} or {name: x}; NULL when the schema has already refused it. */
static const char *reference_key(const json_t *value)
{
    const char *key = json_string_value(value);

    if (!key)
        key = json_string_value(json_object_get(value, "id"));
    return key ? key : json_string_value(json_object_get(value, "name"));
}

int loader_refer_to(struct loader *loader, enum entity_kind from_kind, enum entity_kind to_kind,
                    const struct document_node *node)
{
    const struct document_mark *mark = document_mark_of(node);
    const char *key = reference_key(node->value);
    struct reference reference = {
        .from_kind = from_kind,
        .to_kind = to_kind,
        .from = loader->lists[from_kind].count - 1,
        .to = NO_ENTITY,
        .field = node->key ? node->key : node->parent->key,
        .key = key,
        .place = { .file = node->document->file, .line = mark->line, .column = mark->column },
    };

    if (!key)
        return 0;
    reference.place.path = path_copy(loader, node);
    return reference.place.path ? add_reference(loader, reference) : -ENOMEM;
}

int loader_refer_to_parent(struct loader *loader, enum entity_kind kind,
                           enum entity_kind parent_kind, const struct document_node *node,
                           const char *field, size_t parent)
{
    struct document_node member;
    bool written = document_member(node, field, &member) && !json_is_null(member.value);

    if (parent == NO_ENTITY)
        return written ? loader_refer_to(loader, kind, parent_kind, &member) : 0;
    return add_reference(loader, (struct reference){ .from_kind = kind,
                                                     .to_kind = parent_kind,
                                                     .from = loader->lists[kind].count - 1,
                                                     .to = parent });
}

/* --- walking ------------------------------------------------------------------------------- */

int loader_read_list(struct loader *loader, const struct document_node *parent_node,
                     const char *field, read_entity *read, size_t parent)
{
    struct document_node list, item = { 0 };

    if (!document_member(parent_node, field, &list) || !json_is_array(list.value))
        return 0;
    while (document_next(&list, &item)) {
        int r = read(loader, &item, parent);
        if (r < 0)
            return r;
    }
    return 0;
}

bool loader_has_items(const struct document_node *node, const char *field)
{
    struct document_node member;

    return document_member(node, field, &member) && !json_is_null(member.value) &&
           !(json_is_array(member.value) && json_array_size(member.value) == 0);
}
