/* dao_write: insert, update, upsert and delete of one entity (kong/db/dao/init.lua). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/dao/dao_priv.h"
#include "config/model/model_process.h"

int dao_check_writable(const struct dao *dao, const struct model_entity *entity,
                       enum dao_operation operation, bool by_endpoint_key, struct kong_error *error)
{
    static const char *const words[] = { [DAO_CREATE] = "create",
                                         [DAO_UPDATE] = "update",
                                         [DAO_UPSERT] = "create or update",
                                         [DAO_REMOVE] = "remove" };

    if (!dao->is_read_only)
        return 0;
    if (by_endpoint_key && entity->endpoint_key)
        return kong_error_unsupported(error,
                                      "cannot %s '%s' entities by '%s' when not using a database",
                                      words[operation], entity->name, entity->endpoint_key);
    return kong_error_unsupported(error, "cannot %s '%s' entities when not using a database",
                                  words[operation], entity->name);
}

/* --- violations ---------------------------------------------------------------------------- */

static int add_key_field(json_t *key, const char *name, json_t *value)
{
    return json_object_set(key, name, value) < 0 ? -ENOMEM : 0;
}

static int fail_unique(const struct dao_field_index *taken, json_t *value, struct kong_error *error)
{
    const char *const *field = taken->table->entity->cache_key;
    json_t *key = json_object();
    int r = key ? 0 : -ENOMEM;

    if (r == 0 && taken->kind != DAO_INDEX_COMPOSITE)
        r = add_key_field(key, taken->field->name, json_object_get(value, taken->field->name));
    for (; r == 0 && taken->kind == DAO_INDEX_COMPOSITE && *field; field++)
        r = add_key_field(key, *field, json_object_get(value, *field));
    if (r == 0)
        return kong_error_unique_violation(error, key);
    json_decref(key);
    return r;
}

int dao_fail_taken(const struct dao_field_index *taken, json_t *value, struct kong_error *error)
{
    if (taken->kind == DAO_INDEX_ID)
        return kong_error_primary_key_violation(error,
                                                json_string_value(json_object_get(value, "id")));
    return fail_unique(taken, value, error);
}

/* --- writing ------------------------------------------------------------------------------- */

struct write {
    struct dao *dao;
    const struct model_entity *entity;
    enum model_operation operation;
    struct dao_row *before; /* NULL: there is none */
    json_t *input;          /* resolved; owned */
    struct dao_extra extra;
};

static void write_done(struct write *write)
{
    json_decref(write->input);
    dao_extra_done(&write->extra);
}

/* ttl_s: as the model made it of the input. PATCH without it leaves the row its time. */
static uint64_t expiry_of(const struct write *write, uint64_t ttl_s)
{
    if (!write->extra.says_ttl)
        return write->operation == MODEL_UPDATE ? write->before->expires_at_s : 0;
    return ttl_s ? write->dao->now_ms() / 1000 + ttl_s : 0;
}

static int process(struct write *write, json_t **ret, struct kong_error *error)
{
    const json_t *before = write->operation == MODEL_UPDATE ? write->before->value : NULL;
    struct model_request request = {
        .entity = write->entity,
        .operation = write->operation,
        .input = write->input,
        .before = before,
        .now_s = (double)write->dao->now_ms() / 1000,
    };
    json_t *value = NULL;
    int r = model_process(write->dao->model, &request, &value, error);

    if (r == 0)
        r = dao_check_protocols(write->dao, write->entity, value,
                                before || json_object_get(write->input, "protocols"), error);
    if (r < 0)
        json_decref(value);
    else
        *ret = value;
    return r;
}

static int put_row(struct write *write, json_t *value, struct dao_row **ret,
                   struct kong_error *error)
{
    uint64_t ttl_s = dao_take_extra(write->entity, value);
    struct dao_field_index *taken;
    struct dao_row *row =
        dao_row_create(dao_table_of(write->dao, write->entity), value, expiry_of(write, ttl_s));
    int r;

    if (!row)
        return -ENOMEM;
    r = dao_change(write->dao, write->before, row, &taken);
    if (r == -EEXIST)
        return dao_fail_taken(taken, value, error);
    if (r == 0)
        *ret = row;
    return r;
}

static int write_value(struct write *write, json_t **ret, struct kong_error *error)
{
    struct dao_row *row = NULL;
    json_t *value = NULL;
    int r = process(write, &value, error);

    if (r == 0)
        r = put_row(write, value, &row, error);
    if (r == 0) /* after uniqueness, as a database checks it */
        r = dao_check_references(&write->dao->tables, write->entity, value, error);
    json_decref(value);
    if (r == 0 && write->extra.snis)
        r = dao_set_snis(write->dao, row->id, write->extra.snis, error);
    if (r < 0)
        return r;
    *ret = dao_row_json(write->dao, row);
    return *ret ? 0 : -ENOMEM;
}

