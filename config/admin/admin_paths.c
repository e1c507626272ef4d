/*
 * Which path is what.
 *
 * The table has the paths that Kong writes by hand; a path that is not in it may be one that Kong makes
 * of entities (kong/api/endpoints.lua):
 *     /E, /E/{e}             an entity's own
 *     /P/{p}/E, /P/{p}/E/{e} of those that refer to another one
 *     /E/{e}/{field}         the other one, seen from here
 */
#include <errno.h>
#include <stdlib.h>

#include "config/admin/admin_priv.h"

struct admin_path {
    const char *pattern; /* segments; one in braces is any. "{...}": this and all below */
    struct admin_methods methods;
    const char *entity; /* whose types a form has; NULL: none */
};

/* The first that fits counts. */
static const struct admin_path table[] = {
    { "/", { .get = admin_root }, NULL },
    { "/cache", { .remove = admin_cache_delete }, NULL },
    { "/cache/{key}", { .get = admin_cache_get, .remove = admin_cache_delete }, NULL },
    { "/clustering/data-planes", { .get = admin_needs_control_plane }, NULL },
    { "/clustering/status", { .get = admin_needs_control_plane }, NULL },
    { "/config", { .get = admin_config_get, .post = admin_config_post }, NULL },
    { "/debug/cluster/log-level/{log_level}", { .put = admin_set_log_level }, NULL },
    { "/debug/node/log-level", { .get = admin_log_level }, NULL },
    { "/debug/node/log-level/{log_level}", { .put = admin_set_log_level }, NULL },
    { "/endpoints", { .get = admin_endpoints }, NULL },
    { "/metrics", { .get = admin_metrics }, NULL },
    { "/openapi.json", { .get = admin_openapi }, NULL },
    { "/plugins/enabled", { .get = admin_plugins_enabled }, NULL },
    { "/plugins/schema/{name}", { .get = admin_plugins_schema }, NULL },
    { "/robots.txt", { .get = admin_robots }, NULL },
    { "/schemas/plugins/validate", { .post = admin_schema_validate_plugin }, "plugins" },
    { "/schemas/vaults/validate", { .post = admin_schema_validate_vault }, "vaults" },
    { "/schemas/plugins/{name}", { .get = admin_schema_plugin }, NULL },
    { "/schemas/vaults/{name}", { .get = admin_schema_vault }, NULL },
    { "/schemas/{name}", { .get = admin_schema }, NULL },
    { "/schemas/{db_entity_name}/validate", { .post = admin_schema_validate }, NULL },
    { "/status", { .get = admin_status }, NULL },
    { "/status/dns", { .get = admin_dns_status }, NULL },
    { "/status/ready", { .get = admin_ready }, NULL },
    { "/tags",
      { admin_tags, admin_tags_unsupported, admin_tags_unsupported, admin_tags_unsupported,
        admin_tags_unsupported },
      NULL },
    { "/tags/{tags}", { .get = admin_tag }, NULL },
    { "/timers", { .get = admin_timers }, NULL },
    { "/upstreams/{upstreams}/health", { .get = admin_upstream_health }, NULL },
    { "/upstreams/{upstreams}/targets/all", { .get = admin_targets_all }, "targets" },
    { "/upstreams/{upstreams}/targets/{targets}/healthy", { .put = admin_target_healthy }, NULL },
    { "/upstreams/{upstreams}/targets/{targets}/unhealthy",
      { .put = admin_target_unhealthy },
      NULL },
    { "/upstreams/{upstreams}/targets/{targets}/{address}/healthy",
      { .put = admin_target_healthy },
      NULL },
    { "/upstreams/{upstreams}/targets/{targets}/{address}/unhealthy",
      { .put = admin_target_unhealthy },
      NULL },
    { "/filter-chains/{...}",
      { admin_needs_wasm, admin_needs_wasm, admin_needs_wasm, admin_needs_wasm, admin_needs_wasm },
      NULL },
    { "/routes/{routes}/filters/{...}",
      { admin_needs_wasm, admin_needs_wasm, admin_needs_wasm, admin_needs_wasm, admin_needs_wasm },
      NULL },
    { "/routes/{routes}/filter-chains/{...}",
      { admin_needs_wasm, admin_needs_wasm, admin_needs_wasm, admin_needs_wasm, admin_needs_wasm },
      NULL },
    { "/services/{services}/filter-chains/{...}",
      { admin_needs_wasm, admin_needs_wasm, admin_needs_wasm, admin_needs_wasm, admin_needs_wasm },
      NULL },
};

