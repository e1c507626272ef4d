/* Certificates are also found by the names that they serve (kong/api/routes/certificates.lua). */
#include <errno.h>

#include "config/admin/admin_priv.h"
#include "config/entity_id.h"
#include "core/utf8.h"

static int find(struct admin_call *call, json_t **ret)
{
    int r = admin_find(call, call->target.entity, call->target.key, ret);

    if (r < 0 || *ret)
        return r;
    if (!entity_id_is_valid(call->target.key))
        return kong_error_plain(&call->error, 404, "SNI not found");
    return kong_error_not_found(&call->error, json_pack("{ss}", "id", call->target.key));
}

static int read_one(struct admin_call *call)
{
    json_t *row = NULL;
    int r = find(call, &row);

    return r < 0 ? r : admin_answer_json(call, 200, row);
}

/* A name that nobody serves yet is one of the new certificate's. */
static int create_for_sni(struct admin_call *call)
{
    json_t *snis = json_object_get(call->content, "snis");
    json_t *content = json_copy(call->content), *list = NULL, *row = NULL, *name;
    size_t i;
    bool is_named = false;
    int r;

    json_array_foreach(snis, i, name)
    {
        const char *text = json_string_value(name);
        is_named |= text && strcmp(text, call->target.key) == 0;
    }
    list = json_is_array(snis) ? json_copy(snis) : json_array();
    r = content && list ? 0 : -ENOMEM;
    if (r == 0 && !is_named)
        r = json_array_append_new(list, json_string(call->target.key));
    if (r == 0)
        r = json_object_set(content, "snis", list);
    r = r < 0 ? -ENOMEM
              : dao_insert(call->admin->dao, call->target.entity, content, &row, &call->error);
    json_decref(list);
    json_decref(content);
    return r < 0 ? r : admin_answer_json(call, 200, row);
}

static int replace(struct admin_call *call)
{
    json_t *before = NULL, *row = NULL;
    int r = admin_find(call, call->target.entity, call->target.key, &before);

    if (r == 0 && !before && !utf8_is_valid(slice_of(call->target.key)))
        return kong_error_invalid_unique(&call->error, "name", "invalid value");
    if (r == 0 && !before && !entity_id_is_valid(call->target.key))
        return create_for_sni(call);
    if (r == 0)
        r = dao_upsert(call->admin->dao, call->target.entity,
                       before ? admin_id_of(before) : call->target.key, call->content, &row,
                       &call->error);
    json_decref(before);
    return r < 0 ? r : admin_answer_json(call, 200, row);
}

static int change(struct admin_call *call)
{
    json_t *before = NULL;
    int r = find(call, &before); /* what is missing has words of its own here */

    json_decref(before);
    return r < 0 ? r : admin_entity_one.patch(call);
}

static int remove_one(struct admin_call *call)
{
    json_t *row = NULL;
    int r = admin_find(call, call->target.entity, call->target.key, &row);
    bool is_unknown_name = !row && !entity_id_is_valid(call->target.key);

    json_decref(row);
    if (r == 0 && is_unknown_name)
        r = kong_error_plain(&call->error, 404, "SNI not found");
    return r < 0 ? r : admin_entity_one.remove(call);
}

const struct admin_methods admin_certificate_one = {
    .get = read_one, .put = replace, .patch = change, .remove = remove_one
};
