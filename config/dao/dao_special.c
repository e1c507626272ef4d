/*
 * dao_special: what Kong's own code does for single entities, beside the tables: certificates and their
 * snis, times to live, protocols of plugins, authorities that are listed somewhere.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/dao/dao_priv.h"

/* --- certificates and their snis (kong/db/dao/certificates.lua, snis.lua) ------------------- */

__attribute__((format(printf, 2, 3))) static int fail_snis(struct kong_error *error,
                                                           const char *format, ...)
{
    json_t *fields = NULL;
    va_list args;
    char *text;
    int length;

    va_start(args, format);
    length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0)
        return -ENOMEM;
    fields = json_pack("{ss}", "snis", text);
    free(text);
    return fields ? kong_error_schema_violation(error, fields) : -ENOMEM;
}

static const char *certificate_of(const struct dao_row *sni)
{
    return json_string_value(json_object_get(json_object_get(sni->value, "certificate"), "id"));
}

/* Neither twice in the list nor another certificate's. */
static int check_names(const struct dao *dao, const json_t *names, const char *certificate_id,
                       struct kong_error *error)
{
    const struct dao_table *snis = dao_table_named(&dao->tables, "snis");
    const char *previous = NULL;
    json_t *name;
    size_t i;

    json_array_foreach(names, i, name)
    {
        const char *text = json_string_value(name);
        if (previous && strcmp(previous, text) == 0)
            return fail_snis(error, "%s is duplicated", text);
        previous = text;
    }
    json_array_foreach(names, i, name)
    {
        const struct dao_row *sni = dao_row_by_unique(snis, "name", json_string_value(name));
        if (sni && (!certificate_id || strcmp(certificate_of(sni), certificate_id) != 0))
            return fail_snis(error, "%s already associated with existing certificate '%s'",
                             json_string_value(name), certificate_of(sni));
    }
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(json_string_value(*(json_t *const *)a), json_string_value(*(json_t *const *)b));
}

/* A new list; NULL: no memory. Items are texts. */
static json_t *sorted(const json_t *list)
{
    size_t count = json_array_size(list);
    json_t **items = calloc(count ? count : 1, sizeof(json_t *)), *result = json_array();

    for (size_t i = 0; items && i < count; i++)
        items[i] = json_array_get(list, i);
    if (items)
        qsort(items, count, sizeof(json_t *), compare_names);
    for (size_t i = 0; items && result && i < count; i++)
        if (json_array_append(result, items[i]) < 0) {
            json_decref(result);
            result = NULL;
        }
    if (!items) {
        json_decref(result);
        result = NULL;
    }
    free(items);
    return result;
}

static bool is_list_of_texts(const json_t *list)
{
    json_t *item;
    size_t i;

    if (!json_is_array(list))
        return false;
    json_array_foreach(list, i, item) if (!json_is_string(item)) return false;
    return true;
}

/* The list stays in the input: its form is the model's to check. PATCH without it changes nothing, PUT
 * takes all away. */
static int read_snis(const struct dao *dao, const json_t *input, const char *id, bool replaces,
                     struct dao_extra *extra, struct kong_error *error)
{
    const json_t *snis = json_object_get(input, "snis");

    if (snis ? json_is_null(snis) : replaces)
        extra->snis = json_array();
    else if (is_list_of_texts(snis))
        extra->snis = sorted(snis);
    else
        return 0;
    return extra->snis ? check_names(dao, extra->snis, id, error) : -ENOMEM;
}

int dao_read_extra(const struct dao *dao, const struct model_entity *entity, const json_t *input,
                   const char *id, bool replaces, struct dao_extra *ret, struct kong_error *error)
{
    ret->says_ttl = entity->has_ttl && json_object_get(input, "ttl");
    return dao_entity_is(entity, "certificates") ? read_snis(dao, input, id, replaces, ret, error)
                                                 : 0;
}

uint64_t dao_take_extra(const struct model_entity *entity, json_t *value)
{
    json_int_t ttl_s = 0;

    if (entity->has_ttl) {
        ttl_s = json_integer_value(json_object_get(value, "ttl"));
        (void)json_object_del(value, "ttl"); /* if it is there, here and below */
    }
    for (size_t i = 0; i < entity->record.fields_count; i++)
        if (entity->record.fields[i].flags & MODEL_PSEUDO)
            (void)json_object_del(value, entity->record.fields[i].name);
    return ttl_s > 0 ? (uint64_t)ttl_s : 0;
}

void dao_extra_done(struct dao_extra *extra)
{
    json_decref(extra->snis);
}

/* ---- the rows ---- */

static const struct dao_field_index *index_of_snis(const struct dao *dao)
{
    return dao_table_index(dao_table_named(&dao->tables, "snis"), DAO_INDEX_REFERENCE,
                           "certificate");
}

static bool has_name(const json_t *names, const char *name)
{
    json_t *item;
    size_t i;

    json_array_foreach(names, i, item) if (strcmp(json_string_value(item), name) == 0) return true;
    return false;
}

static int remove_other_snis(struct dao *dao, const char *certificate_id, const json_t *names)
{
    struct slice prefix = { certificate_id, strlen(certificate_id) + 1 };
    struct dao_node *node = dao_index_from(&index_of_snis(dao)->index, prefix), *next;
    struct dao_field_index *taken;
    int r = 0;

    for (; r == 0 && node && slice_starts_with(node->key, prefix); node = next) {
        const char *name = json_string_value(json_object_get(node->row->value, "name"));
        next = dao_node_next(node);
        if (!has_name(names, name))
            r = dao_change(dao, node->row, NULL, &taken);
    }
    return r;
}

