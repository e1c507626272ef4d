/*
 * The Admin API as an OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.0), made of the tables:
 * what validates a request also describes it.
 */
#include <errno.h>

#include "config/admin/admin_priv.h"

static json_t *schema_of_record(const struct model_record *record);

/* --- JSON Schema of a field (draft 2020-12, as OpenAPI 3.1 has it) --------------------------- */

static const char *json_type_name(enum model_type type)
{
    switch (type) {
    case MODEL_STRING:
        return "string";
    case MODEL_INTEGER:
        return "integer";
    case MODEL_NUMBER:
        return "number";
    case MODEL_BOOLEAN:
        return "boolean";
    case MODEL_ARRAY:
    case MODEL_SET:
        return "array";
    case MODEL_MAP:
    case MODEL_RECORD:
    case MODEL_FOREIGN:
        return "object";
    case MODEL_JSON:
        break;
    }
    return NULL;
}

/* The limits that both languages have words for. */
static int add_limits(json_t *schema, const struct model_field *field)
{
    static const struct {
        const char *kong, *string, *array, *number;
    } words[] = {
        { "one_of", "enum", NULL, "enum" },
        { "len_min", "minLength", "minItems", NULL },
        { "len_max", "maxLength", "maxItems", NULL },
        { "gt", NULL, NULL, "exclusiveMinimum" },
        { "description", "description", "description", "description" },
    };
    const json_t *between = json_object_get(field->definition, "between");
    bool is_array = field->type == MODEL_ARRAY || field->type == MODEL_SET;
    bool is_string = field->type == MODEL_STRING;
    int r = 0;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        json_t *value = json_object_get(field->definition, words[i].kong);
        const char *word = is_array    ? words[i].array
                           : is_string ? words[i].string
                                       : words[i].number;
        if (value && word)
            r |= json_object_set(schema, word, value);
    }
    if (between && json_is_number(json_array_get(between, 1))) {
        r |= json_object_set(schema, "minimum", json_array_get(between, 0));
        r |= json_object_set(schema, "maximum", json_array_get(between, 1));
    }
    return r;
}

static json_t *schema_of_field(const struct model_field *field, bool may_be_null);

static json_t *foreign_schema(void)
{
    return json_pack("{s{s{s[ss],ss}}}", "properties", "id", "type", "string", "null", "format",
                     "uuid");
}

static json_t *schema_of_type(const struct model_field *field)
{
    switch (field->type) {
    case MODEL_ARRAY:
        return json_pack("{so}", "items", schema_of_field(field->elements, true));
    case MODEL_SET:
        return json_pack("{so,sb}", "items", schema_of_field(field->elements, true), "uniqueItems",
                         1);
    case MODEL_MAP:
        return json_pack("{so}", "additionalProperties", schema_of_field(field->values, true));
    case MODEL_RECORD:
        return schema_of_record(field->record);
    case MODEL_FOREIGN:
        return foreign_schema();
    default:
        return json_object();
    }
}

/* NULL: no memory, as all here. */
static json_t *schema_of_field(const struct model_field *field, bool may_be_null)
{
    const char *type = field ? json_type_name(field->type) : NULL;
    json_t *schema = field ? schema_of_type(field) : json_object();
    json_t *values;
    int r = schema ? 0 : -1;

    if (r == 0 && type)
        r = json_object_set_new(schema, "type",
                                may_be_null ? json_pack("[ss]", type, "null") : json_string(type));
    if (r == 0 && field)
        r = add_limits(schema, field);
    values = json_object_get(schema, "enum");
    if (r == 0 && values && may_be_null) { /* what may be null says so there, too */
        json_t *with_null = json_copy(values);
        r = json_array_append_new(with_null, json_null()) |
            json_object_set_new(schema, "enum", with_null);
    }
    if (r == 0 && field && field->flags & MODEL_UUID)
        r = json_object_set_new(schema, "format", json_string("uuid"));
    if (r == 0 && field && field->default_value && !json_is_null(field->default_value))
        r = json_object_set_new(schema, "default", json_deep_copy(field->default_value));
    if (r == 0)
        return schema;
    json_decref(schema);
    return NULL;
}

/* NULL is a record whose fields another field decides: a plugin's config. */
static json_t *schema_of_record(const struct model_record *record)
{
    json_t *properties = json_object();
    int r = properties ? 0 : -1;

    if (!record)
        return json_pack("{so}", "properties", properties);

    for (size_t i = 0; r == 0 && i < record->fields_count; i++) {
        const struct model_field *field = &record->fields[i];
        bool may_be_null = !(field->flags & MODEL_REQUIRED) || field->flags & MODEL_PSEUDO;

        r = json_object_set_new(properties, field->name, schema_of_field(field, may_be_null));
    }
    if (r == 0)
        return json_pack("{so}", "properties", properties);
    json_decref(properties);
    return NULL;
}

/* --- components ---------------------------------------------------------------------------- */

static json_t *error_schema(void)
{
    return json_pack("{ss,s[s],s{s{ss},s{ss},s{ss},s{ss}}}", "type", "object", "required",
                     "message", "properties", "message", "type", "string", "name", "type", "string",
                     "code", "type", "integer", "fields", "type", "object");
}