enum { TABLE_SIZE = sizeof(table) / sizeof(table[0]) };

/* --- the paths of entities ----------------------------------------------------------------- */

/* Entities whose paths differ from what Kong makes; NULL: as made. */
struct exception {
    const char *entity;
    const struct admin_methods *list, *one, *nested_list, *nested_one;
};

static const struct exception exceptions[] = {
    { "certificates", NULL, &admin_certificate_one, NULL, NULL },
    { "consumers", &admin_consumers_list, NULL, NULL, NULL },
    { "plugins", NULL, &admin_plugin_one, NULL, &admin_plugin_one },
    { "acls", NULL, NULL, NULL, &admin_acls_one },
    { "targets", NULL, NULL, &admin_targets_list, &admin_target_one },
};

static const struct exception *exception_of(const struct model_entity *entity)
{
    static const struct exception none;

    for (size_t i = 0; i < sizeof(exceptions) / sizeof(exceptions[0]); i++)
        if (strcmp(exceptions[i].entity, entity->name) == 0)
            return &exceptions[i];
    return &none;
}

static const struct admin_methods *either(const struct admin_methods *special,
                                          const struct admin_methods *usual)
{
    return special ? special : usual;
}

/* kong/api/routes: an sni's certificate and a target's upstream are not seen from there. */
static bool has_view(const struct model_entity *entity)
{
    return entity->url && !entity->is_below_parent_only && strcmp(entity->name, "snis") != 0;
}

/* The reference of `entity` that leads to `parent`. */
static const struct model_field *reference_to(const struct model_entity *entity,
                                              const struct model_entity *parent)
{
    for (size_t i = 0; i < entity->record.fields_count; i++) {
        const struct model_field *field = &entity->record.fields[i];
        if (field->type == MODEL_FOREIGN && strcmp(field->reference, parent->name) == 0)
            return field;
    }
    return NULL;
}

static const struct model_entity *nested_entity(const struct model *model,
                                                const struct model_entity *parent, const char *url,
                                                const struct model_field **ret)
{
    for (size_t i = 0; i < model_entities_count(model); i++) {
        const struct model_entity *entity = model_entity_at(model, i);

        if (!entity->nested_url || strcmp(entity->nested_url, url) != 0)
            continue;
        *ret = reference_to(entity, parent);
        if (*ret)
            return entity;
    }
    return NULL;
}

static const struct model_field *view_field(const struct model_entity *entity, const char *name)
{
    const struct model_field *field = model_field(&entity->record, name);

    return field && field->type == MODEL_FOREIGN && has_view(entity) ? field : NULL;
}

static bool find_below(struct admin_call *call, const struct model_entity *parent)
{
    const struct model *model = dao_model(call->admin->dao);
    const struct model_field *reference = NULL;
    const char *word = call->segments[2];
    const struct model_entity *entity = nested_entity(model, parent, word, &reference);
    struct admin_target *target = &call->target;

    if (entity) {
        const struct exception *special = exception_of(entity);
        *target = (struct admin_target){
            .methods = call->segments_count == 3 ? either(special->nested_list, &admin_nested_list)
                                                 : either(special->nested_one, &admin_nested_one),
            .entity = entity,
            .key = call->segments_count == 3 ? NULL : call->segments[3],
            .parent = parent,
            .parent_key = call->segments[1],
            .reference = reference,
        };
        return true;
    }
    reference = call->segments_count == 3 ? view_field(parent, word) : NULL;
    if (!reference)
        return false;
    *target = (struct admin_target){
        .methods = &admin_foreign_view,
        .entity = model_entity(model, reference->reference),
        .parent = parent, /* the child, whose reference leads to `entity` */
        .parent_key = call->segments[1],
        .reference = reference,
    };
    return target->entity != NULL;
}

