/*
 * dao_load: all entities at once, from the store or from a declarative file. The tables are filled
 * beside those in use, and take their place when all is good.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/dao/dao_priv.h"

struct load {
    struct dao *dao;
    struct dao_tables tables;
    struct config_errors *errors; /* NULL: nobody reads them */
};

__attribute__((format(printf, 4, 5))) static int refuse(struct load *load, const char *kind,
                                                        const char *id, const char *format, ...)
{
    char path[256];
    va_list args;

    if (!load->errors)
        return -EINVAL;
    (void)snprintf(path, sizeof(path), "%.64s[%.64s]", kind, id);
    va_start(args, format);
    config_errors_addv(load->errors, CONFIG_ERROR, (struct config_place){ .path = path }, format,
                       args);
    va_end(args);
    return -EINVAL;
}

/* A field that is newer than the row gets its default. 0 or -ENOMEM. */
static int fill_in(const struct model_entity *entity, json_t *value)
{
    for (size_t i = 0; i < entity->record.fields_count; i++) {
        const struct model_field *field = &entity->record.fields[i];
        json_t *standard;
        if ((field->flags & MODEL_PSEUDO) || json_object_get(value, field->name))
            continue;
        standard = field->default_value ? json_deep_copy(field->default_value) : json_null();
        if (json_object_set_new(value, field->name, standard) < 0 ||
            (field->default_value && !json_equal(standard, field->default_value)))
            return -ENOMEM; /* as for dao_copy: a deep copy may lack something */
    }
    return 0;
}

/* Whatever wrote the row, the rest of the program may take every field for what its table says. */
static int check_shape(struct load *load, const struct model_entity *entity, const json_t *value)
{
    const char *id = json_string_value(json_object_get(value, "id"));

    if (!entity_id_is_valid(id))
        return refuse(load, entity->name, id, "its id is no UUID; put a backup in its place");
    for (size_t i = 0; i < entity->record.fields_count; i++) {
        const struct model_field *field = &entity->record.fields[i];
        const char *wrong = model_wrong_shape(field, json_object_get(value, field->name));
        if (wrong)
            return refuse(load, entity->name, id,
                          "its '%s' cannot be read (%s); put a backup in its place, or mend it",
                          field->name, wrong);
    }
    return 0;
}

static int link_loaded(struct load *load, struct dao_table *table, json_t *value,
                       uint64_t expires_at_s)
{
    int r = check_shape(load, table->entity, value);
    struct dao_row *row = r < 0 ? NULL : dao_row_create(table, value, expires_at_s);
    struct dao_field_index *taken;

    if (r < 0)
        return r;
    if (!row)
        return -ENOMEM;
    if (dao_row_link(row, &taken))
        return 0;
    (void)refuse(load, table->entity->name, row->id, "%s is there twice; remove one of the two",
                 taken->kind == DAO_INDEX_UNIQUE ? taken->field->name
                 : taken->kind == DAO_INDEX_ID   ? "its id"
                                                 : "a combination of its fields");
    dao_row_free(row);
    return -EINVAL;
}

/* --- from the store ------------------------------------------------------------------------ */

static uint64_t take_expiry(json_t *value)
{
    json_int_t at = json_integer_value(json_object_get(value, DAO_EXPIRES_AT));

    (void)json_object_del(value, DAO_EXPIRES_AT); /* mostly it is not there */
    return at > 0 ? (uint64_t)at : 0;
}

static int load_row(void *context, const char *kind, const char *id, const char *text,
                    size_t length)
{
    struct load *load = context;
    struct dao_table *table = dao_table_named(&load->tables, kind);
    const char *own_id;
    json_error_t error;
    json_t *value;
    int r;

    if (!table)
        return refuse(load, kind, id,
                      "this version knows no entity of that kind; run the version that wrote it");
    value = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (!value && json_error_code(&error) == json_error_out_of_memory)
        return -ENOMEM;
    own_id = json_string_value(json_object_get(value, "id"));
    if (!own_id || strcmp(own_id, id) != 0) {
        json_decref(value);
        return refuse(load, kind, id, "its row cannot be read (%s); put a backup in its place",
                      value ? "it has another id" : error.text);
    }
    r = fill_in(table->entity, value);
    if (r == 0)
        r = link_loaded(load, table, value, take_expiry(value));
    json_decref(value);
    return r;
}

