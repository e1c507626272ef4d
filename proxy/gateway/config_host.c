#include "proxy/gateway/config_host.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/settings_json.h"
#include "core/log.h"
#include "proxy/gateway/gateway_priv.h"
#include "proxy/report/status_api.h"

enum { NAMES_LOOK_MS = 10, NAMES_WAIT_MS = 500 };

/* What is asked for, and what comes back. */
struct ask {
    struct gateway *gateway;
    const char *path; /* of the status API */
    struct status_answer status;
    json_t *json;
    struct gateway_upstream upstream;
    const char *set;
    uint64_t for_ms;
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

/* Names that only this request asks for get a moment to be answered. */
static json_t *upstream_health(void *context, const json_t *upstream, const json_t *targets,
                               bool of_balancer)
{
    struct ask ask = { .gateway = context,
                       .upstream = {
                           .upstream = upstream, .targets = targets, .of_balancer = of_balancer } };

    for (int waited_ms = 0;; waited_ms += NAMES_LOOK_MS) {
        if (!main_calls_ask(&ask.gateway->main_calls, take_health, &ask))
            return NULL;
        if (!ask.upstream.is_unanswered || waited_ms >= NAMES_WAIT_MS)
            return ask.json;
        json_decref(TAKE(ask.json));
        (void)poll(NULL, 0, NAMES_LOOK_MS); /* a signal only makes it shorter */
    }
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

    if (ask->set) /* alert and emerg are above what is ever written */
        gateway_change_error_level(ask->gateway, level == LOG_LEVEL_COUNT ? LOG_LEVEL_CRIT : level,
                                   ask->for_ms);
    ask->level = log_level_name(present_level());
}

static int log_level(void *context, const char *set, uint64_t for_ms, const char **ret_name)
{
    struct ask ask = { .gateway = context, .set = set, .for_ms = for_ms };

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
