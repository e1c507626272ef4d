#include "config/bind.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

/* One record on its way. */
struct binding {
    struct config *config;
    const struct model_record *record;
    const json_t *written;
    char *entity;
    const char **ret_wrong;
};

static int bind_record(const struct binding *binding, const struct bind_table *table,
                       const json_t *values);

/* One field on its way. */
struct target_member {
    struct config *config;
    const struct bind_field *field;
    char *entity;
};

static void *member_of(const struct target_member *to)
{
    return to->entity + to->field->offset;
}

/* --- one value of each type ---------------------------------------------------------------- */

static int bind_text(const struct target_member *to, const json_t *value)
{
    char **member = member_of(to);

    if (!value)
        return 0;
    if (!json_is_string(value))
        return -EINVAL;
    *member = config_copy_text(to->config, json_string_value(value), json_string_length(value));
    return *member ? 0 : -ENOMEM;
}

/* Whole numbers may be written as 1.0. */
static bool whole_number(const json_t *value, int64_t *ret)
{
    double real = json_real_value(value);

    if (json_is_integer(value)) {
        *ret = json_integer_value(value);
        return true;
    }
    if (!json_is_real(value) || !(fabs(real) < 9e15) || real != (double)(int64_t)real)
        return false;
    *ret = (int64_t)real;
    return true;
}

static int bind_integer(const struct target_member *to, const json_t *value)
{
    void *member = member_of(to);
    int64_t number = -1;

    if (value && !whole_number(value, &number))
        return -EINVAL;
    switch (to->field->size) {
    case sizeof(uint8_t):
        *(uint8_t *)member = (uint8_t)number;
        return number >= 0 && number <= UINT8_MAX ? 0 : -EINVAL;
    case sizeof(uint16_t):
        *(uint16_t *)member = (uint16_t)number;
        return number >= 0 && number <= UINT16_MAX ? 0 : -EINVAL;
    case sizeof(uint32_t):
        *(uint32_t *)member = (uint32_t)number;
        return number >= INT32_MIN && number <= UINT32_MAX ? 0 : -EINVAL;
    default:
        *(uint64_t *)member = (uint64_t)number;
        return 0;
    }
}

static int bind_number(const struct target_member *to, const json_t *value)
{
    double number = json_number_value(value);

    if (value && (!json_is_number(value) || !(number >= 0 && number < 9e15)))
        return -EINVAL;
    *(uint64_t *)member_of(to) = (uint64_t)(number * 1000 + 0.5);
    return 0;
}

static int bind_boolean(const struct target_member *to, const json_t *value)
{
    if (value && !json_is_boolean(value))
        return -EINVAL;
    if (to->field->size == sizeof(bool))
        *(bool *)member_of(to) = json_is_true(value);
    else
        *(int *)member_of(to) = value ? json_is_true(value) : -1;
    return 0;
}

static int bind_texts(const struct target_member *to, const json_t *list)
{
    struct config_strings *strings = member_of(to);
    size_t count = json_array_size(list);

    if (count == 0)
        return list && !json_is_array(list) && json_object_size(list) > 0 ? -EINVAL : 0;
    strings->items = config_alloc(to->config, count * sizeof(char *));
    if (!strings->items)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(list, i);
        char *copy;
        if (!json_is_string(value))
            return -EINVAL;
        copy = config_copy_text(to->config, json_string_value(value), json_string_length(value));
        if (!copy)
            return -ENOMEM;
        strings->items[strings->count++] = copy;
    }
    return 0;
}

static int bind_statuses(const struct target_member *to, const json_t *list)
{
    struct config_statuses *statuses = member_of(to);
    int64_t status;

    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!whole_number(json_array_get(list, i), &status) || status < 0 ||
            status >= (int64_t)(sizeof(statuses->bits) * 8))
            return -EINVAL;
        statuses->bits[status / 64] |= UINT64_C(1) << status % 64;
    }
    return 0;
}

/* 0: one that hopgate does not run. */
static unsigned protocol_bit(const json_t *value)
{
    static const struct {
        const char *name;
        enum config_protocol protocol;
    } protocols[] = {
        { "http", CONFIG_PROTOCOL_HTTP }, { "https", CONFIG_PROTOCOL_HTTPS },
        { "tcp", CONFIG_PROTOCOL_TCP },   { "tls_passthrough", CONFIG_PROTOCOL_TLS_PASSTHROUGH },
        { "grpc", CONFIG_PROTOCOL_GRPC }, { "grpcs", CONFIG_PROTOCOL_GRPCS },
    };
    const char *name = json_string_value(value);

    for (size_t i = 0; name && i < sizeof(protocols) / sizeof(protocols[0]); i++)
        if (strcmp(protocols[i].name, name) == 0)
            return protocols[i].protocol;
    return 0;
}

