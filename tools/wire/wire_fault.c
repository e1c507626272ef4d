#include "tools/wire/wire_fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/suggest.h"
#include "tools/wire/wire_fault_priv.h"

/* ---- one fault ----------------------------------------------------------------------------- */

static void complain_of_kind(const struct document_node *node, const char *name,
                             struct config_errors *errors)
{
    struct suggest suggest = { .wanted = name };
    struct document_node kind = *node;
    char all[512] = "";
    size_t length = 0;

    for (int i = 0; i < FAULT_KINDS; i++) {
        suggest_offer(&suggest, wire_fault_kind_rows[i].name);
        length += (size_t)snprintf(all + length, sizeof(all) - length, "%s%s", i > 0 ? ", " : "",
                                   wire_fault_kind_rows[i].name);
    }
    (void)document_member(node, "kind", &kind);
    if (suggest.nearest)
        document_add_error(&kind, DOCUMENT_AT_VALUE, errors, CONFIG_ERROR,
                           "unknown kind of fault; did you mean '%s'?", suggest.nearest);
    else
        document_add_error(&kind, DOCUMENT_AT_VALUE, errors, CONFIG_ERROR,
                           "unknown kind of fault; expected one of: %s", all);
}

static void check_fields(const struct document_node *node, const struct wire_fault_kind_row *row,
                         struct config_errors *errors)
{
    struct document_node child = { 0 };

    while (document_next(node, &child))
        if (schema_find(&wire_fault_schema, child.key) && !wire_fault_kind_takes(row, child.key))
            document_add_error(
                &child, DOCUMENT_AT_KEY, errors, CONFIG_ERROR,
                "'%s' does not have this field; it takes %s%s%s%s", row->name,
                row->required ? row->required : "", row->required && row->optional ? ", " : "",
                row->optional ? row->optional : "", row->required || row->optional ? "" : "none");
    if (row->required && !document_member(node, row->required, &child))
        document_add_error(node, DOCUMENT_AT_VALUE, errors, CONFIG_ERROR,
                           "required field missing; '%s' needs '%s'", row->name, row->required);
}

static void check_words(const struct document_node *node, const struct wire_fault *fault,
                        struct config_errors *errors)
{
    bool waits = fault->then && strcmp(fault->then, "wait") == 0;
    bool drops = fault->then && strcmp(fault->then, "drop") == 0;
    struct document_node chance;

    if (fault->kind == FAULT_IDLE && waits)
        document_add_error(node, DOCUMENT_AT_VALUE, errors, CONFIG_ERROR,
                           "then: expected one of: drop, reset");
    if (fault->kind == FAULT_MAX_CONNECTIONS && drops)
        document_add_error(node, DOCUMENT_AT_VALUE, errors, CONFIG_ERROR,
                           "then: expected one of: reset, wait");
    if (fault->kind == FAULT_CORRUPT && (fault->offset < 0) == (fault->one_in < 0))
        document_add_error(node, DOCUMENT_AT_VALUE, errors, CONFIG_ERROR,
                           "'corrupt' needs either 'offset' or 'one_in'");
    if (fault->ms == 0 && fault->kind == FAULT_IDLE)
        document_add_error(node, DOCUMENT_AT_VALUE, errors, CONFIG_ERROR,
                           "ms: must be at least 1; 'drop' forgets at once");
    if (fault->chance == 0 && document_member(node, "chance", &chance) &&
        json_number_value(chance.value) > 0)
        document_add_error(&chance, DOCUMENT_AT_VALUE, errors, CONFIG_ERROR,
                           "chances are counted in thousandths; the least is 0.001");
}

static unsigned directions_of(const struct wire_fault *fault)
{
    if (fault->direction_name && strcmp(fault->direction_name, "to-server") == 0)
        return FAULT_TO_SERVER;
    if (fault->direction_name && strcmp(fault->direction_name, "to-client") == 0)
        return FAULT_TO_CLIENT;
    return FAULT_TO_SERVER | FAULT_TO_CLIENT;
}

static void read_one(struct wire_fault_set *set, const struct document_node *node,
                     struct schema_reader *reader)
{
    struct wire_fault *fault = &set->faults[set->count];
    int kind = 0;

    schema_read(reader, &wire_fault_schema, node, fault);
    if (!fault->kind_name)
        return; /* that was complained of */
    while (kind < FAULT_KINDS && strcmp(wire_fault_kind_rows[kind].name, fault->kind_name) != 0)
        kind++;
    if (kind == FAULT_KINDS) {
        complain_of_kind(node, fault->kind_name, reader->errors);
        return;
    }
    fault->kind = (enum wire_fault_kind)kind;
    fault->directions = directions_of(fault);
    check_fields(node, &wire_fault_kind_rows[kind], reader->errors);
    check_words(node, fault, reader->errors);
    if (!fault->id) {
        char id[24];
        int length = snprintf(id, sizeof(id), "f%zu", set->count + 1);

        fault->id = config_copy_text(set->texts, id, (size_t)length);
        reader->out_of_memory = reader->out_of_memory || !fault->id;
    }
    set->count++;
}

