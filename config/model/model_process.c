#include "config/model/model_process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/model/model_priv.h"

enum { TTL_MAX_S = 100 * 1000 * 1000 };

/* One request on its way. */
struct processing {
    const struct model *model;
    const struct model_request *request;
    struct model_writing writing; /* with the values */
    json_t *ttl;                  /* NULL: not said */
    struct kong_error *error;
};

/* --- what comes in ----------------------------------------------------------------------------- */

static bool is_too_deep(const json_t *value, unsigned left)
{
    const char *key;
    json_t *member;
    size_t i;

    if (left == 0)
        return json_is_object(value) || json_is_array(value);
    json_object_foreach((json_t *)value, key, member)
    {
        if (is_too_deep(member, left - 1))
            return true;
    }
    json_array_foreach(value, i, member)
    {
        if (is_too_deep(member, left - 1))
            return true;
    }
    return false;
}

/* Takes "ttl" out, which is an option of the request and no field. */
static int take_ttl(struct processing *processing)
{
    json_t *ttl = json_object_get(processing->writing.values, "ttl");
    json_int_t seconds = json_integer_value(ttl);

    if (!processing->request->entity->has_ttl || !ttl)
        return 0;
    if (!json_is_null(ttl) && (!json_is_integer(ttl) || seconds < 0 || seconds > TTL_MAX_S))
        return kong_error_invalid_options(
            processing->error,
            json_pack("{s:s}", "ttl", "must be an integer between 0 and 100000000"));
    processing->ttl = seconds > 0 ? json_incref(ttl) : json_null(); /* 0: it never ends */
    (void)json_object_del(processing->writing.values, "ttl");       /* it is there */
    return 0;
}

/* An entity as answers show it, without what is not stored: the old names of renamed fields. */
static void drop_old_names(const struct model_record *record, const struct model_record *subschema,
                           json_t *values)
{
    for (size_t i = 0; i < record->shorthands_count; i++)
        if (record->shorthands[i].path)
            (void)json_object_del(values, record->shorthands[i].field.name); /* may be absent */
    for (size_t i = 0; i < record->fields_count; i++) {
        const struct model_field *field = model_resolve(record, i, subschema);
        json_t *inner = json_object_get(values, field->name);
        if (field->record && json_is_object(inner))
            drop_old_names(field->record, NULL, inner);
    }
}

/* --- the steps --------------------------------------------------------------------------------- */

static int out_of_memory(const struct processing *processing)
{
    return processing->writing.words.out_of_memory ? -ENOMEM : 0;
}

/* Refuses with the errors, which are taken; none: 0. */
static int refuse(struct processing *processing, json_t *errors)
{
    if (processing->writing.words.out_of_memory) {
        json_decref(errors);
        return -ENOMEM;
    }
    return errors ? kong_error_schema_violation(processing->error, errors) : 0;
}

static int fill(struct processing *processing, enum model_context context,
                const struct model_record *subschema)
{
    struct model_filling filling = { .context = context,
                                     .now_s = processing->request->now_s,
                                     .keeps_times = processing->request->is_stored_form };

    filling.words = processing->writing.words;
    model_fill(&filling, &processing->request->entity->record, subschema,
               processing->writing.values);
    processing->writing.words.out_of_memory = filling.words.out_of_memory;
    return refuse(processing, filling.errors);
}

/* The change over what was there. Both are copied: what is stored must not change. */
static int merge(struct processing *processing)
{
    const struct model_entity *entity = processing->request->entity;
    const struct model_record *subschema =
        model_subschema(processing->model, entity, processing->request->before);
    json_t *before = json_deep_copy(processing->request->before), *merged = NULL;

    if (before) {
        drop_old_names(&entity->record, subschema, before);
        if (entity->has_ttl && !processing->ttl && json_object_get(before, "ttl"))
            processing->ttl = json_incref(json_object_get(before, "ttl"));
        (void)json_object_del(before, "ttl"); /* may be absent */
        merged = model_merge(&entity->record, subschema, processing->writing.values, before);
    }
    json_decref(before);
    if (!merged)
        return -ENOMEM;
    json_decref(processing->writing.values);
    processing->writing.values = merged;
    return 0;
}

static int prepare(struct processing *processing)
{
    const struct model_write *write = processing->request->entity->write;

    if (!write || !write->prepare || processing->request->operation == MODEL_CHECK)
        return 0;
    write->prepare(&processing->writing);
    if (json_object_size(processing->writing.errors) > 0)
        return refuse(processing, json_incref(processing->writing.errors));
    return out_of_memory(processing);
}

