#include "proxy/gateway/gateway.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "config/log_target.h"
#include "core/addr.h"
#include "core/log.h"
#include "core/memory_budget.h"
#include "lb/resolver.h"
#include "lb/target_registry.h"
#include "lb/waiting_line.h"
#include "proxy/gateway/gateway_priv.h"
#include "proxy/gateway/request_debug_token.h"
#include "proxy/gateway/service_notify.h"
#include "proxy/gateway/watchdog.h"
#include "proxy/report/metrics.h"
#include "proxy/worker/connection_limits.h"
#include "proxy/worker/hop_question.h"
#include "proxy/worker/memory_relief.h"
#include "proxy/worker/worker.h"
#include "tls/server_sessions.h"
#include "tls/ticket_keys.h"

enum { TIMER_TICK_MS = 8, LAB_TICK_MS = 1, WORKERS_MAX = 1024 };

/* How long a start waits for the first answers to all names together. */
enum { FIRST_NAMES_WAIT_MS = 5000 };

/* ---- logs ---------------------------------------------------------------------------------- */

static struct log_file *open_log(struct gateway *gateway, struct slice name)
{
    char *copy = strndup(name.ptr, name.len);
    char *path = copy ? prefix_path(&gateway->prefix, copy) : NULL;
    char reason[256] = "out of memory";
    struct log_file *file = path ? log_open(path, reason, sizeof(reason)) : NULL;

    if (!file)
        snprintf(gateway->error, sizeof(gateway->error), "%s", reason);
    free(path);
    free(copy);
    return file;
}

/* Of a hop that has no Admin API nothing is to be seen. */
static bool open_admin_logs(struct gateway *gateway, const struct settings *settings)
{
    bool is_served = settings->admin_listen.count > 0;
    struct hop *hop = &gateway->hop;

    hop->admin_access_log = open_log(
        gateway, is_served ? log_target_of(settings->admin_access_log).path : SLICE("off"));
    if (hop->admin_access_log)
        hop->admin_audit_log = open_log(
            gateway, is_served ? slice_of(settings->hopgate_admin_audit_log) : SLICE("off"));
    return hop->admin_audit_log != NULL;
}

static bool open_logs(struct gateway *gateway, const struct snapshot *snapshot)
{
    const struct settings *settings = snapshot->settings;
    struct hop *hop = &gateway->hop;

    hop->error_log = open_log(gateway, slice_of(settings->proxy_error_log));
    if (hop->error_log)
        hop->access_log = open_log(gateway, log_target_of(settings->proxy_access_log).path);
    if (hop->access_log)
        hop->status_access_log = open_log(gateway, log_target_of(settings->status_access_log).path);
    if (!hop->status_access_log || !open_admin_logs(gateway, settings))
        return false;
    if (settings->hopgate_capture_log) {
        capture_log_init(&hop->capture_log,
                         open_log(gateway, slice_of(settings->hopgate_capture_log)));
        if (!hop->capture_log.file)
            return false;
    }
    gateway_set_error_level(gateway, snapshot);
    return true;
}

/* Until then lines are written at once: threads come after confinement_restrict only. */
static bool start_log_thread(struct gateway *gateway)
{
    if (log_start(0) == 0)
        return true;
    snprintf(gateway->error, sizeof(gateway->error), "cannot start the log thread");
    return false;
}

/* ---- stored content ------------------------------------------------------------------------ */

