#include "proxy/gateway/admin_audit.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/entity_id.h"
#include "core/log.h"
#include "proxy/report/secrets.h"
#include "proxy/worker/admin_question.h"

/* ---- masking: NULL: no memory ---------------------------------------------------------------- */

enum { MASK_DEPTH_MAX = 32 };

static const char asterisks[] = "******";

static json_t *mask_record(const struct model *model, const struct model_record *record,
                           const json_t *value, unsigned depth);
static json_t *mask_list(const struct model *model, const struct model_field *elements,
                         const json_t *value, unsigned depth);
static json_t *mask_map(const struct model *model, const struct model_field *values,
                        const json_t *value, unsigned depth);

static json_t *hidden(const json_t *value)
{
    return json_is_null(value) ? json_null() : json_string(asterisks);
}

/* field NULL: the tables do not know it; its names are judged all the way down. */
static json_t *mask_field(const struct model *model, const struct model_field *field,
                          const json_t *value, unsigned depth)
{
    if (depth > MASK_DEPTH_MAX || (field && (field->flags & MODEL_SECRET)))
        return hidden(value);
    if (json_is_array(value))
        return mask_list(model, field ? field->elements : NULL, value, depth);
    if (!json_is_object(value))
        return json_deep_copy(value);
    if (field && field->record)
        return mask_record(model, field->record, value, depth);
    return mask_map(model, field ? field->values : NULL, value, depth);
}

static json_t *mask_list(const struct model *model, const struct model_field *elements,
                         const json_t *value, unsigned depth)
{
    json_t *masked = json_array();

    for (size_t i = 0; masked && i < json_array_size(value); i++)
        if (json_array_append_new(
                masked, mask_field(model, elements, json_array_get(value, i), depth + 1)) < 0)
            json_decref(TAKE(masked));
    return masked;
}

static bool is_secret_name(const char *name)
{
    return secrets_name_is_secret(slice_of(name));
}

/* Its names are anybody's: {"Authorization": ...} among the fields that a plugin sends. */
static json_t *mask_map(const struct model *model, const struct model_field *values,
                        const json_t *value, unsigned depth)
{
    json_t *masked = json_object(), *member;
    const char *name;

    json_object_foreach((json_t *)value, name, member)
    {
        if (masked && json_object_set_new(masked, name,
                                          is_secret_name(name)
                                              ? hidden(member)
                                              : mask_field(model, values, member, depth + 1)) < 0)
            json_decref(TAKE(masked));
    }
    return masked;
}

static json_t *mask_record(const struct model *model, const struct model_record *record,
                           const json_t *value, unsigned depth)
{
    json_t *masked = json_object(), *member;
    const char *name;

    json_object_foreach((json_t *)value, name, member)
    {
        const struct model_field *field = model_field(record, name);
        bool is_hidden = !field && is_secret_name(name);

        if (masked &&
            json_object_set_new(masked, name,
                                is_hidden ? hidden(member)
                                          : mask_field(model, field, member, depth + 1)) < 0)
            json_decref(TAKE(masked));
    }
    return masked;
}

/* A plugin's configuration has a table of its own. */
static json_t *mask(const struct model *model, const struct model_entity *entity,
                    const json_t *value)
{
    const char *name = json_string_value(json_object_get(value, "name"));
    const json_t *config = json_object_get(value, "config");
    const struct model_plugin *plugin;
    json_t *masked, *inner;

    if (!value)
        return json_null();
    masked = mask_record(model, &entity->record, value, 0);
    if (!masked || strcmp(entity->name, "plugins") != 0 || !json_is_object(config))
        return masked;
    plugin = name ? model_plugin(model, name) : NULL;
    inner =
        plugin ? mask_record(model, plugin->config, config, 0) : mask_map(model, NULL, config, 0);
    if (json_object_set_new(masked, "config", inner) < 0)
        json_decref(TAKE(masked));
    return masked;
}

/* ---- paths ---------------------------------------------------------------------------------- */

static bool is_word(const char *word, struct slice segment)
{
    return word && slice_equal(slice_of(word), segment);
}

/* /key-auths/{key}: what stands behind such a word is a secret, unless it is an id. */
static bool leads_to_secrets(const struct model *model, struct slice segment)
{
    for (size_t i = 0; i < model_entities_count(model); i++) {
        const struct model_entity *entity = model_entity_at(model, i);
        const struct model_field *key =
            entity->endpoint_key ? model_field(&entity->record, entity->endpoint_key) : NULL;

        if (key && (key->flags & MODEL_SECRET) &&
            (is_word(entity->url, segment) || is_word(entity->nested_url, segment)))
            return true;
    }
    return false;
}

