/* The operations of paths that entities make: what goes in, what comes out, and how it may fail. */
#include "config/admin/admin_openapi_priv.h"

enum { NAME_MAX_BYTES = 128 };

static bool has_content(enum admin_method method)
{
    return method == ADMIN_POST || method == ADMIN_PUT || method == ADMIN_PATCH;
}

static bool is_list(const struct admin_target *target)
{
    return !target->key;
}

/* /routes/{r}/service: parent is the child, entity what it refers to. */
static bool is_view(const struct admin_target *target)
{
    return target->methods == &admin_foreign_view;
}

static json_t *schema_reference(const struct admin_target *target, const char *form)
{
    char name[NAME_MAX_BYTES];

    (void)snprintf(name, sizeof(name), "%s%s", target->entity->name, form);
    return admin_openapi_reference("schemas", name);
}

/* --- words --------------------------------------------------------------------------------- */

static json_t *summary(const struct admin_target *target, enum admin_method method)
{
    static const char *const words[] = { [ADMIN_GET] = "one of the",
                                         [ADMIN_POST] = "one more of the",
                                         [ADMIN_PUT] = "replace or make one of the",
                                         [ADMIN_PATCH] = "change one of the",
                                         [ADMIN_DELETE] = "remove one of the" };
    const char *name = target->entity->name;

    if (is_view(target))
        return json_sprintf("%s %s that one of the %s refers to",
                            method == ADMIN_GET ? "the" : words[method], name,
                            target->parent->name);
    if (is_list(target) && method == ADMIN_GET)
        return json_sprintf("a page of %s%s%s", name, target->parent ? " of one of the " : "",
                            target->parent ? target->parent->name : "");
    return json_sprintf("%s %s%s%s", words[method], name, target->parent ? " of one of the " : "",
                        target->parent ? target->parent->name : "");
}

/* --- what comes in ------------------------------------------------------------------------- */

/* In a path is what else would be needed: the entity's own key, or the parent. */
static bool is_key_needed(const struct model_entity *entity)
{
    const struct model_field *key =
        entity->endpoint_key ? model_field(&entity->record, entity->endpoint_key) : NULL;

    return key && admin_openapi_is_needed(key);
}

static const char *form_of(const struct admin_target *target, enum admin_method method)
{
    bool is_chosen = target->entity->subschema_key && !target->entity->subschemas;

    if (method == ADMIN_PATCH)
        return ".change";
    if (is_chosen) /* a plugin's name is always needed */
        return ".input";
    if (target->parent && !is_view(target))
        return ".change";
    return method == ADMIN_PUT && is_key_needed(target->entity) ? ".change" : ".input";
}

/* A form names what is inside of a record: config[minute]=5 (or config.minute=5). */
static json_t *form_encoding(const struct model_entity *entity)
{
    json_t *encoding = json_object();

    for (size_t i = 0; encoding && i < entity->record.fields_count; i++) {
        const struct model_field *field = &entity->record.fields[i];
        if (field->type != MODEL_RECORD && field->type != MODEL_MAP && field->type != MODEL_FOREIGN)
            continue;
        if (json_object_set_new(encoding, field->name,
                                json_pack("{ss,sb}", "style", "deepObject", "explode", 1)) < 0) {
            json_decref(encoding);
            encoding = NULL;
        }
    }
    return encoding;
}

static json_t *request_body(const struct admin_target *target, enum admin_method method)
{
    const char *form = form_of(target, method);

    return json_pack("{s{s{so},s{so,so},s{so}}}", "content", "application/json", "schema",
                     schema_reference(target, form), "application/x-www-form-urlencoded", "schema",
                     schema_reference(target, form), "encoding", form_encoding(target->entity),
                     "multipart/form-data", "schema", schema_reference(target, form));
}

static json_t *parameters(const struct admin_target *target)
{
    static const char *const names[] = { "size", "offset", "tags" };
    json_t *list = json_array();
    int r = list ? 0 : -1;

    for (size_t i = 0; r == 0 && i < sizeof(names) / sizeof(names[0]); i++)
        r = json_array_append_new(list, admin_openapi_reference("parameters", names[i]));
    if (r == 0 && target->methods == &admin_consumers_list)
        r = json_array_append_new(list, admin_openapi_reference("parameters", "custom_id"));
    if (r == 0)
        return list;
    json_decref(list);
    return NULL;
}

