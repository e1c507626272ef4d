/*
 * dao_export: all entities as one declarative document, and the way back.
 *
 * In it a reference is the bare id, as Kong prints it (kong/db/declarative/export.lua).
 */
#include <errno.h>

#include "config/dao/dao_priv.h"

/* --- out ----------------------------------------------------------------------------------- */

static int flatten_references(const struct dao_table *table, json_t *value)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < table->indexes_count; i++) {
        const struct model_field *field = table->indexes[i].field;
        json_t *id;
        if (table->indexes[i].kind != DAO_INDEX_REFERENCE)
            continue;
        id = json_object_get(json_object_get(value, field->name), "id");
        if (id && json_object_set(value, field->name, id) < 0)
            r = -ENOMEM;
    }
    return r;
}

/* A copy of the object itself, its values are shared with the row. NULL: no memory. */
static json_t *flat_copy(const struct dao *dao, const struct dao_row *row)
{
    json_t *value = row->table->entity->has_ttl ? dao_row_json(dao, row) : dao_copy(row->value);

    if (value && flatten_references(row->table, value) < 0)
        json_decref(TAKE(value));
    return value;
}

/* Made once for a row that is to stay: after each change all are exported. NULL: no memory. */
static json_t *export_row(const struct dao *dao, struct dao_row *row)
{
    const struct dao_table *table = row->table;

    if (table->entity->has_ttl) /* says how long it still lives */
        return flat_copy(dao, row);
    if (!dao_table_index(table, DAO_INDEX_REFERENCE, NULL))
        return json_incref(row->value);
    if (!row->exported)
        row->exported = flat_copy(dao, row);
    return json_incref(row->exported);
}

/* A new reference; NULL: no memory. */
static json_t *export_rows(const struct dao *dao, const struct dao_table *table)
{
    struct dao_node *node = dao_index_first(&table->indexes[0].index);
    json_t *list = json_array();

    for (; list && node; node = dao_node_next(node))
        if (!dao_row_is_gone(dao, node->row) &&
            json_array_append_new(list, export_row(dao, node->row)) < 0)
            json_decref(TAKE(list));
    return list;
}

/* The same list until a row of the table changes; rows with a time to live change by themselves. */
static int export_table(const struct dao *dao, struct dao_table *table, json_t *document)
{
    json_t *list;

    if (!dao_index_first(&table->indexes[0].index))
        return 0;
    if (table->entity->has_ttl)
        list = export_rows(dao, table);
    else if (table->exported || (table->exported = export_rows(dao, table)))
        list = json_incref(table->exported);
    else
        list = NULL;
    return json_object_set_new(document, table->entity->name, list) == 0 ? 0 : -ENOMEM;
}

json_t *dao_export(const struct dao *dao)
{
    json_t *document = json_pack("{ssso}", "_format_version", "3.0", "_transform", json_false());
    int r = document ? 0 : -ENOMEM;

    if (r == 0 && dao->tables.hopgate &&
        json_object_set(document, "hopgate", dao->tables.hopgate) < 0)
        r = -ENOMEM;
    for (size_t i = 0; r == 0 && i < dao->tables.count; i++)
        r = export_table(dao, &dao->tables.items[i], document);
    if (r == 0)
        return document;
    json_decref(document);
    return NULL;
}
