/* List, create, read, replace, change and delete of any entity (kong/api/endpoints.lua). */
#include <errno.h>

#include "config/admin/admin_priv.h"
#include "config/entity_id.h"

const char *admin_id_of(const json_t *row)
{
    return json_string_value(json_object_get(row, "id"));
}

int admin_find(struct admin_call *call, const struct model_entity *entity, const char *key,
               json_t **ret)
{
    struct dao *dao = call->admin->dao;
    json_t *sni;

    *ret = NULL;
    if (strcmp(entity->name, "certificates") != 0 || entity_id_is_valid(key))
        return dao_find(dao, entity, key, ret, &call->error);
    sni = dao_by_unique(dao, model_entity(dao_model(dao), "snis"), "name", key);
    if (sni)
        *ret = dao_by_id(dao, entity, admin_id_of(json_object_get(sni, "certificate")));
    json_decref(sni);
    return 0;
}

int admin_find_parent(struct admin_call *call, json_t **ret)
{
    int r = admin_find(call, call->target.parent, call->target.parent_key, ret);

    return r < 0 || *ret ? r : kong_error_plain(&call->error, 404, "Not found");
}

/* --- routes that hide each other ----------------------------------------------------------- */

/* What the two have in common, and which the other one is. A new reference; NULL: no memory. */
static json_t *same_rules(const json_t *route, const json_t *other)
{
    static const char *const rules[] = { "methods", "hosts",   "paths",       "headers",
                                         "snis",    "sources", "destinations" };
    const char *name = json_string_value(json_object_get(other, "name"));
    json_t *fields = json_object();
    int r = fields ? 0 : -1;

    for (size_t i = 0; r == 0 && i < sizeof(rules) / sizeof(rules[0]); i++) {
        json_t *value = json_object_get(route, rules[i]);
        if (value && !json_is_null(value))
            r = json_object_set(fields, rules[i], value);
    }
    if (r == 0)
        r = json_object_set_new(
            fields, "@entity",
            json_pack("[o]", json_sprintf("route '%s' has the same match rules and leads to "
                                          "another service",
                                          name ? name : admin_id_of(other))));
    if (r == 0)
        return fields;
    json_decref(fields);
    return NULL;
}

static int refuse_hidden_route(struct admin_call *call, const json_t *route)
{
    json_t *other, *fields;

    if (call->admin->allows_duplicate_routes || strcmp(call->target.entity->name, "routes") != 0)
        return 0;
    other = dao_find_duplicate_route(call->admin->dao, route);
    if (!other)
        return 0;
    fields = same_rules(route, other);
    json_decref(other);
    return fields ? kong_error_unique_violation(&call->error, fields) : -ENOMEM;
}

/* --- an entity's own paths ----------------------------------------------------------------- */

static int list(struct admin_call *call)
{
    return admin_answer_page(call, NULL, false);
}

int admin_create(struct admin_call *call, const json_t *input)
{
    json_t *row = NULL;
    int r = dao_insert(call->admin->dao, call->target.entity, input, &row, &call->error);

    if (r == 0)
        r = refuse_hidden_route(call, row);
    if (r == 0)
        return admin_answer_json(call, 201, row);
    json_decref(row);
    return r;
}

static int create(struct admin_call *call)
{
    return admin_create(call, call->content);
}

static int read_one(struct admin_call *call)
{
    json_t *row = NULL;
    int r = admin_find(call, call->target.entity, call->target.key, &row);

    if (r < 0)
        return r;
    return row ? admin_answer_json(call, 200, row) : admin_not_found(call);
}

static int replace(struct admin_call *call)
{
    json_t *row = NULL;
    int r = dao_upsert(call->admin->dao, call->target.entity, call->target.key, call->content, &row,
                       &call->error);

    return r < 0 ? r : admin_answer_json(call, 200, row);
}

/* Kong names the key that it looked for. */
static int fail_not_found(struct admin_call *call)
{
    const char *key = call->target.key;
    const struct model_entity *entity = call->target.entity;
    bool is_id = entity_id_is_valid(key);

    return kong_error_not_found(&call->error,
                                json_pack("{ss}", is_id ? "id" : entity->endpoint_key, key));
}

static int change(struct admin_call *call)
{
    json_t *before = NULL, *row = NULL;
    int r = dao_check_writable(call->admin->dao, call->target.entity, DAO_UPDATE,
                               !entity_id_is_valid(call->target.key), &call->error);

    if (r == 0)
        r = admin_find(call, call->target.entity, call->target.key, &before);
    if (r == 0 && !before)
        r = fail_not_found(call);
    if (r == 0)
        r = dao_update(call->admin->dao, call->target.entity, admin_id_of(before), call->content,
                       &row, &call->error);
    json_decref(before);
    return r < 0 ? r : admin_answer_json(call, 200, row);
}