/* A row refers to one that is not there: somebody has changed the store by hand. */
static int check_loaded(struct load *load)
{
    struct kong_error error = { 0 };
    int r = 0;

    for (size_t i = 0; i < load->tables.count; i++) {
        const struct dao_table *table = &load->tables.items[i];
        struct dao_node *node = dao_index_first(&table->indexes[0].index);
        for (; node; node = dao_node_next(node)) {
            if (dao_check_references(&load->tables, table->entity, node->row->value, &error) == 0)
                continue;
            r = refuse(load, table->entity->name, node->row->id, "%s",
                       error.message ? error.message : "it refers to what is not there");
            kong_error_done(&error);
        }
    }
    return r;
}

static void put_in_place(struct load *load)
{
    dao_tables_done(&load->dao->tables);
    load->dao->tables = load->tables;
    load->dao->generation++;
}

int dao_load(struct dao *dao, struct config_errors *errors)
{
    struct load load = { .dao = dao, .errors = errors };
    int r = dao->store ? dao_tables_init(&load.tables, dao->model) : 0;

    if (r < 0 || !dao->store)
        return r;
    r = dao->store->ops->load(dao->store, load_row, &load);
    if (r < 0 && r != -ENOMEM && errors->count == 0)
        config_errors_add(errors, CONFIG_ERROR, (struct config_place){ 0 }, "%s",
                          store_error(dao->store));
    if (r == 0)
        r = check_loaded(&load);
    if (r == 0)
        put_in_place(&load);
    else
        dao_tables_done(&load.tables);
    return r;
}

/* --- from a declarative file --------------------------------------------------------------- */

/* "id" becomes {"id": "id"}. */
static int expand_references(const struct dao_table *table, json_t *value)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < table->indexes_count; i++) {
        const struct model_field *field = table->indexes[i].field;
        json_t *id = field ? json_object_get(value, field->name) : NULL;
        if (table->indexes[i].kind == DAO_INDEX_REFERENCE && json_is_string(id) &&
            json_object_set_new(value, field->name, json_pack("{sO}", "id", id)) < 0)
            r = -ENOMEM;
    }
    return r;
}

static int replace_one(struct load *load, struct dao_table *table, const json_t *given)
{
    json_t *value = dao_copy(given);
    int r = value ? expand_references(table, value) : -ENOMEM;
    uint64_t ttl_s = 0;

    if (r == 0 && !json_is_string(json_object_get(value, "id")))
        r = -EINVAL;
    if (r == 0) {
        ttl_s = dao_take_extra(table->entity, value);
        r = fill_in(table->entity, value);
    }
    if (r == 0)
        r = link_loaded(load, table, value, ttl_s ? load->dao->now_ms() / 1000 + ttl_s : 0);
    json_decref(value);
    return r;
}

int dao_replace_all(struct dao *dao, const json_t *entities)
{
    struct load load = { .dao = dao };
    const char *hash = json_string_value(json_object_get(entities, "_hash"));
    int r = dao_has_changes(dao) ? -EBUSY : dao_tables_init(&load.tables, dao->model);

    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < load.tables.count; i++) {
        struct dao_table *table = &load.tables.items[i];
        const json_t *list = json_object_get(entities, table->entity->name), *given;
        size_t j;
        json_array_foreach(list, j, given) if (r == 0) r = replace_one(&load, table, given);
    }
    if (r == 0)
        r = check_loaded(&load);
    if (r < 0) {
        dao_tables_done(&load.tables);
        return r;
    }
    load.tables.hopgate = json_incref(json_object_get(entities, "hopgate"));
    if (hash)
        (void)snprintf(load.tables.hash, sizeof(load.tables.hash), "%s", hash);
    if (dao->is_begun) { /* the commit puts it in place */
        dao->replaced = dao->tables;
        dao->tables = (struct dao_tables){ 0 };
    }
    put_in_place(&load);
    return 0;
}

const char *dao_hash(const struct dao *dao)
{
    return dao->tables.hash;
}
