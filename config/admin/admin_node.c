/* What the node tells of itself (kong/api/routes/kong.lua, health.lua, tags.lua, cache.lua, debug.lua). */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config/admin/admin_priv.h"
#include "core/utf8.h"

enum { LOG_LEVEL_S_MAX = 366 * 24 * 3600 };

#define KONG_VERSION "3.9.3"                 /* what clients that look at it are to expect */
#define LUA_VERSION  "LuaJIT 2.1.0-20231117" /* the one of that version */

/* --- / ------------------------------------------------------------------------------------- */

static json_t *available_plugins(const struct model *model)
{
    json_t *plugins = json_object();

    for (size_t i = 0; plugins && i < model_plugins_count(model); i++) {
        const struct model_plugin *plugin = model_plugin_at(model, i);
        json_t *about =
            json_pack("{ss,si}", "version", plugin->version, "priority", plugin->priority);
        if (json_object_set_new(plugins, plugin->name, about) < 0) {
            json_decref(plugins);
            return NULL;
        }
    }
    return plugins;
}

/* The names of those that some entity is, each once. */
static json_t *used_plugins(const struct admin_call *call)
{
    struct dao *dao = call->admin->dao;

    return dao_distinct(dao, model_entity(dao_model(dao), "plugins"), "name");
}

int admin_root(struct admin_call *call)
{
    const struct admin_host *host = call->admin->host;
    json_t *root = host->node(host->context);
    json_t *own =
        json_pack("{ss,ss,ss,ss,s{si,si},s{so,so},so}", "tagline", "Welcome to kong", "version",
                  KONG_VERSION, "edition", "community", "lua_version", LUA_VERSION, "timers",
                  "running", 0, "pending", 0, "plugins", "available_on_server",
                  available_plugins(dao_model(call->admin->dao)), "enabled_in_cluster",
                  used_plugins(call), "configuration", host->configuration(host->context));
    int r = root && own ? json_object_update_missing(root, own) : -1;

    json_decref(own);
    if (r == 0)
        return admin_answer_json(call, 200, root);
    json_decref(root);
    return -ENOMEM;
}

/* --- /status ------------------------------------------------------------------------------- */

struct unit {
    double bytes;
    const char *name; /* NULL: numbers */
    int scale;
};

static bool read_unit(const char *text, struct unit *ret)
{
    static const struct {
        char letter;
        double bytes;
        const char *name;
    } units[] = { { 'b', 1, NULL },
                  { 'k', 1024, "KiB" },
                  { 'm', 1024 * 1024, "MiB" },
                  { 'g', 1024 * 1024 * 1024, "GiB" } };

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strlen(text) == 1 && (text[0] | 0x20) == units[i].letter) {
            ret->bytes = units[i].bytes;
            ret->name = units[i].name;
            return true;
        }
    return false;
}

/* Every number below is bytes, except pid. */
static int format_memory(json_t *memory, const struct unit *unit)
{
    json_t *value;
    const char *key;
    size_t i;
    int r = 0;

    json_array_foreach(memory, i, value) r |= format_memory(value, unit);
    json_object_foreach(memory, key, value)
    {
        if (json_is_object(value) || json_is_array(value))
            r |= format_memory(value, unit);
        else if (unit->name && json_is_number(value) && strcmp(key, "pid") != 0)
            r |= json_object_set_new(memory, key,
                                     json_sprintf("%.*f %s", unit->scale,
                                                  json_number_value(value) / unit->bytes,
                                                  unit->name));
    }
    return r;
}

int admin_status(struct admin_call *call)
{
    const struct admin_host *host = call->admin->host;
    const char *word = admin_query(call, "unit"), *scale = admin_query(call, "scale");
    struct unit unit = { 1024 * 1024, "MiB", 2 };
    json_t *status;

    if (word && !read_unit(word, &unit))
        return admin_answer_message(call, 400,
                                    "invalid unit '%s' (expected 'k/K', 'm/M', or 'g/G')", word);
    if (scale && strlen(scale) == 1 && *scale >= '0' && *scale <= '9')
        unit.scale = *scale - '0';
    status = host->status(host->context);
    if (status && format_memory(json_object_get(status, "memory"), &unit) != 0) {
        json_decref(status);
        status = NULL;
    }
    return admin_answer_json(call, 200, status);
}

int admin_ready(struct admin_call *call)
{
    const struct admin_host *host = call->admin->host;
    const char *why_not = host->not_ready(host->context);

    return why_not ? admin_answer_message(call, 503, "%s", why_not)
                   : admin_answer_message(call, 200, "ready");
}

int admin_dns_status(struct admin_call *call)
{
    return admin_answer_message(call, 501, "not implemented with the legacy DNS client");
}

/* --- tags ---------------------------------------------------------------------------------- */

static int answer_tags(struct admin_call *call, const char *tag)
{
    json_t *tags = dao_tags(call->admin->dao, tag);

    return admin_answer_json(call, 200, tags ? json_pack("{so,sn}", "data", tags, "next") : NULL);
}

