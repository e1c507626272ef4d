#include "config/flatten/flatten_hints.h"

#include <stdio.h>
#include <string.h>

#include "config/flatten/flatten_priv.h"
#include "config/suggest.h"

static const char conditional[] = "failed conditional validation given value of field '";

static bool begins(const char *message, const char *with)
{
    return strncmp(message, with, strlen(with)) == 0;
}

/* --- names --------------------------------------------------------------------------------- */

static void offer_fields(struct suggest *suggest, const struct flatten_spot *spot)
{
    const struct model_record *record = spot->record;

    for (size_t i = 0; i < record->fields_count; i++)
        suggest_offer(suggest, record->fields[i].name);
    for (size_t i = 0; i < record->shorthands_count; i++)
        suggest_offer(suggest, model_shorthand_at(record, i)->name);
}

/* Lists of entities: all, or those that may be nested in this one. */
static void offer_lists(struct suggest *suggest, const struct flatten_spot *spot)
{
    for (size_t i = 0; i < model_entities_count(spot->model); i++) {
        const struct model_entity *entity = model_entity_at(spot->model, i);
        if (!spot->entity || flatten_reference_to(entity, spot->entity))
            suggest_offer(suggest, entity->name);
    }
}

static void hint_name(const struct flatten_spot *spot, char *into)
{
    struct suggest suggest = { .wanted = spot->name };

    if (spot->record)
        offer_fields(&suggest, spot);
    else
        flatten_offer_document_fields(&suggest);
    if (spot->entity || !spot->record)
        offer_lists(&suggest, spot);
    if (suggest.nearest)
        (void)snprintf(into, FLATTEN_HINT_MAX, "; did you mean '%s'?", suggest.nearest);
    else
        (void)snprintf(into, FLATTEN_HINT_MAX, "; remove it");
}

/* --- what another field asks for ----------------------------------------------------------- */

/* The text about the record as a whole that goes with an error of then_field. */
static bool is_text_of(const struct model_condition *condition, const char *text)
{
    size_t length = strlen(condition->if_field);

    if (condition->then_err)
        return strcmp(text, condition->then_err) == 0;
    return begins(text, conditional) &&
           strncmp(text + sizeof(conditional) - 1, condition->if_field, length) == 0 &&
           text[sizeof(conditional) - 1 + length] == '\'';
}

static const char *text_of(const struct flatten_spot *spot, const struct model_condition *condition)
{
    const json_t *texts = json_object_get(spot->errors, "@entity");

    for (size_t i = 0; i < json_array_size(texts); i++) {
        const char *text = json_string_value(json_array_get(texts, i));
        if (text && is_text_of(condition, text))
            return text;
    }
    return NULL;
}

/* Why that field is wrong: NULL: for itself. */
static const char *find_condition(const struct flatten_spot *spot, struct model_condition *ret)
{
    const char *text = NULL;

    for (size_t i = 0; !text && spot->record && spot->name; i++) {
        if (!model_condition_at(spot->record, i, ret))
            return NULL;
        if (strcmp(ret->then_field, spot->name) == 0)
            text = text_of(spot, ret);
    }
    return text;
}

bool flatten_hint_covers(const struct flatten_spot *spot, const char *message)
{
    struct model_condition condition;

    for (size_t i = 0; model_condition_at(spot->record, i, &condition); i++)
        if (is_text_of(&condition, message) && json_object_get(spot->errors, condition.then_field))
            return true;
    return false;
}

/* As written, else the default; NULL: neither. */
static const char *word_of(const struct flatten_spot *spot, const char *name)
{
    const char *word = json_string_value(json_object_get(spot->values, name));
    const struct model_field *field = model_field(spot->record, name);

    return word || !field ? word : json_string_value(field->default_value);
}

static void hint_condition(const struct flatten_spot *spot, const struct model_condition *condition,
                           const char *text, const char *message, char *into)
{
    const char *word = word_of(spot, condition->if_field);
    const char *verb = strcmp(message, "required field missing") == 0 ? "add"
                       : strcmp(message, "value must be null") == 0   ? "remove"
                                                                      : "correct";

    if (condition->then_err)
        (void)snprintf(into, FLATTEN_HINT_MAX, "; %s", text);
    else
        (void)snprintf(into, FLATTEN_HINT_MAX, "; %s%s%s%s: change it or %s '%s'", text,
                       word ? ", which is '" : "", word ? word : "", word ? "'" : "", verb,
                       spot->name);
}

/* --- by the words -------------------------------------------------------------------------- */

static const struct {
    const char *field; /* NULL: any */
    const char *begins, *hint;
} plain_hints[] = {
    { "_format_version", "required field missing", "add _format_version: \"3.0\"" },
    { "_format_version", "expected a string", "write it in quotes: \"3.0\"" },
    { "destinations", "expected a record", "write it as {port: 443}" },
    { NULL, "expected an array", "write it as a list: [ … ]" },
    { NULL, "expected a set", "write it as a list: [ … ]" },
    { NULL, "expected a boolean", "write true or false, without quotes" },
    { NULL, "expected a map", "write it as {name: [value, …]}" },
    { NULL, "expected a record", "write it as a mapping of fields" },
    { NULL, "missing primary key", "write an id or a name, or one of {id: …} and {name: …}" },
    { NULL, "invalid reference", "add it or correct the name" },
    { NULL, "uniqueness violation", "rename or remove one of the two" },
    { NULL, "cannot set '", "remove it" },
    { NULL, "value must be null", "remove it" },
    { NULL, "is not supported by this version", "remove it" },
    { NULL, "only the workspace 'default'", "remove it" },
    { NULL, "certificate does not match key", "put the key that was made for this certificate" },
    { NULL, "certificate expired", "put the certificate that the authority has now" },
    { NULL, "certificate does not appear to be a CA", "put the certificate of who signed it" },
    { "methods", "invalid value", "methods are written in capitals" },
    { "protocols", "these sets are mutually exclusive", "make two routes" },
    { "protocols", "unknown type: nil", "remove it for http and https" },
};

static void hint_words(const struct flatten_spot *spot, const char *message, char *into)
{
    const char *hint = NULL;

    if (spot->field && spot->field->check)
        hint = check_hint(spot->field->check, message);
    for (size_t i = 0; !hint && i < sizeof(plain_hints) / sizeof(plain_hints[0]); i++)
        if (begins(message, plain_hints[i].begins) &&
            (!plain_hints[i].field ||
             (spot->name && strcmp(spot->name, plain_hints[i].field) == 0)))
            hint = plain_hints[i].hint;
    if (!hint && strcmp(message, "expected a string") == 0 && json_is_number(spot->value))
        hint = "write it in quotes";
    if (hint)
        (void)snprintf(into, FLATTEN_HINT_MAX, "; %s", hint);
    else if (strcmp(message, "required field missing") == 0 && spot->name)
        (void)snprintf(into, FLATTEN_HINT_MAX, "; add '%s'", spot->name);
}

const char *flatten_hint(const struct flatten_spot *spot, const char *message, char *into)
{
    struct model_condition condition;
    const char *text = find_condition(spot, &condition);

    into[0] = '\0';
    if (strcmp(message, "unknown field") == 0 && spot->name) {
        hint_name(spot, into);
    } else if (spot->is_parent && strcmp(message, "value must be null") == 0) {
        (void)snprintf(into, FLATTEN_HINT_MAX, "; the nesting already says it, remove '%s'",
                       spot->name);
    } else if (text) {
        hint_condition(spot, &condition, text, message, into);
    } else {
        hint_words(spot, message, into);
    }
    return into;
}
