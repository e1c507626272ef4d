/* What a text of a form means, by the type of its field (kong/api/arguments.lua). */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "config/admin/form.h"

static json_t *infer_value(json_t *value, const struct model *model,
                           const struct model_field *field);

/* As Lua's tonumber: 80, 0x50, 8e1, with white space around; a whole one is an integer. */
json_t *form_number(json_t *value)
{
    const char *text = json_string_value(value);
    char *end;
    double real;

    if (!text || strpbrk(text, "nN")) /* nan, inf */
        return json_incref(value);
    real = strtod(text, &end);
    end += strspn(end, " \t\r\n");
    if (end == text || *end != '\0' || !isfinite(real))
        return json_incref(value);
    if (real == trunc(real) && fabs(real) <= 9007199254740992.0)
        return json_integer((json_int_t)real);
    return json_real(real);
}

static json_t *boolean(json_t *value)
{
    const char *text = json_string_value(value);

    if (text && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
        return json_boolean(*text == 't');
    return json_incref(value);
}

static json_t *list(json_t *value, const struct model *model, const struct model_field *field)
{
    json_t *inferred = json_array(), *item;
    size_t i;

    if (json_is_object(value)) { /* places with holes: no list, the validation says so */
        json_decref(inferred);
        return json_incref(value);
    }
    if (!inferred)
        return NULL;
    if (!json_is_array(value)) {
        if (json_array_append_new(inferred, infer_value(value, model, field->elements)) == 0)
            return inferred;
        json_decref(inferred);
        return NULL;
    }
    json_array_foreach(value, i, item)
    {
        if (json_array_append_new(inferred, infer_value(item, model, field->elements)) < 0) {
            json_decref(inferred);
            return NULL;
        }
    }
    return inferred;
}

static json_t *map(json_t *value, const struct model *model, const struct model_field *field)
{
    json_t *inferred, *item;
    const char *key;

    if (!json_is_object(value))
        return json_incref(value);
    inferred = json_object();
    if (!inferred)
        return NULL;
    json_object_foreach(value, key, item)
    {
        if (json_object_set_new(inferred, key, infer_value(item, model, field->values)) < 0) {
            json_decref(inferred);
            return NULL;
        }
    }
    return inferred;
}

static json_t *record_value(json_t *value, const struct model *model,
                            const struct model_record *record)
{
    json_t *copy;

    if (!json_is_object(value) || !record)
        return json_incref(value);
    copy = json_copy(value);
    if (copy && form_infer(copy, model, record, NULL) < 0) {
        json_decref(copy);
        return NULL;
    }
    return copy;
}

static json_t *foreign(json_t *value, const struct model *model, const struct model_field *field)
{
    const struct model_entity *entity = model_entity(model, field->reference);

    return record_value(value, model, entity ? &entity->record : NULL);
}

/* A new reference; NULL: no memory. */
static json_t *infer_value(json_t *value, const struct model *model,
                           const struct model_field *field)
{
    if (!field)
        return json_incref(value);
    if (json_is_string(value) && json_string_length(value) == 0)
        return json_null();
    switch (field->type) {
    case MODEL_INTEGER:
    case MODEL_NUMBER:
        return form_number(value);
    case MODEL_BOOLEAN:
        return boolean(value);
    case MODEL_ARRAY:
    case MODEL_SET:
        return list(value, model, field);
    case MODEL_MAP:
        return map(value, model, field);
    case MODEL_RECORD:
        return record_value(value, model, field->record);
    case MODEL_FOREIGN:
        return foreign(value, model, field);
    case MODEL_STRING:
    case MODEL_JSON:
        break;
    }
    return json_incref(value);
}

/* 0 or -ENOMEM. */
static int infer_shorthands(json_t *form, const struct model *model,
                            const struct model_record *record)
{
    for (size_t i = 0; i < record->shorthands_count; i++) {
        const struct model_field *field = model_shorthand_at(record, i);
        json_t *value = json_object_get(form, field->name);
        if (value && json_object_set_new(form, field->name, infer_value(value, model, field)) < 0)
            return -ENOMEM;
    }
    return 0;
}

int form_infer(json_t *form, const struct model *model, const struct model_record *record,
               const struct model_record *config)
{
    int r = infer_shorthands(form, model, record);

    if (r < 0)
        return r;
    for (size_t i = 0; i < record->fields_count; i++) {
        const struct model_field *field = &record->fields[i];
        json_t *value = json_object_get(form, field->name), *inferred;

        if (!value)
            continue;
        inferred = config && strcmp(field->name, "config") == 0 ? record_value(value, model, config)
                                                                : infer_value(value, model, field);
        if (!inferred || json_object_set_new(form, field->name, inferred) < 0)
            return -ENOMEM;
    }
    return 0;
}