int admin_tags(struct admin_call *call)
{
    return answer_tags(call, NULL);
}

int admin_tag(struct admin_call *call)
{
    const char *tag = call->segments[1];
    char message[CHECK_MESSAGE_MAX];

    if (!utf8_is_valid(slice_of(tag)) || check_tag(tag, message) < 0)
        return kong_error_invalid_unique(
            &call->error, "tag",
            utf8_is_valid(slice_of(tag)) ? message : "must not have invalid UTF-8");
    return answer_tags(call, tag);
}

int admin_tags_unsupported(struct admin_call *call)
{
    static const char *const words[] = { [ADMIN_POST] = "insert",
                                         [ADMIN_PUT] = "upsert",
                                         [ADMIN_PATCH] = "update",
                                         [ADMIN_DELETE] = "delete" };
    json_t *why = json_sprintf("does not support %s operations", words[call->method]);
    json_t *fields = why ? json_pack("{so}", "tags", why) : NULL;

    return fields ? kong_error_schema_violation(&call->error, fields) : -ENOMEM;
}

/* --- the rest ------------------------------------------------------------------------------ */

int admin_endpoints(struct admin_call *call)
{
    return admin_answer_json(call, 200, admin_endpoints_json(dao_model(call->admin->dao)));
}

int admin_robots(struct admin_call *call)
{
    return admin_answer_text(call, 200, "text/plain", strdup("User-agent: *\nDisallow: /"));
}

int admin_metrics(struct admin_call *call)
{
    const struct admin_host *host = call->admin->host;

    return admin_answer_text(call, 200, "text/plain; charset=UTF-8", host->metrics(host->context));
}

/* Nothing is cached: whatever is configured is in force. */
int admin_cache_get(struct admin_call *call)
{
    return admin_not_found(call);
}

int admin_cache_delete(struct admin_call *call)
{
    return admin_answer_nothing(call, 204);
}

int admin_needs_control_plane(struct admin_call *call)
{
    return admin_answer_message(call, 400,
                                "this endpoint is only available when Kong is configured to run as "
                                "Control Plane for the cluster");
}

int admin_needs_wasm(struct admin_call *call)
{
    return admin_answer_message(call, 400, "this endpoint is only available when wasm is enabled");
}

int admin_log_level(struct admin_call *call)
{
    const struct admin_host *host = call->admin->host;
    const char *name = "";

    (void)host->log_level(host->context, NULL, 0, &name); /* else the hop ends: it has none */
    return admin_answer_message(call, 200, "log level: %s", name);
}

/* kong/constants.lua LOG_LEVELS */
static bool is_level(const char *text)
{
    static const char *const names[] = { "debug", "info", "notice", "warn",
                                         "error", "crit", "alert",  "emerg" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(text, names[i]) == 0)
            return true;
    return false;
}

/* Of query or content, in seconds; a minute where none is said, or what is no number. */
static double timeout_of(const struct admin_call *call)
{
    const json_t *value = json_object_get(call->content, "timeout");
    const char *text = value ? json_string_value(value) : admin_query(call, "timeout");
    double number = json_is_number(value) ? json_number_value(value) : 60;
    char *end;

    if (text && *text) {
        number = strtod(text, &end);
        if (*end || isnan(number))
            number = 60;
    }
    return ceil(number);
}

/* kong/api/routes/debug.lua handle_put_log_level. Of 0 seconds nothing is seen. */
int admin_set_log_level(struct admin_call *call)
{
    const struct admin_host *host = call->admin->host;
    const char *wanted = call->segments[3], *name = "";
    double timeout_s = timeout_of(call);

    if (!host->has_database)
        return admin_answer_message(call, 405, "cannot change log level when not using a database");
    if (!is_level(wanted))
        return admin_answer_message(call, 400, "unknown log level: %s", wanted);
    if (timeout_s < 0)
        return admin_answer_message(call, 400, "timeout must be greater than or equal to 0");
    (void)host->log_level(host->context, NULL, 0, &name);
    if (strcmp(name, wanted) == 0)
        return admin_answer_message(call, 200, "log level is already %s", wanted);
    if (timeout_s > 0)
        (void)host->log_level(host->context, wanted,
                              timeout_s < LOG_LEVEL_S_MAX ? (uint64_t)(timeout_s * 1000)
                                                          : LOG_LEVEL_S_MAX * 1000ull,
                              &name);
    return admin_answer_message(call, 200, "log level changed");
}

/* --- timers -------------------------------------------------------------------------------- */

/* kong/api/routes/kong.lua: those of lua-resty-timer-ng, of which there are none here. */
int admin_timers(struct admin_call *call)
{
    return admin_answer_json(call, 200,
                             json_pack("{s:{si,si},s:{s:{si,si,si,si,si},s:{},s:{ss,ss,ss}}}",
                                       "worker", "id", 0, "count", 1, "stats", "sys", "total", 0,
                                       "runs", 0, "running", 0, "pending", 0, "waiting", 0,
                                       "timers", "flamegraph", "running", "", "pending", "",
                                       "elapsed_time", ""));
}
