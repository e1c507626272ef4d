/*
 * model_validate: Kong's error tree of a value (kong/db/schema/init.lua: validate_field, validate).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/model/model_priv.h"
#include "core/utf8.h"

#define REQUIRED "required field missing"

/* --- saying ---------------------------------------------------------------------------------- */

/* Some of Kong's messages cut a text after so many bytes: what is no character any more is a '?'. */
static void make_valid(char *text)
{
    if (utf8_is_valid(slice_of(text)))
        return;
    for (char *c = text; *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
}

json_t *model_said(struct model_words *words, const char *format, ...)
{
    json_t *said = NULL;
    char *text = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    if (text) {
        make_valid(text);
        said = json_string(text);
    }
    free(text);
    if (!said)
        words->out_of_memory = true;
    return said;
}

void model_say_at(struct model_words *words, json_t *errors, const char *path, json_t *error)
{
    size_t length = strcspn(path, ".");

    while (path[length] == '.') {
        json_t *inside = json_object_getn(errors, path, length);
        if (!inside) {
            inside = json_object();
            if (json_object_setn_new(errors, path, length, inside) < 0) {
                words->out_of_memory = true;
                inside = NULL;
            }
        }
        if (!json_is_object(inside)) { /* one error stands for all below it */
            json_decref(error);
            return;
        }
        errors = inside;
        path += length + 1;
        length = strcspn(path, ".");
    }
    if (error && json_object_set_new(errors, path, error) < 0)
        words->out_of_memory = true;
}

/* A member that somebody has sent by that name has its error there already. */
void model_say_of_entity(struct model_words *words, json_t *errors, json_t *error)
{
    json_t *list = json_object_get(errors, "@entity");

    if (!json_is_array(list)) {
        list = list ? json_pack("[O]", list) : json_array();
        if (json_object_set_new(errors, "@entity", list) < 0)
            list = NULL;
    }
    if (json_array_append_new(list, error) < 0)
        words->out_of_memory = true;
}

const json_t *model_value_at(const json_t *values, const char *path)
{
    size_t length = strcspn(path, ".");

    while (path[length] == '.') {
        values = json_object_getn(values, path, length);
        path += length + 1;
        length = strcspn(path, ".");
    }
    return json_object_getn(values, path, length);
}

bool model_is_empty(const json_t *value)
{
    return !value || json_is_null(value) ||
           (json_is_string(value) && json_string_length(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_object(value) && json_object_size(value) == 0);
}

/* --- values ---------------------------------------------------------------------------------- */

/* Errors at the places of the elements that are wrong, null at the others up to the last of them. */
static json_t *validate_elements(struct model_words *words, const struct model_field *field,
                                 const json_t *list)
{
    json_t *errors = NULL;

    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *error = model_validate_value(words, field->elements, json_array_get(list, i));
        if (!error)
            continue;
        if (!errors)
            errors = json_array();
        while (errors && json_array_size(errors) < i)
            if (json_array_append_new(errors, json_null()) < 0)
                break;
        if (json_array_append_new(errors, error) < 0)
            words->out_of_memory = true;
        if (words->out_of_memory)
            break;
    }
    return errors;
}

static json_t *validate_list(struct model_words *words, const struct model_field *field,
                             const json_t *value)
{
    /* an empty object is an empty Lua table like an empty array */
    if (json_is_object(value) && json_object_size(value) == 0)
        return NULL;
    if (!json_is_array(value))
        return model_said(words, field->type == MODEL_SET ? "expected a set" : "expected an array");
    return validate_elements(words, field, value);
}

/* One error is that of the whole map, without its key. */
static json_t *validate_map(struct model_words *words, const struct model_field *field,
                            const json_t *value)
{
    json_t *error = NULL;
    const char *key;
    json_t *member;

    if (json_is_array(value) && json_array_size(value) == 0)
        return NULL;
    if (!json_is_object(value))
        return model_said(words, "expected a map");
    json_object_foreach((json_t *)value, key, member)
    {
        json_t *name = json_string(key);
        if (!name)
            words->out_of_memory = true;
        else
            error = model_validate_value(words, field->keys, name);
        json_decref(name);
        if (!error)
            error = model_validate_value(words, field->values, member);
        if (error || words->out_of_memory)
            break;
    }
    return error;
}

/* What a record lacks in an update is filled in first, as when it is made. */
static json_t *validate_inner_record(struct model_words *words, const struct model_field *field,
                                     const json_t *value)
{
    struct model_filling filling = { .words = *words, .context = MODEL_CONTEXT_INSERT };
    json_t *copy, *error;

    if (json_is_array(value) && json_array_size(value) == 0)
        copy = json_object();
    else if (!json_is_object(value))
        return model_said(words, "expected a record");
    else if (!words->is_update)
        return model_validate_record(words, field->record, NULL, value, true);
    else
        copy = json_deep_copy(value);
    if (!copy) {
        words->out_of_memory = true;
        return NULL;
    }
    model_fill(&filling, field->record, NULL, copy);
    error = filling.errors ? filling.errors
                           : model_validate_record(words, field->record, NULL, copy, true);
    words->out_of_memory = words->out_of_memory || filling.words.out_of_memory;
    json_decref(copy);
    return error;
}

/* The other's id. What was meant by an object without one is said as of a part of the other. */
static json_t *validate_foreign(struct model_words *words, const struct model_field *field,
                                const json_t *value)
{
    static const struct model_rule uuid = { .kind = MODEL_RULE_UUID };
    const struct model_field id = {
        .name = "id", .type = MODEL_STRING, .rules = &uuid, .rules_count = 1
    };
    const json_t *given = json_object_get(value, "id");
    const struct model *model = words->model ? words->model : model_get();
    const struct model_entity *other = model ? model_entity(model, field->reference) : NULL;
    json_t *error, *errors;

    if (!given)
        error = model_said(words, "missing primary key");
    else if (json_is_null(given))
        error = model_said(words, REQUIRED);
    else
        error = model_validate_value(words, &id, given);
    if (!error)
        return NULL;
    errors = NULL;
    if (json_is_object(value) && other)
        errors = model_validate_entity(words, model, other, value, false);
    if (errors) {
        json_decref(error);
        return errors;
    }
    errors = json_pack("{s:o}", "id", error);
    if (!errors)
        words->out_of_memory = true;
    return errors;
}

/* As in Lua 80.0 is whole. What no 64 bits can hold is refused here rather than by a database. */
static bool is_whole(const json_t *value)
{
    double number = json_number_value(value);

    return json_is_integer(value) || (json_is_real(value) && number >= -9.2e18 &&
                                      number <= 9.2e18 && number == (double)(json_int_t)number);
}

static json_t *validate_string(struct model_words *words, const json_t *value)
{
    if (!json_is_string(value))
        return model_said(words, "expected a string");
    if (strlen(json_string_value(value)) != json_string_length(value))
        return model_said(words, "a text with a NUL character cannot be stored");
    return NULL;
}

static json_t *validate_type(struct model_words *words, const struct model_field *field,
                             const json_t *value)
{
    switch (field->type) {
    case MODEL_STRING:
        return validate_string(words, value);
    case MODEL_INTEGER:
        return is_whole(value) ? NULL : model_said(words, "expected an integer");
    case MODEL_NUMBER:
        return json_is_number(value) ? NULL : model_said(words, "expected a number");
    case MODEL_BOOLEAN:
        return json_is_boolean(value) ? NULL : model_said(words, "expected a boolean");
    case MODEL_ARRAY:
    case MODEL_SET:
        return validate_list(words, field, value);
    case MODEL_MAP:
        return validate_map(words, field, value);
    case MODEL_RECORD:
        return field->record ? validate_inner_record(words, field, value) : NULL;
    case MODEL_FOREIGN:
        return validate_foreign(words, field, value);
    case MODEL_JSON:
        return NULL;
    }
    return NULL;
}

static bool is_vault_reference(const json_t *value)
{
    const char *text = json_string_value(value);
    size_t length = json_string_length(value);

    return text && length > 10 && strncmp(text, "{vault://", 9) == 0 && text[length - 1] == '}';
}

static json_t *validate_null(struct model_words *words, const struct model_field *field)
{
    if (field->rules_count > 0 && field->rules[0].kind == MODEL_RULE_EQ)
        return model_validate_rules(words, field, NULL);
    return field->flags & MODEL_REQUIRED ? model_said(words, REQUIRED) : NULL;
}

json_t *model_validate_value(struct model_words *words, const struct model_field *field,
                             const json_t *value)
{
    json_t *error;

    if (json_is_null(value))
        return validate_null(words, field);
    if (field->flags & MODEL_MUST_BE_NULL)
        return model_said(words, "%s", field->err ? field->err : "value must be null");
    error = validate_type(words, field, value);
    if (error || words->out_of_memory)
        return error;
    if (field->flags & MODEL_MAY_REFER && is_vault_reference(value))
        return NULL;
    return model_validate_rules(words, field, value);
}

/* --- records --------------------------------------------------------------------------------- */

static void set_error(struct model_words *words, json_t *errors, const char *name, json_t *error)
{
    if (error && json_object_set_new(errors, name, error) < 0)
        words->out_of_memory = true;
}

static void validate_members(struct model_words *words, const struct model_record *record,
                             const struct model_record *subschema, const json_t *values,
                             json_t *errors)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)values, key, value)
    {
        const struct model_field *field = model_field(record, key), *own;
        if (!field) {
            set_error(words, errors, key, model_said(words, "unknown field"));
            continue;
        }
        own = subschema ? model_field(subschema, key) : NULL;
        set_error(words, errors, key, model_validate_value(words, own ? own : field, value));
    }
}

