/* The schemas of entities, in each of their forms, and of plugins and vaults by their names. */
#include "config/admin/admin_openapi_priv.h"

__attribute__((format(printf, 3, 4))) static int put(json_t *schemas, json_t *schema,
                                                     const char *format, ...)
{
    char name[128];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(name, sizeof(name), format, args);
    va_end(args);
    return schema ? json_object_set_new(schemas, name, schema) : -1;
}

static json_t *reference(const char *entity, const char *form)
{
    char name[128];

    (void)snprintf(name, sizeof(name), "%s%s", entity, form);
    return admin_openapi_reference("schemas", name);
}

/* --- what is needed ------------------------------------------------------------------------ */

static json_t *needed_fields(const struct model_record *record)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < record->fields_count; i++)
        if (admin_openapi_is_needed(&record->fields[i]) &&
            json_array_append_new(list, json_string(record->fields[i].name)) < 0) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

/* The name of a field that stands for several: with services.url no host is needed. NULL: none. */
static const char *stand_in(const struct model_record *record)
{
    for (size_t i = 0; i < record->shorthands_count; i++) {
        const struct model_field *field = model_shorthand_at(record, i);
        if (!model_field(record, field->name) &&
            !json_object_get(field->definition, "translate_backwards"))
            return field->name;
    }
    return NULL;
}

static json_t *input_schema(const struct model_entity *entity)
{
    json_t *needed = needed_fields(&entity->record);
    const char *instead = stand_in(&entity->record);

    if (json_array_size(needed) == 0) {
        json_decref(needed);
        return reference(entity->name, ".change");
    }
    if (instead)
        return json_pack("{s[o{s[{so},{s[s]}]}]}", "allOf", reference(entity->name, ".change"),
                         "anyOf", "required", needed, "required", instead);
    return json_pack("{s[o{so}]}", "allOf", reference(entity->name, ".change"), "required", needed);
}

/* --- a whole entity ------------------------------------------------------------------------ */

/* Beside the fields of the table: seconds until it vanishes. */
static int add_time_to_live(json_t *schema, enum admin_openapi_form form)
{
    json_t *ttl = json_pack("{s[ss],si,si,ss}", "type", "integer", "null", "minimum", 0, "maximum",
                            100000000, "description", "seconds until it vanishes; null: it stays");
    int r = json_object_set_new(json_object_get(schema, "properties"), "ttl", ttl);

    if (r == 0 && form == ADMIN_OPENAPI_ANSWER)
        r = json_array_append_new(json_object_get(schema, "required"), json_string("ttl"));
    return r;
}

static json_t *entity_schema(const struct model_entity *entity, enum admin_openapi_form form)
{
    json_t *schema = admin_openapi_record(&entity->record, form);
    json_t *description = json_object_get(entity->record.definition, "description");
    int r = schema ? 0 : -1;

    if (r == 0 && description)
        r = json_object_set(schema, "description", description);
    if (r == 0 && entity->has_ttl)
        r = add_time_to_live(schema, form);
    if (r == 0)
        return schema;
    json_decref(schema);
    return NULL;
}

static json_t *page_schema(const struct model_entity *entity)
{
    return json_pack("{ss,s[ss],s{s{ss,so},s{s[ss]},s{ss}},sb}", "type", "object", "required",
                     "data", "next", "properties", "data", "type", "array", "items",
                     reference(entity->name, ""), "next", "type", "string", "null", "offset",
                     "type", "string", "additionalProperties", 0);
}

/* --- by name ------------------------------------------------------------------------------- */

/* The schema of the entity with the fields that this name changes. */
static json_t *variant_schema(const struct model_entity *entity, const struct model_record *changed,
                              const char *name, enum admin_openapi_form form)
{
    json_t *schema = entity_schema(entity, form),
           *other = changed ? admin_openapi_record(changed, form) : NULL;
    json_t *properties = json_object_get(schema, "properties");
    int r =
        schema && other ? json_object_update(properties, json_object_get(other, "properties")) : -1;

    json_decref(other);
    if (r == 0)
        r = json_object_set_new(properties, entity->subschema_key,
                                json_pack("{ss}", "const", name));
    if (r == 0 && form == ADMIN_OPENAPI_CHANGE)
        r = json_object_set_new(schema, "required", needed_fields(&entity->record));
    if (r == 0)
        return schema;
    json_decref(schema);
    return NULL;
}

