/* model_shape: whether a value has the form that its field promises to whoever reads it. */
#include "config/model/model.h"

static const char *shape_of_members(const struct model_field *of, json_t *values)
{
    const char *key, *wrong = NULL;
    json_t *value;

    json_object_foreach(values, key, value)
    {
        if (!wrong)
            wrong = json_is_null(value) ? "expected a value" : model_wrong_shape(of, value);
    }
    return wrong;
}

static const char *shape_of_list(const struct model_field *field, const json_t *list)
{
    const char *wrong = NULL;

    if (!json_is_array(list))
        return "expected a list";
    for (size_t i = 0; !wrong && i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        wrong = json_is_null(item) ? "expected a value" : model_wrong_shape(field->elements, item);
    }
    return wrong;
}

static const char *shape_of_record(const struct model_field *field, const json_t *value)
{
    const struct model_record *record = field->record;
    const char *wrong = json_is_object(value) ? NULL : "expected an object";

    for (size_t i = 0; !wrong && record && i < record->fields_count; i++)
        wrong =
            model_wrong_shape(&record->fields[i], json_object_get(value, record->fields[i].name));
    return wrong;
}

const char *model_wrong_shape(const struct model_field *field, const json_t *value)
{
    if (!value || json_is_null(value))
        return NULL;
    switch (field->type) {
    case MODEL_STRING:
        return json_is_string(value) ? NULL : "expected a text";
    case MODEL_INTEGER:
    case MODEL_NUMBER:
        return json_is_number(value) ? NULL : "expected a number";
    case MODEL_BOOLEAN:
        return json_is_boolean(value) ? NULL : "expected true or false";
    case MODEL_ARRAY:
    case MODEL_SET:
        return shape_of_list(field, value);
    case MODEL_MAP:
        return json_is_object(value) ? shape_of_members(field->values, (json_t *)value)
                                     : "expected an object";
    case MODEL_RECORD:
        return shape_of_record(field, value);
    case MODEL_FOREIGN:
        return json_is_string(json_object_get(value, "id")) ? NULL : "expected {\"id\": ...}";
    case MODEL_JSON:
        break;
    }
    return NULL;
}
