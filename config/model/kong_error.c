#include "config/model/kong_error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct code_row {
    enum kong_error_code code;
    unsigned status;
    const char *name;
};

/* kong/db/errors.lua and ERRORS_HTTP_CODES of kong/api/endpoints.lua */
static const struct code_row code_rows[] = {
    { KONG_INVALID_PRIMARY_KEY, 400, "invalid primary key" },
    { KONG_SCHEMA_VIOLATION, 400, "schema violation" },
    { KONG_PRIMARY_KEY_VIOLATION, 400, "primary key violation" },
    { KONG_FOREIGN_KEY_VIOLATION, 400, "foreign key violation" },
    { KONG_UNIQUE_VIOLATION, 409, "unique constraint violation" },
    { KONG_NOT_FOUND, 404, "not found" },
    { KONG_INVALID_OFFSET, 400, "invalid offset" },
    { KONG_DATABASE_ERROR, 500, "database error" },
    { KONG_INVALID_SIZE, 400, "invalid size" },
    { KONG_INVALID_UNIQUE, 400, "invalid unique" },
    { KONG_INVALID_OPTIONS, 400, "invalid options" },
    { KONG_OPERATION_UNSUPPORTED, 405, "operation unsupported" },
    { KONG_FOREIGN_KEYS_UNRESOLVED, 400, "foreign keys unresolved" },
    { KONG_DECLARATIVE_CONFIG, 400, "invalid declarative configuration" },
    { KONG_REFERENCED_BY_OTHERS, 400, "referenced by others" },
};

static const struct code_row *row_of(enum kong_error_code code)
{
    for (size_t i = 0; i < sizeof(code_rows) / sizeof(code_rows[0]); i++)
        if (code_rows[i].code == code)
            return &code_rows[i];
    return NULL;
}

static int give(struct kong_error *error, enum kong_error_code code, json_t *fields, char *message)
{
    kong_error_done(error);
    error->code = code;
    error->status = row_of(code)->status;
    error->message = message;
    error->fields = fields;
    return -EINVAL;
}

/* malloc'ed; NULL: no memory. */
__attribute__((format(printf, 1, 0))) static char *print_list(const char *format, va_list args)
{
    char *text = NULL;

    return vasprintf(&text, format, args) < 0 ? NULL : text;
}

__attribute__((format(printf, 1, 2))) static char *print(const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = print_list(format, args);
    va_end(args);
    return text;
}

/* --- messages of several items ----------------------------------------------------------------- */

struct items {
    FILE *into;
    char *text;
    size_t size, count;
};

static void item(struct items *items, const char *name, const char *sub, const char *text)
{
    if (!items->into)
        return;
    (void)fprintf(items->into, "%s%s%s%s%s%s", items->count > 0 ? "; " : "", name, sub ? "." : "",
                  sub ? sub : "", *name ? ": " : "", text ? text : "");
    items->count++;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The keys in the order of their bytes; malloc'ed; NULL: no memory. */
static const char **sorted_keys(const json_t *object)
{
    const char **keys = malloc((json_object_size(object) + 1) * sizeof(*keys));
    const char *key;
    json_t *value;
    size_t count = 0;

    json_object_foreach((json_t *)object, key, value)
    {
        if (keys)
            keys[count++] = key;
    }
    if (keys)
        qsort(keys, count, sizeof(*keys), by_text);
    return keys;
}

static void item_of_value(struct items *items, const char *name, const char *sub,
                          const json_t *value)
{
    char *printed = json_is_string(value) ? NULL : kong_error_print_lines(value);

    item(items, name, sub, printed ? printed : json_string_value(value));
    free(printed);
}

static void items_of_array(struct items *items, const char *name, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        char index[24]; /* as in Lua, from 1 */
        if (json_is_null(json_array_get(list, i)))
            continue;
        (void)snprintf(index, sizeof(index), "%zu", i + 1);
        item_of_value(items, name, index, json_array_get(list, i));
    }
}

static void items_of_object(struct items *items, const char *name, const json_t *object)
{
    const char **keys = sorted_keys(object);

    for (size_t i = 0; keys && i < json_object_size(object); i++)
        item_of_value(items, name, keys[i], json_object_get(object, keys[i]));
    free(keys);
}