struct choice {
    json_t *answers, *inputs;           /* [{"$ref": ...}] */
    json_t *answer_names, *input_names; /* {name: ref}: the discriminator's mapping */
    json_t *schemas;
    const struct model_entity *entity;
};

static int map_name(json_t *list, json_t *names, const char *name, json_t *ref)
{
    return json_array_append(list, ref) |
           json_object_set(names, name, json_object_get(ref, "$ref"));
}

static int add_choice(struct choice *choice, const char *name, const struct model_record *changed)
{
    const struct model_entity *entity = choice->entity;
    char answer[128], input[128];
    json_t *answer_ref, *input_ref;
    int r;

    (void)snprintf(answer, sizeof(answer), "%s.%s", entity->name, name);
    (void)snprintf(input, sizeof(input), "%s.%s.input", entity->name, name);
    answer_ref = admin_openapi_reference("schemas", answer);
    input_ref = admin_openapi_reference("schemas", input);
    r = put(choice->schemas, variant_schema(entity, changed, name, ADMIN_OPENAPI_ANSWER), "%s",
            answer) |
        put(choice->schemas, variant_schema(entity, changed, name, ADMIN_OPENAPI_CHANGE), "%s",
            input);
    if (r == 0 && answer_ref && input_ref)
        r = map_name(choice->answers, choice->answer_names, name, answer_ref) |
            map_name(choice->inputs, choice->input_names, name, input_ref);
    else
        r = -1;
    json_decref(answer_ref);
    json_decref(input_ref);
    return r;
}

static int add_choices(struct choice *choice, const struct model *model)
{
    const struct model_entity *entity = choice->entity;
    int r =
        choice->answers && choice->inputs && choice->answer_names && choice->input_names ? 0 : -1;

    for (size_t i = 0; r == 0 && i < entity->subschemas_count; i++)
        r = add_choice(choice, entity->subschemas[i].key, &entity->subschemas[i].record);
    for (size_t i = 0; r == 0 && !entity->subschemas && i < model_plugins_count(model); i++) {
        const struct model_plugin *plugin = model_plugin_at(model, i);
        r = add_choice(choice, plugin->name, &plugin->overrides);
    }
    return r;
}

static json_t *choice_schema(const struct choice *choice, json_t *list, json_t *names)
{
    return json_pack("{sO,s{ss,sO}}", "oneOf", list, "discriminator", "propertyName",
                     choice->entity->subschema_key, "mapping", names);
}

static int add_chosen(json_t *schemas, const struct model *model, const struct model_entity *entity)
{
    struct choice choice = { .answers = json_array(),
                             .inputs = json_array(),
                             .answer_names = json_object(),
                             .input_names = json_object(),
                             .schemas = schemas,
                             .entity = entity };
    int r = add_choices(&choice, model);

    if (r == 0)
        r = put(schemas, choice_schema(&choice, choice.answers, choice.answer_names), "%s",
                entity->name) |
            put(schemas, choice_schema(&choice, choice.inputs, choice.input_names), "%s.input",
                entity->name);
    json_decref(choice.answers);
    json_decref(choice.inputs);
    json_decref(choice.answer_names);
    json_decref(choice.input_names);
    return r;
}

/* What a name decides has no fields of its own in the table. */
static bool is_chosen_by_name(const struct model_entity *entity)
{
    for (size_t i = 0; entity->subschema_key && i < entity->record.fields_count; i++)
        if (entity->record.fields[i].flags & MODEL_ABSTRACT)
            return true;
    return false;
}

static int add_entity(json_t *schemas, const struct model *model, const struct model_entity *entity)
{
    int r = put(schemas, entity_schema(entity, ADMIN_OPENAPI_CHANGE), "%s.change", entity->name) |
            put(schemas, page_schema(entity), "%s.page", entity->name);

    if (r == 0 && is_chosen_by_name(entity))
        return add_chosen(schemas, model, entity);
    return r | put(schemas, entity_schema(entity, ADMIN_OPENAPI_ANSWER), "%s", entity->name) |
           put(schemas, input_schema(entity), "%s.input", entity->name);
}

int admin_openapi_add_schemas(json_t *schemas, const struct model *model)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < model_entities_count(model); i++)
        r = add_entity(schemas, model, model_entity_at(model, i));
    return r;
}