static bool open_spool(struct gateway *gateway, const struct snapshot *snapshot)
{
    char *path = prefix_path(&gateway->prefix, "spool");
    bool done = path && gateway_open_spool_area(gateway, path);

    gateway_set_spool_limit(gateway, snapshot);
    free(path);
    return done;
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

static bool start_workers(struct gateway *gateway, struct snapshot *snapshot)
{
    struct pinned_snapshot **pinned;
    unsigned count = gateway->hop.workers_count;
    bool done = true;

    gateway->workers = calloc(count, sizeof(*gateway->workers));
    if (!gateway->workers)
        return false;
    for (unsigned i = 0; i < count; i++)
        worker_init(&gateway->workers[i], &gateway->hop, i);
    pinned = gateway_pin_for_all(gateway, snapshot);
    if (!pinned)
        return false;
    for (unsigned i = 0; i < count; i++) {
        if (done && worker_start(&gateway->workers[i], &pinned[i]) < 0) {
            snprintf(gateway->error, sizeof(gateway->error), "%s", gateway->workers[i].error);
            done = false;
        }
        if (done)
            gateway->workers_started++;
        else if (pinned[i])
            pinned_snapshot_unpin(pinned[i]);
    }
    free(pinned);
    return done;
}

static void say_ready(const struct snapshot *snapshot)
{
    char line[2048], text[ADDR_TEXT_MAX];
    size_t length = 0;

    line[0] = '\0';
    for (size_t i = 0; i < snapshot->virtual_servers_count && length + 80 < sizeof(line); i++) {
        const struct virtual_server *virtual_server = &snapshot->virtual_servers[i];

        length += (size_t)snprintf(line + length, sizeof(line) - length, " %s%s://%s",
                                   virtual_server->kind == VIRTUAL_SERVER_STATUS  ? "status="
                                   : virtual_server->kind == VIRTUAL_SERVER_ADMIN ? "admin="
                                                                                  : "",
                                   virtual_server->kind == VIRTUAL_SERVER_TCP           ? "tcp"
                                   : virtual_server->kind == VIRTUAL_SERVER_PASSTHROUGH ? "tls"
                                   : virtual_server->tls                                ? "https"
                                                                                        : "http",
                                   addr_format(&virtual_server->address, text, sizeof(text)));
    }
    (void)fprintf(stderr, "hopgate: ready%s\n", line);
    service_notify("READY=1");
}

static void tear_down(struct gateway *gateway)
{
    struct hop *hop = &gateway->hop;

    for (unsigned i = 0; i < gateway->workers_started; i++)
        worker_stop(&gateway->workers[i]);
    for (unsigned i = 0; i < gateway->workers_started; i++)
        worker_join(&gateway->workers[i]);
    watchdog_free(gateway->watchdog);
    gateway_stop_config_thread(gateway); /* it answers workers */
    config_publish_forget(gateway);
    for (unsigned i = 0; gateway->workers && i < hop->workers_count; i++)
        worker_done(&gateway->workers[i]);
    free(gateway->workers);
    gateway_stop_monitors(gateway);
    hop_questions_drop(&hop->questions);
    mailbox_done(&hop->questions);
    hop_questions_drop(&hop->admin_questions);
    mailbox_done(&hop->admin_questions);
    config_store_close(&gateway->config);
    json_decref(gateway->entities);
    json_decref(atomic_exchange(&gateway->declared, NULL));
    while (gateway->snapshots) {
        struct snapshot *snapshot = gateway->snapshots;

        gateway->snapshots = snapshot->older;
        snapshot_free(snapshot);
    }
    tls_upkeep_stop(gateway->upkeep);
    certificate_watch_done(&gateway->certificates);
    metrics_free(hop->metrics);
    connection_limits_free(hop->connection_limits);
    memory_budget_free(hop->memory);
    asked_names_drop(&gateway->asked_names, hop->resolver, UINT64_MAX);
    resolver_free(hop->resolver);
    service_load_registry_free(hop->service_loads);
    target_registry_free(hop->targets);
    waiting_lines_free(hop->waiting_lines);
    spool_area_done(&hop->spool);
    tls_ticket_keys_free(hop->ticket_keys);
    tls_server_sessions_free(hop->tls_sessions);
    self_signed_done(&hop->self_signed);
    upgrade_free(gateway->upgrade);
    former_free(gateway->former);
    log_stop();
    control_close(gateway->control);
    prefix_done(&gateway->prefix);
    confinement_done(&gateway->confinement);
    if (hop->doorbell >= 0)
        (void)close(hop->doorbell);
    main_calls_done(&gateway->main_calls);
    config_errors_done(&gateway->errors);
}

/* ---- the run ------------------------------------------------------------------------------- */

/* A random UUID (RFC 9562 5.4). */
static void make_node_id(char ret[37])
{
    unsigned char b[16] = { 0 };

    (void)getrandom(b, sizeof(b), 0); /* else it is a constant: only a label depends on it */
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    (void)snprintf(ret, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                   b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
                   b[13], b[14], b[15]);
}

static bool make_hop(struct gateway *gateway)
{
    struct hop *hop = &gateway->hop;

    make_node_id(gateway->node_id);
    main_calls_init(&gateway->main_calls, hop);
    (void)gethostname(hop->host_name, sizeof(hop->host_name) - 1); /* else it has none */
    hop->ticket_keys = tls_ticket_keys_create();
    hop->targets = target_registry_create();
    hop->service_loads = service_load_registry_create();
    hop->resolver = resolver_create();
    hop->connection_limits = connection_limits_create();
    if (hop->targets)
        gateway_watch_health(gateway);
    hop->doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (hop->ticket_keys)
        gateway_take_ticket_keys(gateway);
    if (hop->doorbell < 0 || mailbox_init(&hop->questions) < 0 ||
        mailbox_init(&hop->admin_questions) < 0)
        snprintf(gateway->error, sizeof(gateway->error), "eventfd: %s", strerror(errno));
    else
        (void)fcntl(hop->questions.doorbell, F_SETFL, O_NONBLOCK); /* see live_without_poll */
    return hop->ticket_keys && hop->targets && hop->service_loads && hop->resolver &&
           hop->connection_limits && hop->doorbell >= 0 && hop->questions.doorbell >= 0 &&
           hop->admin_questions.doorbell >= 0;
}

/* From here on the process has the rights that it will have while it runs. */
static enum gateway_result confine(struct gateway *gateway, const struct snapshot *snapshot)
{
    const struct settings *settings = snapshot->settings;

    gateway_load_ticket_keys(gateway, snapshot);
    if (!confinement_drop(&gateway->confinement, settings, &gateway->errors, gateway->error,
                          sizeof(gateway->error)))
        return gateway->errors.errors_count > 0 ? GATEWAY_BAD_CONFIG : GATEWAY_FAILED;
    if (!gateway_open_prefix(gateway, settings->prefix) || !open_logs(gateway, snapshot) ||
        !confinement_restrict(&gateway->confinement, settings, &gateway->prefix, gateway->error,
                              sizeof(gateway->error)) ||
        !start_log_thread(gateway))
        return GATEWAY_FAILED;
    confinement_tell(&gateway->confinement);
    return GATEWAY_STOPPED;
}

static bool start_watchdog(struct gateway *gateway)
{
    uint64_t usec = watchdog_wanted_usec();

    if (usec > 0)
        gateway->watchdog = watchdog_create(gateway->workers, gateway->workers_started, usec);
    return usec == 0 || gateway->watchdog;
}

static bool is_of(const struct config_error *error, const char *file)
{
    return file && error->place.file && strcmp(error->place.file, file) == 0;
}

/* What only the second reading of the same files has found. */
static void keep_errors_of(struct config_errors *errors, const char *source, const char *extras)
{
    struct config_errors kept;

    config_errors_init(&kept);
    for (size_t i = 0; i < errors->count; i++) {
        const struct config_error *error = &errors->items[i];

        if (error->severity == CONFIG_ERROR || is_of(error, source) || is_of(error, extras))
            config_errors_add(&kept, error->severity, error->place, "%s", error->message);
    }
    config_errors_done(errors);
    *errors = kept;
}

/* With database = sqlite the first configuration was one without entities: those that the store has
 * come into it now, when its file may be made and no other process has this prefix. */
static bool take_entities(struct gateway *gateway, struct snapshot **snapshot)
{
    const char *extras = config_extras_file((*snapshot)->settings->extras);
    struct publication publication = { .gateway = gateway };
    struct snapshot *empty;
    struct settings *settings;
    bool done;

    if (!config_store_open(&gateway->config, &gateway->prefix, (*snapshot)->settings,
                           &gateway->errors))
        return false;
    if (!gateway->config.store)
        return true;
    done = config_store_publication(&gateway->config, 0, &publication) == 0;
    gateway->config.in_force = publication.version;
    config_errors_take(&gateway->errors, &publication.errors);
    if (done) {
        gateway->entities = TAKE(publication.entities);
        empty = *snapshot;
        settings = settings_share(empty->settings);
        *snapshot = snapshot_load_entities(&settings, &publication.config, &gateway->hop, empty,
                                           &gateway->errors);
        if (*snapshot)
            (*snapshot)->generation = gateway->generation;
        snapshot_free(empty);
    }
    config_store_publication_done(&publication);
    keep_errors_of(&gateway->errors, config_store_name(&gateway->config), extras);
    return done && *snapshot;
}

/* The first configuration is read and checked; nothing outside was touched yet. */
static enum gateway_result start_hop(struct gateway *gateway, struct snapshot **first)
{
    enum gateway_result result = confine(gateway, *first);
    struct snapshot *snapshot;

    if (result != GATEWAY_STOPPED)
        return result;
    if (!take_entities(gateway, first))
        return GATEWAY_BAD_CONFIG;
    snapshot = *first;
    if (!open_spool(gateway, snapshot))
        return GATEWAY_FAILED;
    raise_descriptor_limit();
    gateway->hop.tick_ms = snapshot->settings->hopgate_time_scale > 1 ? LAB_TICK_MS : TIMER_TICK_MS;
    gateway->hop.workers_count = count_workers(snapshot->settings);
    gateway->hop.accepts_later = gateway->former != NULL;
    atomic_store(&gateway->hop.has_former, gateway->former != NULL);
    gateway->hop.metrics = metrics_create(gateway->hop.workers_count);
    gateway->hop.memory = memory_budget_create(gateway->hop.workers_count);
    gateway->hop.waiting_lines = waiting_lines_create(gateway->hop.workers_count);
    if (!gateway->hop.metrics || !gateway->hop.memory || !gateway->hop.waiting_lines)
        return GATEWAY_FAILED;
    target_registry_set_lines(gateway->hop.targets, gateway->hop.waiting_lines);
    memory_budget_on_level(gateway->hop.memory, memory_relief_on_level, &gateway->hop);
    if (!gateway_configure_names(gateway, snapshot) ||
        !gateway_compile(gateway, snapshot, FIRST_NAMES_WAIT_MS))
        return GATEWAY_BAD_CONFIG;
    gateway_tend_tls(gateway, snapshot);
    memory_budget_set_limit(gateway->hop.memory, snapshot->memory_limit_bytes);
    gateway->control = control_open(gateway->prefix.path, gateway_answer, gateway, gateway->error,
                                    sizeof(gateway->error));
    return gateway->control && gateway_listen(gateway, snapshot) &&
                   gateway_prepare_monitors(gateway, snapshot) &&
                   start_workers(gateway, snapshot) && start_watchdog(gateway)
               ? GATEWAY_STOPPED
               : GATEWAY_FAILED;
}

static enum gateway_result start(struct gateway *gateway)
{
    enum gateway_result result;
    struct snapshot *snapshot;

    if (!make_hop(gateway))
        return GATEWAY_FAILED;
    snapshot = gateway_load(gateway);
    if (!snapshot)
        return gateway->errors.errors_count > 0 ? GATEWAY_BAD_CONFIG : GATEWAY_FAILED;
    config_errors_print(&gateway->errors, stderr); /* warnings, before anything is served */
    config_errors_done(&gateway->errors);
    config_errors_init(&gateway->errors);
    result = start_hop(gateway, &snapshot);
    if (result == GATEWAY_STOPPED) {
        config_errors_print(&gateway->errors, stderr); /* warnings again: of what was found now */
        request_debug_token_tell(&gateway->prefix, snapshot->request_debug_token);
    }
    if (snapshot)
        gateway_put_in_front(gateway, &snapshot); /* also for tear_down */
    return result;
}

enum gateway_result gateway_run(const struct config_source *source)
{
    struct gateway gateway = { .source = source,
                               .prefix = { .lock_fd = -1 },
                               .started_at_unix_s = (uint64_t)time(NULL),
                               .hop = { .doorbell = -1,
                                        .questions.doorbell = -1,
                                        .admin_questions.doorbell = -1,
                                        .ending_fd = gateway_open_ending_fd() },
                               .error = "out of memory" };
    enum gateway_result result;
    sigset_t signals;
    int signals_fd;

    config_errors_init(&gateway.errors);
    confinement_watch(&gateway.confinement);
    gateway_block_signals(&signals);
    signals_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    result = signals_fd < 0 || !former_meet(&gateway.former, gateway.error, sizeof(gateway.error))
                 ? GATEWAY_FAILED
                 : start(&gateway);
    if (result == GATEWAY_STOPPED &&
        (!gateway_begin_to_serve(&gateway, signals_fd) ||
         !gateway_start_config_thread(&gateway, gateway_newest(&gateway))))
        result = GATEWAY_FAILED;
    if (result == GATEWAY_STOPPED) {
        gateway_watch_certificates(&gateway);
        gateway_switch_monitors(&gateway);
        say_ready(gateway_newest(&gateway));
        gateway_tell_former(&gateway);
        gateway_serve(&gateway, signals_fd);
    }
    if (result != GATEWAY_STOPPED)
        config_errors_print(&gateway.errors, stderr);
    if (result == GATEWAY_FAILED && gateway.errors.errors_count == 0)
        (void)fprintf(stderr, "hopgate: %s\n", gateway.error);
    tear_down(&gateway);
    if (signals_fd >= 0)
        (void)close(signals_fd);
    if (gateway.hop.ending_fd >= 0)
        (void)close(gateway.hop.ending_fd);
    return result;
}
