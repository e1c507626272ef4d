#include "proxy/gateway.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "config/settings.h"
#include "core/addr.h"
#include "core/listener.h"
#include "core/log.h"
#include "proxy/access_log.h"
#include "proxy/hop.h"
#include "proxy/persona_settings.h"
#include "proxy/prefix.h"
#include "proxy/router.h"
#include "proxy/server_tls.h"
#include "proxy/service_notify.h"
#include "proxy/service_plan.h"
#include "proxy/worker.h"

enum { TIMER_TICK_MS = 8, WORKERS_MAX = 1024 };

/* Everything that gateway_run builds, in the order in which it is built. */
struct gateway {
    const struct settings *settings;
    const struct config *config;
    struct config_errors *errors;
    struct prefix prefix;
    struct hop hop;
    struct tls_server_config *tls;
    struct worker *workers;
    unsigned workers_started;
    _Atomic bool workers_ended;
    char error[640];
};

/* ---- logs ---------------------------------------------------------------------------------- */

static struct log_file *open_log(struct gateway *gateway, const char *name)
{
    char *path = prefix_path(&gateway->prefix, name);
    char reason[256] = "out of memory";
    struct log_file *file = path ? log_open(path, reason, sizeof(reason)) : NULL;

    if (!file)
        snprintf(gateway->error, sizeof(gateway->error), "%s", reason);
    free(path);
    return file;
}

static bool open_logs(struct gateway *gateway)
{
    const struct settings *settings = gateway->settings;
    struct hop *hop = &gateway->hop;
    const char *format = settings_is_set(settings, "hopgate_access_log_format")
                             ? settings->hopgate_access_log_format
                             : hop->persona->log.access_format;
    enum log_level level = settings_is_set(settings, "log_level")
                               ? log_level_of(settings->log_level)
                               : hop->persona->log.error_level;

    if (log_start(0) < 0) {
        snprintf(gateway->error, sizeof(gateway->error), "cannot start the log thread");
        return false;
    }
    hop->access_log_format = access_log_find(format);
    if (!hop->access_log_format) {
        snprintf(gateway->error, sizeof(gateway->error),
                 "hopgate_access_log_format: \"%s\" is none of %s", format,
                 access_log_format_names());
        return false;
    }
    hop->error_log = open_log(gateway, settings->proxy_error_log);
    hop->access_log = hop->error_log ? open_log(gateway, settings->proxy_access_log) : NULL;
    if (!hop->access_log)
        return false;
    /* alert and emerg are above what is ever written */
    log_set_error_file(hop->error_log, level == LOG_LEVEL_COUNT ? LOG_LEVEL_CRIT : level);
    return true;
}

/* ---- configuration ------------------------------------------------------------------------- */

static struct persona *load_persona(const struct settings *settings, struct config_errors *errors)
{
    struct persona *persona = persona_load(settings->hopgate_persona, errors);
    struct persona_strings lab;

    if (!persona)
        return NULL;
    lab = persona_lab_words(persona);
    for (size_t i = 0; i < lab.count; i++) {
        if (settings->hopgate_lab)
            config_errors_add(errors, CONFIG_WARNING, settings_place(settings, "hopgate_persona"),
                              "persona %s uses the lab leniency %.*s: never in production",
                              persona->name, SLICE_ARG(lab.items[i]));
        else
            config_errors_add(errors, CONFIG_ERROR, settings_place(settings, "hopgate_persona"),
                              "persona %s uses the lab leniency %.*s, which needs hopgate_lab = on",
                              persona->name, SLICE_ARG(lab.items[i]));
    }
    persona_apply_settings(persona, settings);
    return persona;
}

static bool needs_tls(const struct settings *settings)
{
    for (size_t i = 0; i < settings->proxy_listen.count; i++)
        if (settings->proxy_listen.items[i].ssl)
            return true;
    return false;
}

void gateway_check(const struct settings *settings, const struct config *config,
                   struct config_errors *errors)
{
    SCOPED(persona) persona = load_persona(settings, errors);

