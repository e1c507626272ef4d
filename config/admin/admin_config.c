/* /config: a declarative configuration as a whole, without a database (kong/api/routes/config.lua). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "config/admin/admin_priv.h"
#include "config/declarative.h"
#include "config/document_write.h"
#include "config/flatten/flatten.h"
#include "core/md5.h"

static int needs_no_database(struct admin_call *call)
{
    return kong_error_plain(&call->error, 400,
                            "this endpoint is only available when Kong is configured to not use a "
                            "database");
}

int admin_config_get(struct admin_call *call)
{
    json_t *entities, *answer = NULL;
    char *text = NULL;

    if (call->admin->host->has_database)
        return needs_no_database(call);
    entities = dao_export(call->admin->dao);
    if (entities)
        text = document_write_yaml(entities);
    if (text)
        answer = json_pack("{s:s}", "config", text);
    json_decref(entities);
    free(text);
    return admin_answer_json(call, 200, answer);
}

/* --- what comes in ------------------------------------------------------------------------- */

struct posted {
    json_t *document; /* owned */
    char hash[DAO_HASH_BYTES + 1];
    bool is_text;
};

static bool is_yaml(const struct admin_request *request)
{
    return slice_starts_with(request->content_type, SLICE("application/yaml")) ||
           slice_starts_with(request->content_type, SLICE("text/yaml"));
}

/* Takes why. */
static int cannot_parse(struct admin_call *call, json_t *why)
{
    json_t *fields = why ? json_pack("{s:o}", "error", why) : NULL;

    return fields ? kong_error_declarative(&call->error, fields) : -ENOMEM;
}

static int read_text(struct admin_call *call, struct slice text, struct posted *ret)
{
    SCOPED(document) document = NULL;
    struct config_errors errors;
    int r;

    config_errors_init(&errors);
    r = document_parse(text, document_guess_format(NULL, text), NULL, &document, &errors);
    if (r == -EINVAL && errors.count > 0)
        r = cannot_parse(call, json_sprintf("failed parsing declarative configuration: %u:%u: %s",
                                            errors.items[0].place.line,
                                            errors.items[0].place.column, errors.items[0].message));
    config_errors_done(&errors);
    if (r < 0)
        return r;
    ret->document = json_incref(document->root);
    ret->is_text = true;
    md5_hex(text, ret->hash);
    return 0;
}

static int read_object(struct admin_call *call, struct posted *ret)
{
    char *text = json_dumps(call->content, JSON_COMPACT | JSON_SORT_KEYS);

    if (!text)
        return -ENOMEM;
    md5_hex(slice_of(text), ret->hash);
    free(text);
    ret->document = json_incref(call->content);
    return 0;
}

static int read_posted(struct admin_call *call, struct posted *ret)
{
    const json_t *text = json_object_get(call->content, "config");

    if (is_yaml(call->request))
        return read_text(call, call->request->content, ret);
    if (json_object_get(call->content, "_format_version"))
        return read_object(call, ret);
    if (json_is_string(text))
        return read_text(call, (struct slice){ json_string_value(text), json_string_length(text) },
                         ret);
    return kong_error_plain(&call->error, 400, "expected a declarative configuration");
}

/* --- mistakes ------------------------------------------------------------------------------ */

static bool is_wanted(const struct admin_call *call, const char *name)
{
    static const char *const words[] = { "1", "true", "on", "yes" };
    const char *value = admin_query(call, name);

    for (size_t i = 0; value && i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasecmp(value, words[i]) == 0)
            return true;
    return false;
}

static int refuse(struct admin_call *call, const struct flattened *flattened)
{
    json_t *list = NULL, *answer,
           *tree = flattened_errors(flattened, is_wanted(call, "flatten_errors") ? &list : NULL);

    if (!tree)
        return -ENOMEM;
    (void)kong_error_declarative(&call->error, tree);
    if (!list)
        return -EINVAL;
    answer = kong_error_json(&call->error);
    if (!answer || json_object_set(answer, "flattened_errors", list) < 0) {
        json_decref(answer);
        answer = NULL;
    }
    json_decref(list);
    return admin_answer_json(call, call->error.status, answer);
}

/* What is right for Kong, and this hop cannot run. */
static int refuse_unrunnable(struct admin_call *call, const struct config_errors *errors)
{
    json_t *list = json_array(), *fields;

    for (size_t i = 0; list && i < errors->count; i++) {
        const struct config_error *error = &errors->items[i];
        const char *path = error->place.path ? error->place.path : "";
        if (error->severity == CONFIG_ERROR &&
            json_array_append_new(
                list, json_sprintf("%s%s%s", path, *path ? ": " : "", error->message)) < 0) {
            json_decref(list);
            return -ENOMEM;
        }
    }
    fields = list ? json_pack("{s:o}", "@entity", list) : NULL;
    return fields ? kong_error_declarative(&call->error, fields) : -ENOMEM;
}

static int check_runs(struct admin_call *call, json_t *entities)
{
    SCOPED(config) config = NULL;
    struct config_errors errors;
    json_t *document = json_copy(entities);
    int r;

    if (!document || json_object_set_new(document, "_format_version", json_string("3.0")) < 0) {
        json_decref(document);
        return -ENOMEM;
    }
    config_errors_init(&errors);
    r = config_load_entities(document, NULL, &config, &errors);
    if (r == -EINVAL)
        r = refuse_unrunnable(call, &errors);
    config_errors_done(&errors);
    json_decref(document);
    return r;
}

/* --- POST ---------------------------------------------------------------------------------- */

static int replace(struct admin_call *call, const struct flattened *flattened, const char *hash)
{
    json_t *entities = flattened_entities(flattened);
    int r = entities ? check_runs(call, entities) : -ENOMEM;

    if (r == 0 && flattened_any(entities) &&
        json_object_set_new(entities, "_hash", json_string(hash)) < 0)
        r = -ENOMEM;
    if (r == 0)
        r = dao_replace_all(call->admin->dao, entities);
    json_decref(entities);
    if (r == -EBUSY)
        return kong_error_plain(&call->error, 429, "Currently loading previous configuration");
    return r < 0 ? r : admin_answer_json(call, 201, flattened_by_id(flattened));
}

static int post(struct admin_call *call, struct posted *posted)
{
    SCOPED(flattened) flattened = NULL;
    struct timespec now;
    int r = read_posted(call, posted);

    if (r < 0)
        return r;
    if (posted->is_text && is_wanted(call, "check_hash") &&
        strcmp(posted->hash, dao_hash(call->admin->dao)) == 0)
        return admin_answer_nothing(call, 304);
    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
    r = flatten_document(dao_model(call->admin->dao), posted->document,
                         (double)now.tv_sec + (double)now.tv_nsec / 1e9, &flattened);
    if (r == -EINVAL)
        return refuse(call, flattened);
    return r < 0 ? r : replace(call, flattened, posted->hash);
}

int admin_config_post(struct admin_call *call)
{
    struct posted posted = { 0 };
    int r;

    if (call->admin->host->has_database)
        return needs_no_database(call);
    r = post(call, &posted);
    json_decref(posted.document);
    return r;
}
