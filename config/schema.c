#include "config/schema.h"

#include <errno.h>
#include <string.h>

#include "config/suggest.h"

/* What one field's reading needs. */
struct reading {
    struct schema_reader *reader;
    const struct schema_field *field;
    const struct document_node *node; /* of the value; NULL: the default is being stored */
    char *entity;                     /* or NULL */
};

bool schema_list_has(const char *list, const char *word)
{
    size_t length = strlen(word);

    while (*list) {
        size_t item = strcspn(list, ",");
        if (item == length && memcmp(list, word, length) == 0)
            return true;
        list += item;
        list += strspn(list, ", ");
    }
    return false;
}

const struct schema_field *schema_find(const struct schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->fields_count; i++)
        if (strcmp(schema->fields[i].name, name) == 0)
            return &schema->fields[i];
    return NULL;
}

#define FAIL(reading, ...)                                                            \
    document_add_error((reading)->node, DOCUMENT_AT_VALUE, (reading)->reader->errors, \
                       CONFIG_ERROR, __VA_ARGS__)

/* --- storing ------------------------------------------------------------------------------- */

static void store_integer(const struct reading *reading, int64_t value)
{
    void *member = reading->entity + reading->field->offset;

    switch (reading->field->size) {
    case sizeof(uint8_t):
        *(uint8_t *)member = (uint8_t)value;
        break;
    case sizeof(uint16_t):
        *(uint16_t *)member = (uint16_t)value;
        break;
    case sizeof(uint32_t):
        *(uint32_t *)member = (uint32_t)value;
        break;
    default:
        *(uint64_t *)member = (uint64_t)value;
        break;
    }
}

static void store_boolean(const struct reading *reading, int value)
{
    void *member = reading->entity + reading->field->offset;

    if (reading->field->size == sizeof(bool))
        *(bool *)member = value > 0;
    else
        *(int *)member = value;
}

static void store_number(const struct reading *reading, double value)
{
    *(uint64_t *)(void *)(reading->entity + reading->field->offset) =
        (uint64_t)(value * 1000 + 0.5);
}

static void store_statuses(const struct reading *reading, const json_t *list)
{
    struct config_statuses *statuses = (void *)(reading->entity + reading->field->offset);

    memset(statuses, 0, sizeof(*statuses));
    for (size_t i = 0; i < json_array_size(list); i++) {
        int64_t status = (int64_t)json_number_value(json_array_get(list, i));

        statuses->bits[status / 64] |= UINT64_C(1) << status % 64;
    }
}

static char *copy_string(const struct reading *reading, const json_t *value)
{
    char *copy = config_copy_text(reading->reader->config, json_string_value(value),
                                  json_string_length(value));

    if (!copy)
        reading->reader->out_of_memory = true;
    return copy;
}

static void store_string(const struct reading *reading, const json_t *value)
{
    *(char **)(void *)(reading->entity + reading->field->offset) = copy_string(reading, value);
}

static bool comes_earlier(const json_t *list, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (json_equal(json_array_get(list, i), json_array_get(list, index)))
            return true;
    return false;
}

static void store_strings(const struct reading *reading, const json_t *list)
{
    struct config_strings *strings = (void *)(reading->entity + reading->field->offset);
    size_t count = json_array_size(list);

    strings->items = config_alloc(reading->reader->config, (count + 1) * sizeof(char *));
    if (!strings->items) {
        reading->reader->out_of_memory = true;
        return;
    }
    for (size_t i = 0; i < count; i++)
        if (!(reading->field->flags & SCHEMA_SET) || !comes_earlier(list, i))
            strings->items[strings->count++] = copy_string(reading, json_array_get(list, i));
}

/* --- one value of each type ---------------------------------------------------------------- */