    (void)persona; /* only what was found out about it matters */
    server_tls_check(settings, config, errors);
}

static bool load_configuration(struct gateway *gateway)
{
    const struct settings *settings = gateway->settings;
    struct hop *hop = &gateway->hop;

    hop->settings = settings;
    hop->config = gateway->config;
    hop->tick_ms = TIMER_TICK_MS;
    hop->drain_timeout_ms = settings->hopgate_shutdown_timeout_ms;
    hop->upstream_bind = settings->hopgate_upstream_bind;
    hop->real_ip = (struct real_ip_settings){ .field_name = slice_of(settings->real_ip_header),
                                              .recursive = settings->real_ip_recursive,
                                              .trusted = &settings->trusted_ips };
    hop->persona = load_persona(settings, gateway->errors);
    hop->ticket_keys = tls_ticket_keys_create();
    if (!hop->persona || !hop->ticket_keys)
        return false;
    hop->name = slice_of(settings->hopgate_name ? settings->hopgate_name : hop->persona->name);
    if (needs_tls(settings))
        gateway->tls =
            server_tls_create(settings, gateway->config, hop->ticket_keys, gateway->errors);
    return gateway->errors->errors_count == 0;
}

/* lua_ssl_trusted_certificate: all items as one text; "system" and nothing mean the system's. */
static char *trusted_pem(struct gateway *gateway)
{
    const struct config_strings *items = &gateway->settings->lua_ssl_trusted_certificate;
    char *text = NULL;
    size_t size = 0;
    FILE *stream;

    if (items->count == 0 || strcmp(items->items[0], "system") == 0)
        return NULL;
    stream = open_memstream(&text, &size);
    for (size_t i = 0; stream && i < items->count; i++) {
        char *pem = NULL;

        if (settings_read_pem(gateway->settings, "lua_ssl_trusted_certificate", items->items[i],
                              &pem, gateway->errors) == 0)
            (void)fprintf(stream, "%s\n", pem);
        free(pem);
    }
    if (stream)
        (void)fclose(stream); /* a short text fails to parse, and that is reported */
    return text;
}

static bool compile(struct gateway *gateway)
{
    struct hop *hop = &gateway->hop;
    char *trusted = trusted_pem(gateway);

    hop->router = router_create(gateway->config);
    if (!hop->router)
        snprintf(gateway->error, sizeof(gateway->error), "out of memory");
    else
        hop->services =
            service_plans_create(gateway->config, trusted, gateway->error, sizeof(gateway->error));
    free(trusted);
    return hop->services != NULL;
}

/* ---- listeners ----------------------------------------------------------------------------- */

static uint16_t advertised_port(const struct settings *settings, uint16_t port)
{
    for (size_t i = 0; i < settings->port_maps.count; i++)
        if (settings->port_maps.items[i].internal == port)
            return settings->port_maps.items[i].external;
    return port;
}

static bool open_listener(struct gateway *gateway, const struct listen *listen,
                          struct virtual_server *virtual_server)
{
    const struct listener_options options = { .backlog =
                                                  listen->backlog < 0 ? 511 : listen->backlog,
                                              .ipv6_only = listen->ipv6only != 0 };
    unsigned count = gateway->hop.workers_count;
    char text[ADDR_TEXT_MAX];
    int r;

    virtual_server->address = listen->address;
    virtual_server->persona = gateway->hop.persona;
    virtual_server->tls = listen->ssl ? tls_server_config_ref(gateway->tls) : NULL;
    virtual_server->fds = malloc(count * sizeof(*virtual_server->fds));
    if (!virtual_server->fds) {
        snprintf(gateway->error, sizeof(gateway->error), "out of memory");
        return false;
    }
    for (unsigned i = 0; i < count; i++)
        virtual_server->fds[i] = -1;
    r = listener_bind(&virtual_server->address, &options, virtual_server->fds, count);
    if (r < 0) {
        addr_format(&listen->address, text, sizeof(text));
        snprintf(gateway->error, sizeof(gateway->error), "proxy_listen: cannot listen on %s: %s%s",
                 text, strerror(-r),
                 r == -EADDRINUSE ? "; another process has this address: stop it or choose another"
                 : r == -EACCES   ? "; ports below 1024 need CAP_NET_BIND_SERVICE"
                                  : "");
        return false;
    }
    virtual_server->port = advertised_port(gateway->settings, addr_port(&virtual_server->address));
    return true;
}

