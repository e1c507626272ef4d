/* Content by its type (kong/api/api_helpers.lua: parse_params and the gate before it). */
#include <errno.h>

#include "config/admin/admin_priv.h"
#include "config/admin/form.h"
#include "config/document.h"

enum { JSON_DEPTH_MAX = 100, ENTITY_VALUES_MAX = 100 * 1000 };

static const struct slice type_json = { "application/json", 16 };
static const struct slice type_multipart = { "multipart/form-data", 19 };
static const struct slice type_form = { "application/x-www-form-urlencoded", 33 };

static bool is_config(const struct admin_call *call)
{
    return call->target.methods->post == admin_config_post;
}

static bool has_type(const struct admin_call *call, struct slice type)
{
    return slice_starts_with(call->request->content_type, type);
}

int admin_check_content_type(struct admin_call *call)
{
    const struct admin_request *request = call->request;

    if (request->content_types > 1)
        return kong_error_plain(&call->error, 400, "Multiple Content-Type headers not allowed");
    if (!request->content_type.ptr)
        return request->has_content ? kong_error_plain(&call->error, 415, "Unsupported Media Type")
                                    : 0;
    if (has_type(call, type_json) || has_type(call, type_multipart) || has_type(call, type_form))
        return 0;
    if (is_config(call) &&
        (has_type(call, SLICE("application/yaml")) || has_type(call, SLICE("text/yaml"))))
        return 0;
    return kong_error_plain(&call->error, 415, "Unsupported Media Type");
}

/* Deeper than anything that an entity has, or more values than any has, is refused before it costs
 * anything: each wrong value has a message. */
static bool is_too_much(struct slice text, size_t values_max)
{
    size_t depth = 0, values = 1;
    bool in_string = false;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > JSON_DEPTH_MAX)
                return true;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        } else if (c == ',' && ++values > values_max) {
            return true;
        }
    }
    return false;
}

static int read_json(struct admin_call *call)
{
    struct slice text = call->request->content;

    if (text.len > 0 &&
        !is_too_much(text, is_config(call) ? DOCUMENT_NODES_MAX : ENTITY_VALUES_MAX))
        call->content = json_loadb(text.ptr, text.len, 0, NULL);
    if (json_is_object(call->content))
        return 0;
    if (json_is_array(call->content)) { /* a list has no field names: as an empty object */
        json_decref(call->content);
        call->content = json_object();
        return call->content ? 0 : -ENOMEM;
    }
    return kong_error_plain(&call->error, 400, "Cannot parse JSON body");
}

/* --- forms --------------------------------------------------------------------------------- */

/* The plugin that the form names, or the one that the path's row is of. */
static const struct model_plugin *plugin_of(struct admin_call *call)
{
    const struct model *model = dao_model(call->admin->dao);
    const char *name = json_string_value(json_object_get(call->content, "name"));
    struct kong_error ignored = { 0 };
    const struct model_plugin *plugin;
    json_t *row = NULL;

    if (!name && call->target.key) {
        (void)dao_find(call->admin->dao, call->target.entity, call->target.key, &row, &ignored);
        name = json_string_value(json_object_get(row, "name"));
    }
    plugin = name ? model_plugin(model, name) : NULL;
    json_decref(row);
    kong_error_done(&ignored);
    return plugin;
}

static int infer(struct admin_call *call, const struct model_entity *entity)
{
    const struct model_plugin *plugin =
        entity->subschema_key && strcmp(entity->name, "plugins") == 0 ? plugin_of(call) : NULL;

    return form_infer(call->content, dao_model(call->admin->dao), &entity->record,
                      plugin ? plugin->config : NULL);
}

/* No field of the table: Kong takes it out of any content with tonumber (kong/api/endpoints.lua). */
static int read_time_to_live(struct admin_call *call, const struct model_entity *entity)
{
    json_t *value = entity && entity->has_ttl ? json_object_get(call->content, "ttl") : NULL;

    return value && json_object_set_new(call->content, "ttl", form_number(value)) < 0 ? -ENOMEM : 0;
}

static int read_any(struct admin_call *call, const struct model_entity *entity)
{
    const struct admin_request *request = call->request;
    int r;

    if (has_type(call, type_json))
        return read_json(call);
    if (has_type(call, type_form))
        r = form_read_urlencoded(request->content, &call->content, &call->error);
    else if (has_type(call, type_multipart))
        r = form_read_multipart(request->content, request->content_type, &call->content,
                                &call->error);
    else
        r = (call->content = json_object()) ? 0 : -ENOMEM;
    return r == 0 && entity ? infer(call, entity) : r;
}

int admin_read_content(struct admin_call *call, const struct model_entity *entity)
{
    int r = read_any(call, entity);

    return r < 0 ? r : read_time_to_live(call, entity);
}
