/*
 * flatten_validate: every entity by the model, in the two ways of Kong (declarative_config.lua: flatten).
 *
 * At first what is nested in an entity refers to nothing, and must not; so a plugin may stand below what
 * its schema forbids it to refer to, and a dump may say that it does. Only when that fails, all is
 * validated once more with references filled in, and that says what is wrong; what was written where
 * nesting says it already is told as well.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/flatten/flatten_priv.h"
#include "config/model/model_process.h"

#define MUST_BE_NULL "value must be null"

static bool is_written(const struct flat_entity *item, const struct model_field *field)
{
    const json_t *value = json_object_get(item->given, field->name);

    return value && !json_is_null(value);
}

/* --- one entity ---------------------------------------------------------------------------- */

/* Without references, but one that must be there. A new reference; NULL: no memory. */
static json_t *alone(const struct flat_entity *item)
{
    json_t *input = flatten_copy(item->values);

    for (size_t i = 0; input && i < item->entity->record.fields_count; i++) {
        const struct model_field *field = &item->entity->record.fields[i];
        if (field->type == MODEL_FOREIGN && !(field->flags & MODEL_REQUIRED))
            (void)json_object_del(input, field->name); /* or it is not there */
    }
    return input;
}

static int say_at(json_t **errors, const char *field, json_t *said)
{
    if (!*errors)
        *errors = json_object();
    return json_object_set_new(*errors, field, said) < 0 ? -ENOMEM : 0;
}

/* Takes said. */
static int add_said(struct flat_entity *item, json_t *said)
{
    int r = 0;

    if (!said)
        return -ENOMEM;
    if (!json_is_object(item->said) || !json_is_object(said)) {
        json_decref(item->said);
        item->said = said;
        return 0;
    }
    if (json_object_update_missing(item->said, said) < 0)
        r = -ENOMEM;
    json_decref(said);
    return r;
}

static int refused(struct flat_entity *item, struct kong_error *error)
{
    json_t *said = json_incref(error->fields);

    if (!said && error->message) /* of the entity as a whole, or of an option */
        said = json_pack("{s:[s]}", "@entity", error->message);
    kong_error_done(error);
    return add_said(item, said);
}

static int validate_one(struct flattened *flattened, struct flat_entity *item, const json_t *input)
{
    const struct model_request request = {
        .entity = item->entity,
        .operation = MODEL_INSERT,
        .input = input,
        .now_s = flattened->now_s,
        .is_stored_form = flattened->is_stored_form,
    };
    struct kong_error error = { 0 };
    json_t *made = NULL;
    int r = model_process(flattened->model, &request, &made, &error);

    if (r == -EINVAL)
        return refused(item, &error);
    json_decref(item->made);
    item->made = made;
    kong_error_done(&error);
    return r;
}

/* --- the first way ------------------------------------------------------------------------- */

/* References of what is nested; at the top they must be texts, or it takes the second way. */
static int check_written(struct flat_entity *item, bool *ret_is_plain)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < item->entity->record.fields_count; i++) {
        const struct model_field *field = &item->entity->record.fields[i];
        if (field->type != MODEL_FOREIGN || !is_written(item, field))
            continue;
        if (item->parent_field)
            r = say_at(&item->nulls, field->name, json_string(MUST_BE_NULL));
        if (item->parent_field || !json_is_string(json_object_get(item->given, field->name)))
            *ret_is_plain = false;
    }
    return r;
}

/* *ret_is_plain: nothing is wrong. */
static int validate_nested(struct flattened *flattened, bool *ret_is_plain)
{
    int r = 0;

    *ret_is_plain = json_object_size(flattened->errors) == 0;
    for (size_t i = 0; r == 0 && i < flattened->count; i++) {
        struct flat_entity *item = &flattened->items[i];
        json_t *input;
        if (item->errors)
            *ret_is_plain = false;
        if (!item->values)
            continue;
        r = check_written(item, ret_is_plain);
        input = item->parent_field || flattened->is_stored_form ? alone(item)
                                                                : json_incref(item->values);
        if (r == 0)
            r = input ? validate_one(flattened, item, input) : -ENOMEM;
        json_decref(input);
        if (item->said)
            *ret_is_plain = false;
    }
    return r;
}

