/* Stands in for the model until it is there: names of a few entities, nothing is checked. To be deleted
 * then; it compiles to nothing already. */
#if !__has_include("config/model/model.c")

#include "config/model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/model/kong_error.h"

struct model {
    struct model_entity entities[3];
};

static const struct model the_model = {
    .entities = { { .name = "services", .url = "services", .endpoint_key = "name" },
                  { .name = "routes", .url = "routes", .endpoint_key = "name" },
                  { .name = "consumers", .url = "consumers", .endpoint_key = "username" } },
};

const struct model *model_get(void)
{
    return &the_model;
}

const struct model_entity *model_entity_by_url(const struct model *model, const char *url)
{
    for (size_t i = 0; i < 3; i++)
        if (strcmp(model->entities[i].url, url) == 0)
            return &model->entities[i];
    return NULL;
}

const struct model_plugin *model_plugin(const struct model *model, const char *name)
{
    (void)model;
    (void)name;
    return NULL;
}

const struct model_field *model_field(const struct model_record *record, const char *name)
{
    (void)record;
    (void)name;
    return NULL;
}

int kong_error_schema_violation(struct kong_error *error, json_t *fields)
{
    const char *reason = json_string_value(json_array_get(json_object_get(fields, "@entity"), 0));

    *error = (struct kong_error){ .code = KONG_SCHEMA_VIOLATION, .status = 400, .fields = fields };
    if (asprintf(&error->message, "schema violation (%s)", reason ? reason : "") < 0)
        error->message = NULL;
    return -1;
}

json_t *kong_error_json(const struct kong_error *error)
{
    return json_pack("{s:i, s:s, s:s, s:O}", "code", (int)error->code, "name", "schema violation",
                     "message", error->message ? error->message : "", "fields", error->fields);
}

void kong_error_done(struct kong_error *error)
{
    free(error->message);
    json_decref(error->fields);
}

#endif
