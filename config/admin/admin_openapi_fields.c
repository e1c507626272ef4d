/* Records and their fields as JSON Schema (draft 2020-12, as OpenAPI 3.1 has it). */
#include "config/admin/admin_openapi_priv.h"

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

json_t *admin_openapi_reference(const char *kind, const char *name)
{
    return json_pack("{so}", "$ref", json_sprintf("#/components/%s/%s", kind, name));
}

bool admin_openapi_is_needed(const struct model_field *field)
{
    return field->flags & MODEL_REQUIRED && !(field->flags & (MODEL_AUTO | MODEL_HAS_DEFAULT)) &&
           !field->record;
}

/* --- limits -------------------------------------------------------------------------------- */

static int copy(json_t *schema, const char *word, const json_t *definition, const char *kong)
{
    json_t *value = json_object_get(definition, kong);

    return value ? json_object_set(schema, word, value) : 0;
}

static int add_number_limits(json_t *schema, const json_t *definition)
{
    const json_t *between = json_object_get(definition, "between");
    int r = copy(schema, "exclusiveMinimum", definition, "gt");

    if (between)
        r |= json_object_set(schema, "minimum", json_array_get(between, 0)) |
             json_object_set(schema, "maximum", json_array_get(between, 1));
    return r;
}

/* A text is not empty unless the table says that it may be. */
static int add_text_limits(json_t *schema, const struct model_field *field)
{
    const char *begin = json_string_value(json_object_get(field->definition, "starts_with"));
    int r = copy(schema, "minLength", field->definition, "len_min") |
            copy(schema, "maxLength", field->definition, "len_max");

    if (!json_object_get(field->definition, "len_min"))
        r |= json_object_set_new(schema, "minLength", json_integer(1));
    if (begin && *begin == '/')
        r |= json_object_set_new(schema, "pattern", json_string("^/"));
    if (field->flags & MODEL_UUID)
        r |= json_object_set_new(schema, "format", json_string("uuid"));
    else if (field->flags & MODEL_SECRET)
        r |= json_object_set_new(schema, "format", json_string("password"));
    return r;
}

/* Sent twice an item of a set is dropped; so only what is answered has each once. */
static int add_list_limits(json_t *schema, const struct model_field *field,
                           enum admin_openapi_form form)
{
    int r = copy(schema, "minItems", field->definition, "len_min") |
            copy(schema, "maxItems", field->definition, "len_max");

    if (field->type == MODEL_SET && form == ADMIN_OPENAPI_ANSWER)
        r |= json_object_set_new(schema, "uniqueItems", json_true());
    return r;
}

static int add_limits(json_t *schema, const struct model_field *field, enum admin_openapi_form form)
{
    json_t *none_of = json_object_get(field->definition, "not_one_of");
    int r = copy(schema, "enum", field->definition, "one_of");

    if (none_of)
        r |= json_object_set_new(schema, "not", json_pack("{sO}", "enum", none_of));
    switch (field->type) {
    case MODEL_INTEGER:
    case MODEL_NUMBER:
        return r | add_number_limits(schema, field->definition);
    case MODEL_STRING:
        return r | add_text_limits(schema, field);
    case MODEL_ARRAY:
    case MODEL_SET:
        return r | add_list_limits(schema, field, form);
    default:
        return r;
    }
}

/* --- words --------------------------------------------------------------------------------- */

/* "how long ... (milliseconds). Unlike Kong: ..." */
static int add_description(json_t *schema, const struct model_field *field)
{
    const char *text = json_string_value(json_object_get(field->definition, "description"));
    const char *unit = json_string_value(json_object_get(field->definition, "x_unit"));
    json_t *said = text ? model_differs(field) : NULL;
    const char *differs = json_string_value(said);
    int r = 0;

    if (text)
        r = json_object_set_new(
            schema, "description",
            json_sprintf("%s%s%s%s%s%s", text, unit ? " (" : "", unit ? unit : "", unit ? ")" : "",
                         differs ? ". Unlike Kong: " : "", differs ? differs : ""));
    json_decref(said);
    return r;
}

/* --- a field ------------------------------------------------------------------------------- */

static json_t *schema_of_field(const struct model_field *field, bool may_be_null,
                               enum admin_openapi_form form);

static json_t *schema_of_type(const struct model_field *field, enum admin_openapi_form form)
{
    switch (field->type) {
    case MODEL_ARRAY:
    case MODEL_SET:
        return json_pack("{so}", "items", schema_of_field(field->elements, false, form));
    case MODEL_MAP:
        return json_pack("{so}", "additionalProperties",
                         schema_of_field(field->values, false, form));
    case MODEL_RECORD:
        return admin_openapi_record(field->record, form);
    default:
        return json_object();
    }
}

