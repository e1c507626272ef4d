/* Consumers by custom_id, and their groups by name (kong/api/routes/consumers.lua,
 * kong/plugins/acl/api.lua). */
#include <errno.h>

#include "config/admin/admin_priv.h"
#include "config/entity_id.h"

static int list(struct admin_call *call)
{
    json_t *value = json_object_get(call->query, "custom_id"), *row, *data;
    const char *custom_id = json_string_value(value);

    if (!value)
        return admin_entity_list.get(call);
    if (!custom_id || !*custom_id)
        return admin_answer_message(call, 400, "custom_id must be an unempty string");
    row = dao_by_unique(call->admin->dao, call->target.entity, "custom_id", custom_id);
    data = row ? json_pack("[o]", row) : json_array();
    return admin_answer_json(call, 200, json_pack("{so,sn}", "data", data, "next"));
}

static int create(struct admin_call *call)
{
    return admin_entity_list.post(call);
}

const struct admin_methods admin_consumers_list = { .get = list, .post = create };

/* --- groups -------------------------------------------------------------------------------- */

/* Kong's is made by its proxy's code, in the proxy's shape: kong.response.error(404). */
static int group_not_found(struct admin_call *call)
{
    struct slice id = call->request->request_id;
    json_t *json =
        json_pack("{ss,ss%}", "message", "Not found", "request_id", id.ptr ? id.ptr : "", id.len);
    char *text = json ? json_dumps(json, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : NULL;

    json_decref(json);
    return admin_answer_text(call, 404, "application/json; charset=utf-8", text);
}

/* `handler` for what is there, else Kong's 404. */
static int of_group(struct admin_call *call, admin_handler *handler)
{
    const struct admin_target *target = &call->target;
    json_t *consumer = NULL, *group = NULL;
    int r;

    if (entity_id_is_valid(target->key))
        return handler(call);
    r = admin_find_parent(call, &consumer);
    if (r == 0)
        r = dao_find_below(call->admin->dao, target->entity, target->reference->name,
                           admin_id_of(consumer), target->key, &group, &call->error);
    json_decref(consumer);
    json_decref(group);
    if (r < 0)
        return r;
    return group ? handler(call) : group_not_found(call);
}

static int read_group(struct admin_call *call)
{
    return of_group(call, admin_nested_one.get);
}

static int change_group(struct admin_call *call)
{
    return of_group(call, admin_nested_one.patch);
}

static int remove_group(struct admin_call *call)
{
    return of_group(call, admin_nested_one.remove);
}

/* The group's name is the path's. */
static int replace_group(struct admin_call *call)
{
    const struct admin_target *target = &call->target;
    json_t *consumer = NULL, *before = NULL, *content = NULL, *row = NULL;
    int r;

    if (entity_id_is_valid(target->key))
        return admin_nested_one.put(call);
    r = admin_find_parent(call, &consumer);
    if (r == 0)
        r = dao_find_below(call->admin->dao, target->entity, target->reference->name,
                           admin_id_of(consumer), target->key, &before, &call->error);
    if (r == 0) {
        content = admin_content_below(call, admin_id_of(consumer));
        r = content && json_object_set_new(content, "group", json_string(target->key)) == 0
                ? 0
                : -ENOMEM;
    }
    if (r == 0)
        r = before ? dao_upsert(call->admin->dao, target->entity, admin_id_of(before), content,
                                &row, &call->error)
                   : dao_insert(call->admin->dao, target->entity, content, &row, &call->error);
    json_decref(content);
    json_decref(before);
    json_decref(consumer);
    return r < 0 ? r : admin_answer_json(call, 200, row);
}

const struct admin_methods admin_acls_one = {
    .get = read_group, .put = replace_group, .patch = change_group, .remove = remove_group
};