static bool open_listeners(struct gateway *gateway)
{
    const struct listens *listens = &gateway->settings->proxy_listen;
    struct hop *hop = &gateway->hop;

    hop->virtual_servers = calloc(listens->count + 1, sizeof(*hop->virtual_servers));
    if (!hop->virtual_servers) {
        snprintf(gateway->error, sizeof(gateway->error), "out of memory");
        return false;
    }
    for (size_t i = 0; i < listens->count; i++) {
        hop->virtual_servers_count = i + 1;
        if (!open_listener(gateway, &listens->items[i], &hop->virtual_servers[i]))
            return false;
    }
    return true;
}

/* ---- workers ------------------------------------------------------------------------------- */

static unsigned count_workers(const struct settings *settings)
{
    cpu_set_t allowed;
    unsigned count = settings->worker_processes;

    if (count == 0 && sched_getaffinity(0, sizeof(allowed), &allowed) == 0)
        count = (unsigned)CPU_COUNT(&allowed);
    if (count == 0)
        count = 1;
    return count < WORKERS_MAX ? count : WORKERS_MAX;
}

/* The limit is sampled when an accept is armed, so it has to be raised before. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        log_error(LOG_LEVEL_WARN, "cannot raise the limit of open files to %llu: %s",
                  (unsigned long long)limit.rlim_max, strerror(errno));
}

static bool start_workers(struct gateway *gateway)
{
    struct hop *hop = &gateway->hop;

    gateway->workers = calloc(hop->workers_count, sizeof(*gateway->workers));
    if (!gateway->workers) {
        snprintf(gateway->error, sizeof(gateway->error), "out of memory");
        return false;
    }
    for (unsigned i = 0; i < hop->workers_count; i++) {
        if (worker_start(&gateway->workers[i], hop, i) < 0) {
            snprintf(gateway->error, sizeof(gateway->error), "%s", gateway->workers[i].error);
            return false;
        }
        gateway->workers_started++;
    }
    return true;
}

static void say_ready(const struct hop *hop)
{
    char line[2048], text[ADDR_TEXT_MAX];
    size_t length = 0;

    line[0] = '\0';
    for (size_t i = 0; i < hop->virtual_servers_count && length + 80 < sizeof(line); i++) {
        const struct virtual_server *virtual_server = &hop->virtual_servers[i];

        length += (size_t)snprintf(line + length, sizeof(line) - length, " %s://%s",
                                   virtual_server->tls ? "https" : "http",
                                   addr_format(&virtual_server->address, text, sizeof(text)));
    }
    (void)fprintf(stderr, "hopgate: ready%s\n", line);
    service_notify("READY=1");
}

/* ---- the run ------------------------------------------------------------------------------- */

static void stop_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGQUIT);
}

static bool is_stop_signal(int number)
{
    sigset_t stop;

    stop_signals(&stop);
    return sigismember(&stop, number) == 1;
}

/* Signals with a meaning for nginx or Kong (reload, reopen logs, upgrade). They have none here yet,
 * and must not end the process, as they do by default. */
static void all_signals(sigset_t *set)
{
    stop_signals(set);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGUSR1);
    sigaddset(set, SIGUSR2);
}

/* Returns when the workers were told to drain. */
static void serve(struct gateway *gateway)
{
    sigset_t signals;
    int number = 0;

    all_signals(&signals);
    while (sigwait(&signals, &number) != 0 || !is_stop_signal(number))
        if (number)
            log_error(LOG_LEVEL_NOTICE,
                      "signal %d (%s) received, ignored: a change needs a restart in this version",
                      number, strsignal(number));
    log_error(LOG_LEVEL_NOTICE, "signal %d (%s) received, draining", number, strsignal(number));
    service_notify("STOPPING=1");
    for (unsigned i = 0; i < gateway->workers_started; i++)
        worker_drain(&gateway->workers[i]);
}

