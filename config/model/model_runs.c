/*
 * model_runs: what is right for Kong, and this program does not run. Kept quiet it would let traffic pass
 * in another way than its author means, so an entity that asks for it is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/model/model_priv.h"

#define NOT_SUPPORTED "is not supported by this version of hopgate"

static json_t *check_record(struct model_words *words, const struct model_record *record,
                            const struct model_record *subschema, const json_t *values);

static bool has(const json_t *list, const json_t *value)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_equal(json_array_get(list, i), value))
            return true;
    return false;
}

/* "http, https, tcp": malloc'ed; NULL: no memory. */
static char *listed(const json_t *texts)
{
    char *text = NULL;
    size_t size;
    FILE *into = open_memstream(&text, &size);
    bool done;

    for (size_t i = 0; into && i < json_array_size(texts); i++)
        (void)fprintf(into, "%s%s", i > 0 ? ", " : "", json_string_value(json_array_get(texts, i)));
    done = into && fflush(into) == 0 && !ferror(into);
    if (into && fclose(into) == 0 && done)
        return text;
    free(text);
    return NULL;
}

static json_t *say_other(struct model_words *words, const struct model_field *field,
                         const json_t *value)
{
    char *list = listed(field->runs);
    json_t *said = NULL;

    if (list)
        said = model_said(words, "'%s' " NOT_SUPPORTED "; use one of: %s", json_string_value(value),
                          list);
    else
        words->out_of_memory = true;
    free(list);
    return said;
}

static json_t *say_remove(struct model_words *words, const struct model_field *field)
{
    char *standard = field->default_value
                         ? json_dumps(field->default_value, JSON_COMPACT | JSON_ENCODE_ANY)
                         : NULL;
    json_t *said = model_said(words, "'%s' " NOT_SUPPORTED "; remove it%s%s", field->name,
                              standard ? " or use Kong's default, " : "", standard ? standard : "");

    free(standard);
    return said;
}

static json_t *check_value(struct model_words *words, const struct model_field *field,
                           const json_t *value);

/* Errors at the places of those elements, null at the others, as the validation has them. */
static json_t *check_elements(struct model_words *words, const struct model_field *field,
                              const json_t *list)
{
    json_t *errors = NULL, *error;

    for (size_t i = 0; i < json_array_size(list) && !words->out_of_memory; i++) {
        error = check_value(words, field->elements, json_array_get(list, i));
        if (!error)
            continue;
        if (!errors)
            errors = json_array();
        while (errors && json_array_size(errors) < i)
            if (json_array_append_new(errors, json_null()) < 0)
                break;
        if (json_array_append_new(errors, error) < 0)
            words->out_of_memory = true;
    }
    return errors;
}

static json_t *check_value(struct model_words *words, const struct model_field *field,
                           const json_t *value)
{
    if (model_is_empty(value))
        return NULL;
    if (json_is_false(field->runs))
        return field->default_value && json_equal(value, field->default_value)
                   ? NULL
                   : say_remove(words, field);
    if (field->runs && !has(field->runs, value))
        return say_other(words, field, value);
    if (json_is_array(value) && field->elements)
        return check_elements(words, field, value);
    return json_is_object(value) && field->record ? check_record(words, field->record, NULL, value)
                                                  : NULL;
}

static json_t *check_record(struct model_words *words, const struct model_record *record,
                            const struct model_record *subschema, const json_t *values)
{
    json_t *errors = NULL;

    for (size_t i = 0; i < record->fields_count; i++) {
        const struct model_field *field = model_resolve(record, i, subschema);
        json_t *error = check_value(words, field, json_object_get(values, field->name));
        if (!error)
            continue;
        if (!errors)
            errors = json_object();
        if (json_object_set_new(errors, field->name, error) < 0)
            words->out_of_memory = true;
    }
    return errors;
}

/* One that is kept only cannot be enabled: it would be ignored. */
static json_t *check_plugin(struct model_words *words, const json_t *values)
{
    const char *name = json_string_value(json_object_get(values, "name"));
    const struct model_plugin *plugin = name ? model_plugin(words->model, name) : NULL;
    json_t *said, *errors;

    if (!plugin || plugin->runs || !json_is_true(json_object_get(values, "enabled")))
        return NULL;
    said = model_said(words,
                      "plugin '%s' is not run by this version of hopgate; set enabled to false to "
                      "keep its configuration",
                      name);
    errors = said ? json_pack("{s:o}", "enabled", said) : NULL;
    if (!errors)
        words->out_of_memory = true;
    return errors;
}

json_t *model_check_runs(struct model_words *words, const struct model_entity *entity,
                         const json_t *values)
{
    if (strcmp(entity->name, "plugins") == 0)
        return check_plugin(words, values);
    return check_record(words, &entity->record, NULL, values);
}