/* --- what comes out ------------------------------------------------------------------------ */

static json_t *success(const struct admin_target *target, enum admin_method method)
{
    bool is_page = is_list(target) && method == ADMIN_GET;

    return json_pack("{ss,s{s{so}}}", "description", is_page ? "a page" : "as it is now", "content",
                     "application/json", "schema",
                     schema_reference(target, is_page ? ".page" : ""));
}

static int refer(json_t *responses, const char *status, const char *name)
{
    return json_object_set_new(responses, status, admin_openapi_reference("responses", name));
}

static bool may_be_missing(const struct admin_target *target, enum admin_method method)
{
    if (target->parent) /* the parent, or what is not below it */
        return true;
    if (is_list(target) || method == ADMIN_POST)
        return false;
    return method != ADMIN_PUT;
}

static json_t *responses(const struct admin_target *target, enum admin_method method)
{
    json_t *all = json_object();
    bool never_succeeds = is_view(target) && method == ADMIN_DELETE;
    int r = all ? refer(all, "400", "Refused") : -1;

    if (r == 0 && method == ADMIN_DELETE)
        r = never_succeeds ? 0 : refer(all, "204", "Gone");
    else if (r == 0)
        r = json_object_set_new(all, method == ADMIN_POST ? "201" : "200", success(target, method));
    if (r == 0 && may_be_missing(target, method))
        r = refer(all, "404", "NotFound");
    if (r == 0 && method != ADMIN_GET)
        r = refer(all, "405", "NotAllowed");
    if (r == 0 && method != ADMIN_GET && !never_succeeds)
        r = refer(all, "202", "Stored") | refer(all, "500", "StoreFailed") |
            refer(all, "503", "StoreLocked");
    if (r == 0 && has_content(method))
        r = refer(all, "409", "Conflict") | refer(all, "415", "UnsupportedMediaType");
    if (r == 0)
        return all;
    json_decref(all);
    return NULL;
}

/* --- operations ---------------------------------------------------------------------------- */

static json_t *operation(const struct admin_target *target, enum admin_method method)
{
    json_t *json = json_pack("{so,so,s[s]}", "summary", summary(target, method), "responses",
                             responses(target, method), "tags", target->entity->name);
    int r = json ? 0 : -1;

    if (r == 0 && is_list(target) && method == ADMIN_GET)
        r = json_object_set_new(json, "parameters", parameters(target));
    if (r == 0 && has_content(method))
        r = json_object_set_new(json, "requestBody", request_body(target, method));
    if (r == 0)
        return json;
    json_decref(json);
    return NULL;
}

/* A path that neither the tables nor openapi.json tell more about. */
static json_t *plain_operation(enum admin_method method)
{
    return json_pack("{s{s{ss},so}}", "responses", method == ADMIN_DELETE ? "204" : "200",
                     "description", "done", "400", admin_openapi_reference("responses", "Refused"));
}

json_t *admin_openapi_operations(const struct admin_target *target)
{
    const struct {
        const char *name;
        enum admin_method method;
        admin_handler *handler;
    } methods[] = {
        { "get", ADMIN_GET, target->methods->get },
        { "post", ADMIN_POST, target->methods->post },
        { "put", ADMIN_PUT, target->methods->put },
        { "patch", ADMIN_PATCH, target->methods->patch },
        { "delete", ADMIN_DELETE, target->methods->remove },
    };
    json_t *item = json_object();
    int r = item ? 0 : -1;

    for (size_t i = 0; r == 0 && i < sizeof(methods) / sizeof(methods[0]); i++)
        if (methods[i].handler)
            r = json_object_set_new(item, methods[i].name,
                                    target->entity ? operation(target, methods[i].method)
                                                   : plain_operation(methods[i].method));
    if (r == 0)
        return item;
    json_decref(item);
    return NULL;
}
