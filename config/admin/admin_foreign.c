/*
 * The entity that another one refers to, seen from there: /routes/{r}/service.
 *
 * target.parent is the entity in front (the route), target.entity what it refers to (the service).
 */
#include <errno.h>

#include "config/admin/admin_priv.h"

/* The id of what is referred to; ret_id "" when the reference is null. */
static int find_reference(struct admin_call *call, json_t **child, const char **ret_id)
{
    int r = admin_find_parent(call, child);
    const char *id =
        r < 0 ? NULL : admin_id_of(json_object_get(*child, call->target.reference->name));

    *ret_id = id ? id : "";
    return r;
}

static int view(struct admin_call *call)
{
    json_t *child = NULL, *row = NULL;
    const char *id;
    int r = find_reference(call, &child, &id);

    if (r == 0)
        row = dao_by_id(call->admin->dao, call->target.entity, id);
    json_decref(child);
    if (r < 0)
        return r;
    return row ? admin_answer_json(call, 200, row) : admin_not_found(call);
}

/* A new one, to which the child refers from now on. Its id is made here, whatever the content says. */
static int create_and_link(struct admin_call *call, const json_t *child, json_t **ret)
{
    json_t *link, *linked = NULL;
    int r;

    (void)json_object_del(call->content, "id"); /* if it is there */
    r = dao_insert(call->admin->dao, call->target.entity, call->content, ret, &call->error);
    if (r < 0)
        return r;
    link = json_pack("{s{ss}}", call->target.reference->name, "id", admin_id_of(*ret));
    r = link ? dao_update(call->admin->dao, call->target.parent, admin_id_of(child), link, &linked,
                          &call->error)
             : -ENOMEM;
    json_decref(link);
    json_decref(linked);
    return r;
}

static int replace(struct admin_call *call)
{
    json_t *child = NULL, *row = NULL;
    const char *id;
    int r = find_reference(call, &child, &id);

    if (r == 0)
        r = *id ? dao_upsert(call->admin->dao, call->target.entity, id, call->content, &row,
                             &call->error)
                : create_and_link(call, child, &row);
    json_decref(child);
    if (r == 0)
        return admin_answer_json(call, 200, row);
    json_decref(row);
    return r;
}

static int change(struct admin_call *call)
{
    json_t *child = NULL, *row = NULL;
    const char *id;
    int r = find_reference(call, &child, &id);

    if (r == 0 && !*id)
        r = kong_error_plain(&call->error, 404, "Not found");
    if (r == 0)
        r = dao_update(call->admin->dao, call->target.entity, id, call->content, &row,
                       &call->error);
    json_decref(child);
    return r < 0 ? r : admin_answer_json(call, 200, row);
}

/* Never done: it may be others' as well. */
static int refuse_removal(struct admin_call *call)
{
    json_t *child = NULL;
    const char *id;
    int r = find_reference(call, &child, &id);
    bool is_set = r == 0 && *id;

    json_decref(child);
    if (r < 0)
        return r;
    return is_set ? admin_answer_message(call, 405, "Method not allowed") : admin_not_found(call);
}

const struct admin_methods admin_foreign_view = {
    .get = view, .put = replace, .patch = change, .remove = refuse_removal
};
