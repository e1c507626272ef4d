/* Targets of an upstream, and the health of both (kong/api/routes/upstreams.lua). */
#include <errno.h>

#include "config/admin/admin_priv.h"

/* --- lists --------------------------------------------------------------------------------- */

static int list_of(struct admin_call *call, bool newest_first)
{
    json_t *upstream = NULL;
    int r = admin_find_parent(call, &upstream);

    if (r == 0)
        r = admin_answer_page(call, admin_id_of(upstream), newest_first);
    json_decref(upstream);
    return r;
}

static int list(struct admin_call *call)
{
    return list_of(call, true);
}

/* The path is in the table, so nobody has said yet what it is a path of. */
static void set_target(struct admin_call *call)
{
    const struct model *model = dao_model(call->admin->dao);
    struct admin_target *target = &call->target;

    target->entity = model_entity(model, "targets");
    target->parent = model_entity(model, "upstreams");
    target->parent_key = call->segments[1];
    target->reference = model_field(&target->entity->record, "upstream");
    target->key = call->segments_count > 3 ? call->segments[3] : NULL;
}

int admin_targets_all(struct admin_call *call)
{
    set_target(call);
    return list_of(call, false);
}

/* --- one ----------------------------------------------------------------------------------- */

static int find_target(struct admin_call *call, json_t **upstream, json_t **target)
{
    int r = admin_find_parent(call, upstream);

    if (r == 0)
        r = dao_find_below(call->admin->dao, call->target.entity, "upstream",
                           admin_id_of(*upstream), call->target.key, target, &call->error);
    if (r == 0 && !*target)
        r = kong_error_plain(&call->error, 404, "Not found");
    return r;
}

/* Also PUT: Kong's does not make a target, and leaves alone what the content does not name. */
static int change(struct admin_call *call)
{
    json_t *upstream = NULL, *before = NULL, *row = NULL, *content = NULL;
    int r = find_target(call, &upstream, &before);

    if (r == 0) {
        content = admin_content_below(call, admin_id_of(upstream));
        r = content ? dao_update(call->admin->dao, call->target.entity, admin_id_of(before),
                                 content, &row, &call->error)
                    : -ENOMEM;
    }
    json_decref(content);
    json_decref(before);
    json_decref(upstream);
    return r < 0 ? r : admin_answer_json(call, 200, row);
}

static int read_one(struct admin_call *call)
{
    return admin_nested_one.get(call);
}

static int remove_one(struct admin_call *call)
{
    return admin_nested_one.remove(call);
}

static int create(struct admin_call *call)
{
    return admin_nested_list.post(call);
}

const struct admin_methods admin_targets_list = { .get = list, .post = create };
const struct admin_methods admin_target_one = {
    .get = read_one, .put = change, .patch = change, .remove = remove_one
};

/* --- health -------------------------------------------------------------------------------- */

static bool is_set(const char *flag)
{
    return flag && (strcmp(flag, "1") == 0 || strcmp(flag, "true") == 0);
}

int admin_upstream_health(struct admin_call *call)
{
    const struct admin_host *host = call->admin->host;
    json_t *upstream = NULL, *targets = NULL, *health = NULL;
    int r;

    set_target(call);
    r = admin_find_parent(call, &upstream);
    if (r == 0) {
        targets = admin_all_below(call, call->target.entity, "upstream", admin_id_of(upstream));
        if (targets)
            health = host->upstream_health(host->context, upstream, targets,
                                           is_set(admin_query(call, "balancer_health")));
        r = admin_answer_json(call, 200, health);
    }
    json_decref(targets);
    json_decref(upstream);
    return r;
}

static int set_health(struct admin_call *call, bool is_healthy)
{
    const struct admin_host *host = call->admin->host;
    json_t *upstream = NULL, *target = NULL;
    int r;

    set_target(call);
    r = find_target(call, &upstream, &target);
    if (r == 0)
        r = host->set_target_health(host->context, upstream, target,
                                    call->segments_count == 6 ? call->segments[4] : NULL,
                                    is_healthy);
    if (r == -ENOENT)
        r = kong_error_plain(&call->error, 404, "Not found");
    else if (r == -ENOSYS)
        r = kong_error_plain(&call->error, 400, "no healthchecker found for %s",
                             json_string_value(json_object_get(upstream, "name")));
    json_decref(target);
    json_decref(upstream);
    return r < 0 ? r : admin_answer_nothing(call, 204);
}

int admin_target_healthy(struct admin_call *call)
{
    return set_health(call, true);
}

int admin_target_unhealthy(struct admin_call *call)
{
    return set_health(call, false);
}
