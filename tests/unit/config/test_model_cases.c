/*
 * Every row of tests/data/kong-schema-cases.json: an input, and Kong's error tree and message or the
 * entity that comes out. "gives" is compared member by member with what came out; "@absent" means that it
 * must not be there, "@uuid", "@text32", "@now" and "@any" stand for what differs each time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/entity_id.h"
#include "config/model/model_process.h"
#include "tests/check.h"

#define NOW_S 1700000000.25

static json_t *load_rows(void)
{
    json_error_t error;
    json_t *rows = json_load_file(HOPGATE_SOURCE_DIR "/tests/data/kong-schema-cases.json",
                                  JSON_REJECT_DUPLICATES, &error);

    if (!rows)
        fail_msg("kong-schema-cases.json:%d: %s", error.line, error.text);
    return rows;
}

static enum model_operation operation_of(const json_t *row)
{
    const char *name = json_string_value(json_object_get(row, "op"));

    if (!name || strcmp(name, "insert") == 0)
        return MODEL_INSERT;
    if (strcmp(name, "upsert") == 0)
        return MODEL_UPSERT;
    return strcmp(name, "update") == 0 ? MODEL_UPDATE : MODEL_CHECK;
}

static bool is_placeholder(const json_t *want, const json_t *got, bool *ret_good)
{
    const char *text = json_string_value(want), *value = json_string_value(got);

    if (!text || *text != '@')
        return false;
    if (strcmp(text, "@absent") == 0)
        *ret_good = got == NULL;
    else if (strcmp(text, "@uuid") == 0)
        *ret_good = value && entity_id_is_valid(value);
    else if (strcmp(text, "@text32") == 0)
        *ret_good = value && strlen(value) == 32;
    else if (strcmp(text, "@now") == 0)
        *ret_good = json_number_value(got) == (json_is_integer(got) ? 1700000000 : NOW_S);
    else
        *ret_good = got != NULL;
    return true;
}

/* Objects of `want` may say less than those of `got`; all else must be the same. */
static bool agrees(const json_t *want, const json_t *got)
{
    const char *key;
    json_t *value;
    bool good;

    if (is_placeholder(want, got, &good))
        return good;
    if (!json_is_object(want) || !json_is_object(got))
        return got && json_equal(want, got);
    json_object_foreach((json_t *)want, key, value)
    {
        if (!agrees(value, json_object_get(got, key)))
            return false;
    }
    return true;
}

static char *dump(const json_t *value)
{
    return value ? json_dumps(value, JSON_INDENT(1) | JSON_ENCODE_ANY) : strdup("nothing");
}

static unsigned differences;

static void differ(const char *title, const char *what, const json_t *want, const json_t *got)
{
    char *want_text = dump(want), *got_text = dump(got);

    (void)fprintf(stderr, "%s: %s\n---- is\n%s\n---- not\n%s\n", title, what, got_text, want_text);
    free(want_text);
    free(got_text);
    differences++;
}

static void check_error(const char *title, const json_t *row, const struct kong_error *error)
{
    const json_t *fields = json_object_get(row, "fields"),
                 *message = json_object_get(row, "message"), *code = json_object_get(row, "code");
    json_t *got = json_string(error->message ? error->message : "");

    if (json_is_object(fields) && !json_equal(fields, error->fields))
        differ(title, "fields", fields, error->fields);
    if (message && !json_equal(message, got))
        differ(title, "message", message, got);
    json_decref(got);
    got = json_integer(error->code);
    if (code ? !json_equal(code, got) : error->code != KONG_SCHEMA_VIOLATION)
        differ(title, "code", code, got);
    json_decref(got);
}

static void check_row(const struct model *model, const char *title, const json_t *row)
{
    const char *name = json_string_value(json_object_get(row, "entity"));
    const json_t *gives = json_object_get(row, "gives");
    struct model_request request = {
        .entity = model_entity(model, name),
        .operation = operation_of(row),
        .input = json_object_get(row, "input"),
        .before = json_object_get(row, "before"),
        .now_s = NOW_S,
    };
    json_t *before = json_deep_copy(request.before), *input = json_deep_copy(request.input);
    struct kong_error error = { 0 };
    json_t *got = NULL;
    int r;

    if (!request.entity)
        fail_msg("%s: no such entity: %s", title, name);
    r = model_process(model, &request, &got, &error);
    if (r == -EINVAL && gives)
        differ(title, error.message, gives, error.fields);
    else if (r == -EINVAL)
        check_error(title, row, &error);
    else if (r != 0 || !gives || !agrees(gives, got))
        differ(title, "entity", gives ? gives : json_object_get(row, "fields"), got);
    if (!json_equal(input, request.input) || (before && !json_equal(before, request.before)))
        differ(title, "the request was changed", input, request.input);
    json_decref(got);
    json_decref(before);
    json_decref(input);
    kong_error_done(&error);
}

/* "each": {"field": [values]} makes a row of each value, put at that field of the input. */
static void check_each(const struct model *model, const char *title, const json_t *row)
{
    const json_t *each = json_object_get(row, "each");
    const char *field = json_string_value(json_object_get(each, "field"));
    const json_t *values = json_object_get(each, "values");

    for (size_t i = 0; i < json_array_size(values); i++) {
        json_t *copy = json_deep_copy(row);
        json_t *input = json_object_get(copy, "input");
        char *of = NULL, *text = dump(json_array_get(values, i));
        CHECK(asprintf(&of, "%s: %s = %s", title, field, text) > 0);
        CHECK_INT(json_object_set(input, field, json_array_get(values, i)), 0);
        check_row(model, of, copy);
        free(of);
        free(text);
        json_decref(copy);
    }
}

TEST(every_row_gives_what_kong_gives)
{
    const struct model *model = model_get();
    json_t *groups = load_rows(), *rows, *row;
    const char *group;
    size_t i;

    differences = 0;
    json_object_foreach(groups, group, rows)
    {
        json_array_foreach(rows, i, row)
        {
            char title[256];
            const char *of = json_string_value(json_object_get(row, "of"));
            (void)snprintf(title, sizeof(title), "%s[%zu] %s", group, i, of ? of : "");
            if (json_object_get(row, "each"))
                check_each(model, title, row);
            else
                check_row(model, title, row);
        }
    }
    json_decref(groups);
    CHECK_INT(differences, 0);
}

TESTS(TEST_CASE(every_row_gives_what_kong_gives))
