/* Stands in for the dao until it is there: entities in memory, all of them in one row of the store. To be deleted then; it compiles to nothing already. */
#if !__has_include("config/dao/dao.c")

#include "config/dao/dao.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { CHANGES_MAX = 1024 };

struct dao {
    const struct model *model;
    struct store *store;
    json_t *entities, *before; /* kind -> id -> entity */
    unsigned long long generation;
    bool is_read_only;
    struct dao_change changes[CHANGES_MAX];
    size_t changes_count;
    json_t *kept; /* what changes refer to */
};

/* ---- the store ----------------------------------------------------------------------------- */

static int write_all(const struct dao *dao)
{
    const struct store_ops *ops = dao->store ? dao->store->ops : NULL;
    char *text = ops ? json_dumps(dao->entities, JSON_COMPACT) : NULL;
    int r = ops ? ops->put(dao->store, "stand-in", "all", text, strlen(text)) : 0;

    free(text);
    return ops && r == 0 ? ops->commit(dao->store) : r;
}

static int read_all(void *context, const char *kind, const char *id, const char *json,
                    size_t length)
{
    struct dao *dao = context;
    json_t *all = json_loadb(json, length, 0, NULL);

    (void)kind;
    (void)id;
    if (all) {
        json_decref(dao->entities);
        dao->entities = all;
    }
    return 0;
}

/* ---- the dao ------------------------------------------------------------------------------- */

int dao_create(const struct model *model, struct store *store, struct dao **ret)
{
    struct dao *dao = calloc(1, sizeof(*dao));

    dao->model = model;
    dao->store = store;
    dao->entities = json_object();
    dao->kept = json_array();
    *ret = dao;
    return 0;
}

void dao_free(struct dao *dao)
{
    if (!dao)
        return;
    json_decref(dao->entities);
    json_decref(dao->before);
    json_decref(dao->kept);
    free(dao);
}

int dao_load(struct dao *dao, struct config_errors *errors)
{
    (void)errors;
    dao->generation++;
    return dao->store->ops->load(dao->store, read_all, dao);
}

int dao_replace_all(struct dao *dao, const json_t *entities)
{
    (void)entities;
    dao->generation++;
    return 0;
}

void dao_set_read_only(struct dao *dao, bool is_read_only)
{
    dao->is_read_only = is_read_only;
}

const struct model *dao_model(const struct dao *dao)
{
    return dao->model;
}

int dao_begin(struct dao *dao, struct kong_error *error)
{
    bool others = false;

    (void)error;
    if (dao->store && dao->store->ops->begin(dao->store, &others) < 0)
        return -EINVAL;
    if (others)
        (void)dao_load(dao, NULL);
    dao->before = json_deep_copy(dao->entities);
    return 0;
}

size_t dao_step(struct dao *dao)
{
    return dao->changes_count;
}

/* Of one entity per request, which is all that the stand-in of the Admin API changes. */
void dao_undo_step(struct dao *dao, size_t step)
{
    while (dao->changes_count > step) {
        const struct dao_change *change = &dao->changes[--dao->changes_count];
        json_t *all = json_object_get(dao->entities, change->entity->name);

        if (change->before)
            json_object_set_new(all, change->id, json_deep_copy(change->before));
        else
            json_object_del(all, change->id);
    }
    dao->generation++;
}

static void end(struct dao *dao)
{
    json_decref(dao->before);
    dao->before = NULL;
    dao->changes_count = 0;
    json_array_clear(dao->kept);
}

int dao_commit(struct dao *dao, struct kong_error *error)
{
    (void)error;
    if (dao->changes_count > 0 && write_all(dao) < 0) {
        dao_rollback(dao);
        return -EINVAL;
    }
    if (dao->changes_count == 0 && dao->store)
        dao->store->ops->rollback(dao->store);
    end(dao);
    return 0;
}

void dao_rollback(struct dao *dao)
{
    json_decref(dao->entities);
    dao->entities = dao->before;
    dao->before = NULL;
    dao->generation++;
    if (dao->store)
        dao->store->ops->rollback(dao->store);
    end(dao);
}