static bool is_id(struct slice segment)
{
    char id[UUID_TEXT_BYTES + 1];

    if (segment.len != UUID_TEXT_BYTES)
        return false;
    memcpy(id, segment.ptr, UUID_TEXT_BYTES);
    id[UUID_TEXT_BYTES] = '\0';
    return entity_id_is_valid(id);
}

static json_t *mask_path(const struct model *model, struct slice path)
{
    json_t *masked = json_string("");
    bool is_secret = false;

    while (masked && path.len > 0) {
        const char *slash = memchr(path.ptr, '/', path.len);
        struct slice segment = { path.ptr, slash ? (size_t)(slash - path.ptr) : path.len };
        bool hides = is_secret && segment.len > 0 && !is_id(segment);
        json_t *longer = json_sprintf("%s%.*s%s", json_string_value(masked),
                                      hides ? (int)strlen(asterisks) : (int)segment.len,
                                      hides ? asterisks : segment.ptr, slash ? "/" : "");

        json_decref(masked);
        masked = longer;
        if (segment.len > 0) /* slashes count once */
            is_secret = leads_to_secrets(model, segment);
        path = slice_from(path, slash ? segment.len + 1 : segment.len);
    }
    return masked ? masked : json_string("?"); /* no UTF-8 */
}

/* ---- lines --------------------------------------------------------------------------------- */

static json_t *text_of(struct slice text)
{
    json_t *value = json_stringn(text.ptr ? text.ptr : "", text.len);

    return value ? value : json_string("?"); /* no UTF-8 */
}

static json_t *time_now(void)
{
    struct timespec now;
    struct tm utc;
    char text[64];

    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
    (void)gmtime_r(&now.tv_sec, &utc);
    (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
    return json_string(text);
}

static json_t *line_of(const struct model *model, const struct dao_change *change,
                       const struct admin_question *question)
{
    const struct admin_author *author = &question->author;
    const struct admin_request *request = &question->request;

    return json_pack("{s:o, s:s, s:o, s:b, s:o, s:o, s:s, s:s, s:o, s:o}", "time", time_now(),
                     "client", author->address, "tls_subject",
                     author->tls_subject ? text_of(slice_of(author->tls_subject)) : json_null(),
                     "token", author->showed_token, "method", text_of(request->method), "path",
                     mask_path(model, request->path), "entity", change->entity->name, "id",
                     change->id, "before", mask(model, change->entity, change->before), "after",
                     mask(model, change->entity, change->after));
}

/* POST /config: everything at once, which the answer's hash stands for. */
static json_t *line_of_replacement(const struct dao *dao, const struct admin_question *question)
{
    const struct admin_author *author = &question->author;
    const struct admin_request *request = &question->request;

    return json_pack("{s:o, s:s, s:s?, s:b, s:o, s:o, s:s, s:s, s:n, s:n}", "time", time_now(),
                     "client", author->address, "tls_subject", author->tls_subject, "token",
                     author->showed_token, "method", text_of(request->method), "path",
                     text_of(request->path), "entity", "config", "id", dao_hash(dao), "before",
                     "after");
}

json_t *admin_audit_lines(const struct dao *dao, size_t first,
                          const struct admin_question *question)
{
    json_t *lines = json_array();

    if (lines && first == dao_changes_count(dao))
        (void)json_array_append_new(lines, line_of_replacement(dao, question));
    for (size_t i = first; lines && i < dao_changes_count(dao); i++) {
        const struct dao_change change = dao_change_at(dao, i);

        if (json_array_append_new(lines, line_of(dao_model(dao), &change, question)) < 0)
            json_decref(TAKE(lines)); /* half a story is none */
    }
    return lines;
}

/* Nobody may believe that it guards anything. */
static void warn_of_plugin(const json_t *line)
{
    const json_t *after = json_object_get(line, "after");

    if (strcmp(json_string_value(json_object_get(line, "entity")), "plugins") == 0 &&
        json_is_true(json_object_get(after, "enabled")))
        log_error(LOG_LEVEL_WARN,
                  "admin: plugin %s (%s) is stored, and this version of hopgate runs none: traffic "
                  "passes without it; hopgate_stored_plugins = refuse refuses such plugins",
                  json_string_value(json_object_get(after, "name")),
                  json_string_value(json_object_get(line, "id")));
}

void admin_audit_write(struct log_file *file, const json_t *lines, unsigned status)
{
    if (!lines)
        log_count_lost(file);
    for (size_t i = 0; i < json_array_size(lines); i++) {
        json_t *line = json_array_get(lines, i);
        char *text;

        warn_of_plugin(line);
        (void)json_object_set_new(line, "status", json_integer(status));
        text = json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER);
        if (text) {
            size_t length = strlen(text);

            text[length] = '\n'; /* in place of its end */
            log_write(file, (struct slice){ text, length + 1 });
        } else {
            log_count_lost(file);
        }
        free(text);
    }
}
