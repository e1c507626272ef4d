/*
 * model_fill: what a client left out or wrote in short (kong/db/schema/init.lua:
 * process_auto_fields, merge_values).
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "config/model/model_priv.h"
#include "core/uuid.h"

enum { RANDOM_TEXT_BYTES = 32 };

const struct model_field *model_resolve(const struct model_record *record, size_t index,
                                        const struct model_record *subschema)
{
    const struct model_field *own =
        subschema ? model_field(subschema, record->fields[index].name) : NULL;

    return own ? own : &record->fields[index];
}

static void set(struct model_filling *filling, json_t *values, const char *name, json_t *value)
{
    if (json_object_set_new(values, name, value) < 0)
        filling->words.out_of_memory = true;
}

/* --- shorthands ------------------------------------------------------------------------------- */

static void say(struct model_filling *filling, const char *name, json_t *error)
{
    if (!filling->errors)
        filling->errors = json_object();
    if (json_object_set_new(filling->errors, name, error) < 0)
        filling->words.out_of_memory = true;
}

static const json_t *at_path(const json_t *values, const json_t *path)
{
    for (size_t i = 0; i < json_array_size(path); i++)
        values = json_object_get(values, json_string_value(json_array_get(path, i)));
    return values;
}

static const char *shown(const json_t *value, char *into, size_t size)
{
    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_boolean(value))
        return json_is_true(value) ? "true" : "false";
    (void)snprintf(into, size, "%.14g", json_number_value(value));
    return into;
}

static bool is_number_like(const json_t *a, const json_t *b)
{
    return json_is_number(a) && json_is_number(b) && json_number_value(a) == json_number_value(b);
}

/* The old and the new name at once, and not the same. */
static bool is_mismatch(struct model_filling *filling, const struct model_shorthand *shorthand,
                        const json_t *values, const json_t *value)
{
    const json_t *now = at_path(values, shorthand->path);
    const char *first = json_string_value(json_array_get(shorthand->path, 0));
    const char *second = json_string_value(json_array_get(shorthand->path, 1));
    char old_text[32], new_text[32];

    if (!shorthand->is_deprecated || !shorthand->path || json_is_null(value) || !now ||
        json_is_null(now) || json_equal(now, value) || is_number_like(now, value))
        return false;
    say(filling, shorthand->field.name,
        model_said(&filling->words,
                   "both deprecated and new field are used but their values mismatch: %s = %s "
                   "vs %s%s%s = %s",
                   shorthand->field.name, shown(value, old_text, sizeof(old_text)), first,
                   second ? "." : "", second ? second : "",
                   shown(now, new_text, sizeof(new_text))));
    return true;
}

/* {"redis": {"host": value}} from ["redis", "host"]. */
static json_t *along_path(const json_t *path, const json_t *value)
{
    json_t *made = json_deep_copy(value);

    for (size_t i = json_array_size(path); made && i-- > 0;)
        made = json_pack("{s:o}", json_string_value(json_array_get(path, i)), made);
    return made;
}

static bool is_unset(const json_t *value)
{
    return !value || json_is_null(value);
}

/* Members of a record: what a deprecated shorthand says gives way to what is there. */
static void take_member(struct model_filling *filling, bool is_deprecated, json_t *values,
                        const char *name, json_t *value)
{
    json_t *record = json_object_get(values, name), *inner;
    const char *key;

    if (!json_is_object(value)) {
        if (!is_deprecated || is_unset(record))
            set(filling, values, name, json_incref(value));
        return;
    }
    if (!json_is_object(record)) {
        if (is_unset(record))
            set(filling, values, name, json_incref(value));
        return;
    }
    json_object_foreach(value, key, inner)
    {
        if (!is_deprecated || is_unset(json_object_get(record, key)))
            set(filling, record, key, json_incref(inner));
    }
}

static void expand_shorthand(struct model_filling *filling, const struct model_shorthand *shorthand,
                             json_t *values)
{
    const char *name = shorthand->field.name, *key;
    json_t *value = json_incref(json_object_get(values, name)), *made, *member;
    json_t *error = model_validate_value(&filling->words, &shorthand->field, value);

    if (error) {
        say(filling, name, error);
    } else if (!is_mismatch(filling, shorthand, values, value)) {
        (void)json_object_del(values, name); /* it is there */
        made = shorthand->expand ? shorthand->expand(value) : along_path(shorthand->path, value);
        if (!made)
            filling->words.out_of_memory = true;
        json_object_foreach(made, key, member)
            take_member(filling, shorthand->is_deprecated, values, key, member);
        json_decref(made);
    }
    json_decref(value);
}

static void expand_shorthands(struct model_filling *filling, const struct model_record *record,
                              json_t *values)
{
    for (size_t i = 0; i < record->shorthands_count; i++)
        if (json_object_get(values, record->shorthands[i].field.name))
            expand_shorthand(filling, &record->shorthands[i], values);
}