/* --- the second way ------------------------------------------------------------------------ */

/* A name that is nobody's stays a text there, which is no reference. */
static int check_references(struct flat_entity *item)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < item->entity->record.fields_count; i++) {
        const struct model_field *field = &item->entity->record.fields[i];
        const json_t *value = json_object_get(item->given, field->name);
        if (field->type != MODEL_FOREIGN || !is_written(item, field) || json_is_object(value))
            continue;
        if (!json_is_string(value) ? field == item->parent_field
                                   : json_object_get(item->dangling, field->name) != NULL)
            r = add_said(item, json_pack("{s:{s:s}}", field->name, "id", "missing primary key"));
    }
    return r;
}

static int validate_linked(struct flattened *flattened)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < flattened->count; i++) {
        struct flat_entity *item = &flattened->items[i];
        if (!item->values)
            continue;
        json_decref(item->said);
        item->said = NULL;
        r = validate_one(flattened, item, item->values);
        if (r == 0)
            r = check_references(item);
    }
    return r;
}

/* --- the outcome --------------------------------------------------------------------------- */

static bool any_is_wrong(const struct flattened *flattened)
{
    bool is_wrong = json_object_size(flattened->errors) > 0;

    for (size_t i = 0; !is_wrong && i < flattened->count; i++)
        is_wrong = flattened->items[i].errors || flattened->items[i].said;
    return is_wrong;
}

/* Errors of its form go before those of its values. */
static int merge_errors(struct flat_entity *item)
{
    if (json_is_string(item->errors))
        return 0;
    if (item->nulls && !item->said)
        item->said = json_object();
    if (item->nulls && json_object_update(item->said, item->nulls) < 0)
        return -ENOMEM;
    if (!item->said)
        return 0;
    if (!item->errors) {
        item->errors = json_incref(item->said);
        return 0;
    }
    return json_is_object(item->said) && json_object_update_missing(item->errors, item->said) < 0
               ? -ENOMEM
               : 0;
}

/* Those that were left out. */
static int put_references(struct flat_entity *item)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < item->entity->record.fields_count; i++) {
        const struct model_field *field = &item->entity->record.fields[i];
        json_t *value = json_object_get(item->values, field->name);
        if (field->type == MODEL_FOREIGN && json_is_object(value) &&
            json_object_set(item->made, field->name, value) < 0)
            r = -ENOMEM;
    }
    return r;
}

static int finish_one(struct flat_entity *item, bool is_wrong)
{
    int r = is_wrong ? merge_errors(item) : 0;

    if (r == 0 && item->made)
        r = put_references(item);
    if (item->errors) {
        json_decref(item->made);
        item->made = NULL;
    }
    return r;
}

static const char *name_of(const struct flat_entity *item)
{
    const char *endpoint = item->entity->endpoint_key;
    const char *name = endpoint ? json_string_value(json_object_get(item->values, endpoint)) : NULL;

    return name ? name : json_string_value(json_object_get(item->values, "id"));
}

int flatten_validate(struct flattened *flattened)
{
    bool is_plain = true, is_wrong;
    int r = validate_nested(flattened, &is_plain);

    if (r == 0 && !is_plain)
        r = validate_linked(flattened);
    is_wrong = any_is_wrong(flattened);
    for (size_t i = 0; r == 0 && i < flattened->count; i++) {
        struct flat_entity *item = &flattened->items[i];
        if (!item->values)
            continue;
        item->key = strdup(name_of(item) ? name_of(item) : "");
        r = item->key ? finish_one(item, is_wrong) : -ENOMEM;
    }
    return r;
}
