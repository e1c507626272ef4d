/*
 * admin_priv: what the files of the Admin API share: one request on its way to an answer.
 *
 * Role    struct admin_call, and the handlers that the table of paths names
 * Owns    see struct admin_call
 * Thread  the config thread
 *
 *   admin.c              gate, dispatch, the answer and its fields
 *   admin_paths.c        which path is what: the table, and the paths that Kong makes of entities
 *   admin_content.c      content by its type: JSON, urlencoded, multipart
 *   admin_entities.c     list, create, read, replace, change, delete of any entity
 *   admin_list.c         pages
 *   admin_foreign.c      /routes/{r}/service and the like
 *   admin_targets.c, admin_certificates.c, admin_acls.c, admin_plugins.c   what differs there
 *   admin_health_paths.c health of upstreams and targets
 *   admin_schemas.c      /schemas
 *   admin_openapi*.c     /openapi.json
 *   admin_node.c         /, /status, /endpoints, /tags, logs, caches
 */
#ifndef CONFIG_ADMIN_PRIV_H
#define CONFIG_ADMIN_PRIV_H

#include "config/admin/admin.h"

enum { ADMIN_SEGMENTS_MAX = 8 };

struct admin_call;

/* 0: it has answered. -EINVAL: call->error says what. -ENOMEM. */
typedef int admin_handler(struct admin_call *call);

struct admin_methods {
    admin_handler *get, *post, *put, *patch, *remove;
};

enum admin_method { ADMIN_GET, ADMIN_POST, ADMIN_PUT, ADMIN_PATCH, ADMIN_DELETE, ADMIN_OPTIONS };

/* What a path is. Of paths made of entities: which row, below which, by which reference. */
struct admin_target {
    const struct admin_methods *methods;
    const struct model_entity *entity; /* NULL: no entity's path */
    const char *key;                   /* of the entity as written; NULL: the list */
    const struct model_entity *parent; /* NULL: the entity is not below another */
    const char *parent_key;
    const struct model_field
        *reference; /* to the parent; of a foreign view: the child's to entity */
};

struct admin_call {
    struct admin *admin;
    const struct admin_request *request;
    struct admin_answer *answer;
    struct kong_error error;
    char *segments[ADMIN_SEGMENTS_MAX]; /* of the path, decoded; owned */
    size_t segments_count;
    enum admin_method method;
    bool is_head;
    struct admin_target target;
    json_t *query;   /* an object of texts; owned */
    json_t *content; /* an object; NULL: the method has none; owned */
};

/* ---- admin.c ---- */

/* Each takes `json` (NULL: no memory) and returns 0 or -ENOMEM. */
int admin_answer_json(struct admin_call *call, unsigned status, json_t *json);
int admin_answer_message(struct admin_call *call, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int admin_answer_nothing(struct admin_call *call, unsigned status);
/* Takes `text`, malloc'ed. content_type is a literal. */
int admin_answer_text(struct admin_call *call, unsigned status, const char *content_type,
                      char *text);
int admin_not_found(struct admin_call *call); /* {"message":"Not found"} */
/* A field of the answer; name is a literal; takes value, malloc'ed (NULL: no memory). 0 or -ENOMEM. */
int admin_add_field(struct admin_call *call, const char *name, char *value);

/* Of the query; NULL: not there, or no text. */
const char *admin_query(const struct admin_call *call, const char *name);

/* ---- admin_paths.c ---- */

/* False: no such path. */
bool admin_find_path(struct admin_call *call);

/* "GET, HEAD, OPTIONS, POST", sorted. malloc'ed; NULL: no memory. */
char *admin_allowed_methods(const struct admin_methods *methods);

/* {"data": ["/", "/acls", ...]}; NULL: no memory. */
json_t *admin_endpoints_json(const struct model *model);

/* Every path, "/services/{services}", with what it is; of paths of one entity the key is "". What the
 * visitor returns ends the walk unless it is 0. */
typedef int admin_path_visitor(void *context, const char *path, const struct admin_target *target);
int admin_visit_paths(const struct model *model, admin_path_visitor *visit, void *context);

/* ---- admin_content.c ---- */

/* As Kong's gate: 0; -EINVAL with an error (415 has no message). */
int admin_check_content_type(struct admin_call *call);

/* Fills in call->content; the types in a form are those of `entity` (NULL: texts). */
int admin_read_content(struct admin_call *call, const struct model_entity *entity);

/* ---- admin_entities.c ---- */

extern const struct admin_methods admin_entity_list, admin_entity_one;
extern const struct admin_methods admin_nested_list, admin_nested_one;

/* The row that the path names (a new reference), also certificates by sni; NULL: not there. */
int admin_find(struct admin_call *call, const struct model_entity *entity, const char *key,
               json_t **ret);

/* The parent of a nested path; -EINVAL with a 404 when it is not there. */
int admin_find_parent(struct admin_call *call, json_t **ret);

/* The content with {field: {"id": id}} put in. A new reference; NULL: no memory. */
json_t *admin_content_below(const struct admin_call *call, const char *id);

/* Inserts and answers 201; refuses a route that another one hides. */
int admin_create(struct admin_call *call, const json_t *input);

const char *admin_id_of(const json_t *row);

/* ---- admin_list.c ---- */

/* One page, of those below parent_id if there is a parent. path: for "next", without query. */
int admin_answer_page(struct admin_call *call, const char *parent_id, bool newest_first);

/* All rows below a parent as an array, newest first; NULL: no memory. */
json_t *admin_all_below(struct admin_call *call, const struct model_entity *entity,
                        const char *field, const char *id);

/* ---- admin_foreign.c ---- */

extern const struct admin_methods admin_foreign_view;

/* ---- those of single entities ---- */

extern const struct admin_methods admin_certificate_one, admin_acls_one, admin_plugin_one;
extern const struct admin_methods admin_targets_list, admin_target_one, admin_consumers_list;
extern const struct admin_methods admin_certificate_nested_list;

admin_handler admin_targets_all, admin_upstream_health;
admin_handler admin_target_healthy, admin_target_unhealthy;
admin_handler admin_plugins_enabled, admin_plugins_schema;
admin_handler admin_schema, admin_schema_plugin, admin_schema_vault;
admin_handler admin_schema_validate, admin_schema_validate_plugin, admin_schema_validate_vault;
admin_handler admin_root, admin_status, admin_ready, admin_endpoints, admin_robots, admin_metrics;
admin_handler admin_tags, admin_tag, admin_tags_unsupported;
admin_handler admin_dns_status, admin_cache_get, admin_cache_delete, admin_needs_control_plane;
admin_handler admin_needs_wasm, admin_log_level, admin_set_log_level, admin_timers;
admin_handler admin_config_get, admin_config_post;
admin_handler admin_openapi;

#endif