/* Answers show the old names too. */
static void show_old_names(struct model_filling *filling, const struct model_record *record,
                           json_t *values)
{
    for (size_t i = 0; i < record->shorthands_count; i++) {
        const struct model_shorthand *shorthand = &record->shorthands[i];
        const json_t *value = shorthand->path ? at_path(values, shorthand->path) : NULL;
        if (value)
            set(filling, values, shorthand->field.name, json_deep_copy(value));
    }
}

/* --- made here -------------------------------------------------------------------------------- */

/* Kong's random_string: 32 letters and digits. */
static json_t *random_text(void)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    enum { LETTERS = sizeof(letters) - 1 };
    char text[RANDOM_TEXT_BYTES];
    size_t length = 0;

    while (length < sizeof(text)) {
        unsigned char bytes[64];
        if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
            return NULL;
        for (size_t i = 0; i < sizeof(bytes) && length < sizeof(text); i++)
            if (bytes[i] < 256 / LETTERS * LETTERS) /* every letter equally often */
                text[length++] = letters[bytes[i] % LETTERS];
    }
    return json_stringn(text, sizeof(text));
}

static json_t *random_uuid(void)
{
    char text[UUID_TEXT_BYTES + 1];

    return uuid_v4(text) ? json_string(text) : NULL;
}

static json_t *time_of(const struct model_filling *filling, const struct model_field *field)
{
    if (field->type == MODEL_INTEGER)
        return json_integer((json_int_t)filling->now_s);
    return json_real((double)(long long)(filling->now_s * 1000) / 1000);
}

static void fill_auto(struct model_filling *filling, const struct model_field *field,
                      json_t *values)
{
    const json_t *value = json_object_get(values, field->name);
    bool is_insert = filling->context == MODEL_CONTEXT_INSERT;

    if (strcmp(field->name, "updated_at") == 0 && filling->keeps_times && !is_unset(value))
        return;
    if (strcmp(field->name, "updated_at") == 0)
        set(filling, values, field->name, time_of(filling, field));
    else if (!is_insert)
        return;
    else if (strcmp(field->name, "created_at") == 0 && is_unset(value))
        set(filling, values, field->name, time_of(filling, field));
    else if (field->flags & MODEL_UUID && is_unset(value)) /* Kong: a null id cannot be stored */
        set(filling, values, field->name, random_uuid());
    else if (field->type == MODEL_STRING && !value)
        set(filling, values, field->name, random_text());
}

/* --- usual form ------------------------------------------------------------------------------- */

/* A set without repetitions; the first one stays. Records are never the same. */
static json_t *without_repetitions(const json_t *list)
{
    json_t *seen = json_object(), *kept = json_array();
    bool failed = !seen || !kept;

    for (size_t i = 0; !failed && i < json_array_size(list); i++) {
        json_t *item = json_array_get(list, i);
        char number[40];
        const char *key = json_string_value(item);
        size_t length = json_string_length(item);
        if (json_is_number(item)) {
            length = (size_t)snprintf(number, sizeof(number), "\001%.17g", json_number_value(item));
            key = number;
        } else if (json_is_null(item) || json_is_boolean(item)) {
            length = (size_t)snprintf(number, sizeof(number), "\002%d", (int)json_typeof(item));
            key = number;
        }
        if (key && json_object_getn(seen, key, length))
            continue;
        failed = (key && json_object_setn_new_nocheck(seen, key, length, json_true()) < 0) ||
                 json_array_append(kept, item) < 0;
    }
    json_decref(seen);
    if (failed) {
        json_decref(kept);
        return NULL;
    }
    return kept;
}

/* 80.0 is 80, as every number of Lua's. */
static json_t *usual_number(json_t *value)
{
    double number = json_real_value(value);

    if (json_is_real(value) && number >= -9.2e18 && number <= 9.2e18 &&
        number == (double)(json_int_t)number)
        return json_integer((json_int_t)number);
    return json_incref(value);
}

static json_t *lower_case(json_t *value)
{
    const char *text = json_string_value(value);
    char lower[UUID_TEXT_BYTES + 1];
    size_t length = 0;

    if (!text || strlen(text) != UUID_TEXT_BYTES)
        return json_incref(value);
    for (; length < UUID_TEXT_BYTES; length++)
        lower[length] =
            (char)(text[length] >= 'A' && text[length] <= 'F' ? text[length] + 32 : text[length]);
    return json_stringn(lower, length);
}

static json_t *usual_foreign(struct model_filling *filling, json_t *value)
{
    json_t *id = json_object_get(value, "id"), *made;

    if (!json_is_string(id))
        return json_incref(value);
    id = lower_case(id);
    made = id ? json_pack("{s:o}", "id", id) : NULL;
    if (!made)
        filling->words.out_of_memory = true;
    return made;
}