/* Kong reads what stands for other fields first: what is wrong with that is told instead. */
static int resolve(struct write *write, const json_t *input, struct kong_error *error)
{
    const struct model_request request = {
        .entity = write->entity,
        .input = input,
        .before = write->operation == MODEL_UPDATE ? write->before->value : NULL,
    };
    int r = dao_resolve(write->dao, write->entity, input, &write->input, error), said;
    struct kong_error shorthands = { 0 };

    if (r != -EINVAL)
        return r;
    said = model_check_shorthands(write->dao->model, &request, &shorthands);
    if (said == -EINVAL) {
        kong_error_done(error);
        *error = shorthands;
    }
    return said < 0 ? said : r;
}

/* id: of the entity, NULL: it is the input's or made up. What fails leaves nothing behind. */
static int write_entity(struct write *write, const char *id, const json_t *input, json_t **ret,
                        struct kong_error *error)
{
    size_t step = dao_step(write->dao);
    int r = resolve(write, input, error);

    if (r == 0 && id && json_is_object(write->input) &&
        json_object_set_new(write->input, "id", json_string(id)) < 0)
        r = -ENOMEM;
    if (r == 0)
        r = dao_read_extra(write->dao, write->entity, write->input, id,
                           write->operation == MODEL_UPSERT, &write->extra, error);
    if (r == 0)
        r = write_value(write, ret, error);
    if (r < 0)
        dao_undo_step(write->dao, step);
    write_done(write);
    return r;
}

int dao_insert(struct dao *dao, const struct model_entity *entity, const json_t *input,
               json_t **ret, struct kong_error *error)
{
    struct write write = { .dao = dao, .entity = entity, .operation = MODEL_INSERT };
    int r = dao_check_writable(dao, entity, DAO_CREATE, false, error);

    return r < 0 ? r : write_entity(&write, NULL, input, ret, error);
}

/* NULL: not there, or its time is over. */
static struct dao_row *living_row(const struct dao *dao, const struct model_entity *entity,
                                  const char *id)
{
    struct dao_row *row = dao_row_by_id(dao_table_of(dao, entity), id);

    return row && !dao_row_is_gone(dao, row) ? row : NULL;
}

int dao_update(struct dao *dao, const struct model_entity *entity, const char *id,
               const json_t *input, json_t **ret, struct kong_error *error)
{
    struct write write = { .dao = dao, .entity = entity, .operation = MODEL_UPDATE };
    int r = dao_check_writable(dao, entity, DAO_UPDATE, false, error);

    if (r < 0)
        return r;
    write.before = living_row(dao, entity, id);
    if (!write.before)
        return kong_error_not_found(error, json_pack("{ss}", "id", id));
    return write_entity(&write, write.before->id, input, ret, error);
}

/* --- upsert -------------------------------------------------------------------------------- */

/* The path's name goes before the body's. */
static int upsert_by_name(struct write *write, const char *key, const json_t *input, json_t **ret,
                          struct kong_error *error)
{
    const char *field = write->entity->endpoint_key;
    json_t *named = json_is_object(input) ? dao_copy(input) : json_object();
    int r = -ENOMEM;

    write->before = dao_row_by_unique(dao_table_of(write->dao, write->entity), field, key);
    if (named && json_object_set_new(named, field, json_string(key)) == 0)
        r = write_entity(write, write->before ? write->before->id : NULL, named, ret, error);
    json_decref(named);
    return r;
}

int dao_upsert(struct dao *dao, const struct model_entity *entity, const char *key,
               const json_t *input, json_t **ret, struct kong_error *error)
{
    struct write write = { .dao = dao, .entity = entity, .operation = MODEL_UPSERT };
    char id[UUID_TEXT_BYTES + 1];
    int r = dao_check_writable(dao, entity, DAO_UPSERT, !entity_id_is_valid(key), error);

    if (r == 0)
        r = dao_check_key(entity, key, error);
    if (r < 0)
        return r;
    if (!entity_id_is_valid(key))
        return upsert_by_name(&write, key, input, ret, error);
    dao_lower_id(key, id);
    write.before = dao_row_by_id(dao_table_of(dao, entity), id);
    return write_entity(&write, id, input, ret, error);
}

int dao_delete(struct dao *dao, const struct model_entity *entity, const char *id,
               bool *ret_was_there, struct kong_error *error)
{
    int r = dao_check_writable(dao, entity, DAO_REMOVE, false, error);
    struct dao_row *row = r < 0 ? NULL : living_row(dao, entity, id);

    if (row)
        r = dao_delete_row(dao, row, error);
    if (r == 0)
        *ret_was_there = row != NULL;
    return r;
}