/* With null beside what is there. */
static int allow_null(json_t *schema, const char *type)
{
    json_t *values = json_object_get(schema, "enum"), *with_null;
    int r = json_object_set_new(schema, "type", json_pack("[ss]", type, "null"));

    if (r < 0 || !values)
        return r;
    with_null = json_copy(values);
    if (json_array_append_new(with_null, json_null()) < 0) {
        json_decref(with_null);
        return -1;
    }
    return json_object_set_new(schema, "enum", with_null);
}

static json_t *with_description(json_t *schema, const struct model_field *field)
{
    if (schema && add_description(schema, field) == 0)
        return schema;
    json_decref(schema);
    return NULL;
}

static json_t *foreign_schema(const struct model_field *field, bool may_be_null,
                              enum admin_openapi_form form)
{
    json_t *reference = admin_openapi_reference(
        "schemas", form == ADMIN_OPENAPI_ANSWER ? "reference" : "reference.input");

    return with_description(
        may_be_null ? json_pack("{s[o{ss}]}", "anyOf", reference, "type", "null") : reference,
        field);
}

static json_t *schema_of_field(const struct model_field *field, bool may_be_null,
                               enum admin_openapi_form form)
{
    const char *type = json_type_name(field->type);
    json_t *schema;
    int r;

    if (field->flags & MODEL_MUST_BE_NULL)
        return with_description(json_pack("{ss}", "type", "null"), field);
    if (field->type == MODEL_FOREIGN)
        return foreign_schema(field, may_be_null, form);
    schema = schema_of_type(field, form);
    r = schema ? add_limits(schema, field, form) : -1;
    if (r == 0 && type)
        r = may_be_null ? allow_null(schema, type)
                        : json_object_set_new(schema, "type", json_string(type));
    if (r == 0 && form == ADMIN_OPENAPI_CHANGE && field->default_value &&
        !json_is_null(field->default_value))
        r = json_object_set_new(schema, "default", json_deep_copy(field->default_value));
    if (r == 0)
        return with_description(schema, field);
    json_decref(schema);
    return NULL;
}

/* --- a record ------------------------------------------------------------------------------ */

static int add_fields(json_t *properties, json_t *required, const struct model_record *record,
                      enum admin_openapi_form form)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < record->fields_count; i++) {
        const struct model_field *field = &record->fields[i];
        bool may_be_null = !(field->flags & MODEL_REQUIRED) || field->flags & MODEL_PSEUDO ||
                           (form == ADMIN_OPENAPI_CHANGE && field->flags & MODEL_AUTO);

        r = json_object_set_new(properties, field->name, schema_of_field(field, may_be_null, form));
        if (r == 0 && form == ADMIN_OPENAPI_ANSWER)
            r = json_array_append_new(required, json_string(field->name));
    }
    return r;
}

/* Old names, and those that stand for several fields. Only what is another name is answered. */
static int add_shorthands(json_t *properties, const struct model_record *record,
                          enum admin_openapi_form form)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < record->shorthands_count; i++) {
        const struct model_field *field = model_shorthand_at(record, i);
        bool is_name = json_object_get(field->definition, "translate_backwards") != NULL;
        json_t *schema;

        if (json_object_get(properties, field->name) || (form == ADMIN_OPENAPI_ANSWER && !is_name))
            continue;
        schema = schema_of_field(field, true, form);
        if (schema && json_object_get(field->definition, "deprecation"))
            r = json_object_set_new(schema, "deprecated", json_true());
        if (r == 0)
            r = json_object_set_new(properties, field->name, schema);
        else
            json_decref(schema);
    }
    return r;
}

/* NULL is a record whose fields another field decides. */
json_t *admin_openapi_record(const struct model_record *record, enum admin_openapi_form form)
{
    json_t *properties = json_object(), *required = json_array();
    int r = properties && required ? 0 : -1;

    if (!record) {
        json_decref(properties);
        json_decref(required);
        return json_pack("{ss}", "type", "object");
    }
    if (r == 0)
        r = add_fields(properties, required, record, form);
    if (r == 0)
        r = add_shorthands(properties, record, form);
    if (r == 0 && json_array_size(required) > 0)
        return json_pack("{ss,so,so,sb}", "type", "object", "properties", properties, "required",
                         required, "additionalProperties", 0);
    json_decref(required);
    if (r == 0)
        return json_pack("{ss,so,sb}", "type", "object", "properties", properties,
                         "additionalProperties", 0);
    json_decref(properties);
    return NULL;
}
