#include <ctype.h>
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

int loader_register(struct loader *loader, enum entity_kind kind, const char *name, const char *id)
{
    struct entity_list *list = &loader->lists[kind];
    size_t index = list->count - 1;

    if (id && json_object_set_new(list->by_id, id, json_integer((json_int_t)index)) < 0)
        return -ENOMEM;
    if (name && json_object_set_new(list->by_name, name, json_integer((json_int_t)index)) < 0)
        return -ENOMEM;
    return 0;
}

size_t loader_find_id(const struct loader *loader, enum entity_kind kind, const char *id)
{
    const json_t *by_id = loader->lists[kind].by_id, *index = json_object_get(by_id, id);
    char lower[UUID_TEXT_BYTES + 1];

    if (!index && entity_id_is_valid(id)) { /* as they are stored */
        for (size_t i = 0; i <= UUID_TEXT_BYTES; i++)
            lower[i] = (char)tolower((unsigned char)id[i]);
        index = json_object_get(by_id, lower);
    }
    return index ? (size_t)json_integer_value(index) : NO_ENTITY;
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

int loader_refer_to(struct loader *loader, enum entity_kind from_kind, enum entity_kind to_kind,
                    const json_t *value, const struct document_node *node)
{
    const char *key =
        json_string_value(json_is_object(value) ? json_object_get(value, "id") : value);
    struct reference reference = {
        .from_kind = from_kind,
        .to_kind = to_kind,
        .from = loader->lists[from_kind].count - 1,
        .key = key,
        .to = NO_ENTITY,
        .place = { .file = loader->document->file, .path = entity_kind_names[from_kind] },
    };

    if (!key)
        return 0;
    if (node) {
        const struct document_mark *mark = document_mark_of(node);
        reference.place.line = mark->line;
        reference.place.column = mark->column;
        reference.place.path = path_copy(loader, node);
    }
    return reference.place.path ? add_reference(loader, reference) : -ENOMEM;
}