/* A second signal while draining ends what is left: it is waited for beside the workers. */
static void *wait_for_second_signal(void *argument)
{
    struct gateway *gateway = argument;
    sigset_t signals;
    int number;

    stop_signals(&signals);
    if (sigwait(&signals, &number) == 0 && !atomic_load(&gateway->workers_ended))
        for (unsigned i = 0; i < gateway->workers_started; i++)
            worker_stop(&gateway->workers[i]);
    return NULL;
}

static void join_workers(struct gateway *gateway)
{
    for (unsigned i = 0; i < gateway->workers_started; i++)
        worker_join(&gateway->workers[i]);
}

static void join_workers_or_signal(struct gateway *gateway)
{
    pthread_t watcher;
    bool watching = pthread_create(&watcher, NULL, wait_for_second_signal, gateway) == 0;

    join_workers(gateway);
    atomic_store(&gateway->workers_ended, true);
    if (watching) {
        (void)pthread_kill(watcher,
                           SIGTERM); /* ends its wait; a thread that has ended needs none */
        pthread_join(watcher, NULL);
    }
    for (unsigned i = 0; i < gateway->workers_started; i++)
        worker_done(&gateway->workers[i]);
    gateway->workers_started = 0;
}

static void tear_down(struct gateway *gateway)
{
    struct hop *hop = &gateway->hop;

    for (unsigned i = 0; i < gateway->workers_started; i++)
        worker_stop(&gateway->workers[i]);
    join_workers(gateway);
    for (unsigned i = 0; i < gateway->workers_started; i++)
        worker_done(&gateway->workers[i]);
    free(gateway->workers);
    for (size_t i = 0; i < hop->virtual_servers_count; i++) {
        for (unsigned k = 0; hop->virtual_servers[i].fds && k < hop->workers_count; k++)
            if (hop->virtual_servers[i].fds[k] >= 0)
                (void)close(hop->virtual_servers[i].fds[k]);
        free(hop->virtual_servers[i].fds);
        tls_server_config_unref(hop->virtual_servers[i].tls);
    }
    free(hop->virtual_servers);
    service_plans_free(hop->services, gateway->config->services_count);
    router_free(hop->router);
    tls_server_config_unref(gateway->tls);
    tls_ticket_keys_free(hop->ticket_keys);
    log_stop();
    persona_free(hop->persona);
    prefix_done(&gateway->prefix);
}

static enum gateway_result run(struct gateway *gateway)
{
    if (!load_configuration(gateway))
        return gateway->errors->errors_count > 0 ? GATEWAY_BAD_CONFIG : GATEWAY_FAILED;
    config_errors_print(gateway->errors, stderr); /* warnings, before anything is served */
    if (prefix_open(&gateway->prefix, gateway->settings->prefix, gateway->error,
                    sizeof(gateway->error)) < 0 ||
        !open_logs(gateway))
        return GATEWAY_FAILED;
    raise_descriptor_limit();
    gateway->hop.workers_count = count_workers(gateway->settings);
    if (!compile(gateway) || !open_listeners(gateway) || !start_workers(gateway))
        return gateway->errors->errors_count > 0 ? GATEWAY_BAD_CONFIG : GATEWAY_FAILED;
    say_ready(&gateway->hop);
    serve(gateway);
    join_workers_or_signal(gateway);
    return GATEWAY_STOPPED;
}

enum gateway_result gateway_run(const struct settings *settings, const struct config *config,
                                struct config_errors *errors)
{
    struct gateway gateway = { .settings = settings,
                               .config = config,
                               .errors = errors,
                               .prefix = { .lock_fd = -1 },
                               .error = "out of memory" };
    enum gateway_result result;
    sigset_t signals;

    all_signals(&signals);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    result = run(&gateway);
    tear_down(&gateway);
    if (result == GATEWAY_FAILED)
        (void)fprintf(stderr, "hopgate: %s\n", gateway.error);
    return result;
}