static int remove_one(struct admin_call *call)
{
    json_t *row = NULL;
    bool was_there;
    int r = dao_check_writable(call->admin->dao, call->target.entity, DAO_REMOVE,
                               !entity_id_is_valid(call->target.key), &call->error);

    if (r == 0)
        r = admin_find(call, call->target.entity, call->target.key, &row);
    if (r == 0 && row)
        r = dao_delete(call->admin->dao, call->target.entity, admin_id_of(row), &was_there,
                       &call->error);
    json_decref(row);
    return r < 0 ? r : admin_answer_nothing(call, 204);
}

const struct admin_methods admin_entity_list = { .get = list, .post = create };
const struct admin_methods admin_entity_one = {
    .get = read_one, .put = replace, .patch = change, .remove = remove_one
};

/* --- below a parent ------------------------------------------------------------------------ */

json_t *admin_content_below(const struct admin_call *call, const char *id)
{
    json_t *content = json_copy(call->content);

    if (content && json_object_set_new(content, call->target.reference->name,
                                       json_pack("{ss}", "id", id)) == 0)
        return content;
    json_decref(content);
    return NULL;
}

static int list_below(struct admin_call *call)
{
    json_t *parent = NULL;
    int r = admin_find_parent(call, &parent);

    if (r == 0)
        r = admin_answer_page(call, admin_id_of(parent), false);
    json_decref(parent);
    return r;
}

static int create_below(struct admin_call *call)
{
    json_t *parent = NULL, *content = NULL;
    int r = admin_find_parent(call, &parent);

    if (r == 0) {
        content = admin_content_below(call, admin_id_of(parent));
        r = content ? admin_create(call, content) : -ENOMEM;
    }
    json_decref(content);
    json_decref(parent);
    return r;
}

/* The parent and the row below it, which is NULL when it is not there or another's. */
static int find_both(struct admin_call *call, json_t **parent, json_t **row)
{
    const struct admin_target *target = &call->target;
    int r = admin_find_parent(call, parent);

    if (r < 0)
        return r;
    return dao_find_below(call->admin->dao, target->entity, target->reference->name,
                          admin_id_of(*parent), target->key, row, &call->error);
}

static int read_below(struct admin_call *call)
{
    json_t *parent = NULL, *row = NULL;
    int r = find_both(call, &parent, &row);

    json_decref(parent);
    if (r < 0)
        return r;
    return row ? admin_answer_json(call, 200, row) : admin_not_found(call);
}

/* As Kong does, also of a row that is another parent's: it moves here. */
static int replace_below(struct admin_call *call)
{
    json_t *parent = NULL, *row = NULL, *content = NULL;
    int r = admin_find_parent(call, &parent);

    if (r == 0) {
        content = admin_content_below(call, admin_id_of(parent));
        r = content ? dao_upsert(call->admin->dao, call->target.entity, call->target.key, content,
                                 &row, &call->error)
                    : -ENOMEM;
    }
    json_decref(content);
    json_decref(parent);
    return r < 0 ? r : admin_answer_json(call, 200, row);
}

static int change_below(struct admin_call *call)
{
    const struct admin_target *target = &call->target;
    json_t *parent = NULL, *before = NULL, *row = NULL, *content = NULL;
    int r = find_both(call, &parent, &before);

    if (r == 0 && !before)
        r = kong_error_plain(&call->error, 404, "Not found");
    if (r == 0) { /* {"service": null} takes it away from its parent */
        content = json_object_get(call->content, target->reference->name)
                      ? json_incref(call->content)
                      : admin_content_below(call, admin_id_of(parent));
        r = content ? dao_update(call->admin->dao, target->entity, admin_id_of(before), content,
                                 &row, &call->error)
                    : -ENOMEM;
    }
    json_decref(content);
    json_decref(before);
    json_decref(parent);
    return r < 0 ? r : admin_answer_json(call, 200, row);
}

static int remove_below(struct admin_call *call)
{
    json_t *parent = NULL, *row = NULL;
    bool was_there = false;
    int r = find_both(call, &parent, &row);

    if (r == 0 && row)
        r = dao_delete(call->admin->dao, call->target.entity, admin_id_of(row), &was_there,
                       &call->error);
    json_decref(row);
    json_decref(parent);
    if (r < 0)
        return r;
    return was_there ? admin_answer_nothing(call, 204) : admin_not_found(call);
}

const struct admin_methods admin_nested_list = { .get = list_below, .post = create_below };
const struct admin_methods admin_nested_one = {
    .get = read_below, .put = replace_below, .patch = change_below, .remove = remove_below
};
