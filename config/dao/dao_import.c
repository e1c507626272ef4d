/*
 * dao_import: a declarative document into what is there already (kong/db/declarative/import.lua: load_into_db,
 * kong config db_import). Kong upserts one entity after the other, parents first, and stops at the first that
 * fails; here that is one step, in which the order does not matter.
 */
#include <errno.h>

#include "config/dao/dao_priv.h"

/* As it is stored, and its time to live. A new reference; NULL: no memory. */
static json_t *stored_value(const struct model_entity *entity, const json_t *given,
                            uint64_t *ret_ttl_s)
{
    json_t *value = dao_copy(given);

    if (value)
        *ret_ttl_s = dao_take_extra(entity, value);
    return value;
}

static int put(struct dao *dao, struct dao_table *table, const json_t *given,
               struct kong_error *error)
{
    uint64_t ttl_s = 0;
    json_t *value = stored_value(table->entity, given, &ttl_s);
    const char *id = json_string_value(json_object_get(value, "id"));
    struct dao_row *before = id ? dao_row_by_id(table, id) : NULL, *row;
    struct dao_field_index *taken;
    int r;

    if (!value || !id) {
        json_decref(value);
        return value ? -EINVAL : -ENOMEM;
    }
    if (before && !before->expires_at_s && !ttl_s && json_equal(before->value, value)) {
        json_decref(value);
        return 0;
    }
    row = dao_row_create(table, value, ttl_s ? dao->now_ms() / 1000 + ttl_s : 0);
    r = row ? dao_change(dao, before, row, &taken) : -ENOMEM;
    if (r == -EEXIST)
        r = dao_fail_taken(taken, value, error);
    json_decref(value);
    return r;
}

static int put_list(struct dao *dao, struct dao_table *table, const json_t *list,
                    struct kong_error *error)
{
    const json_t *given;
    size_t i;
    int r = 0;

    json_array_foreach(list, i, given) if (r == 0) r = put(dao, table, given, error);
    return r;
}

static int check_references(struct dao *dao, size_t first, struct kong_error *error)
{
    int r = 0;

    for (size_t i = first; r == 0 && i < dao->changes_count; i++) {
        const struct dao_row *row = dao->changes[i].after;
        r = dao_check_references(&dao->tables, row->table->entity, row->value, error);
    }
    return r;
}

int dao_import(struct dao *dao, const json_t *entities, struct kong_error *error)
{
    size_t step = dao_step(dao), first = dao_changes_count(dao);
    int r = 0;

    for (size_t i = 0; r == 0 && i < dao->tables.count; i++) {
        struct dao_table *table = &dao->tables.items[i];
        r = put_list(dao, table, json_object_get(entities, table->entity->name), error);
    }
    if (r == 0)
        r = check_references(dao, first, error);
    if (r < 0)
        dao_undo_step(dao, step);
    return r;
}
