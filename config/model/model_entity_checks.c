/*
 * model_entity_checks: rules over several fields (kong/db/schema/init.lua: entity_checkers).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/model/model_priv.h"

struct running {
    struct model_words *words;
    const struct model_entity_check *check;
    const json_t *values;
    bool is_whole;
    json_t *errors;
};

/* 'a', 'b': malloc'ed; NULL: no memory. */
static char *quoted(const json_t *names)
{
    char *text = NULL;
    size_t size = 0;
    FILE *into = open_memstream(&text, &size);

    if (!into)
        return NULL;
    for (size_t i = 0; i < json_array_size(names); i++)
        (void)fprintf(into, "%s'%s'", i > 0 ? ", " : "",
                      json_string_value(json_array_get(names, i)));
    if (fclose(into) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* format has one %s, or none. */
static void say(struct running *running, const char *prefix, const char *format,
                const json_t *names)
{
    char *list = quoted(names);
    const char *mark = strstr(format, "%s");
    size_t length = mark ? (size_t)(mark - format) : strlen(format);

    if (!list) {
        running->words->out_of_memory = true;
        return;
    }
    model_say_of_entity(running->words, running->errors,
                        model_said(running->words, "%s%.*s%s%s", prefix, (int)length, format,
                                   mark ? list : "", mark ? mark + 2 : ""));
    free(list);
}

static size_t count_of(const struct running *running, const json_t *names, bool wanted_present)
{
    size_t count = 0;

    for (size_t i = 0; i < json_array_size(names); i++) {
        const json_t *value =
            model_value_at(running->values, json_string_value(json_array_get(names, i)));
        if (wanted_present ? !model_is_empty(value) : value != NULL)
            count++;
    }
    return count;
}

/* Each absent field that a check cannot do without is told. */
static bool has_all(struct running *running, const json_t *names)
{
    bool all = true;

    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (model_value_at(running->values, name))
            continue;
        model_say_at(running->words, running->errors, name,
                     model_said(running->words, "field required for entity check%s",
                                running->words->is_update ? " when updating" : ""));
        all = false;
    }
    return all;
}

static void run_distinct(struct running *running)
{
    const json_t *names = running->check->names;

    for (size_t i = 0; i < json_array_size(names); i++) {
        const json_t *a =
            model_value_at(running->values, json_string_value(json_array_get(names, i)));
        for (size_t j = 0; j < i; j++) {
            const json_t *b =
                model_value_at(running->values, json_string_value(json_array_get(names, j)));
            if (model_is_empty(a) || !json_equal(a, b))
                continue;
            say(running, "", "values of these fields must be distinct: %s", names);
            return;
        }
    }
}

static bool is_good(struct running *running, const struct model_field *match, const json_t *value)
{
    json_t *error = model_validate_value(running->words, match, value);
    bool good = error == NULL;

    json_decref(error);
    return good;
}

static void say_conditional(struct running *running)
{
    const struct model_entity_check *check = running->check;

    model_say_of_entity(running->words, running->errors,
                        check->then_err
                            ? model_said(running->words, "%s", check->then_err)
                            : model_said(running->words,
                                         "failed conditional validation given value of field '%s'",
                                         check->if_field));
}

static void run_conditional(struct running *running)
{
    const struct model_entity_check *check = running->check;
    const json_t *if_value = model_value_at(running->values, check->if_field);
    const json_t *then_value = model_value_at(running->values, check->then_field);
    json_t *null = json_null(), *error;

    if (!if_value && !then_value)
        return;
    if (!if_value) {
        json_t *name = json_pack("[s]", check->if_field);
        (void)has_all(running, name);
        json_decref(name);
        return;
    }
    if (!is_good(running, &check->if_match, if_value))
        return;
    error =
        model_validate_value(running->words, &check->then_match, then_value ? then_value : null);
    if (!error)
        return;
    model_say_at(running->words, running->errors, check->then_field, error);
    say_conditional(running);
}

static void run_conditional_list(struct running *running)
{
    const struct model_entity_check *check = running->check;
    const json_t *if_value = model_value_at(running->values, check->if_field);
    const json_t *names = check->names;
    const char *err = check->then_err;

    if (!if_value)
        return;
    if (!is_good(running, &check->if_match, if_value)) {
        if (!check->has_else || !is_good(running, &check->else_match, if_value))
            return;
        names = check->else_names;
        err = check->else_err;
    }
    if (count_of(running, names, true) > 0)
        return;
    if (err)
        say(running, "", err, names);
    else
        say(running, running->words->is_update ? "when updating, " : "",
            "at least one of these fields must be non-empty: %s", names);
}

/* Only of fields that are right by themselves, and all there. */
static void run_custom(struct running *running)
{
    const json_t *names = running->check->names;
    char message[CHECK_MESSAGE_MAX];

    for (size_t i = 0; i < json_array_size(names); i++)
        if (json_object_get(running->errors, json_string_value(json_array_get(names, i))))
            return;
    if (count_of(running, names, false) == 0 || !has_all(running, names))
        return;
    if (running->check->custom(running->values, message) < 0)
        model_say_of_entity(running->words, running->errors,
                            model_said(running->words, "%s", message));
}

static void run_check(struct running *running)
{
    const json_t *names = running->check->names;
    size_t count = json_array_size(names), present;

    switch (running->check->kind) {
    case MODEL_CHECK_CONDITIONAL:
        run_conditional(running);
        return;
    case MODEL_CHECK_CONDITIONAL_AT_LEAST_ONE_OF:
        run_conditional_list(running);
        return;
    case MODEL_CHECK_CUSTOM:
        run_custom(running);
        return;
    case MODEL_CHECK_AT_LEAST_ONE_OF:
        if (count_of(running, names, true) == 0 &&
            (running->is_whole || count_of(running, names, false) > 0))
            say(running, running->words->is_update ? "when updating, " : "",
                "at least one of these fields must be non-empty: %s", names);
        return;
    case MODEL_CHECK_ONLY_ONE_OF:
        if (count_of(running, names, false) > 0 && has_all(running, names) &&
            count_of(running, names, true) != 1)
            say(running, "", "exactly one of these fields must be non-empty: %s", names);
        return;
    case MODEL_CHECK_DISTINCT:
        if (count_of(running, names, false) > 0 && has_all(running, names))
            run_distinct(running);
        return;
    case MODEL_CHECK_MUTUALLY_REQUIRED:
        present = count_of(running, names, true);
        if (present != 0 && present != count)
            say(running, "", "all or none of these fields must be set: %s", names);
        return;
    case MODEL_CHECK_MUTUALLY_EXCLUSIVE:
        if (count_of(running, names, true) > 1)
            say(running, "", "only one or none of these fields must be set: %s", names);
        return;
    }
}

bool model_condition_at(const struct model_record *record, size_t index,
                        struct model_condition *ret)
{
    for (size_t i = 0; i < record->checks_count; i++) {
        const struct model_entity_check *check = &record->checks[i];
        if (check->kind != MODEL_CHECK_CONDITIONAL || index-- > 0)
            continue;
        *ret = (struct model_condition){ check->if_field, check->then_field, check->then_err };
        return true;
    }
    return false;
}

void model_run_checks(struct model_words *words, const struct model_record *record,
                      const json_t *values, bool is_whole, json_t *errors)
{
    struct running running = {
        .words = words, .values = values, .is_whole = is_whole, .errors = errors
    };

    for (size_t i = 0; i < record->checks_count && !words->out_of_memory; i++) {
        running.check = &record->checks[i];
        run_check(&running);
    }
}