static bool read_string(const struct reading *reading)
{
    const struct schema_field *field = reading->field;
    const char *text = json_string_value(reading->node->value);
    char message[CHECK_MESSAGE_MAX];

    if (!text) {
        FAIL(reading, "expected a string%s",
             json_is_number(reading->node->value) ? "; write it in quotes" : "");
        return false;
    }
    if (*text == '\0') {
        FAIL(reading, "length must be at least 1");
        return false;
    }
    if (field->one_of && !schema_list_has(field->one_of, text)) {
        FAIL(reading, "expected one of: %s", field->one_of);
        return false;
    }
    if (field->check && field->check(text, message) < 0) {
        const char *hint = check_hint(field->check, message);
        FAIL(reading, "%s%s%s", message, hint ? "; " : "", hint ? hint : "");
        return false;
    }
    return true;
}

/* A whole number, also when written as 1.0, since JSON does not tell the two apart. */
static bool whole_number(const json_t *value, int64_t *ret)
{
    double real = json_real_value(value);

    if (json_is_integer(value)) {
        *ret = json_integer_value(value);
        return true;
    }
    if (!json_is_real(value) || real > 9e15 || real < -9e15 || real != (double)(int64_t)real)
        return false;
    *ret = (int64_t)real;
    return true;
}

static bool is_within(const struct reading *reading, double value)
{
    const struct schema_field *field = reading->field;

    if ((field->min == 0 && field->max == 0) ||
        (value >= (double)field->min && value <= (double)field->max))
        return true;
    FAIL(reading, "value should be between %lld and %lld", (long long)field->min,
         (long long)field->max);
    return false;
}

static bool read_number(const struct reading *reading)
{
    if (json_is_number(reading->node->value))
        return is_within(reading, json_number_value(reading->node->value));
    FAIL(reading, "expected a number");
    return false;
}

static bool read_integer(const struct reading *reading, int64_t *ret)
{
    const struct schema_field *field = reading->field;
    int64_t value;

    if (!whole_number(reading->node->value, &value)) {
        FAIL(reading, "expected an integer");
        return false;
    }
    if (!is_within(reading, (double)value))
        return false;
    char text[24];
    (void)snprintf(text, sizeof(text), "%lld", (long long)value);
    if (field->one_of && !schema_list_has(field->one_of, text)) {
        FAIL(reading, "expected one of: %s", field->one_of);
        return false;
    }
    *ret = value;
    return true;
}

static bool read_strings(const struct reading *reading)
{
    struct document_node item = { 0 };
    bool good = true;

    if (!json_is_array(reading->node->value)) {
        FAIL(reading, "expected %s; write it as a list: [ … ]",
             reading->field->flags & SCHEMA_SET ? "a set" : "an array");
        return false;
    }
    while (document_next(reading->node, &item)) {
        struct reading one = *reading;
        one.node = &item;
        good = read_string(&one) && good;
    }
    return good;
}

static bool read_statuses(const struct reading *reading)
{
    struct document_node item = { 0 };
    bool good = true;
    int64_t status;

    if (!json_is_array(reading->node->value)) {
        FAIL(reading, "expected an array; write it as a list: [ … ]");
        return false;
    }
    while (document_next(reading->node, &item)) {
        struct reading one = *reading;
        one.node = &item;
        good = read_integer(&one, &status) && good;
    }
    return good;
}

static void read_value(const struct reading *reading)
{
    const json_t *value = reading->node->value;
    bool stored = reading->entity && reading->field->size > 0;
    int64_t integer;

    switch (reading->field->type) {
    case SCHEMA_STRING:
        if (read_string(reading) && stored)
            store_string(reading, value);
        return;
    case SCHEMA_INTEGER:
        if (read_integer(reading, &integer) && stored)
            store_integer(reading, integer);
        return;
    case SCHEMA_NUMBER:
        if (read_number(reading) && stored)
            store_number(reading, json_number_value(value));
        return;
    case SCHEMA_STATUSES:
        if (read_statuses(reading) && stored)
            store_statuses(reading, value);
        return;
    case SCHEMA_BOOLEAN:
        if (!json_is_boolean(value))
            FAIL(reading, "expected a boolean; write true or false, without quotes");
        else if (stored)
            store_boolean(reading, json_is_true(value));
        return;
    case SCHEMA_STRINGS:
        if (read_strings(reading) && stored)
            store_strings(reading, value);
        return;
    case SCHEMA_RECORD:
        schema_read(reading->reader, reading->field->record, reading->node, reading->entity);
        return;
    case SCHEMA_ENTITIES:
        if (!json_is_array(value))
            FAIL(reading, "expected an array; write it as a list: [ … ]");
        return;
    case SCHEMA_ANY:
        return;
    }
}