static json_t *components(const struct model *model)
{
    json_t *schemas = json_object();
    int r = schemas ? json_object_set_new(schemas, "error", error_schema()) : -1;

    for (size_t i = 0; r == 0 && i < model_entities_count(model); i++) {
        const struct model_entity *entity = model_entity_at(model, i);
        json_t *schema = schema_of_record(&entity->record);

        if (schema && json_object_set_new(schema, "type", json_string("object")) == 0)
            r = json_object_set_new(schemas, entity->name, schema);
        else
            r = -1;
    }
    if (r == 0)
        return json_pack("{so}", "schemas", schemas);
    json_decref(schemas);
    return NULL;
}

/* --- paths --------------------------------------------------------------------------------- */

static json_t *reference(const char *name)
{
    return json_pack("{so}", "$ref", json_sprintf("#/components/schemas/%s", name));
}

static json_t *json_content(json_t *schema)
{
    return json_pack("{s{so}}", "application/json", "schema", schema);
}

static json_t *page_schema(const char *name)
{
    return json_pack("{ss,s[s],s{s{ss,so},s{s[ss]},s{ss}}}", "type", "object", "required", "data",
                     "properties", "data", "type", "array", "items", reference(name), "next",
                     "type", "string", "null", "offset", "type", "string");
}

static json_t *success(const struct admin_target *target, enum admin_method method)
{
    const struct model_entity *entity = target->entity;
    json_t *schema;

    if (method == ADMIN_DELETE)
        return json_pack("{ss}", "description", "it is gone, or was not there");
    if (!entity)
        return json_pack("{ss}", "description", "see Kong's documentation");
    schema =
        method == ADMIN_GET && !target->key ? page_schema(entity->name) : reference(entity->name);
    return json_pack("{ss,so}", "description", "as it is now", "content", json_content(schema));
}

static const char *success_code(const struct admin_target *target, enum admin_method method)
{
    if (method == ADMIN_DELETE)
        return "204";
    return method == ADMIN_POST && target->entity ? "201" : "200";
}

static json_t *responses(const struct admin_target *target, enum admin_method method)
{
    json_t *failure = json_pack("{ss,so}", "description", "what is wrong, in Kong's words",
                                "content", json_content(reference("error")));

    return json_pack("{so,so}", success_code(target, method), success(target, method), "default",
                     failure);
}

static json_t *query_parameter(const char *name, const char *type, const char *description)
{
    return json_pack("{ss,ss,ss,s{ss}}", "name", name, "in", "query", "description", description,
                     "schema", "type", type);
}

static json_t *page_parameters(void)
{
    return json_pack("[o,o,o]", query_parameter("size", "integer", "1 to 1000; 100 without it"),
                     query_parameter("offset", "string", "from the page before"),
                     query_parameter("tags", "string", "a,b: both; a/b: either"));
}

static bool has_content(enum admin_method method)
{
    return method == ADMIN_POST || method == ADMIN_PUT || method == ADMIN_PATCH;
}

static json_t *operation(const struct admin_target *target, enum admin_method method)
{
    json_t *json = json_pack("{so}", "responses", responses(target, method));
    int r = json ? 0 : -1;

    if (r == 0 && target->entity && method == ADMIN_GET && !target->key)
        r = json_object_set_new(json, "parameters", page_parameters());
    if (r == 0 && target->entity && has_content(method))
        r = json_object_set_new(
            json, "requestBody",
            json_pack("{so}", "content", json_content(reference(target->entity->name))));
    if (r == 0 && target->entity)
        r = json_object_set_new(json, "tags", json_pack("[s]", target->entity->name));
    if (r == 0)
        return json;
    json_decref(json);
    return NULL;
}

/* Of the names in braces. */
static json_t *path_parameters(const char *path)
{
    json_t *list = json_array();
    const char *at = path;
    int r = list ? 0 : -1;

    while (r == 0 && (at = strchr(at, '{'))) {
        size_t length = strcspn(++at, "}");
        r = json_array_append_new(list,
                                  json_pack("{ss%,ss,sb,s{ss}}", "name", at, length, "in", "path",
                                            "required", 1, "schema", "type", "string"));
    }
    if (r == 0)
        return list;
    json_decref(list);
    return NULL;
}

static int add_path(void *context, const char *path, const struct admin_target *target)
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

    if (r == 0 && strchr(path, '{'))
        r = json_object_set_new(item, "parameters", path_parameters(path));
    for (size_t i = 0; r == 0 && i < sizeof(methods) / sizeof(methods[0]); i++)
        if (methods[i].handler)
            r = json_object_set_new(item, methods[i].name, operation(target, methods[i].method));
    if (r == 0)
        return json_object_set_new(context, path, item) < 0 ? -ENOMEM : 0;
    json_decref(item);
    return -ENOMEM;
}

int admin_openapi(struct admin_call *call)
{
    const struct model *model = dao_model(call->admin->dao);
    json_t *paths = json_object();
    int r = paths ? admin_visit_paths(model, add_path, paths) : -ENOMEM;

    if (r < 0) {
        json_decref(paths);
        return r;
    }
    return admin_answer_json(call, 200,
                             json_pack("{ss,s{ss,ss,s{ss,ss}},so,so}", "openapi", "3.1.0", "info",
                                       "title", "hopgate Admin API", "version", HOPGATE_VERSION,
                                       "license", "name", "Apache-2.0", "identifier", "Apache-2.0",
                                       "paths", paths, "components", components(model)));
}
