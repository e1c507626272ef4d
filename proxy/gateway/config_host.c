#include "proxy/gateway/config_host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/settings_json.h"
#include "core/log.h"
#include "proxy/gateway/gateway_priv.h"
#include "proxy/report/status_api.h"

/* What is asked for, and what comes back. */
struct ask {
    struct gateway *gateway;
    const char *path; /* of the status API */
    struct status_answer status;
    json_t *json;
    struct gateway_upstream upstream;
    const char *set;
    const char *level;
    int r;
};

/* ---- settings, node, figures --------------------------------------------------------------- */

static void take_settings(void *argument)
{
    struct ask *ask = argument;

    ask->json = settings_json(gateway_newest(ask->gateway)->settings);
}

static json_t *configuration(void *context)
{
    struct ask ask = { .gateway = context };

    return main_calls_ask(&ask.gateway->main_calls, take_settings, &ask) ? ask.json : NULL;
}

/* What does not change while the hop runs. Kong's workers are processes, ours are threads of one. */
static json_t *node(void *context)
{
    const struct gateway *gateway = context;
    int pid = (int)getpid();

    return json_pack("{s:s, s:s, s:{s:i, s:[i]}}", "hostname", gateway->hop.host_name, "node_id",
                     gateway->node_id, "pids", "master", pid, "workers", pid);
}

static void take_status(void *argument)
{
    struct ask *ask = argument;

    ask->r = gateway_status_answer(ask->gateway, ask->path, &ask->status);
}

static char *ask_status(struct gateway *gateway, const char *path)
{
    struct ask ask = { .gateway = gateway, .path = path };

    return main_calls_ask(&gateway->main_calls, take_status, &ask) && ask.r == 0
               ? ask.status.content
               : NULL;
}

/* Kong's, and what it has no word for while there is something to tell. */
static json_t *database(struct gateway *gateway)
{
    struct config_store_state state = config_store_state(&gateway->config);
    json_t *database = json_pack("{s:b}", "reachable", state.problem[0] == '\0');

    if (state.problem[0])
        (void)json_object_set_new(database, "problem", json_string(state.problem)); /* or not */
    if (state.lags_since_unix_s > 0)
        (void)json_object_set_new(database, "not_in_force_since",
                                  json_integer((json_int_t)state.lags_since_unix_s));
    return database;
}

static json_t *status(void *context)
{
    struct gateway *gateway = context;
    char *text = ask_status(gateway, "/status");
    json_t *answer = text ? json_loads(text, 0, NULL) : NULL;

    free(text);
    if (answer && gateway->config.store) {
        (void)json_object_del(answer, "configuration_hash"); /* Kong: of declarative files */
        (void)json_object_set_new(answer, "database", database(gateway));
    }
    return answer;
}

static char *metrics(void *context)
{
    return ask_status(context, "/metrics");
}

static const char *not_ready(void *context)
{
    const struct gateway *gateway = context;

    return atomic_load(&gateway->hop.draining) ? "shutting down" : NULL;
}

/* ---- health of targets --------------------------------------------------------------------- */

static void take_health(void *argument)
{
    struct ask *ask = argument;

    ask->json = gateway_upstream_health(ask->gateway, &ask->upstream);
}

static json_t *upstream_health(void *context, const json_t *upstream, const json_t *targets,
                               bool of_balancer)
{
    struct ask ask = { .gateway = context,
                       .upstream = {
                           .upstream = upstream, .targets = targets, .of_balancer = of_balancer } };

    return main_calls_ask(&ask.gateway->main_calls, take_health, &ask) ? ask.json : NULL;
}

static void set_health(void *argument)
{
    struct ask *ask = argument;

    ask->r = gateway_set_target_health(ask->gateway, &ask->upstream);
}

static int set_target_health(void *context, const json_t *upstream, const json_t *target,
                             const char *address, bool healthy)
{
    struct ask ask = { .gateway = context,
                       .upstream = { .upstream = upstream,
                                     .target = target,
                                     .address = address,
                                     .is_healthy = healthy } };

    return main_calls_ask(&ask.gateway->main_calls, set_health, &ask) ? ask.r : -ENOENT;
}

/* ---- the log ------------------------------------------------------------------------------- */

/* The least one that is written. */
static enum log_level present_level(void)
{
    enum log_level level = LOG_LEVEL_DEBUG;

    while (level < LOG_LEVEL_CRIT && !log_level_is_on(level))
        level++;
    return level;
}

static void change_level(void *argument)
{
    struct ask *ask = argument;
    enum log_level level = ask->set ? log_level_of(ask->set) : LOG_LEVEL_COUNT;

    if (ask->set && level == LOG_LEVEL_COUNT)
        ask->r = -EINVAL;
    else if (ask->set)
        log_set_error_file(ask->gateway->hop.error_log, level);
    ask->level = log_level_name(present_level());
}

static int log_level(void *context, const char *set, const char **ret_name)
{
    struct ask ask = { .gateway = context, .set = set };

    if (!main_calls_ask(&ask.gateway->main_calls, change_level, &ask))
        return -ECANCELED;
    *ret_name = ask.level;
    return ask.r;
}

/* -------------------------------------------------------------------------------------------- */

struct admin_host config_host(struct gateway *gateway, bool has_database)
{
    return (struct admin_host){ .context = gateway,
                                .configuration = configuration,
                                .node = node,
                                .status = status,
                                .metrics = metrics,
                                .not_ready = not_ready,
                                .upstream_health = upstream_health,
                                .set_target_health = set_target_health,
                                .log_level = log_level,
                                .has_database = has_database };
}