/* ---- a set --------------------------------------------------------------------------------- */

static struct wire_fault_set *create(size_t count)
{
    struct wire_fault_set *set = calloc(1, sizeof(*set));

    if (!set)
        return NULL;
    set->refs = 1;
    set->texts = config_create();
    set->faults = calloc(count + 1, sizeof(*set->faults));
    if (set->texts && set->faults)
        return set;
    wire_fault_set_free(set);
    return NULL;
}

int wire_fault_set_read(const struct document_node *node, struct wire_fault_set **ret,
                        struct config_errors *errors)
{
    size_t before = errors->errors_count;
    bool is_list = json_is_array(node->value);
    size_t count = is_list ? json_array_size(node->value) : 1;
    struct schema_reader reader = { .errors = errors };
    struct document_node child = { 0 };
    SCOPED(wire_fault_set) set = NULL;

    if (count > WIRE_FAULTS_MAX) {
        document_add_error(node, DOCUMENT_AT_VALUE, errors, CONFIG_ERROR,
                           "more than %d faults; a wire takes no more", WIRE_FAULTS_MAX);
        return -EINVAL;
    }
    set = create(count);
    if (!set)
        return -ENOMEM;
    reader.config = set->texts;
    if (!is_list)
        read_one(set, node, &reader);
    while (is_list && document_next(node, &child))
        read_one(set, &child, &reader);
    if (reader.out_of_memory)
        return -ENOMEM;
    if (errors->errors_count > before)
        return -EINVAL;
    *ret = TAKE(set);
    return 0;
}

int wire_fault_set_parse(struct slice text, const char *source, struct wire_fault_set **ret,
                         struct config_errors *errors)
{
    SCOPED(document) document = NULL;
    struct document_node root;
    int r = document_parse(text, DOCUMENT_JSON, source, &document, errors);

    if (r < 0)
        return r;
    root = document_root(document);
    return wire_fault_set_read(&root, ret, errors);
}

/* A value that looks like a number or a switch is one. */
static json_t *word_value(const char *word, size_t length)
{
    json_t *value = json_loadb(word, length, JSON_DECODE_ANY, NULL);

    return value ? value : json_stringn(word, length);
}

json_t *wire_fault_from_words(const char *words)
{
    const char *colon = strchr(words, ':');
    size_t kind_length = colon ? (size_t)(colon - words) : strlen(words);
    json_t *fault = json_pack("{s:s%}", "kind", words, kind_length);
    const char *at = colon ? colon + 1 : "";

    while (fault && *at) {
        size_t length = strcspn(at, ",");
        size_t name_length = strcspn(at, "=,");
        char name[64];

        snprintf(name, sizeof(name), "%.*s", (int)name_length, at);
        if (json_object_set_new(fault, name,
                                name_length < length
                                    ? word_value(at + name_length + 1, length - name_length - 1)
                                    : json_true()) < 0) {
            json_decref(fault);
            return NULL;
        }
        at += length;
        at += *at == ',';
    }
    return fault;
}

struct wire_fault_set *wire_fault_set_ref(struct wire_fault_set *set)
{
    set->refs++;
    return set;
}

void wire_fault_set_free(struct wire_fault_set *set)
{
    if (!set || --set->refs > 0)
        return;
    config_free(set->texts);
    free(set->faults);
    free(set);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void add_member(json_t *object, const struct schema_field *field,
                       const struct wire_fault *fault)
{
    const char *member = (const char *)fault + field->offset;

    if (field->type == SCHEMA_STRING) {
        const char *text = *(const char *const *)(const void *)member;

        if (text)
            json_object_set_new(object, field->name, json_string(text));
    } else if (field->type == SCHEMA_NUMBER) {
        uint64_t thousandths = *(const uint64_t *)(const void *)member;

        if (thousandths != 1000)
            json_object_set_new(object, field->name, json_real((double)thousandths / 1000));
    } else {
        int64_t value = *(const int64_t *)(const void *)member;

        if (value > 0 || (value == 0 && !field->default_json))
            json_object_set_new(object, field->name, json_integer(value));
    }
}

json_t *wire_fault_to_json(const struct wire_fault *fault)
{
    json_t *object = json_object();

    for (size_t i = 0; object && i < wire_fault_schema.fields_count; i++)
        add_member(object, &wire_fault_schema.fields[i], fault);
    return object;
}

json_t *wire_fault_set_to_json(const struct wire_fault_set *set)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < set->count; i++)
        json_array_append_new(list, wire_fault_to_json(&set->faults[i]));
    return list;
}