static void validate_presence(struct model_words *words, const struct model_record *record,
                              const json_t *values, bool is_whole_entity, json_t *errors)
{
    for (size_t i = 0; i < record->fields_count; i++) {
        const struct model_field *field = &record->fields[i];
        const json_t *value = json_object_get(values, field->name);
        if (field->flags & MODEL_REQUIRED && (value ? json_is_null(value) : is_whole_entity))
            set_error(words, errors, field->name, model_said(words, REQUIRED));
    }
}

json_t *model_validate_record(struct model_words *words, const struct model_record *record,
                              const struct model_record *subschema, const json_t *values,
                              bool is_whole_entity)
{
    json_t *errors = json_object();

    if (!errors) {
        words->out_of_memory = true;
        return NULL;
    }
    validate_members(words, record, subschema, values, errors);
    validate_presence(words, record, values, is_whole_entity, errors);
    model_run_checks(words, record, values, is_whole_entity, errors);
    if (subschema)
        model_run_checks(words, subschema, values, is_whole_entity, errors);
    if (json_object_size(errors) > 0)
        return errors;
    json_decref(errors);
    return NULL;
}

/* Without the key of a subschema, or with one that is not known, nothing else is looked at. */
static json_t *validate_key(struct model_words *words, const struct model_entity *entity,
                            const json_t *key)
{
    const json_t *first = json_is_array(key) ? json_array_get(key, 0) : key;
    char format[256];
    json_t *errors, *error;

    if (!key || json_is_null(key)) {
        error = model_said(words, REQUIRED);
    } else {
        const char *text = json_string_value(first); /* Lua prints nil when the set is empty */
        const char *mark = entity->subschema_error ? strstr(entity->subschema_error, "%s") : NULL;
        if (!mark)
            (void)snprintf(format, sizeof(format), "unknown type: ");
        else
            (void)snprintf(format, sizeof(format), "%.*s", (int)(mark - entity->subschema_error),
                           entity->subschema_error);
        error = model_said(words, "%s%s%s", format, text ? text : "nil", mark ? mark + 2 : "");
    }
    errors = error ? json_pack("{s:o}", entity->subschema_key, error) : NULL;
    if (!errors)
        words->out_of_memory = true;
    return errors;
}

json_t *model_validate_entity(struct model_words *words, const struct model *model,
                              const struct model_entity *entity, const json_t *values,
                              bool is_whole_entity)
{
    const struct model_record *subschema = model_subschema(model, entity, values);

    if (entity->subschema_key && !subschema)
        return validate_key(words, entity, json_object_get(values, entity->subschema_key));
    return model_validate_record(words, &entity->record, subschema, values, is_whole_entity);
}
