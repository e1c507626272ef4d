/* flatten_document: what stands in a document beside its lists of entities. */
#include <errno.h>
#include <string.h>

#include "config/flatten/flatten_priv.h"
#include "config/suggest.h"

enum kind {
    ANY,
    BOOLEAN,
    STRING,
    RECORD,
    NOT_RUN, /* lists of other editions: what is in them is not looked at, and must be nothing */
};

struct document_field {
    const char *name;
    enum kind kind;
};

static const struct document_field document_fields[] = {
    { "_format_version", ANY },
    { "_transform", BOOLEAN },
    { "_comment", STRING },
    { "_ignore", ANY },
    { "_info", RECORD },
    { "_workspace", ANY },
    { "hopgate", RECORD },
    { "filter_chains", NOT_RUN },
    { "workspaces", NOT_RUN },
    { "parameters", NOT_RUN },
    { "acme_storage", NOT_RUN },
    /* Kong Enterprise and decK */
    { "consumer_groups", NOT_RUN },
    { "rbac_roles", NOT_RUN },
    { "partials", NOT_RUN },
    { "licenses", NOT_RUN },
};
/* What decK writes into its files concerns decK only. */
static const struct document_field info_fields[] = {
    { "select_tags", ANY },
    { "default_lookup_tags", ANY },
    { "defaults", NOT_RUN },
};
enum {
    DOCUMENT_FIELDS = sizeof(document_fields) / sizeof(document_fields[0]),
    INFO_FIELDS = sizeof(info_fields) / sizeof(info_fields[0]),
};

bool flatten_is_nothing(const json_t *value)
{
    return json_is_null(value) || (json_is_object(value) && json_object_size(value) == 0);
}

/* A new reference. */
static json_t *not_run(const char *name)
{
    return json_sprintf("'%s' is not supported by this version of hopgate; remove it", name);
}

/* A new reference to what is wrong; NULL: nothing, or no memory. */
static json_t *wrong_with(const struct document_field *fields, size_t count, const char *key,
                          const json_t *value)
{
    size_t i = 0;

    while (i < count && strcmp(fields[i].name, key) != 0)
        i++;
    if (i == count)
        return json_string("unknown field");
    if (json_is_null(value))
        return NULL;
    switch (fields[i].kind) {
    case BOOLEAN:
        return json_is_boolean(value) ? NULL : json_string("expected a boolean");
    case STRING:
        return json_is_string(value) ? NULL : json_string("expected a string");
    case RECORD:
        return json_is_object(value) ? NULL : json_string("expected a record");
    case NOT_RUN:
        return flatten_is_nothing(value) || (json_is_array(value) && json_array_size(value) == 0)
                   ? NULL
                   : not_run(key);
    case ANY:
        return NULL;
    }
    return NULL;
}

static json_t *wrong_with_info(const json_t *info)
{
    json_t *errors = NULL;
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)info, key, value)
    {
        json_t *wrong = wrong_with(info_fields, INFO_FIELDS, key, value);
        if (!wrong)
            continue;
        if (!errors)
            errors = json_object();
        (void)json_object_set_new(errors, key, wrong); /* one that finds no room is not told */
    }
    return errors;
}

int flatten_document_field(struct flattened *flattened, const char *key, const json_t *value)
{
    json_t *wrong = wrong_with(document_fields, DOCUMENT_FIELDS, key, value);

    if (!wrong && strcmp(key, "_info") == 0)
        wrong = wrong_with_info(value);
    if (strcmp(key, "_workspace") == 0 && !json_is_null(value) &&
        !(json_is_string(value) && strcmp(json_string_value(value), "default") == 0))
        wrong = json_string("only the workspace 'default' is there");
    return wrong && json_object_set_new(flattened->errors, key, wrong) < 0 ? -ENOMEM : 0;
}

void flatten_offer_document_fields(struct suggest *suggest)
{
    for (size_t i = 0; i < DOCUMENT_FIELDS; i++)
        suggest_offer(suggest, document_fields[i].name);
    for (size_t i = 0; i < INFO_FIELDS; i++)
        suggest_offer(suggest, info_fields[i].name);
}
