/* dao_reference: what one entity has to do with another: references in input, and what goes with what. */
#include <errno.h>
#include <stdlib.h>

#include "config/dao/dao_priv.h"
#include "config/model/model_process.h"

/* --- ids ----------------------------------------------------------------------------------- */

/* Kong's database prints ids in lower case, whatever was sent. NULL: no memory. */
static json_t *lower_id(const char *id)
{
    char lower[UUID_TEXT_BYTES + 1];

    dao_lower_id(id, lower);
    return json_string_nocheck(lower);
}

static bool is_id(const json_t *value)
{
    return json_is_string(value) && entity_id_is_valid(json_string_value(value));
}

/* A list of ids; what is none stays for the model to refuse. */
static int resolve_ids(json_t *entity, const char *field, const json_t *list)
{
    json_t *lower = json_array(), *item;
    size_t i;
    int r = lower ? 0 : -ENOMEM;

    json_array_foreach(list, i, item)
    {
        json_t *id = is_id(item) ? lower_id(json_string_value(item)) : json_incref(item);
        if (r == 0 && json_array_append_new(lower, id) < 0)
            r = -ENOMEM;
    }
    if (r == 0 && json_object_set(entity, field, lower) < 0)
        r = -ENOMEM;
    json_decref(lower);
    return r;
}

/* --- references in input ------------------------------------------------------------------- */

/* kong_error_foreign_keys_unresolved makes words of it. */
static int add_unresolved(json_t *errors, const struct model_field *unique, const json_t *value,
                          const char *parent)
{
    json_t *said = json_pack("{sssOss}", "name", unique->name, "value", value, "parent", parent);

    return json_object_set_new(errors, unique->name, said) < 0 ? -ENOMEM : 0;
}

/* By any unique field that is said; *errors gets what was tried. NULL id: by none. */
static int find_parent(const struct dao *dao, const struct dao_table *parent, const json_t *value,
                       const char **ret_id, json_t *errors)
{
    const struct model_record *record = &parent->entity->record;
    int r = 0;

    for (size_t i = 0; r == 0 && i < record->fields_count; i++) {
        const struct model_field *field = &record->fields[i];
        const json_t *said = json_object_get(value, field->name);
        const struct dao_row *row;
        char *wrong;
        if (!(field->flags & MODEL_UNIQUE) || !json_is_string(said))
            continue;
        wrong = model_check_value(field, said);
        free(wrong);
        if (wrong)
            continue; /* the model tells */
        row = dao_row_by_unique(parent, field->name, json_string_value(said));
        if (row && !dao_row_is_gone(dao, row)) {
            *ret_id = row->id;
            return 0;
        }
        r = add_unresolved(errors, field, said, parent->entity->name);
    }
    return r;
}

static int set_reference(json_t *entity, const char *field, const char *id)
{
    json_t *lower = lower_id(id), *reference = lower ? json_pack("{so}", "id", lower) : NULL;

    return json_object_set_new(entity, field, reference) < 0 ? -ENOMEM : 0;
}

static int resolve_reference(const struct dao *dao, const struct model_field *field, json_t *entity,
                             json_t *unresolved)
{
    const struct dao_table *parent = dao_table_named(&dao->tables, field->reference);
    const json_t *value = json_object_get(entity, field->name);
    const char *id = NULL;
    json_t *errors;
    int r = 0;

    if (!parent || !json_is_object(value))
        return 0;
    if (is_id(json_object_get(value, "id")))
        return set_reference(entity, field->name, json_string_value(json_object_get(value, "id")));
    errors = json_object();
    if (!errors)
        return -ENOMEM;
    r = find_parent(dao, parent, value, &id, errors);
    if (r == 0 && id)
        r = set_reference(entity, field->name, id);
    else if (r == 0 && json_object_size(errors) > 0)
        r = json_object_set(unresolved, field->name, errors) < 0 ? -ENOMEM : 0;
    json_decref(errors);
    return r;
}