int dao_set_snis(struct dao *dao, const char *certificate_id, const json_t *names,
                 struct kong_error *error)
{
    const struct dao_table *snis = dao_table_named(&dao->tables, "snis");
    int r = remove_other_snis(dao, certificate_id, names);
    json_t *name;
    size_t i;

    json_array_foreach(names, i, name)
    {
        json_t *input, *made = NULL;
        if (r < 0 || dao_row_by_unique(snis, "name", json_string_value(name)))
            continue;
        input = json_pack("{sOs{ss}}", "name", name, "certificate", "id", certificate_id);
        r = input ? dao_insert(dao, snis->entity, input, &made, error) : -ENOMEM;
        json_decref(made);
        json_decref(input);
    }
    return r;
}

static json_t *snis_of(const struct dao *dao, const struct dao_row *certificate)
{
    struct slice prefix = { certificate->id, strlen(certificate->id) + 1 };
    struct dao_node *node = dao_index_from(&index_of_snis(dao)->index, prefix);
    json_t *names = json_array(), *result;

    for (; names && node && slice_starts_with(node->key, prefix); node = dao_node_next(node))
        if (json_array_append(names, json_object_get(node->row->value, "name")) < 0) {
            json_decref(names);
            names = NULL;
        }
    result = names ? sorted(names) : NULL;
    json_decref(names);
    return result;
}

/* --- reading ------------------------------------------------------------------------------- */

static json_t *with_member(const struct dao_row *row, const char *name, json_t *member)
{
    json_t *copy = dao_copy(row->value);

    if (copy && json_object_set_new(copy, name, member) == 0)
        return copy;
    if (!copy)
        json_decref(member); /* else it is taken even on failure */
    json_decref(copy);
    return NULL;
}

json_t *dao_row_json(const struct dao *dao, const struct dao_row *row)
{
    const struct model_entity *entity = row->table->entity;
    uint64_t now_s;

    if (dao_entity_is(entity, "certificates"))
        return with_member(row, "snis", snis_of(dao, row));
    if (!entity->has_ttl)
        return json_incref(row->value);
    now_s = dao->now_ms() / 1000;
    return with_member(row, "ttl",
                       row->expires_at_s > now_s
                           ? json_integer((json_int_t)(row->expires_at_s - now_s))
                           : json_null());
}

/* --- plugins (kong/db/dao/plugins.lua) ------------------------------------------------------ */

static bool have_common(const json_t *some, const json_t *others)
{
    json_t *one, *other;
    size_t i, j;

    json_array_foreach(some, i, one)
        json_array_foreach(others, j, other) if (json_equal(one, other)) return true;
    return false;
}

static const char *id_of(const json_t *value, const char *field)
{
    return json_string_value(json_object_get(json_object_get(value, field), "id"));
}

/* True also when the service has no routes yet. */
static bool matches_a_route_of(const struct dao_table *routes, const char *service_id,
                               const json_t *protocols)
{
    const struct dao_field_index *index = dao_table_index(routes, DAO_INDEX_REFERENCE, "service");
    struct slice prefix = { service_id, strlen(service_id) + 1 };
    struct dao_node *node = dao_index_from(&index->index, prefix);
    bool has_route = false;

    for (; node && slice_starts_with(node->key, prefix); node = dao_node_next(node)) {
        if (have_common(protocols, json_object_get(node->row->value, "protocols")))
            return true;
        has_route = true;
    }
    return !has_route;
}

int dao_check_protocols(const struct dao *dao, const struct model_entity *entity,
                        const json_t *value, bool has_protocols, struct kong_error *error)
{
    const struct dao_table *routes = dao_table_named(&dao->tables, "routes");
    const json_t *protocols = json_object_get(value, "protocols");
    const char *route_id = id_of(value, "route"), *service_id = id_of(value, "service");
    const char *wrong = NULL;

    if (!dao_entity_is(entity, "plugins") || !has_protocols || !json_is_array(protocols))
        return 0;
    if (route_id) {
        const struct dao_row *route = dao_row_by_id(routes, route_id);
        if (route && !have_common(protocols, json_object_get(route->value, "protocols")))
            wrong = "must match the associated route's protocols";
    } else if (service_id && !matches_a_route_of(routes, service_id, protocols)) {
        wrong = "must match the protocols of at least one route pointing to this Plugin's service";
    }
    return wrong ? kong_error_schema_violation(error, json_pack("{ss}", "protocols", wrong)) : 0;
}

/* --- authorities (kong/db/dao/ca_certificates.lua) ------------------------------------------ */

static bool has_id(const json_t *list, const char *id)
{
    json_t *item;
    size_t i;

    json_array_foreach(list, i, item) if (json_is_string(item) &&
                                          strcmp(json_string_value(item), id) == 0) return true;
    return false;
}

/* Walks all of them: an authority is deleted once in a blue moon, so there is no index of it. */
int dao_check_listed(const struct dao *dao, const struct dao_row *row, struct kong_error *error)
{
    static const char *const names[] = { "services", "plugins" };

    if (!dao_entity_is(row->table->entity, "ca_certificates"))
        return 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct dao_table *table = dao_table_named(&dao->tables, names[i]);
        struct dao_node *node = table ? dao_index_first(&table->indexes[0].index) : NULL;
        for (; node; node = dao_node_next(node)) {
            const json_t *config = json_object_get(node->row->value, "config");
            if (has_id(json_object_get(node->row->value, "ca_certificates"), row->id) ||
                has_id(json_object_get(config, "ca_certificates"), row->id))
                return kong_error_referenced_by_others(
                    error, "ca certificate %s is still referenced by %s (id = %s)", row->id,
                    names[i], node->row->id);
        }
    }
    return 0;
}
