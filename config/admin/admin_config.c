/* /config: a declarative configuration as a whole, without a database (kong/api/routes/config.lua). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "config/admin/admin_priv.h"
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

/* What is no declarative configuration by its names is one as a text, if it is one at all. */
static int read_posted(struct admin_call *call, struct posted *ret)
{
    const json_t *text = json_object_get(call->content, "config");

    if (json_object_get(call->content, "_format_version"))
        return read_object(call, ret);
    if (json_is_string(text))
        return read_text(call, (struct slice){ json_string_value(text), json_string_length(text) },
                         ret);
    if (!text && call->request->content.len > 0)
        return read_text(call, call->request->content, ret);
    return kong_error_plain(&call->error, 400, "expected a declarative configuration");
}

/* --- options ------------------------------------------------------------------------------- */

/* Which are taken out of the content, and else of the query. */
struct options {
    bool flattens_errors, checks_hash;
};

static bool is_truthy(const json_t *value)
{
    static const char *const words[] = { "1", "true", "on", "yes" };
    const char *text = json_string_value(value);

    for (size_t i = 0; text && i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    return json_is_true(value) || json_number_value(value) == 1;
}

static bool is_one(const json_t *value)
{
    return json_is_string(value) ? strcmp(json_string_value(value), "1") == 0
                                 : json_number_value(value) == 1;
}

static bool take_option(struct admin_call *call, const char *name, bool (*is_set)(const json_t *))
{
    const json_t *value = json_object_get(call->content, name);
    bool set = is_set(value ? value : json_object_get(call->query, name));

    (void)json_object_del(call->content, name); /* or it was not there */
    return set;
}

/* --- mistakes ------------------------------------------------------------------------------ */

static int refuse(struct admin_call *call, const struct flattened *flattened, bool flattens)
{
    json_t *list = NULL, *answer, *tree = flattened_errors(flattened, flattens ? &list : NULL);

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

/* --- POST ---------------------------------------------------------------------------------- */

enum { DEFAULTS_MAX_BYTES = 8 * 1024 }; /* more than any entity has in JSON that was not written */

/* As JSON nothing of what was written takes more than six times its bytes. */
static uint64_t bytes_at_most(const json_t *entities)
{
    uint64_t bytes = (uint64_t)12 * DOCUMENT_BYTES_MAX;
    const char *kind;
    json_t *list;

    json_object_foreach((json_t *)entities, kind, list)
    {
        bytes += json_array_size(list) * DEFAULTS_MAX_BYTES;
    }
    return bytes;
}

/* Kong's database is a file of that size. */
static bool fits(const struct admin_call *call, const json_t *entities)
{
    uint64_t max = call->admin->config_max_bytes, bytes = 0;
    const char *kind;
    json_t *list, *entity;
    size_t i;

    if (max == 0 || bytes_at_most(entities) <= max)
        return true;
    json_object_foreach((json_t *)entities, kind, list)
    {
        json_array_foreach(list, i, entity)
        {
            bytes += json_dumpb(entity, NULL, 0, JSON_COMPACT);
            if (bytes > max)
                return false;
        }
    }
    return true;
}

static int answer_busy(struct admin_call *call)
{
    int r = admin_add_field(call, "Retry-After", strdup("10")); /* Kong's highest, and usual one */

    return r < 0 ? r : admin_answer_message(call, 429, "Currently loading previous configuration");
}

/* What this hop cannot run is found when it is made ready to be in force. */
static int replace(struct admin_call *call, const struct flattened *flattened, const char *hash)
{
    json_t *entities = flattened_entities(flattened);
    int r = entities ? 0 : -ENOMEM;

    if (r == 0 && !fits(call, entities))
        r = kong_error_plain(&call->error, 413,
                             "Configuration does not fit in LMDB database, consider raising the "
                             "\"lmdb_map_size\" config for Kong");
    if (r == 0 && flattened_any(entities) &&
        json_object_set_new(entities, "_hash", json_string(hash)) < 0)
        r = -ENOMEM;
    if (r == 0)
        r = dao_replace_all(call->admin->dao, entities);
    json_decref(entities);
    if (r == -EBUSY)
        return answer_busy(call);
    if (r < 0)
        return r;
    call->answer->is_whole = true;
    return admin_answer_json(call, 201, flattened_by_id(flattened));
}

static int post(struct admin_call *call, struct posted *posted)
{
    SCOPED(flattened) flattened = NULL;
    const struct options options = {
        .flattens_errors = take_option(call, "flatten_errors", is_truthy),
        .checks_hash = take_option(call, "check_hash", is_one),
    };
    struct timespec now;
    int r = read_posted(call, posted);

    if (r < 0)
        return r;
    if (posted->is_text && options.checks_hash &&
        strcmp(posted->hash, dao_hash(call->admin->dao)) == 0)
        return admin_answer_nothing(call, 304);
    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
    r = flatten_document(dao_model(call->admin->dao), posted->document,
                         (double)now.tv_sec + (double)now.tv_nsec / 1e9, &flattened);
    if (r == -EINVAL)
        return refuse(call, flattened, options.flattens_errors);
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