static void items_of_tree(struct items *items, const json_t *tree)
{
    const json_t *entity = json_object_get(tree, "@entity");
    const char **keys = sorted_keys(tree);

    for (size_t i = 0; i < json_array_size(entity); i++)
        item(items, "", NULL, json_string_value(json_array_get(entity, i)));
    for (size_t i = 0; keys && i < json_object_size(tree); i++) {
        const json_t *value = json_object_get(tree, keys[i]);
        if (strcmp(keys[i], "@entity") == 0)
            continue;
        if (json_is_array(value))
            items_of_array(items, keys[i], value);
        else if (json_is_object(value))
            items_of_object(items, keys[i], value);
        else
            item(items, keys[i], NULL, json_string_value(value));
    }
    free(keys);
}

/* "schema violation (a: b)", "2 schema violations (a: b; c: d)"; malloc'ed; NULL: no memory. */
static char *assemble(const json_t *tree, const char *one, const char *many)
{
    struct items items = { 0 };
    char *message;

    items.into = open_memstream(&items.text, &items.size);
    if (!items.into)
        return NULL;
    items_of_tree(&items, tree);
    if (fclose(items.into) != 0) {
        free(items.text);
        return NULL;
    }
    message = items.count == 1 ? print("%s (%s)", one, items.text)
                               : print("%zu %s (%s)", items.count, many, items.text);
    free(items.text);
    return message;
}

/* The last words of what lists not everything. 0 or -1. */
static int tell_left_out(json_t *tree, size_t left_out)
{
    json_t *of_entity = json_object_get(tree, "@entity");
    json_t *said = json_sprintf("and %zu more violations", left_out);

    if (json_is_array(of_entity))
        return json_array_append_new(of_entity, said);
    return json_object_set_new(tree, "@entity", json_pack("[o]", said));
}

/* "100 schema violations (a: b; ...), and 4900 more" */
static char *and_more(char *message, size_t left_out)
{
    char *longer = message ? print("%s, and %zu more", message, left_out) : NULL;

    free(message);
    return longer;
}

int kong_error_schema_violation(struct kong_error *error, json_t *fields)
{
    size_t left_out = kong_error_limit(fields, KONG_VIOLATIONS_MAX);
    char *message = assemble(fields, "schema violation", "schema violations");

    if (left_out > 0) {
        message = and_more(message, left_out);
        (void)tell_left_out(fields, left_out); /* no memory: the message tells it */
    }
    return give(error, KONG_SCHEMA_VIOLATION, fields, message);
}

int kong_error_invalid_options(struct kong_error *error, json_t *options)
{
    return give(error, KONG_INVALID_OPTIONS, options,
                assemble(options, "invalid option", "option violations"));
}

/* {"name", "value", "parent"} as a text. */
static json_t *unresolved(const json_t *value)
{
    json_t *key = json_pack("{s:O}", json_string_value(json_object_get(value, "name")),
                            json_object_get(value, "value"));
    char *printed = kong_error_print(key);
    json_t *said = NULL;

    if (printed)
        said = json_sprintf("the foreign key cannot be resolved with '%s' for an existing '%s' "
                            "entity",
                            printed, json_string_value(json_object_get(value, "parent")));
    free(printed);
    json_decref(key);
    return said;
}

int kong_error_foreign_keys_unresolved(struct kong_error *error, json_t *fields)
{
    const char *name, *sub;
    json_t *inner, *value;

    json_object_foreach(fields, name, inner)
    {
        json_object_foreach(inner, sub, value)
        {
            if (json_is_object(value))
                (void)json_object_set_new(inner, sub, unresolved(value)); /* else it stays */
        }
    }
    return give(error, KONG_FOREIGN_KEYS_UNRESOLVED, fields,
                assemble(fields, "foreign key unresolved", "foreign keys unresolved"));
}

/* --- messages about one thing ------------------------------------------------------------------ */

/* format has one %s for the printed value. */
static char *about(const char *format, const json_t *value)
{
    const char *mark = strstr(format, "%s");
    char *printed = kong_error_print(value);
    char *message = NULL;

    if (printed)
        message = print("%.*s%s%s", (int)(mark - format), format, printed, mark + 2);
    free(printed);
    return message;
}

int kong_error_plain(struct kong_error *error, unsigned status, const char *format, ...)
{
    va_list args;

    kong_error_done(error);
    va_start(args, format);
    error->message = print_list(format, args);
    va_end(args);
    error->code = KONG_PLAIN;
    error->status = status;
    return -EINVAL;
}

int kong_error_primary_key_violation(struct kong_error *error, const char *id)
{
    json_t *key = json_pack("{s:s}", "id", id);

    return give(error, KONG_PRIMARY_KEY_VIOLATION, key,
                about("primary key violation on key '%s'", key));
}