/* --- defaults ------------------------------------------------------------------------------ */

static json_t *default_value(const struct schema_field *field)
{
    return field->default_json ? json_loads(field->default_json, JSON_DECODE_ANY, NULL)
                               : json_null();
}

static void store_default(const struct reading *reading);

static void store_defaults(const struct reading *reading, const struct schema *record)
{
    struct reading one = *reading;

    for (size_t i = 0; i < record->fields_count; i++) {
        one.field = &record->fields[i];
        store_default(&one);
    }
}

static void store_default(const struct reading *reading)
{
    const struct schema_field *field = reading->field;
    json_t *value;

    if (reading->entity && field->type == SCHEMA_RECORD)
        store_defaults(reading, field->record);
    if (!reading->entity || field->size == 0)
        return;
    value = default_value(field);
    if (!value)
        reading->reader->out_of_memory = true;
    else if (json_is_string(value))
        store_string(reading, value);
    else if (field->type == SCHEMA_STATUSES)
        store_statuses(reading, value);
    else if (field->type == SCHEMA_NUMBER)
        store_number(reading, json_number_value(value));
    else if (json_is_array(value))
        store_strings(reading, value);
    else if (field->type == SCHEMA_INTEGER)
        store_integer(reading, json_is_integer(value) ? json_integer_value(value) : -1);
    else if (field->type == SCHEMA_BOOLEAN)
        store_boolean(reading, json_is_boolean(value) ? json_is_true(value) : -1);
    json_decref(value);
}

/* --- the mapping --------------------------------------------------------------------------- */

static void report_unknown(struct schema_reader *reader, const struct schema *schema,
                           const struct document_node *node)
{
    struct suggest suggest = { .wanted = node->key };

    for (size_t i = 0; i < schema->fields_count; i++)
        suggest_offer(&suggest, schema->fields[i].name);
    if (suggest.nearest)
        document_add_error(node, DOCUMENT_AT_KEY, reader->errors, CONFIG_ERROR,
                           "unknown field; did you mean '%s'?", suggest.nearest);
    else
        document_add_error(node, DOCUMENT_AT_KEY, reader->errors, CONFIG_ERROR,
                           "unknown field; remove it");
}

static void read_field(const struct reading *reading, const struct document_node *parent)
{
    struct reading missing = *reading;

    if (reading->node && !json_is_null(reading->node->value)) {
        read_value(reading);
        return;
    }
    missing.node = NULL;
    if ((reading->field->flags & SCHEMA_REQUIRED) && !reading->field->default_json) {
        /* The path names the missing field, the position is that of the entity. */
        struct document_node at = *parent;
        at.parent = parent;
        at.key = reading->field->name;
        document_add_error(&at, DOCUMENT_AT_VALUE, reading->reader->errors, CONFIG_ERROR,
                           "required field missing; add '%s'", reading->field->name);
        return;
    }
    store_default(&missing);
}

void schema_read(struct schema_reader *reader, const struct schema *schema,
                 const struct document_node *node, void *entity)
{
    struct document_node child = { 0 };

    if (!json_is_object(node->value)) {
        document_add_error(node, DOCUMENT_AT_VALUE, reader->errors, CONFIG_ERROR,
                           "expected a record: a mapping of fields");
        return;
    }
    while (document_next(node, &child))
        if (!schema_find(schema, child.key))
            report_unknown(reader, schema, &child);
    for (size_t i = 0; i < schema->fields_count; i++) {
        const struct schema_field *field = &schema->fields[i];
        struct document_node value;
        bool found = document_member(node, field->name, &value);
        struct reading reading = {
            .reader = reader, .field = field, .entity = entity, .node = found ? &value : NULL
        };
        read_field(&reading, node);
    }
}