static int resolve_field(const struct dao *dao, const struct model_field *field, json_t *entity,
                         json_t *unresolved)
{
    const json_t *value = json_object_get(entity, field->name);

    if (field->type == MODEL_FOREIGN)
        return resolve_reference(dao, field, entity, unresolved);
    if ((field->flags & MODEL_UUID) && is_id(value))
        return json_object_set_new(entity, field->name, lower_id(json_string_value(value))) < 0
                   ? -ENOMEM
                   : 0;
    if (field->elements && (field->elements->flags & MODEL_UUID) && json_is_array(value))
        return resolve_ids(entity, field->name, value);
    return 0;
}

int dao_resolve(const struct dao *dao, const struct model_entity *entity, const json_t *input,
                json_t **ret, struct kong_error *error)
{
    json_t *copy, *unresolved;
    int r;

    if (!json_is_object(input)) { /* the model refuses it */
        *ret = json_incref((json_t *)input);
        return 0;
    }
    copy = dao_copy(input);
    unresolved = json_object();
    r = copy && unresolved ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < entity->record.fields_count; i++)
        r = resolve_field(dao, &entity->record.fields[i], copy, unresolved);
    if (r == 0 && json_object_size(unresolved) > 0)
        r = kong_error_foreign_keys_unresolved(error, json_incref(unresolved));
    json_decref(unresolved);
    if (r < 0)
        json_decref(copy);
    else
        *ret = copy;
    return r;
}

int dao_check_references(const struct dao_tables *tables, const struct model_entity *entity,
                         const json_t *value, struct kong_error *error)
{
    for (size_t i = 0; i < entity->record.fields_count; i++) {
        const struct model_field *field = &entity->record.fields[i];
        const struct dao_table *parent;
        const char *id;
        if (field->type != MODEL_FOREIGN)
            continue;
        id = json_string_value(json_object_get(json_object_get(value, field->name), "id"));
        parent = id ? dao_table_named(tables, field->reference) : NULL;
        if (parent && !dao_row_by_id(parent, id))
            return kong_error_foreign_key_missing(error, field->name, id, field->reference);
    }
    return 0;
}

/* --- deleting ------------------------------------------------------------------------------ */

/* snis refuse to be left behind by their table, and go with their certificate by Kong's code
 * (kong/db/dao/certificates.lua). */
static bool is_restricted(const struct dao_field_index *index)
{
    return (index->field->flags & MODEL_RESTRICT) && !dao_entity_is(index->table->entity, "snis");
}

static struct dao_row *first_referring(const struct dao_field_index *index, const char *id)
{
    struct slice prefix = { id, strlen(id) + 1 };
    struct dao_node *node = dao_index_from(&index->index, prefix);

    return node && slice_starts_with(node->key, prefix) ? node->row : NULL;
}

/* Kong deletes a certificate's snis even when the certificate then cannot go; here all stays. */
static int check_restricted(const struct dao_row *row, struct kong_error *error)
{
    const struct dao_table *table = row->table;

    for (size_t i = 0; i < table->referring_count; i++)
        if (is_restricted(table->referring[i]) && first_referring(table->referring[i], row->id))
            return kong_error_still_referenced(error, table->referring[i]->table->entity->name,
                                               table->entity->name);
    return 0;
}

/* Recursive: no deeper than entities refer to each other in the model (four). */
static int delete_with_children(struct dao *dao, struct dao_row *row, struct kong_error *error)
{
    const struct dao_table *table = row->table;
    struct dao_field_index *taken;
    struct dao_row *child;
    int r = check_restricted(row, error);

    if (r == 0)
        r = dao_check_listed(dao, row, error);
    for (size_t i = 0; r == 0 && i < table->referring_count; i++)
        while (r == 0 && (child = first_referring(table->referring[i], row->id)))
            r = delete_with_children(dao, child, error);
    return r < 0 ? r : dao_change(dao, row, NULL, &taken);
}

int dao_delete_row(struct dao *dao, struct dao_row *row, struct kong_error *error)
{
    size_t step = dao_step(dao);
    int r = delete_with_children(dao, row, error);

    if (r < 0)
        dao_undo_step(dao, step);
    return r;
}