int kong_error_invalid_primary_key(struct kong_error *error, json_t *key_errors)
{
    return give(error, KONG_INVALID_PRIMARY_KEY, key_errors,
                about("invalid primary key: '%s'", key_errors));
}

int kong_error_unique_violation(struct kong_error *error, json_t *key)
{
    return give(error, KONG_UNIQUE_VIOLATION, key, about("UNIQUE violation detected on '%s'", key));
}

int kong_error_foreign_key_missing(struct kong_error *error, const char *field, const char *id,
                                   const char *parent_entity)
{
    json_t *key = json_pack("{s:s}", "id", id);
    char *printed = kong_error_print(key);
    char *message = NULL;

    if (printed)
        message = print("the foreign key '%s' does not reference an existing '%s' entity.", printed,
                        parent_entity);
    free(printed);
    return give(error, KONG_FOREIGN_KEY_VIOLATION, json_pack("{s:o}", field, key), message);
}

int kong_error_still_referenced(struct kong_error *error, const char *child_entity,
                                const char *entity)
{
    return give(error, KONG_FOREIGN_KEY_VIOLATION,
                json_pack("{s:s}", "@referenced_by", child_entity),
                print("an existing '%s' entity references this '%s' entity", child_entity, entity));
}

int kong_error_not_found(struct kong_error *error, json_t *key)
{
    const char *format = json_object_get(key, "id")
                             ? "could not find the entity with primary key '%s'"
                             : "could not find the entity with '%s'";

    return give(error, KONG_NOT_FOUND, key, about(format, key));
}

int kong_error_invalid_offset(struct kong_error *error, const char *offset, const char *why)
{
    return give(error, KONG_INVALID_OFFSET, NULL,
                print("'%s' is not a valid offset: %s", offset, why));
}

int kong_error_invalid_size(struct kong_error *error, const char *message)
{
    return give(error, KONG_INVALID_SIZE, NULL, print("%s", message));
}

int kong_error_invalid_unique(struct kong_error *error, const char *field, const char *message)
{
    int r = give(error, KONG_INVALID_UNIQUE, NULL, print("%s", message));

    error->unique_field = field;
    return r;
}

int kong_error_unsupported(struct kong_error *error, const char *format, ...)
{
    va_list args;
    char *message;

    va_start(args, format);
    message = print_list(format, args);
    va_end(args);
    return give(error, KONG_OPERATION_UNSUPPORTED, NULL, message);
}

int kong_error_referenced_by_others(struct kong_error *error, const char *format, ...)
{
    va_list args;
    char *message;

    va_start(args, format);
    message = print_list(format, args);
    va_end(args);
    return give(error, KONG_REFERENCED_BY_OTHERS, NULL, message);
}

int kong_error_database(struct kong_error *error, const char *format, ...)
{
    va_list args;
    char *message;

    va_start(args, format);
    message = print_list(format, args);
    va_end(args);
    return give(error, KONG_DATABASE_ERROR, NULL, message);
}

int kong_error_declarative(struct kong_error *error, json_t *fields)
{
    size_t left_out = kong_error_limit(fields, KONG_DECLARATIVE_VIOLATIONS_MAX);

    if (left_out > 0)
        (void)tell_left_out(fields, left_out); /* no memory: then fewer are told */
    return give(error, KONG_DECLARATIVE_CONFIG, fields,
                about("declarative config is invalid: %s", fields));
}

/* --- what the client sees ---------------------------------------------------------------------- */

/* A text of which a part was cut may end within a character. */
static json_t *text_of(const char *text)
{
    json_t *value = text ? json_string(text) : json_null();

    return value ? value : json_string("");
}

json_t *kong_error_json(const struct kong_error *error)
{
    const struct code_row *row = row_of(error->code);
    const char *fields = error->code == KONG_INVALID_OPTIONS ? "options" : "fields";
    json_t *name;

    if (!row)
        return json_pack("{s:o}", "message", text_of(error->message));
    if (error->code == KONG_INVALID_UNIQUE)
        name = json_sprintf("%s %s", row->name, error->unique_field ? error->unique_field : "");
    else
        name = json_string(row->name);
    return json_pack("{s:i, s:o, s:o, s:O*}", "code", (int)error->code, "name", name, "message",
                     text_of(error->message), fields, error->fields);
}

void kong_error_done(struct kong_error *error)
{
    free(error->message);
    json_decref(error->fields);
    *error = (struct kong_error){ 0 };
}