static json_t *filled(struct model_filling *filling, const struct model_field *field,
                      json_t *value);

static json_t *filled_list(struct model_filling *filling, const struct model_field *field,
                           json_t *value)
{
    json_t *list;

    if (json_is_object(value) && json_object_size(value) == 0)
        return json_array();
    if (!json_is_array(value))
        return json_incref(value);
    list = field->type == MODEL_SET ? without_repetitions(value) : json_incref(value);
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *item = filled(filling, field->elements, json_array_get(list, i));
        if (json_array_set_new(list, i, item) < 0)
            filling->words.out_of_memory = true;
    }
    return list;
}

static json_t *filled_map(struct model_filling *filling, const struct model_field *field,
                          json_t *value)
{
    const char *key;
    json_t *member;

    if (json_is_array(value) && json_array_size(value) == 0)
        return json_object();
    json_object_foreach(value, key, member)
        set(filling, value, key, filled(filling, field->values, member));
    return json_incref(value);
}

static json_t *filled_record(struct model_filling *filling, const struct model_field *field,
                             json_t *value)
{
    if (!field->record)
        return json_incref(value);
    if (json_is_array(value) && json_array_size(value) == 0)
        value = json_object();
    else
        json_incref(value);
    if (json_is_object(value))
        model_fill(filling, field->record, NULL, value);
    return value;
}

/* A new reference; the inside of `value` is changed in place. */
static json_t *filled(struct model_filling *filling, const struct model_field *field, json_t *value)
{
    bool is_last = filling->context == MODEL_CONTEXT_SELECT;

    switch (field->type) {
    case MODEL_ARRAY:
    case MODEL_SET:
        return filled_list(filling, field, value);
    case MODEL_MAP:
        return filled_map(filling, field, value);
    case MODEL_RECORD:
        return filled_record(filling, field, value);
    case MODEL_FOREIGN:
        return is_last ? usual_foreign(filling, value) : json_incref(value);
    case MODEL_INTEGER:
    case MODEL_NUMBER:
        return is_last ? usual_number(value) : json_incref(value);
    case MODEL_STRING:
        return is_last && field->flags & MODEL_UUID ? lower_case(value) : json_incref(value);
    case MODEL_BOOLEAN:
    case MODEL_JSON:
        return json_incref(value);
    }
    return json_incref(value);
}

/* --- all -------------------------------------------------------------------------------------- */

/* NULL: it stays absent. */
static json_t *missing_value(struct model_filling *filling, const struct model_field *field)
{
    json_t *made = NULL;

    if (field->default_value)
        made = json_deep_copy(field->default_value);
    else if (!(field->flags & MODEL_REQUIRED))
        return json_null();
    else if (field->type == MODEL_RECORD && !(field->flags & MODEL_ABSTRACT))
        made = json_object();
    else
        return NULL;
    if (!made)
        filling->words.out_of_memory = true;
    return made;
}

static void fill_field(struct model_filling *filling, const struct model_field *field,
                       json_t *values)
{
    json_t *value, *made;

    if (field->flags & MODEL_AUTO && filling->context != MODEL_CONTEXT_SELECT)
        fill_auto(filling, field, values);
    value = json_object_get(values, field->name);
    if (value) {
        set(filling, values, field->name, filled(filling, field, value));
        return;
    }
    if (filling->context == MODEL_CONTEXT_UPDATE || field->flags & MODEL_PSEUDO)
        return;
    made = missing_value(filling, field);
    if (made)
        set(filling, values, field->name, filled(filling, field, made));
    json_decref(made);
}

void model_fill(struct model_filling *filling, const struct model_record *record,
                const struct model_record *subschema, json_t *values)
{
    if (filling->context != MODEL_CONTEXT_SELECT)
        expand_shorthands(filling, record, values);
    for (size_t i = 0; i < record->fields_count && !filling->errors; i++)
        fill_field(filling, model_resolve(record, i, subschema), values);
    if (filling->context == MODEL_CONTEXT_SELECT)
        show_old_names(filling, record, values);
}

json_t *model_merge(const struct model_record *record, const struct model_record *subschema,
                    const json_t *values, const json_t *before)
{
    json_t *merged = json_is_object(before) ? json_copy((json_t *)before) : json_object();

    if (!merged || json_object_update(merged, (json_t *)values) < 0)
        goto fail;
    for (size_t i = 0; i < record->fields_count; i++) {
        const struct model_field *field = model_resolve(record, i, subschema);
        const json_t *value = json_object_get(values, field->name);
        if (!field->record || !json_is_object(value))
            continue;
        json_t *inner =
            model_merge(field->record, NULL, value, json_object_get(before, field->name));
        if (json_object_set_new(merged, field->name, inner) < 0)
            goto fail;
    }
    return merged;

fail:
    json_decref(merged);
    return NULL;
}