static int bind_protocol(const struct target_member *to, const json_t *value)
{
    static const unsigned of_services =
        CONFIG_PROTOCOL_HTTP | CONFIG_PROTOCOL_HTTPS | CONFIG_PROTOCOL_TCP;
    unsigned bit = protocol_bit(value);

    *(unsigned *)member_of(to) = bit;
    return bit & of_services ? 0 : -EINVAL;
}

static int bind_protocols(const struct target_member *to, const json_t *list)
{
    unsigned mask = 0, bit;

    for (size_t i = 0; i < json_array_size(list); i++) {
        bit = protocol_bit(json_array_get(list, i));
        if (!bit)
            return -EINVAL;
        mask |= bit;
    }
    *(unsigned *)member_of(to) = mask;
    return mask ? 0 : -EINVAL;
}

/* --- the record ---------------------------------------------------------------------------- */

static int bind_value(const struct target_member *to, const json_t *value)
{
    switch (to->field->type) {
    case BIND_TEXT:
        return bind_text(to, value);
    case BIND_INTEGER:
        return bind_integer(to, value);
    case BIND_NUMBER:
        return bind_number(to, value);
    case BIND_BOOLEAN:
        return bind_boolean(to, value);
    case BIND_TEXTS:
        return bind_texts(to, value);
    case BIND_STATUSES:
        return bind_statuses(to, value);
    case BIND_PROTOCOL:
        return bind_protocol(to, value);
    case BIND_PROTOCOLS:
        return bind_protocols(to, value);
    case BIND_RECORD: /* with another value than an object */
        return -EINVAL;
    case BIND_ELSEWHERE:
        return 0;
    }
    return 0;
}

/* NULL: null, which is what nobody says and has no default. */
static const json_t *default_of(const struct model_record *record, const char *name)
{
    const struct model_field *field = model_field(record, name);

    return field && !json_is_null(field->default_value) ? field->default_value : NULL;
}

static bool is_said(const json_t *written, const char *name)
{
    const json_t *value = json_object_get(written, name);

    return value && !json_is_null(value);
}

static int bind_field(const struct binding *binding, const struct bind_field *field,
                      const json_t *value)
{
    const struct target_member to = { binding->config, field, binding->entity };
    int r;

    if (field->type == BIND_ELSEWHERE)
        return 0;
    if (field->type == BIND_RECORD && (!value || json_is_object(value))) {
        struct binding inside = *binding;
        inside.record = model_field(binding->record, field->name)->record;
        inside.written = NULL;
        return bind_record(&inside, field->record, value);
    }
    r = bind_value(&to, value);
    if (r == -EINVAL)
        *binding->ret_wrong = field->name;
    if (field->said_offset > 0)
        *(bool *)(to.entity + field->said_offset) = is_said(binding->written, field->name);
    return r;
}

/* Members mostly come in the order of the table, so the search goes on where it ended; one pass is much
 * cheaper than to ask a hash table for each field. */
static size_t find_field(const struct bind_table *table, size_t from, const char *name)
{
    for (size_t i = 0; i < table->fields_count; i++) {
        size_t at = (from + i) % table->fields_count;
        if (table->fields[at].name[0] == name[0] && strcmp(table->fields[at].name, name) == 0)
            return at;
    }
    return table->fields_count;
}

static int bind_record(const struct binding *binding, const struct bind_table *table,
                       const json_t *values)
{
    uint64_t bound = 0;
    size_t next = 0;
    int r = 0;

    assert(table->fields_count <= 64);
    for (void *i = json_object_iter((json_t *)values); r == 0 && i;
         i = json_object_iter_next((json_t *)values, i)) {
        const json_t *value = json_object_iter_value(i);
        size_t at = find_field(table, next, json_object_iter_key(i));
        if (at == table->fields_count || json_is_null(value))
            continue;
        r = bind_field(binding, &table->fields[at], value);
        bound |= UINT64_C(1) << at;
        next = at + 1;
    }
    for (size_t i = 0; r == 0 && i < table->fields_count; i++)
        if (!(bound >> i & 1) && table->fields[i].type != BIND_ELSEWHERE)
            r = bind_field(binding, &table->fields[i],
                           default_of(binding->record, table->fields[i].name));
    return r;
}

int bind_values(struct config *config, const struct bind_table *table,
                const struct model_record *record, const json_t *values, const json_t *written,
                void *entity, const char **ret_wrong)
{
    const struct binding binding = { config, record, written, entity, ret_wrong };

    return bind_record(&binding, table, values);
}