static bool find_entity_path(struct admin_call *call)
{
    const struct model *model = dao_model(call->admin->dao);
    const struct model_entity *entity =
        call->segments_count > 0 ? model_entity_by_url(model, call->segments[0]) : NULL;
    const struct exception *special;

    if (!entity || entity->is_below_parent_only || call->segments_count > 4)
        return false;
    if (call->segments_count > 2)
        return find_below(call, entity);
    special = exception_of(entity);
    call->target = (struct admin_target){
        .methods = call->segments_count == 1 ? either(special->list, &admin_entity_list)
                                             : either(special->one, &admin_entity_one),
        .entity = entity,
        .key = call->segments_count == 1 ? NULL : call->segments[1],
    };
    return true;
}

/* --- the table ----------------------------------------------------------------------------- */

static bool segment_fits(const char *pattern, size_t length, const char *segment)
{
    return *pattern == '{' || (strlen(segment) == length && memcmp(segment, pattern, length) == 0);
}

static bool fits(const char *pattern, const struct admin_call *call)
{
    size_t i = 0;

    for (pattern++; *pattern; i++) {
        size_t length = strcspn(pattern, "/");
        if (length == strlen("{...}") && memcmp(pattern, "{...}", length) == 0)
            return true;
        if (i == call->segments_count || !segment_fits(pattern, length, call->segments[i]))
            return false;
        pattern += length;
        pattern += *pattern == '/';
    }
    return i == call->segments_count;
}

bool admin_find_path(struct admin_call *call)
{
    for (size_t i = 0; i < TABLE_SIZE; i++)
        if (fits(table[i].pattern, call)) {
            call->target = (struct admin_target){
                .methods = &table[i].methods,
                .entity = table[i].entity
                              ? model_entity(dao_model(call->admin->dao), table[i].entity)
                              : NULL,
            };
            return true;
        }
    return find_entity_path(call);
}

/* --- what there is ------------------------------------------------------------------------- */

char *admin_allowed_methods(const struct admin_methods *methods)
{
    const struct {
        const char *name;
        bool is_there;
    } all[] = {
        { "DELETE", methods->remove }, { "GET", methods->get },     { "HEAD", methods->get },
        { "OPTIONS", true },           { "PATCH", methods->patch }, { "POST", methods->post },
        { "PUT", methods->put },
    };
    char list[64] = ""; /* all seven fit */
    size_t length = 0;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (all[i].is_there)
            length += (size_t)snprintf(list + length, sizeof(list) - length, "%s%s",
                                       length > 0 ? ", " : "", all[i].name);
    return strdup(list);
}

struct visit {
    admin_path_visitor *function;
    void *context;
};

__attribute__((format(printf, 3, 4))) static int visit_path(const struct visit *visit,
                                                            const struct admin_target *target,
                                                            const char *format, ...)
{
    char path[256];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(path, sizeof(path), format, args);
    va_end(args);
    return visit->function(visit->context, path, target);
}

