#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/dao/dao_priv.h"

static size_t composite_length(const struct model_entity *entity)
{
    size_t length = 0;

    while (entity->cache_key && entity->cache_key[length])
        length++;
    return length;
}

/* Kong's foreign fields may be unique too (filter_chains.route): then they are in both. */
static void add_field_indexes(struct dao_table *table)
{
    const struct model_record *record = &table->entity->record;

    for (size_t i = 0; i < record->fields_count; i++) {
        const struct model_field *field = &record->fields[i];
        if (field->flags & MODEL_UNIQUE)
            table->indexes[table->indexes_count++] =
                (struct dao_field_index){ .kind = DAO_INDEX_UNIQUE, .field = field };
        if (field->type == MODEL_FOREIGN)
            table->indexes[table->indexes_count++] =
                (struct dao_field_index){ .kind = DAO_INDEX_REFERENCE, .field = field };
        if (strcmp(field->name, "tags") == 0)
            table->indexes[table->indexes_count++] =
                (struct dao_field_index){ .kind = DAO_INDEX_TAG, .field = field };
    }
}

static int table_init(struct dao_table *table, const struct model_entity *entity)
{
    enum { OWN_MAX = 4 }; /* id, composite, expiry, match */

    table->entity = entity;
    table->indexes = calloc(entity->record.fields_count * 2 + OWN_MAX, sizeof(*table->indexes));
    if (!table->indexes)
        return -ENOMEM;
    table->indexes[table->indexes_count++].kind = DAO_INDEX_ID;
    add_field_indexes(table);
    if (composite_length(entity) > 1) /* of one field: that is unique itself */
        table->indexes[table->indexes_count++].kind = DAO_INDEX_COMPOSITE;
    if (entity->has_ttl)
        table->indexes[table->indexes_count++].kind = DAO_INDEX_EXPIRY;
    if (dao_entity_is(entity, "routes"))
        table->indexes[table->indexes_count++].kind = DAO_INDEX_MATCH;
    for (size_t i = 0; i < table->indexes_count; i++) {
        table->indexes[i].table = table;
        dao_index_init(&table->indexes[i].index);
    }
    return 0;
}

static int add_referring(struct dao_table *table, struct dao_field_index *index)
{
    struct dao_field_index **grown = reallocarray(table->referring, table->referring_count + 1,
                                                  sizeof(struct dao_field_index *));

    if (!grown)
        return -ENOMEM;
    table->referring = grown;
    table->referring[table->referring_count++] = index;
    return 0;
}

static int find_referring(struct dao_tables *tables)
{
    int r = 0;

    for (size_t i = 0; i < tables->count; i++) {
        struct dao_table *table = &tables->items[i];
        for (size_t j = 0; r == 0 && j < table->indexes_count; j++) {
            struct dao_field_index *index = &table->indexes[j];
            struct dao_table *other = index->kind == DAO_INDEX_REFERENCE
                                          ? dao_table_named(tables, index->field->reference)
                                          : NULL;
            if (other)
                r = add_referring(other, index);
        }
    }
    return r;
}

int dao_tables_init(struct dao_tables *tables, const struct model *model)
{
    int r = 0;

    *tables = (struct dao_tables){ .count = model_entities_count(model) };
    memset(tables->hash, '0', DAO_HASH_BYTES);
    tables->items = calloc(tables->count ? tables->count : 1, sizeof(*tables->items));
    if (!tables->items)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < tables->count; i++)
        r = table_init(&tables->items[i], model_entity_at(model, i));
    if (r == 0)
        r = find_referring(tables);
    if (r < 0)
        dao_tables_done(tables);
    return r;
}

/* The rows go without being unlinked: nobody looks at the indexes any more. */
static void table_done(struct dao_table *table)
{
    struct dao_node *node, *next;

    for (node = table->indexes ? dao_index_first(&table->indexes[0].index) : NULL; node;
         node = next) {
        next = dao_node_next(node);
        dao_row_free(node->row);
    }
    free(table->indexes);
    free(table->referring);
    json_decref(table->exported);
}

void dao_tables_done(struct dao_tables *tables)
{
    for (size_t i = 0; tables->items && i < tables->count; i++)
        table_done(&tables->items[i]);
    free(tables->items);
    json_decref(tables->hopgate);
    *tables = (struct dao_tables){ 0 };
}

struct dao_table *dao_table_named(const struct dao_tables *tables, const char *entity_name)
{
    for (size_t i = 0; i < tables->count; i++)
        if (dao_entity_is(tables->items[i].entity, entity_name))
            return &tables->items[i];
    return NULL;
}

struct dao_table *dao_table_of(const struct dao *dao, const struct model_entity *entity)
{
    for (size_t i = 0; i < dao->tables.count; i++)
        if (dao->tables.items[i].entity == entity)
            return &dao->tables.items[i];
    return NULL;
}

struct dao_field_index *dao_table_index(const struct dao_table *table, enum dao_index_kind kind,
                                        const char *field_name)
{
    for (size_t i = 0; i < table->indexes_count; i++) {
        struct dao_field_index *index = &table->indexes[i];
        if (index->kind == kind && (!field_name || strcmp(index->field->name, field_name) == 0))
            return index;
    }
    return NULL;
}
