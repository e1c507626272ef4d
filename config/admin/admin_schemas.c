/* /schemas: the tables themselves, and validation without storing (kong/api/routes/kong.lua). */
#include <errno.h>
#include <time.h>

#include "config/admin/admin_priv.h"
#include "config/model/model_process.h"

static int no_entity(struct admin_call *call)
{
    return admin_answer_message(call, 404, "No entity named '%s'", call->segments[1]);
}

int admin_schema(struct admin_call *call)
{
    const struct model_entity *entity =
        model_entity(dao_model(call->admin->dao), call->segments[1]);

    return entity ? admin_answer_json(call, 200, model_entity_json(entity)) : no_entity(call);
}

int admin_schema_plugin(struct admin_call *call)
{
    const struct model_plugin *plugin =
        model_plugin(dao_model(call->admin->dao), call->segments[2]);

    if (!plugin)
        return admin_answer_message(call, 404, "No plugin named '%s'", call->segments[2]);
    return admin_answer_json(call, 200, model_plugin_json(plugin));
}

/* They are kept and shown; nothing is ever read out of one. */
int admin_schema_vault(struct admin_call *call)
{
    const struct model_entity *vaults = model_entity(dao_model(call->admin->dao), "vaults");

    for (size_t i = 0; i < vaults->subschemas_count; i++)
        if (strcmp(vaults->subschemas[i].key, call->segments[2]) == 0)
            return admin_answer_json(call, 200, model_subschema_json(&vaults->subschemas[i]));
    return admin_answer_message(call, 404, "No vault named '%s'", call->segments[2]);
}

static int validate(struct admin_call *call, const struct model_entity *entity)
{
    const struct model_request request = { .entity = entity,
                                           .operation = MODEL_CHECK,
                                           .input = call->content,
                                           .now_s = (double)time(NULL) };
    json_t *processed = NULL;
    int r = model_process(dao_model(call->admin->dao), &request, &processed, &call->error);

    json_decref(processed);
    return r < 0 ? r : admin_answer_message(call, 200, "schema validation successful");
}

int admin_schema_validate(struct admin_call *call)
{
    const struct model_entity *entity =
        model_entity(dao_model(call->admin->dao), call->segments[1]);

    return entity ? validate(call, entity) : no_entity(call);
}

int admin_schema_validate_plugin(struct admin_call *call)
{
    return validate(call, call->target.entity);
}

int admin_schema_validate_vault(struct admin_call *call)
{
    return validate(call, call->target.entity);
}