static int validate(struct processing *processing)
{
    const struct model_request *request = processing->request;
    struct model_writing *writing = &processing->writing;
    bool is_whole = request->operation != MODEL_UPDATE;
    json_t *errors = model_validate_entity(&writing->words, processing->model, request->entity,
                                           writing->values, is_whole);

    if (request->entity->write && request->entity->write->check) {
        request->entity->write->check(writing);
        if (json_object_size(writing->errors) > 0 && !errors) {
            errors = json_incref(writing->errors);
        } else {
            json_t *said = json_object_get(writing->errors, "@entity");
            for (size_t i = 0; i < json_array_size(said); i++)
                model_say_of_entity(&writing->words, errors, json_incref(json_array_get(said, i)));
        }
    }
    if (!errors && request->operation != MODEL_CHECK)
        errors = model_check_runs(&writing->words, request->entity, writing->values);
    return refuse(processing, errors);
}

static int finish(struct processing *processing)
{
    const struct model_entity *entity = processing->request->entity;
    struct model_writing *writing = &processing->writing;
    int r;

    if (entity->write && entity->write->finish)
        entity->write->finish(writing);
    r = fill(processing, MODEL_CONTEXT_SELECT,
             model_subschema(processing->model, entity, writing->values));
    if (r == 0 && entity->has_ttl &&
        json_object_set_new(writing->values, "ttl",
                            processing->ttl ? json_incref(processing->ttl) : json_null()) < 0)
        return -ENOMEM;
    return r;
}

static int run(struct processing *processing)
{
    const struct model_request *request = processing->request;
    bool is_update = request->operation == MODEL_UPDATE;
    const struct model_record *subschema;
    int r = take_ttl(processing);

    if (r == 0)
        r = prepare(processing);
    if (r < 0)
        return r;
    subschema = model_subschema(processing->model, request->entity, processing->writing.values);
    if (!subschema && is_update)
        subschema = model_subschema(processing->model, request->entity, request->before);
    r = fill(processing, is_update ? MODEL_CONTEXT_UPDATE : MODEL_CONTEXT_INSERT, subschema);
    if (r == 0 && is_update)
        r = merge(processing);
    if (r == 0)
        r = validate(processing);
    return r < 0 ? r : finish(processing);
}

int model_process(const struct model *model, const struct model_request *request, json_t **ret,
                  struct kong_error *error)
{
    struct processing processing = { .model = model, .request = request, .error = error };
    int r = -ENOMEM;

    if (!json_is_object(request->input))
        return kong_error_plain(error, 400, "Cannot parse JSON body");
    if (is_too_deep(request->input, MODEL_INPUT_DEPTH_MAX))
        return kong_error_plain(error, 400, "the body is nested more than %d deep",
                                MODEL_INPUT_DEPTH_MAX);
    processing.writing.request = request;
    processing.writing.words.model = model;
    processing.writing.words.is_update = request->operation == MODEL_UPDATE;
    processing.writing.values = json_deep_copy(request->input);
    processing.writing.errors = json_object();
    if (processing.writing.values && processing.writing.errors)
        r = run(&processing);
    if (r == 0)
        *ret = json_incref(processing.writing.values);
    json_decref(processing.writing.values);
    json_decref(processing.writing.errors);
    json_decref(processing.ttl);
    return r;
}

int model_check_shorthands(const struct model *model, const struct model_request *request,
                           struct kong_error *error)
{
    struct model_filling filling = { .context = MODEL_CONTEXT_INSERT, .now_s = request->now_s };
    const struct model_record *subschema;
    json_t *values;

    if (!json_is_object(request->input) || is_too_deep(request->input, MODEL_INPUT_DEPTH_MAX))
        return 0;
    filling.words.model = model;
    values = json_deep_copy(request->input);
    if (!values)
        return -ENOMEM;
    subschema = model_subschema(model, request->entity, values);
    if (!subschema && request->before)
        subschema = model_subschema(model, request->entity, request->before);
    model_fill(&filling, &request->entity->record, subschema, values);
    json_decref(values);
    if (filling.words.out_of_memory) {
        json_decref(filling.errors);
        return -ENOMEM;
    }
    return filling.errors ? kong_error_schema_violation(error, filling.errors) : 0;
}

json_t *model_value_errors(const struct model_field *field, const json_t *value)
{
    struct model_words words = { 0 };

    return model_validate_value(&words, field, value);
}

char *model_check_value(const struct model_field *field, const json_t *value)
{
    json_t *error = model_value_errors(field, value);
    char *text = NULL;

    if (error)
        text = json_is_string(error) ? strdup(json_string_value(error)) : kong_error_print(error);
    json_decref(error);
    return text;
}
