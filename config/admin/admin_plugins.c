/* Plugins: what is there, and what differs when one is changed (kong/api/routes/plugins.lua). */
#include <errno.h>

#include "config/admin/admin_priv.h"

static int replace(struct admin_call *call)
{
    return call->target.parent ? admin_nested_one.put(call) : admin_entity_one.put(call);
}

static int read_one(struct admin_call *call)
{
    return call->target.parent ? admin_nested_one.get(call) : admin_entity_one.get(call);
}

static int remove_one(struct admin_call *call)
{
    return call->target.parent ? admin_nested_one.remove(call) : admin_entity_one.remove(call);
}

/* The row is read first, to know which plugin it is; so its absence is told like this. */
static int change(struct admin_call *call)
{
    json_t *row = NULL;
    int r;

    if (call->target.parent)
        return admin_nested_one.patch(call);
    r = admin_find(call, call->target.entity, call->target.key, &row);
    json_decref(row);
    if (r < 0)
        return r;
    return row ? admin_entity_one.patch(call) : admin_not_found(call);
}

const struct admin_methods admin_plugin_one = {
    .get = read_one, .put = replace, .patch = change, .remove = remove_one
};

int admin_plugins_enabled(struct admin_call *call)
{
    const struct model *model = dao_model(call->admin->dao);
    json_t *names = json_array();

    for (size_t i = 0; names && i < model_plugins_count(model); i++)
        if (json_array_append_new(names, json_string(model_plugin_at(model, i)->name)) < 0) {
            json_decref(names);
            names = NULL;
        }
    return admin_answer_json(call, 200, names ? json_pack("{so}", "enabled_plugins", names) : NULL);
}

/* Only what stands below `config`; Kong calls it deprecated. */
int admin_plugins_schema(struct admin_call *call)
{
    const struct model_plugin *plugin =
        model_plugin(dao_model(call->admin->dao), call->segments[2]);
    json_t *schema, *config = NULL, *field;
    size_t i;

    if (!plugin)
        return admin_answer_message(call, 404, "No plugin named '%s'", call->segments[2]);
    schema = model_plugin_json(plugin);
    json_array_foreach(json_object_get(schema, "fields"), i, field)
    {
        if (json_object_get(field, "config"))
            config = json_incref(json_object_get(field, "config"));
    }
    json_decref(schema);
    return admin_answer_json(call, 200, config);
}