static int visit_nested(const struct visit *visit, const struct model *model,
                        const struct model_entity *parent)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < model_entities_count(model); i++) {
        const struct model_entity *entity = model_entity_at(model, i);
        const struct exception *special = exception_of(entity);
        struct admin_target target = { .entity = entity, .parent = parent };

        target.reference = entity->nested_url ? reference_to(entity, parent) : NULL;
        if (!target.reference)
            continue;
        target.methods = either(special->nested_list, &admin_nested_list);
        r = visit_path(visit, &target, "/%s/{%s}/%s", parent->url, parent->name,
                       entity->nested_url);
        target.methods = either(special->nested_one, &admin_nested_one);
        target.key = "";
        if (r == 0)
            r = visit_path(visit, &target, "/%s/{%s}/%s/{%s}", parent->url, parent->name,
                           entity->nested_url, entity->name);
    }
    return r;
}

static int visit_views(const struct visit *visit, const struct model *model,
                       const struct model_entity *child)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < child->record.fields_count; i++) {
        const struct model_field *field = view_field(child, child->record.fields[i].name);
        struct admin_target target = {
            .methods = &admin_foreign_view, .key = "", .parent = child, .reference = field
        };

        if (!field)
            continue;
        target.entity = model_entity(model, field->reference);
        r = visit_path(visit, &target, "/%s/{%s}/%s", child->url, child->name, field->name);
    }
    return r;
}

static int visit_entity(const struct visit *visit, const struct model *model,
                        const struct model_entity *entity)
{
    const struct exception *special = exception_of(entity);
    struct admin_target target = { .entity = entity };
    int r;

    if (!entity->url || entity->is_below_parent_only)
        return 0;
    target.methods = either(special->list, &admin_entity_list);
    r = visit_path(visit, &target, "/%s", entity->url);
    target.methods = either(special->one, &admin_entity_one);
    target.key = "";
    if (r == 0)
        r = visit_path(visit, &target, "/%s/{%s}", entity->url, entity->name);
    if (r == 0)
        r = visit_nested(visit, model, entity);
    return r == 0 ? visit_views(visit, model, entity) : r;
}

int admin_visit_paths(const struct model *model, admin_path_visitor *function, void *context)
{
    const struct visit visit = { function, context };
    int r = 0;

    for (size_t i = 0; r == 0 && i < TABLE_SIZE; i++) {
        const struct admin_target target = { .methods = &table[i].methods };
        if (!strstr(table[i].pattern, "{...}"))
            r = function(context, table[i].pattern, &target);
    }
    for (size_t i = 0; r == 0 && i < model_entities_count(model); i++)
        r = visit_entity(&visit, model, model_entity_at(model, i));
    return r;
}

struct collected {
    char **paths;
    size_t count;
};

static int collect(void *context, const char *path, const struct admin_target *target)
{
    struct collected *collected = context;
    char **paths = reallocarray(collected->paths, collected->count + 1, sizeof(*paths));

    (void)target;
    if (!paths)
        return -ENOMEM;
    collected->paths = paths;
    paths[collected->count] = strdup(path);
    return paths[collected->count++] ? 0 : -ENOMEM;
}

/* By segments: "/a/b" comes before "/a-c". */
static int compare_paths(const void *left, const void *right)
{
    const char *a = *(char *const *)left, *b = *(char *const *)right;

    for (; *a && *a == *b; a++)
        b++;
    if (*a == *b)
        return 0;
    if (*a == '\0' || *a == '/')
        return *b == '\0' ? 1 : -1;
    if (*b == '\0' || *b == '/')
        return 1;
    return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
}

json_t *admin_endpoints_json(const struct model *model)
{
    struct collected collected = { 0 };
    json_t *list = json_array();
    int r = list ? admin_visit_paths(model, collect, &collected) : -ENOMEM;

    if (r == 0)
        qsort(collected.paths, collected.count, sizeof(*collected.paths), compare_paths);
    for (size_t i = 0; i < collected.count; i++) {
        if (r == 0 && json_array_append_new(list, json_string(collected.paths[i])) < 0)
            r = -ENOMEM;
        free(collected.paths[i]);
    }
    free(collected.paths);
    if (r == 0)
        return json_pack("{so}", "data", list);
    json_decref(list);
    return NULL;
}
