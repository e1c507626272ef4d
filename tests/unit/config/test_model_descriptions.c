/* The tables document themselves: every field says what it means, every number what it counts. */
#include <string.h>

#include "config/model/model.h"
#include "tests/check.h"

enum { TEXT_MIN = 8, TEXT_MAX = 160 };

static size_t fields_seen;

static const char *word_of(const json_t *definition, const char *word)
{
    return json_string_value(json_object_get(definition, word));
}

/* One or two lines without a full stop, so that it can stand in a table or be gone on with. */
static void check_text(const char *where, const char *name, const char *text)
{
    size_t length = text ? strlen(text) : 0;

    if (length < TEXT_MIN || length > TEXT_MAX || text[length - 1] == '.')
        fail_msg("%s: the text of %s is missing, too long or ends with a full stop: %s", where,
                 name, text ? text : "(none)");
    for (size_t i = 0; i < length; i++)
        if (text[i] < ' ' || text[i] > '~')
            fail_msg("%s: the text of %s is not plain ASCII: %s", where, name, text);
}

static const struct model_field *innermost(const struct model_field *field)
{
    while (field && (field->elements || field->values))
        field = field->elements ? field->elements : field->values;
    return field;
}

static bool is_number(const struct model_field *field)
{
    return field && !(field->flags & MODEL_TIMESTAMP) &&
           (field->type == MODEL_INTEGER || field->type == MODEL_NUMBER);
}

static void check_record(const char *where, const struct model_record *record);

static void check_field(const char *where, const struct model_field *field)
{
    const struct model_field *inner = innermost(field);
    char below[256];

    fields_seen++;
    (void)snprintf(below, sizeof(below), "%s.%s", where, field->name);
    check_text(where, field->name, word_of(field->definition, "description"));
    if (word_of(field->definition, "x_differs"))
        check_text(where, "x_differs", word_of(field->definition, "x_differs"));
    if (is_number(inner) && !word_of(field->definition, "x_unit"))
        fail_msg("%s: x_unit does not say what the number counts", below);
    if (inner->record)
        check_record(below, inner->record);
}

static void check_record(const char *where, const struct model_record *record)
{
    for (size_t i = 0; i < record->fields_count; i++)
        check_field(where, &record->fields[i]);
    for (size_t i = 0; i < record->shorthands_count; i++)
        check_field(where, model_shorthand_at(record, i));
}

TEST(every_field_of_every_entity_is_described)
{
    const struct model *model = model_get();

    fields_seen = 0;
    for (size_t i = 0; i < model_entities_count(model); i++) {
        const struct model_entity *entity = model_entity_at(model, i);

        check_text(entity->name, "itself", word_of(entity->record.definition, "description"));
        check_record(entity->name, &entity->record);
        for (size_t j = 0; j < entity->subschemas_count; j++)
            check_record(entity->subschemas[j].key, &entity->subschemas[j].record);
    }
    CHECK(fields_seen > 200);
}

TEST(every_field_of_every_plugin_is_described)
{
    const struct model *model = model_get();

    fields_seen = 0;
    for (size_t i = 0; i < model_plugins_count(model); i++)
        check_record(model_plugin_at(model, i)->name, &model_plugin_at(model, i)->overrides);
    CHECK(fields_seen > 300);
}

TESTS(TEST_CASE(every_field_of_every_entity_is_described),
      TEST_CASE(every_field_of_every_plugin_is_described))
