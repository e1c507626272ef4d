#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/dao/dao_priv.h"
#include "config/model/model_process.h"
#include "core/clock.h"

int dao_create(const struct model *model, struct store *store, struct dao **ret)
{
    struct dao *dao = calloc(1, sizeof(*dao));
    int r;

    if (!dao)
        return -ENOMEM;
    dao->model = model;
    dao->store = store;
    dao->now_ms = clock_unix_ms;
    dao->is_read_only = !store;
    r = dao_tables_init(&dao->tables, model);
    if (r < 0) {
        dao_free(dao);
        return r;
    }
    *ret = dao;
    return 0;
}

void dao_free(struct dao *dao)
{
    if (!dao)
        return;
    if (dao->is_begun)
        dao_rollback(dao);
    dao_tables_done(&dao->tables);
    free(dao->changes);
    free(dao);
}

void dao_set_read_only(struct dao *dao, bool is_read_only)
{
    dao->is_read_only = is_read_only;
}

bool dao_is_read_only(const struct dao *dao)
{
    return dao->is_read_only;
}

void dao_set_clock(struct dao *dao, uint64_t (*now_ms)(void))
{
    dao->now_ms = now_ms;
}

const struct model *dao_model(const struct dao *dao)
{
    return dao->model;
}

unsigned long long dao_generation(const struct dao *dao)
{
    return dao->generation;
}

/* --- one entity ---------------------------------------------------------------------------- */

/* NULL also when its time is over. */
static json_t *read_row(const struct dao *dao, const struct dao_row *row)
{
    return row && !dao_row_is_gone(dao, row) ? dao_row_json(dao, row) : NULL;
}

json_t *dao_by_id(const struct dao *dao, const struct model_entity *entity, const char *id)
{
    return read_row(dao, dao_row_by_id(dao_table_of(dao, entity), id));
}

json_t *dao_by_unique(const struct dao *dao, const struct model_entity *entity, const char *field,
                      const char *value)
{
    return read_row(dao, dao_row_by_unique(dao_table_of(dao, entity), field, value));
}

void dao_lower_id(const char *id, char ret[UUID_TEXT_BYTES + 1])
{
    for (size_t i = 0; i < UUID_TEXT_BYTES; i++)
        ret[i] = (char)tolower((unsigned char)id[i]);
    ret[UUID_TEXT_BYTES] = '\0';
}

int dao_check_key(const struct model_entity *entity, const char *key, struct kong_error *error)
{
    const struct model_field *field;
    json_t *value;
    char *wrong;
    int r;

    if (entity_id_is_valid(key))
        return 0;
    if (!entity->endpoint_key)
        return kong_error_invalid_primary_key(error,
                                              json_pack("{ss}", "id", "expected a valid UUID"));
    value = json_string(key);
    if (!value) /* no UTF-8, or no memory */
        return kong_error_invalid_unique(error, entity->endpoint_key, "invalid value");
    field = model_field(&entity->record, entity->endpoint_key);
    wrong = model_check_value(field, value);
    json_decref(value);
    r = wrong ? kong_error_invalid_unique(error, entity->endpoint_key, wrong) : 0;
    free(wrong);
    return r;
}

static int give(const struct dao *dao, const struct dao_row *row, json_t **ret)
{
    *ret = NULL;
    if (!row || dao_row_is_gone(dao, row))
        return 0;
    *ret = dao_row_json(dao, row);
    return *ret ? 0 : -ENOMEM;
}

int dao_find(const struct dao *dao, const struct model_entity *entity, const char *key,
             json_t **ret, struct kong_error *error)
{
    const struct dao_table *table = dao_table_of(dao, entity);
    char id[UUID_TEXT_BYTES + 1];
    int r = dao_check_key(entity, key, error);

    if (r < 0)
        return r;
    if (!entity_id_is_valid(key))
        return give(dao, dao_row_by_unique(table, entity->endpoint_key, key), ret);
    dao_lower_id(key, id);
    return give(dao, dao_row_by_id(table, id), ret);
}

/* --- one entity below another -------------------------------------------------------------- */

/* What names one below its parent, of a combination of two that is unique: the other field. NULL: the
 * endpoint key does, which is unique everywhere. */
static const char *field_below(const struct model_entity *entity, const char *parent_field)
{
    const char *const *fields = entity->cache_key;
    const char *own = NULL;

    if (!fields || !fields[0] || !fields[1] || fields[2])
        return NULL;
    if (strcmp(fields[0], parent_field) == 0)
        own = fields[1];
    else if (strcmp(fields[1], parent_field) == 0)
        own = fields[0];
    return own && (!entity->endpoint_key || strcmp(entity->endpoint_key, own) == 0) ? own : NULL;
}

static int find_combined(const struct dao_table *table, const char *parent_id, const char *key,
                         const char *field, struct dao_row **ret)
{
    const struct dao_field_index *index = dao_table_index(table, DAO_INDEX_COMPOSITE, NULL);
    const char *const *fields = table->entity->cache_key;
    struct dao_key bytes = { 0 };
    struct dao_node *node;
    int r = 0;

    for (; r == 0 && *fields; fields++) {
        r = dao_key_add(&bytes, "=", 1);
        if (r == 0)
            r = dao_key_add_text(&bytes, strcmp(*fields, field) == 0 ? key : parent_id);
    }
    node = r < 0 ? NULL : dao_index_get(&index->index, (struct slice){ bytes.bytes, bytes.length });
    *ret = node ? node->row : NULL;
    dao_key_done(&bytes);
    return r;
}

static bool is_below(const struct dao_row *row, const char *field, const char *parent_id)
{
    const char *id = json_string_value(json_object_get(json_object_get(row->value, field), "id"));

    return id && strcmp(id, parent_id) == 0;
}

int dao_find_below(const struct dao *dao, const struct model_entity *entity, const char *field,
                   const char *parent_id, const char *key, json_t **ret, struct kong_error *error)
{
    const struct dao_table *table = dao_table_of(dao, entity);
    const char *own = field_below(entity, field);
    struct dao_row *row = NULL;
    char id[UUID_TEXT_BYTES + 1];
    int r = 0;

    if (entity_id_is_valid(key)) {
        dao_lower_id(key, id);
        row = dao_row_by_id(table, id);
    } else if (own) {
        r = find_combined(table, parent_id, key, own, &row);
    } else {
        r = dao_check_key(entity, key, error);
        if (r == 0)
            row = dao_row_by_unique(table, entity->endpoint_key, key);
    }
    if (r < 0)
        return r;
    return give(dao, row && is_below(row, field, parent_id) ? row : NULL, ret);
}

/* --- routes -------------------------------------------------------------------------------- */

json_t *dao_find_duplicate_route(const struct dao *dao, const json_t *route)
{
    const struct dao_table *table = dao_table_named(&dao->tables, "routes");
    const json_t *service = json_object_get(route, "service");
    struct dao_node *node = NULL;
    struct dao_key key = { 0 };
    struct slice prefix;

    if (dao_match_add(&key, route) == 0)
        node = dao_index_from(&dao_table_index(table, DAO_INDEX_MATCH, NULL)->index,
                              (struct slice){ key.bytes, key.length });
    prefix = (struct slice){ key.bytes, key.length };
    while (node && slice_starts_with(node->key, prefix) &&
           json_equal(json_object_get(node->row->value, "service"), service))
        node = dao_node_next(node);
    if (node && !slice_starts_with(node->key, prefix))
        node = NULL;
    dao_key_done(&key);
    return node ? json_incref(node->row->value) : NULL;
}
