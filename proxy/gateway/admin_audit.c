#include "proxy/gateway/admin_audit.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/log.h"
#include "proxy/report/secrets.h"
#include "proxy/worker/admin_question.h"

/* ---- masking ------------------------------------------------------------------------------- */

enum { MASK_DEPTH_MAX = 32 };

static json_t *mask_record(const struct model *model, const struct model_record *record,
                           const json_t *value, unsigned depth);

static json_t *hidden(const json_t *value)
{
    return json_is_null(value) ? json_null() : json_string("******");
}

static json_t *mask_list(const struct model *model, const struct model_field *elements,
                         const json_t *value, unsigned depth);

/* What the tables do not know is judged by its name, which is what its parent has said. */
static json_t *mask_field(const struct model *model, const struct model_field *field,
                          const json_t *value, unsigned depth)
{
    if (!field || depth > MASK_DEPTH_MAX)
        return json_deep_copy(value);
    if (field->flags & MODEL_SECRET)
        return hidden(value);
    if (field->record && json_is_object(value))
        return mask_record(model, field->record, value, depth);
    if (field->elements && json_is_array(value))
        return mask_list(model, field->elements, value, depth);
    return json_deep_copy(value);
}

static json_t *mask_list(const struct model *model, const struct model_field *elements,
                         const json_t *value, unsigned depth)
{
    json_t *masked = json_array();

    for (size_t i = 0; masked && i < json_array_size(value); i++)
        (void)json_array_append_new(
            masked, mask_field(model, elements, json_array_get(value, i), depth + 1));
    return masked;
}

static bool is_secret_name(const char *name)
{
    return secrets_name_is_secret(slice_of(name));
}

static json_t *mask_record(const struct model *model, const struct model_record *record,
                           const json_t *value, unsigned depth)
{
    json_t *masked = json_object(), *member;
    const char *name;

    json_object_foreach((json_t *)value, name, member)
    {
        const struct model_field *field = record ? model_field(record, name) : NULL;

        (void)json_object_set_new(masked, name,
                                  !field && is_secret_name(name) && !json_is_object(member)
                                      ? hidden(member)
                                      : mask_field(model, field, member, depth + 1));
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
    json_t *masked;

    if (!value)
        return json_null();
    masked = mask_record(model, &entity->record, value, 0);
    if (strcmp(entity->name, "plugins") != 0 || !json_is_object(config))
        return masked;
    plugin = name ? model_plugin(model, name) : NULL;
    (void)json_object_set_new(masked, "config",
                              mask_record(model, plugin ? plugin->config : NULL, config, 0));
    return masked;
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

    return json_pack("{s:o, s:s, s:s?, s:b, s:o, s:o, s:s, s:s, s:o, s:o}", "time", time_now(),
                     "client", author->address, "tls_subject", author->tls_subject, "token",
                     author->showed_token, "method", text_of(request->method), "path",
                     text_of(request->path), "entity", change->entity->name, "id", change->id,
                     "before", mask(model, change->entity, change->before), "after",
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

        (void)json_array_append_new(lines, line_of(dao_model(dao), &change, question));
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
