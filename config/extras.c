#include "config/extras.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "config/file.h"
#include "config/model/model.h"
#include "config/schema.h"

struct config_extras {
    struct document *document;
    atomic_uint refs;
};

/* ---- what may stand in it ------------------------------------------------------------------ */

static const struct schema_field extras_fields[] = {
    { .name = "_format_version", .type = SCHEMA_ANY },
    { .name = "_comment", .type = SCHEMA_STRING },
    { .name = "hopgate", .type = SCHEMA_RECORD, .record = &schema_hopgate },
};
static const struct schema schema_extras = {
    .name = "hopgate_extras_file",
    .fields = extras_fields,
    .fields_count = sizeof(extras_fields) / sizeof(extras_fields[0]),
};

static const char *wrong_with_version(const json_t *version)
{
    if (!json_is_string(version))
        return "expected a string; write it in quotes: \"3.0\"";
    return strcmp(json_string_value(version), "3.0") == 0 ? NULL : "expected one of: 3.0";
}

/* Lists of entities that a declarative file has would not be looked at. True: there are none. */
static bool refuse_entities(const struct model *model, const struct document_node *root,
                            struct config_errors *errors)
{
    struct document_node member = { 0 };
    bool is_free = true;

    while (document_next(root, &member)) {
        if (!model_entity(model, member.key))
            continue;
        document_add_error(&member, DOCUMENT_AT_KEY, errors, CONFIG_ERROR,
                           "only hopgate: stands in this file; entities are in the store: write "
                           "them there by the Admin API or deck gateway sync, and remove this");
        is_free = false;
    }
    return is_free;
}

static int check_root(const struct document *document, struct config_errors *errors)
{
    struct document_node root = document_root(document), version;
    struct schema_reader reader = { .errors = errors };
    const struct model *model = model_get();
    const char *why;

    if (!model)
        return -ENOMEM;
    if (!json_is_object(root.value)) {
        document_add_error(&root, DOCUMENT_AT_VALUE, errors, CONFIG_ERROR,
                           "expected an object; the file is hopgate: {limits: [ … ]} and the like");
        return -EINVAL;
    }
    why = document_member(&root, "_format_version", &version) ? wrong_with_version(version.value)
                                                              : NULL;
    if (why)
        document_add_error(&version, DOCUMENT_AT_VALUE, errors, CONFIG_ERROR, "%s", why);
    if (refuse_entities(model, &root, errors))
        schema_read(&reader, &schema_extras, &root, NULL);
    return reader.out_of_memory ? -ENOMEM : 0;
}

/* ---- public -------------------------------------------------------------------------------- */

static int read_document(const char *file, struct document **ret, struct config_errors *errors)
{
    size_t length;
    char *text;
    int r = file_read(file, DOCUMENT_BYTES_MAX, &text, &length, errors);

    if (r < 0)
        return r;
    r = document_parse((struct slice){ text, length },
                       document_guess_format(file, (struct slice){ text, length }), file, ret,
                       errors);
    free(text);
    return r;
}

int config_extras_load(const char *file, struct config_extras **ret, struct config_errors *errors)
{
    struct config_extras *extras = calloc(1, sizeof(*extras));
    struct config_errors found;
    int r = extras ? 0 : -ENOMEM;

    config_errors_init(&found);
    if (extras)
        atomic_init(&extras->refs, 1);
    if (r == 0)
        r = read_document(file, &extras->document, &found);
    if (r == 0)
        r = check_root(extras->document, &found);
    if (r == 0 && found.errors_count > 0)
        r = -EINVAL;
    config_errors_sort(&found);
    config_errors_take(errors, &found);
    if (r < 0)
        config_extras_unref(extras);
    else
        *ret = extras;
    return r;
}

struct config_extras *config_extras_ref(struct config_extras *extras)
{
    if (extras)
        (void)atomic_fetch_add(&extras->refs, 1); /* what it was is of no interest */
    return extras;
}

void config_extras_unref(struct config_extras *extras)
{
    if (!extras || atomic_fetch_sub(&extras->refs, 1) > 1)
        return;
    document_free(extras->document);
    free(extras);
}

const struct document *config_extras_document(const struct config_extras *extras)
{
    return extras ? extras->document : NULL;
}

const char *config_extras_file(const struct config_extras *extras)
{
    return extras ? extras->document->file : NULL;
}

json_t *config_extras_object(const struct config_extras *extras)
{
    return extras ? json_object_get(extras->document->root, "hopgate") : NULL;
}
