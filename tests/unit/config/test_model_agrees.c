/*
 * The declarative reader has tables of its own (config/schema*.c), with places in structs and what
 * hopgate runs of it. What both say of a field must be the same: types, limits, words, defaults.
 */
#include <stdlib.h>
#include <string.h>

#include "config/model/model_priv.h"
#include "config/schema.h"
#include "tests/check.h"

static unsigned differences;

#define DIFFER(where, field, what)                                        \
    do {                                                                  \
        (void)fprintf(stderr, "%s.%s: %s\n", where, (field)->name, what); \
        differences++;                                                    \
    } while (0)

static const struct model_rule *rule_of(const struct model_field *field, enum model_rule_kind kind)
{
    for (size_t i = 0; i < field->rules_count; i++)
        if (field->rules[i].kind == kind)
            return &field->rules[i];
    return NULL;
}

static bool is_type(const struct schema_field *reader, const struct model_field *field)
{
    switch (reader->type) {
    case SCHEMA_STRING:
        return field->type == MODEL_STRING;
    case SCHEMA_INTEGER:
        return field->type == MODEL_INTEGER;
    case SCHEMA_NUMBER: /* times of the entity itself, which the reader does not look at */
        return field->type == MODEL_NUMBER || field->flags & MODEL_TIMESTAMP;
    case SCHEMA_BOOLEAN:
        return field->type == MODEL_BOOLEAN;
    case SCHEMA_STATUSES:
        return field->type == MODEL_ARRAY && field->elements->type == MODEL_INTEGER;
    case SCHEMA_STRINGS:
        return field->type == (reader->flags & SCHEMA_SET ? MODEL_SET : MODEL_ARRAY) &&
               field->elements->type == MODEL_STRING;
    case SCHEMA_RECORD:
        return field->type == MODEL_RECORD;
    case SCHEMA_REFERENCE:
        return field->type == MODEL_FOREIGN;
    case SCHEMA_ENTITIES:
    case SCHEMA_ANY:
        return true;
    }
    return false;
}

static void check_limits(const char *where, const struct schema_field *reader,
                         const struct model_field *field)
{
    const struct model_rule *between =
        rule_of(reader->type == SCHEMA_STATUSES ? field->elements : field, MODEL_RULE_BETWEEN);
    bool is_any = reader->min <= INT32_MIN; /* the size of the member, not Kong's */

    if (is_any || (reader->min == 0 && reader->max == 0 && !between))
        return;
    if (!between || between->low != (double)reader->min || between->high != (double)reader->max)
        DIFFER(where, reader, "between");
}

static void check_words(const char *where, const struct schema_field *reader,
                        const struct model_field *field)
{
    bool is_list = field->type == MODEL_SET || field->type == MODEL_ARRAY;
    const struct model_rule *one_of = rule_of(is_list ? field->elements : field, MODEL_RULE_ONE_OF);
    char text[256] = "";

    if (reader->type == SCHEMA_RECORD || (!reader->one_of && !one_of))
        return;
    for (size_t i = 0; one_of && i < json_array_size(one_of->argument); i++) {
        const json_t *word = json_array_get(one_of->argument, i);
        size_t length = strlen(text);
        if (json_is_string(word))
            (void)snprintf(text + length, sizeof(text) - length, "%s%s", i > 0 ? ", " : "",
                           json_string_value(word));
        else
            (void)snprintf(text + length, sizeof(text) - length, "%s%lld", i > 0 ? ", " : "",
                           (long long)json_integer_value(word));
    }
    if (!reader->one_of || strcmp(reader->one_of, text) != 0)
        DIFFER(where, reader, "one_of");
}

static void check_default(const char *where, const struct schema_field *reader,
                          const struct model_field *field)
{
    json_t *value;

    if (reader->type == SCHEMA_RECORD || reader->type == SCHEMA_ENTITIES ||
        reader->type == SCHEMA_ANY)
        return;
    value = reader->default_json ? json_loads(reader->default_json, JSON_DECODE_ANY, NULL)
                                 : json_null();
    if (field->default_value ? !json_equal(value, field->default_value) : !json_is_null(value))
        DIFFER(where, reader, "default");
    json_decref(value);
}

static void check_fields(const char *where, const struct schema *schema,
                         const struct model_record *record);

static void check_field(const char *where, const struct schema_field *reader,
                        const struct model_field *field)
{
    if (!is_type(reader, field)) {
        DIFFER(where, reader, "type");
        return;
    }
    check_limits(where, reader, field);
    check_words(where, reader, field);
    check_default(where, reader, field);
    if (reader->flags & SCHEMA_REQUIRED && !(field->flags & MODEL_REQUIRED))
        DIFFER(where, reader, "required");
    if (reader->type == SCHEMA_RECORD)
        check_fields(reader->name, reader->record, field->record);
}

/* What stands in files only: comments, entities inside entities, other editions' fields. */
static bool is_of_files_only(const struct schema_field *reader)
{
    return reader->name[0] == '_' || reader->type == SCHEMA_ENTITIES ||
           reader->flags & SCHEMA_NOT_YET;
}

static void check_fields(const char *where, const struct schema *schema,
                         const struct model_record *record)
{
    for (size_t i = 0; i < schema->fields_count; i++) {
        const struct schema_field *reader = &schema->fields[i];
        const struct model_field *field = model_field(record, reader->name);
        if (field)
            check_field(where, reader, field);
        else if (!is_of_files_only(reader) && strcmp(reader->name, "url") != 0)
            DIFFER(where, reader, "the model does not know it");
    }
    for (size_t i = 0; i < record->fields_count; i++)
        if (!schema_find(schema, record->fields[i].name))
            DIFFER(where, &record->fields[i], "the reader does not know it");
}

TEST(both_tables_say_the_same_of_each_field)
{
    static const struct schema *const schemas[] = {
        &schema_services,     &schema_routes, &schema_upstreams,       &schema_targets,
        &schema_certificates, &schema_snis,   &schema_ca_certificates,
    };

    differences = 0;
    for (size_t i = 0; i < sizeof(schemas) / sizeof(schemas[0]); i++)
        check_fields(schemas[i]->name, schemas[i],
                     &model_entity(model_get(), schemas[i]->name)->record);
    CHECK_INT(differences, 0);
}

TESTS(TEST_CASE(both_tables_say_the_same_of_each_field))
