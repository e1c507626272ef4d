/*
 * model_compile: definitions to structs, once.
 */
#include <errno.h>
#include <string.h>

#include "config/model/model_priv.h"

struct flag_word {
    const char *word;
    unsigned flag;
};

static const char *text_of(const json_t *definition, const char *word)
{
    return json_string_value(json_object_get(definition, word));
}

static enum model_type type_of(const char *where, const char *name)
{
    static const char *const names[] = {
        [MODEL_STRING] = "string",   [MODEL_INTEGER] = "integer", [MODEL_NUMBER] = "number",
        [MODEL_BOOLEAN] = "boolean", [MODEL_ARRAY] = "array",     [MODEL_SET] = "set",
        [MODEL_MAP] = "map",         [MODEL_RECORD] = "record",   [MODEL_FOREIGN] = "foreign",
        [MODEL_JSON] = "json",
    };

    for (size_t i = 0; name && i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i], name) == 0)
            return (enum model_type)i;
    model_broken(where, "a field without a type that is known");
}

static unsigned flags_of(const json_t *definition)
{
    static const struct flag_word words[] = {
        { "required", MODEL_REQUIRED },   { "unique", MODEL_UNIQUE },
        { "auto", MODEL_AUTO },           { "uuid", MODEL_UUID },
        { "timestamp", MODEL_TIMESTAMP }, { "x_secret", MODEL_SECRET },
        { "x_pseudo", MODEL_PSEUDO },     { "abstract", MODEL_ABSTRACT },
    };
    const char *on_delete = text_of(definition, "on_delete");
    const char *type = text_of(definition, "type");
    unsigned flags = 0;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (json_is_true(json_object_get(definition, words[i].word)))
            flags |= words[i].flag;
    if (json_object_get(definition, "default"))
        flags |= MODEL_HAS_DEFAULT;
    if (json_is_null(json_object_get(definition, "eq")))
        flags |= MODEL_MUST_BE_NULL;
    if (on_delete && strcmp(on_delete, "cascade") == 0)
        flags |= MODEL_CASCADE;
    else if (type && strcmp(type, "foreign") == 0)
        flags |= MODEL_RESTRICT;
    if (json_is_true(json_object_get(definition, "referenceable")) &&
        !json_is_true(json_object_get(definition, "x_literal")))
        flags |= MODEL_MAY_REFER;
    return flags;
}

static int compile_part(struct model *model, const char *where, const json_t *definition,
                        const char *word, const struct model_field **ret)
{
    const json_t *part = json_object_get(definition, word);
    struct model_field *field;

    if (!part)
        model_broken(where, word);
    field = model_alloc(model, sizeof(*field));
    if (!field)
        return -ENOMEM;
    *ret = field;
    int r = model_compile_field(model, where, word, part, field);
    field->flags |= MODEL_REQUIRED; /* of each element, key and value */
    return r;
}

static int compile_inside(struct model *model, const char *where, const json_t *definition,
                          struct model_field *field)
{
    struct model_record *record;
    int r;

    switch (field->type) {
    case MODEL_ARRAY:
    case MODEL_SET:
        return compile_part(model, where, definition, "elements", &field->elements);
    case MODEL_MAP:
        r = compile_part(model, where, definition, "keys", &field->keys);
        return r < 0 ? r : compile_part(model, where, definition, "values", &field->values);
    case MODEL_RECORD:
        if (field->flags & MODEL_ABSTRACT)
            return 0;
        record = model_alloc(model, sizeof(*record));
        if (!record)
            return -ENOMEM;
        field->record = record;
        return model_compile_record(model, where, definition, NULL, record);
    case MODEL_FOREIGN:
        field->reference = text_of(definition, "reference");
        if (!field->reference)
            model_broken(where, "a foreign field without reference");
        return 0;
    case MODEL_STRING:
    case MODEL_INTEGER:
    case MODEL_NUMBER:
    case MODEL_BOOLEAN:
    case MODEL_JSON:
        return 0;
    }
    return 0;
}

int model_compile_field(struct model *model, const char *where, const char *name,
                        const json_t *definition, struct model_field *ret)
{
    const char *check = text_of(definition, "x_check");
    int r;

    ret->name = name;
    ret->type = type_of(where, text_of(definition, "type"));
    ret->flags = flags_of(definition);
    ret->default_value = json_object_get(definition, "default");
    ret->definition = definition;
    ret->err = text_of(definition, "err");
    ret->runs = json_object_get(definition, "x_runs");
    if (check && ret->type == MODEL_STRING)
        ret->check = model_string_check(check);
    else if (check)
        ret->record_check = model_named_record_check(check);
    if (check && !ret->check && !ret->record_check)
        model_broken(where, check);
    r = model_compile_rules(model, where, definition, ret);
    return r < 0 ? r : compile_inside(model, where, definition, ret);
}

static int compile_fields(struct model *model, const char *where, const json_t *list,
                          struct model_record *record)
{
    size_t count = json_array_size(list);
    struct model_field *fields = model_alloc(model, (count + 1) * sizeof(*fields));

    if (!fields)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        void *only = json_object_iter(json_array_get(list, i));
        if (!only)
            model_broken(where, "an entry of fields that is no {name: {...}}");
        int r = model_compile_field(model, where, json_object_iter_key(only),
                                    json_object_iter_value(only), &fields[i]);
        if (r < 0)
            return r;
    }
    record->fields = fields;
    record->fields_count = count;
    return 0;
}

static int compile_shorthand(struct model *model, const char *where, const char *name,
                             const json_t *definition, struct model_shorthand *ret)
{
    const char *expand = text_of(definition, "x_expand");

    ret->path = json_object_get(definition, "translate_backwards");
    ret->is_deprecated = json_object_get(definition, "deprecation") != NULL;
    if (expand)
        ret->expand = model_named_expansion(expand);
    if (!ret->expand && !ret->path)
        model_broken(where, expand ? expand : name);
    return model_compile_field(model, where, name, definition, &ret->field);
}

static int compile_shorthands(struct model *model, const char *where, const json_t *list,
                              struct model_record *record)
{
    size_t count = json_array_size(list);
    struct model_shorthand *shorthands = model_alloc(model, (count + 1) * sizeof(*shorthands));

    if (!shorthands)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        void *only = json_object_iter(json_array_get(list, i));
        int r = compile_shorthand(model, where, json_object_iter_key(only),
                                  json_object_iter_value(only), &shorthands[i]);
        if (r < 0)
            return r;
    }
    record->shorthands = shorthands;
    record->shorthands_count = count;
    return 0;
}

int model_compile_record(struct model *model, const char *where, const json_t *definition,
                         const json_t *base, struct model_record *ret)
{
    int r;

    ret->definition = definition;
    r = compile_fields(model, where, json_object_get(definition, "fields"), ret);
    if (r == 0)
        r = compile_shorthands(model, where, json_object_get(definition, "shorthand_fields"), ret);
    return r < 0 ? r : model_compile_checks(model, where, definition, base, ret);
}