bool dao_has_changes(const struct dao *dao)
{
    return dao->changes_count > 0;
}

size_t dao_changes_count(const struct dao *dao)
{
    return dao->changes_count;
}

struct dao_change dao_change_at(const struct dao *dao, size_t index)
{
    return dao->changes[index];
}

static void note(struct dao *dao, const struct model_entity *entity, const char *id,
                 const json_t *before, const json_t *after)
{
    json_t *kept = json_pack("[s, o, o]", id, before ? json_deep_copy(before) : json_null(),
                             after ? json_deep_copy(after) : json_null());

    json_array_append_new(dao->kept, kept);
    dao->changes[dao->changes_count++] = (struct dao_change){
        .entity = entity,
        .id = json_string_value(json_array_get(kept, 0)),
        .before = before ? json_array_get(kept, 1) : NULL,
        .after = after ? json_array_get(kept, 2) : NULL,
    };
    dao->generation++;
}

int dao_find(const struct dao *dao, const struct model_entity *entity, const char *key,
             json_t **ret, struct kong_error *error)
{
    json_t *all = json_object_get(dao->entities, entity->name), *value;
    const char *id;

    (void)error;
    *ret = NULL;
    json_object_foreach(all, id, value)
    {
        const char *name = json_string_value(json_object_get(value, entity->endpoint_key));

        if (strcmp(id, key) == 0 || (name && strcmp(name, key) == 0))
            *ret = json_incref(value);
    }
    return 0;
}

int dao_insert(struct dao *dao, const struct model_entity *entity, const json_t *input,
               json_t **ret, struct kong_error *error)
{
    unsigned char b[16] = { 0 };
    char id[37];
    json_t *all = json_object_get(dao->entities, entity->name), *value = json_deep_copy(input);

    (void)error;
    (void)!getrandom(b, sizeof(b), 0);
    snprintf(id, sizeof(id), "%02x%02x%02x%02x-%02x%02x-4%1x%02x-8%1x%02x-%02x%02x%02x%02x%02x%02x",
             b[0], b[1], b[2], b[3], b[4], b[5], b[6] & 15, b[7], b[8] & 15, b[9], b[10], b[11],
             b[12], b[13], b[14], b[15]);
    if (!all) {
        all = json_object();
        json_object_set_new(dao->entities, entity->name, all);
    }
    json_object_set_new(value, "id", json_string(id));
    json_object_set(all, id, value);
    note(dao, entity, id, NULL, value);
    *ret = value;
    return 0;
}

int dao_update(struct dao *dao, const struct model_entity *entity, const char *id,
               const json_t *input, json_t **ret, struct kong_error *error)
{
    json_t *all = json_object_get(dao->entities, entity->name);
    json_t *before = json_object_get(all, id), *value = json_deep_copy(before);

    (void)error;
    json_object_update(value, (json_t *)input);
    note(dao, entity, id, before, value);
    json_object_set(all, id, value);
    *ret = value;
    return 0;
}

int dao_delete(struct dao *dao, const struct model_entity *entity, const char *id,
               bool *ret_was_there, struct kong_error *error)
{
    json_t *all = json_object_get(dao->entities, entity->name);
    json_t *before = json_incref(json_object_get(all, id));

    (void)error;
    *ret_was_there = before != NULL;
    if (before) {
        json_object_del(all, id);
        note(dao, entity, id, before, NULL);
    }
    json_decref(before);
    return 0;
}

json_t *dao_export(const struct dao *dao)
{
    json_t *document = json_pack("{s:s}", "_format_version", "3.0"), *all, *value;
    const char *kind, *id;

    json_object_foreach(dao->entities, kind, all)
    {
        json_t *list = json_array();

        json_object_foreach(all, id, value)
        {
            (void)id;
            json_array_append(list, value);
        }
        json_object_set_new(document, kind, list);
    }
    return document;
}

unsigned long long dao_generation(const struct dao *dao)
{
    return dao->generation;
}

#endif
