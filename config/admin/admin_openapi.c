/*
 * The Admin API as an OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.0), made of the tables:
 * what validates a request also describes it. What no table has stands in openapi.json.
 */
#include <ctype.h>
#include <errno.h>

#include "config/admin/admin_openapi_priv.h"

/* --- what every operation has -------------------------------------------------------------- */

static bool has_content(const char *method)
{
    return strcmp(method, "post") == 0 || strcmp(method, "put") == 0 ||
           strcmp(method, "patch") == 0;
}

/* What can happen to any request, before it gets to its operation or behind it. */
static int add_common_responses(json_t *responses, const char *method)
{
    static const struct {
        const char *status, *name;
        bool only_content;
    } common[] = { { "401", "Unauthorized", false },
                   { "403", "Forbidden", false },
                   { "413", "TooLarge", true },
                   { "500", "Failed", false },
                   { "503", "Busy", false } };
    int r = 0;

    for (size_t i = 0; r == 0 && i < sizeof(common) / sizeof(common[0]); i++)
        if ((!common[i].only_content || has_content(method)) &&
            !json_object_get(responses, common[i].status))
            r = json_object_set_new(responses, common[i].status,
                                    admin_openapi_reference("responses", common[i].name));
    return r;
}

/* "get-services-services-routes" of /services/{services}/routes. */
static json_t *operation_id(const char *method, const char *path)
{
    char id[256];
    size_t length = (size_t)snprintf(id, sizeof(id), "%s", method);

    for (const char *at = path; *at && length + 1 < sizeof(id); at++) {
        if (isalnum((unsigned char)*at) || *at == '_')
            id[length++] = *at;
        else if (id[length - 1] != '-')
            id[length++] = '-';
    }
    while (length > 0 && id[length - 1] == '-')
        length--;
    return json_stringn(id, length);
}

static int finish_operation(json_t *operation, const char *method, const char *path)
{
    int r = add_common_responses(json_object_get(operation, "responses"), method);

    if (r == 0)
        r = json_object_set_new(operation, "operationId", operation_id(method, path));
    if (r == 0 && !json_object_get(operation, "tags"))
        r = json_object_set_new(operation, "tags", json_pack("[s]", "node"));
    return r;
}

/* HEAD wherever GET is, OPTIONS everywhere. */
static int add_methods_of_all(json_t *item, const char *path)
{
    json_t *get = json_object_get(item, "get"), *head;
    json_t *options = json_pack("{ss,so,s{so}}", "summary", "the methods of this path",
                                "operationId", operation_id("options", path), "responses", "204",
                                admin_openapi_reference("responses", "Options"));
    int r = json_object_set_new(item, "options", options);

    if (r < 0 || finish_operation(options, "options", path) < 0)
        return -1;
    if (!get)
        return 0;
    head = json_pack("{ss,so,s{so}}", "summary", "the fields of the answer to GET", "operationId",
                     operation_id("head", path), "responses", "default",
                     admin_openapi_reference("responses", "Head"));
    if (head && json_object_get(get, "parameters"))
        r = json_object_set(head, "parameters", json_object_get(get, "parameters"));
    if (head && json_object_set(head, "tags", json_object_get(get, "tags")) < 0)
        r = -1;
    return r | json_object_set_new(item, "head", head);
}

/* --- paths --------------------------------------------------------------------------------- */

/* Of the names in braces. */
static json_t *path_parameters(const char *path)
{
    json_t *list = json_array();
    const char *at = path;
    int r = list ? 0 : -1;

    while (r == 0 && (at = strchr(at, '{'))) {
        size_t length = strcspn(++at, "}");
        r = json_array_append_new(list, json_pack("{ss%,ss,sb,s{ss,si}}", "name", at, length, "in",
                                                  "path", "required", 1, "schema", "type", "string",
                                                  "minLength", 1));
    }
    if (r == 0)
        return list;
    json_decref(list);
    return NULL;
}

static int finish_path(json_t *item, const char *path)
{
    const char *method;
    json_t *operation;

    json_object_foreach(item, method, operation)
    {
        if (finish_operation(operation, method, path) < 0)
            return -1;
    }
    if (add_methods_of_all(item, path) < 0)
        return -1;
    return strchr(path, '{') ? json_object_set_new(item, "parameters", path_parameters(path)) : 0;
}

/* context: the document's paths, in which those of openapi.json stand already. */
static int add_path(void *context, const char *path, const struct admin_target *target)
{
    json_t *item = json_object_get(context, path);

    if (!item) {
        item = admin_openapi_operations(target);
        if (json_object_set_new(context, path, item) < 0)
            return -ENOMEM;
    }
    return finish_path(item, path) < 0 ? -ENOMEM : 0;
}

/* --- the document -------------------------------------------------------------------------- */

static int add_tags(json_t *tags, const struct model *model)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < model_entities_count(model); i++) {
        const struct model_entity *entity = model_entity_at(model, i);
        json_t *description = json_object_get(entity->record.definition, "description");

        r = json_array_append_new(
            tags, json_pack("{ss,sO*}", "name", entity->name, "description", description));
    }
    return r;
}

static json_t *document(const struct model *model)
{
    json_t *all = json_loadb((const char *)admin_openapi_builtins[0].text,
                             admin_openapi_builtins[0].length, JSON_REJECT_DUPLICATES, NULL);
    json_t *components = json_object_get(all, "components");
    int r = all ? json_object_set_new(json_object_get(all, "info"), "version",
                                      json_string(HOPGATE_VERSION))
                : -1;

    if (r == 0)
        r = admin_openapi_add_schemas(json_object_get(components, "schemas"), model) |
            add_tags(json_object_get(all, "tags"), model) |
            admin_visit_paths(model, add_path, json_object_get(all, "paths"));
    if (r == 0)
        return all;
    json_decref(all);
    return NULL;
}

int admin_openapi(struct admin_call *call)
{
    return admin_answer_json(call, 200, document(dao_model(call->admin->dao)));
}
